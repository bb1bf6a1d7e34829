//! The first administrator.

use doorward_domain::{AuditParty, DisplayName, Email, Password, RoleName, User};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    Ctx,
    account::{self, Register, RegisterError},
};

/// Letters and digits that are not taken for one another; 32 of them, so that five bits choose one.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

/// The first administrator, with the password that is shown once.
#[derive(Debug)]
pub struct FirstAdmin {
    pub user: User,
    pub password: SecretString,
}

/// Makes an administrator with a chosen address and password, at the console.
///
/// # Errors
/// As signing up.
pub async fn create_admin(ctx: &Ctx, command: Register) -> Result<User, RegisterError> {
    create(ctx, command, AuditParty::console()).await
}

async fn create(ctx: &Ctx, command: Register, maker: AuditParty) -> Result<User, RegisterError> {
    let roles = vec![RoleName::admin(), RoleName::user()];
    account::create(ctx, command, roles, maker).await
}

/// Makes an administrator with a random password if there is no user at all. Of several instances
/// that start at once, one does.
///
/// # Errors
/// As signing up, but for a taken address: then another instance was faster, and there is nothing to
/// show.
pub async fn first_admin(
    ctx: &Ctx,
    email: Email,
    name: DisplayName,
) -> Result<Option<FirstAdmin>, RegisterError> {
    if ctx.store.user_exists().await? {
        return Ok(None);
    }
    let password = random_password(ctx);
    let command = Register { email, password: Password::parse(password.expose_secret())?, name };
    match create(ctx, command, AuditParty::system()).await {
        Ok(user) => Ok(Some(FirstAdmin { user, password })),
        Err(RegisterError::EmailTaken) => Ok(None),
        Err(error) => Err(error),
    }
}

/// At least 100 random bits as groups of four characters: five, or as many as the policy asks for.
fn random_password(ctx: &Ctx) -> SecretString {
    let groups = (ctx.policy.password.min_length + 1).div_ceil(5).max(5);
    let mut octets = vec![0_u8; groups * 4];
    ctx.entropy.fill(&mut octets);
    let characters: Vec<char> =
        octets.iter().map(|octet| char::from(ALPHABET[usize::from(octet % 32)])).collect();
    let groups: Vec<String> = characters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-").into()
}
