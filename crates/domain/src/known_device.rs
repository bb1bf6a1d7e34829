//! Devices on which somebody signed in before.

use time::Duration;

use crate::{DeviceId, Timestamp, UserId};

/// How long after its last sign-in a device is known.
const LIFE: Duration = Duration::days(365);

/// What a device token says. It opens nothing: whoever holds one still needs the password. It only keeps
/// apart, for the [lockout](crate::guess), the person who signed in here before from strangers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownDevice {
    pub user_id: UserId,
    pub id: DeviceId,
    /// The last sign-in, in whole seconds.
    pub signed_in_at: Timestamp,
}

impl KnownDevice {
    /// Whether the device is still known at `now`.
    #[must_use]
    pub fn is_known(&self, now: Timestamp) -> bool {
        now < self.signed_in_at + LIFE
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_device_is_forgotten_a_year_after_its_last_sign_in() {
        let signed_in_at = datetime!(2026-01-01 00:00:00 UTC);
        let (user_id, id) = (UserId::from_uuid(Uuid::nil()), DeviceId::from_uuid(Uuid::nil()));
        let device = KnownDevice { user_id, id, signed_in_at };
        assert!(device.is_known(datetime!(2026-12-31 23:59:59 UTC)));
        assert!(!device.is_known(datetime!(2027-01-01 00:00:00 UTC)));
    }
}
