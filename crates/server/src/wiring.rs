//! Joining the adapters to the application by what the settings say.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use doorward_app::{Ctx, Links, Policy, grant::GrantCache, revocation::RevocationList};
use doorward_domain::{
    Origin, PasswordPolicy, ProofLives,
    ports::{EmailService, Entropy, Store},
    refresh::RefreshPolicy,
};
use doorward_infra_crypto::{
    Argon2Hasher, HashParameters, HasherSettings, HmacAuditSealer, KeptAnswerSealer, SystemClock,
    SystemEntropy, TokenService, TokenSettings,
};
use doorward_infra_mail::{MailboxMailer, SmtpMailer, UnconfiguredMailer};
use doorward_infra_postgres::{PostgresSettings, PostgresStore};
use doorward_infra_sqlite::{SqlitePath, SqliteSettings, SqliteStore, Workload};
use secrecy::SecretString;

use crate::{
    secret,
    settings::{self, DatabaseUrl, MailLinks, Settings, Transport},
};

/// The database that the settings name. Nothing outside of this file asks which kind it is.
#[derive(Clone)]
pub enum Database {
    Postgres(Arc<PostgresStore>),
    Sqlite(Arc<SqliteStore>),
}

impl Database {
    /// Opens the database for what it shall do. PostgreSQL need not be reachable yet; a SQLite file is made when missing.
    ///
    /// # Errors
    /// When the file cannot be opened or made, or the URL cannot be read.
    pub async fn open(settings: &settings::Database, workload: Workload) -> Result<Self> {
        let (path, url) = match &settings.url {
            DatabaseUrl::SqliteMemory => (SqlitePath::Memory, "in memory".into()),
            DatabaseUrl::SqliteFile(path) => {
                (SqlitePath::File(path.clone()), path.to_string_lossy())
            }
            DatabaseUrl::Postgres(url) => return Self::connect(url, settings).await,
        };
        let store = SqliteStore::open(SqliteSettings {
            path,
            max_connections: settings.max_connections,
            acquire_timeout: settings.acquire_timeout,
            busy_timeout: settings.statement_timeout,
            workload,
        });
        let store = store.await.with_context(|| format!("cannot open the database {url}"))?;
        Ok(Self::Sqlite(Arc::new(store)))
    }

    async fn connect(url: &SecretString, settings: &settings::Database) -> Result<Self> {
        let store = PostgresStore::connect(PostgresSettings {
            url: url.clone(),
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
        ensure!(
            pending.is_empty(),
            "the database lacks {}: run `doorward migrate` first, or set database.migrate_on_start",
            pending.join(", ")
        );
        Ok(())
    }

    /// Gives all connections back. A SQLite file is tidied up.
    pub async fn close(&self) {
        match self {
            Self::Postgres(store) => store.close().await,
            Self::Sqlite(store) => store.close().await,
        }
    }
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
    let secret = secret::of(settings, entropy.as_ref())?;
    let sealer = HmacAuditSealer::new(&secret, &settings.auth.previous_secrets)?;
    let answers = KeptAnswerSealer::new(&secret, &settings.auth.previous_secrets)?;
    let signer = TokenService::new(TokenSettings {
        secret,
        previous_secrets: settings.auth.previous_secrets.clone(),
        issuer: settings.auth.issuer.clone(),
        audience: settings.auth.audience.clone(),
    })?;
    Ok(Ctx {
        store: database.store(),
        clock: Arc::new(SystemClock),
        entropy,
        hasher: Arc::new(hasher),
        signer: Arc::new(signer),
        revocations: Arc::new(RevocationList::default()),
        grants: Arc::new(GrantCache::default()),
        sealer: Arc::new(sealer),
        answers: Arc::new(answers),
        links: Arc::new(links(settings)),
        mailer: mailer(&settings.mail, database.store())?,
        policy,
        origin: Origin::default(),
    })
}

fn links(settings: &Settings) -> Links {
    let MailLinks {
        verify_email_path,
        reset_password_path,
        confirm_email_change_path,
        cancel_email_change_path,
    } = &settings.mail_links;
    let page = |path: &str| format!("{}{path}", settings.server.public_url);
    Links {
        verify_email: page(verify_email_path),
        reset_password: page(reset_password_path),
        confirm_email_change: page(confirm_email_change_path),
        cancel_email_change: page(cancel_email_change_path),
    }
}

fn mailer(mail: &settings::Mail, store: Arc<dyn Store>) -> Result<Arc<dyn EmailService>> {
    let templates = Arc::clone(&mail.templates);
    Ok(match &mail.transport {
        Transport::Smtp(settings) => Arc::new(SmtpMailer::new(settings.clone(), templates)?),
        Transport::Mailbox => Arc::new(MailboxMailer::new(store, Arc::new(SystemClock), templates)),
        Transport::None => Arc::new(UnconfiguredMailer),
    })
}

fn policy(settings: &Settings) -> Result<Policy> {
    let auth = &settings.auth;
    Ok(Policy {
        password: PasswordPolicy { min_length: settings.password.min_length },
        conceal_existing: settings.sign_up.conceal_existing,
        require_verified_email: auth.require_verified_email,
        proofs: ProofLives {
            verification: auth.verification.try_into()?,
            password_reset: auth.password_reset.try_into()?,
            email_change: time::Duration::HOUR,
            email_change_cancel: time::Duration::DAY,
        },
        refresh: RefreshPolicy {
            idle_ttl: auth.refresh_idle_ttl.try_into()?,
            absolute_ttl: auth.refresh_absolute_ttl.try_into()?,
            grace: auth.refresh_grace.try_into()?,
        },
        access_ttl: auth.access_token_ttl.try_into()?,
        signing_algorithm: auth.signing_algorithm,
        public_keys_max_age: auth.public_keys_max_age.try_into()?,
        key_rotation: auth.key_rotation.map(TryInto::try_into).transpose()?,
        lockout_max: auth.lockout_max.try_into()?,
        audit_retention: settings.audit.retention.map(TryInto::try_into).transpose()?,
    })
}
