//! The installation's secret.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use doorward_domain::ports::Entropy;
use secrecy::{ExposeSecret, SecretString};

use crate::settings::{DatabaseUrl, Settings};

const FILE_NAME: &str = "doorward.secret";

/// The secret that is set; in development, where it need not be, one that is made once and kept
/// beside the database. Production does not start without one, so it never comes to that there.
pub(crate) fn of(settings: &Settings, entropy: &dyn Entropy) -> Result<SecretString> {
    if let Some(secret) = &settings.auth.secret {
        return Ok(secret.clone());
    }
    match &settings.database.url {
        // What is signed or encrypted with it is gone with the database.
        DatabaseUrl::SqliteMemory => Ok(random(entropy)),
        DatabaseUrl::SqliteFile(database) => kept_at(&database.with_file_name(FILE_NAME), entropy),
        DatabaseUrl::Postgres(_) => kept_at(&Path::new("data").join(FILE_NAME), entropy),
    }
}

fn kept_at(path: &Path, entropy: &dyn Entropy) -> Result<SecretString> {
    let kept = read(path)
        .or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => make(path, entropy).and_then(|()| read(path)),
            _ => Err(error),
        })
        .with_context(|| format!("cannot keep auth.secret in {}", path.display()))?;
    ensure!(
        kept.expose_secret().len() >= 32,
        "{} is damaged: it must hold a secret of at least 32 characters",
        path.display()
    );
    Ok(kept)
}

fn read(path: &Path) -> io::Result<SecretString> {
    let text = SecretString::from(fs::read_to_string(path)?);
    Ok(text.expose_secret().trim_end().into())
}

/// Writes a new secret beside its place and links it there: of several processes one succeeds, and
/// nobody ever reads half a secret.
fn make(path: &Path, entropy: &dyn Entropy) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&draft)?;
    file.write_all(random(entropy).expose_secret().as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// 256 random bits in hexadecimal.
fn random(entropy: &dyn Entropy) -> SecretString {
    let mut octets = [0; 32];
    entropy.fill(&mut octets);
    let mut text = String::with_capacity(2 * octets.len());
    for octet in octets {
        // Writing to a string cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use doorward_infra_crypto::SystemEntropy;

    use super::*;

    #[test]
    fn a_secret_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data").join(FILE_NAME);
        let entropy = SystemEntropy::default();
        let made = kept_at(&path, &entropy).unwrap();
        let kept = kept_at(&path, &entropy).unwrap();
        assert_eq!(made.expose_secret(), kept.expose_secret());
        assert_eq!(made.expose_secret().len(), 64);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_secret_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, "short\n").unwrap();
        let error = kept_at(&path, &SystemEntropy::default()).unwrap_err();
        assert!(error.to_string().contains("is damaged"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "short\n");
    }
}
