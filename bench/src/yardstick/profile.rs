//! The JSON that yardsticks answer with: a small object of a given length.

use serde::Serialize;

/// What a profile holds, and text that makes it as long as the one of Doorward.
#[derive(Clone, Debug, Serialize)]
pub struct Profile {
    pub id: &'static str,
    pub email: &'static str,
    pub name: &'static str,
    pub email_verified: bool,
    pub created_at: &'static str,
    pub rest: String,
}

impl Profile {
    /// A profile whose JSON has so many bytes, or as few as there can be.
    pub fn of_length(bytes: usize) -> Self {
        let mut profile = Self {
            id: "019a9f3e-7c1b-7d4e-8f00-0123456789ab",
            email: "person-1@example.com",
            name: "Ada Lovelace",
            email_verified: true,
            created_at: "2026-11-20T12:00:00.123456Z",
            rest: String::new(),
        };
        let bare = serde_json::to_string(&profile).map_or(0, |json| json.len());
        profile.rest = "x".repeat(bytes.saturating_sub(bare));
        profile
    }
}

#[cfg(test)]
mod tests {
    use super::Profile;

    #[test]
    fn the_json_is_as_long_as_asked_for() {
        for bytes in [200, 333, 1000] {
            let json = serde_json::to_string(&Profile::of_length(bytes)).expect("it is JSON");
            assert_eq!(json.len(), bytes);
        }
    }
}
