//! Joining the adapters to the application by what the settings say.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use doorward_app::{Ctx, Policy, revocation::RevocationList};
use doorward_domain::{
    PasswordPolicy, SigningAlgorithm,
    ports::{Entropy, Store},
    refresh::RefreshPolicy,
};
use doorward_infra_crypto::{
    Argon2Hasher, HashParameters, HasherSettings, SystemClock, SystemEntropy, TokenService,
    TokenSettings,
};
use doorward_infra_postgres::{PostgresSettings, PostgresStore};
use doorward_infra_sqlite::{SqlitePath, SqliteSettings, SqliteStore};
use secrecy::ExposeSecret;

use crate::{
    commands::refuse_pending,
    secret,
    settings::{self, Settings},
};

/// The database that the settings name. Nothing outside of this file asks which kind it is.
#[derive(Clone)]
pub enum Database {
    Postgres(Arc<PostgresStore>),
    Sqlite(Arc<SqliteStore>),
}

impl Database {
    /// Opens the database. PostgreSQL need not be reachable yet; a SQLite file is made when missing.
    ///
    /// # Errors
    /// When the file cannot be opened or made, or the URL cannot be read.
    pub async fn open(settings: &settings::Database) -> Result<Self> {
        if let Some(path) = sqlite_path(settings.url.expose_secret()) {
            let store = SqliteStore::open(SqliteSettings {
                path,
                max_connections: settings.max_connections,
                acquire_timeout: settings.acquire_timeout,
            });
            return Ok(Self::Sqlite(Arc::new(store.await.context("cannot open the database")?)));
        }
        let store = PostgresStore::connect(PostgresSettings {
            url: settings.url.clone(),
            max_connections: settings.max_connections,
            min_connections: settings.min_connections,
            acquire_timeout: settings.acquire_timeout,
            statement_timeout: settings.statement_timeout,
        });
        Ok(Self::Postgres(Arc::new(store.await.context("cannot use database.url")?)))
    }

    /// The port that use cases write to.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Postgres(store) => Arc::clone(store) as _,
            Self::Sqlite(store) => Arc::clone(store) as _,
        }
    }

    /// Brings the tables up to date, and says which migrations that took.
    ///
    /// # Errors
    /// When the database cannot be reached, or a migration fails.
    pub async fn migrate(&self) -> Result<Vec<String>> {
        match self {
            Self::Postgres(store) => store.migrate().await.context("cannot migrate the database"),
            Self::Sqlite(store) => store.migrate().await.context("cannot migrate the database"),
        }
    }

    /// Brings the tables up to date if that is wanted, and otherwise makes sure that they are.
    ///
    /// # Errors
    /// As [`migrate`](Self::migrate), or when migrations are lacking.
    pub async fn prepare(&self, migrate: bool) -> Result<()> {
        if migrate {
            for name in self.migrate().await? {
                tracing::info!(name, "migration applied");
            }
            return Ok(());
        }
        let pending = match self {
            Self::Postgres(store) => store.pending().await.context("cannot read the migrations")?,
            Self::Sqlite(store) => store.pending().await.context("cannot read the migrations")?,
        };
        refuse_pending(&pending)
    }

    /// Gives all connections back. A SQLite file is tidied up.
    pub async fn close(&self) {
        match self {
            Self::Postgres(store) => store.close().await,
            Self::Sqlite(store) => store.close().await,
        }
    }
}

/// The file that a SQLite URL names; `None` for another kind of database.
pub(crate) fn sqlite_path(url: &str) -> Option<SqlitePath> {
    let rest = url.strip_prefix("sqlite:")?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = path.strip_prefix("//").unwrap_or(path);
    let in_memory = path == ":memory:"
        || form_urlencoded::parse(query.as_bytes())
            .any(|(name, value)| name == "mode" && value == "memory");
    Some(if in_memory { SqlitePath::Memory } else { SqlitePath::File(PathBuf::from(path)) })
}

/// Everything a use case needs, made of the real adapters.
///
/// # Errors
/// When the secret cannot be read or made, or the cryptographic library fails.
pub fn context(settings: &Settings, database: &Database) -> Result<Ctx> {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
    let hasher = Argon2Hasher::new(
        HasherSettings {
            concurrency: settings.auth.hash_concurrency,
            queue: settings.auth.hash_queue,
            queue_timeout: settings.auth.hash_queue_timeout,
            parameters: HashParameters::default(),
        },
        Arc::clone(&entropy),
    )?;
    let policy = policy(settings)?;
    let signer = TokenService::new(TokenSettings {
        secret: secret::of(settings, entropy.as_ref())?,
        issuer: settings.auth.issuer.clone(),
        audience: settings.auth.audience.clone(),
        algorithm: policy.signing_algorithm,
    })?;
    Ok(Ctx {
        store: database.store(),
        clock: Arc::new(SystemClock),
        entropy,
        hasher: Arc::new(hasher),
        signer: Arc::new(signer),
        revocations: Arc::new(RevocationList::default()),
        policy,
    })
}

fn policy(settings: &Settings) -> Result<Policy> {
    let auth = &settings.auth;
    Ok(Policy {
        password: PasswordPolicy { min_length: settings.password.min_length },
        refresh: RefreshPolicy {
            idle_ttl: auth.refresh_idle_ttl.try_into()?,
            absolute_ttl: auth.refresh_absolute_ttl.try_into()?,
            grace: auth.refresh_grace.try_into()?,
        },
        access_ttl: auth.access_token_ttl.try_into()?,
        signing_algorithm: match auth.signing_algorithm {
            settings::SigningAlgorithm::EdDsa => SigningAlgorithm::EdDsa,
            settings::SigningAlgorithm::Es256 => SigningAlgorithm::Es256,
            settings::SigningAlgorithm::Rs256 => SigningAlgorithm::Rs256,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_url_names_a_file_or_memory() {
        let file = |path: &str| Some(SqlitePath::File(PathBuf::from(path)));
        assert_eq!(sqlite_path("sqlite://data/doorward.db"), file("data/doorward.db"));
        assert_eq!(sqlite_path("sqlite:data/doorward.db?mode=rwc"), file("data/doorward.db"));
        assert_eq!(sqlite_path("sqlite:///var/lib/doorward.db"), file("/var/lib/doorward.db"));
        assert_eq!(sqlite_path("sqlite::memory:"), Some(SqlitePath::Memory));
        assert_eq!(sqlite_path("sqlite://x?mode=memory"), Some(SqlitePath::Memory));
        assert_eq!(sqlite_path("postgres://localhost/doorward"), None);
    }
}
