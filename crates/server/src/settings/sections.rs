//! The typed settings, section by section, and the rules that a single value or two of them together must keep.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
    time::Duration,
};

use doorward_domain::SigningAlgorithm;
use ipnet::IpNet;
use secrecy::SecretString;
use tracing_subscriber::filter::{LevelFilter, Targets};
use url::{Url, form_urlencoded};

use super::{
    Environment,
    fault::Objection,
    reader::{self, Reader, Refused},
};

/// How and for whom the server listens.
#[derive(Debug, Clone)]
pub struct Server {
    pub host: IpAddr,
    /// 0 takes any free port.
    pub port: u16,
    /// The absolute URL by which people reach the service, without a trailing slash.
    pub public_url: String,
    /// The address of the operators' listener, if there is to be one.
    pub admin_addr: Option<SocketAddr>,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The time until a response begins.
    pub request_timeout: Duration,
    /// The time that a shutdown gives to requests in flight.
    pub shutdown_grace: Duration,
    /// Connections served at once.
    pub max_connections: usize,
}

/// The database and its pool.
#[derive(Debug, Clone)]
pub struct Database {
    pub url: DatabaseUrl,
    pub max_connections: u32,
    /// At most `max_connections`.
    pub min_connections: u32,
    pub acquire_timeout: Duration,
    pub statement_timeout: Duration,
    pub migrate_on_start: bool,
}

/// Which database there is, and where.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// SQLite, gone when the process ends; development only.
    SqliteMemory,
    /// SQLite in this file; a relative path counts from the working folder.
    SqliteFile(PathBuf),
    /// `postgres://…` or `postgresql://…`; it may hold a password.
    Postgres(SecretString),
}

/// Sessions, tokens and password hashing.
#[derive(Debug, Clone)]
pub struct Auth {
    /// At least 32 bytes. `None` only in development: the server makes one and keeps it.
    pub secret: Option<SecretString>,
    /// Other secrets whose signing keys and refresh tokens are accepted.
    pub previous_secrets: Vec<SecretString>,
    pub issuer: String,
    pub audience: String,
    pub signing_algorithm: SigningAlgorithm,
    /// How long a key signs until the next one is made by itself, if ever.
    pub key_rotation: Option<Duration>,
    pub public_keys_max_age: Duration,
    pub access_token_ttl: Duration,
    pub refresh_idle_ttl: Duration,
    /// At least `refresh_idle_ttl`.
    pub refresh_absolute_ttl: Duration,
    pub refresh_grace: Duration,
    /// Whether nobody signs in whose address is not verified.
    pub require_verified_email: bool,
    pub verification: Duration,
    pub password_reset: Duration,
    /// The longest wait after wrong guesses.
    pub lockout_max: Duration,
    /// Passwords hashed at once.
    pub hash_concurrency: usize,
    /// Hashes that may wait for their turn.
    pub hash_queue: usize,
    pub hash_queue_timeout: Duration,
}

/// The rule for new passwords.
#[derive(Debug, Clone)]
pub struct Password {
    /// In characters after normalisation.
    pub min_length: usize,
}

/// What people who sign up are told.
#[derive(Debug, Clone)]
pub struct SignUp {
    /// Whether nobody learns that there is an account with the address already.
    pub conceal_existing: bool,
}

/// The worker.
#[derive(Debug, Clone)]
pub struct Jobs {
    /// Jobs done at once; 0 switches the worker off.
    pub concurrency: u32,
    pub lease: Duration,
}

/// The audit trail.
#[derive(Debug, Clone)]
pub struct Audit {
    /// How long it is kept, if not for ever.
    pub retention: Option<Duration>,
}

/// The pages to which the links in mails lead, under `server.public_url`.
#[derive(Debug, Clone)]
pub struct MailLinks {
    pub verify_email_path: String,
    pub reset_password_path: String,
    pub confirm_email_change_path: String,
    pub cancel_email_change_path: String,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Pretty,
    Json,
}

/// What is logged and how.
#[derive(Debug, Clone)]
pub struct Log {
    pub format: LogFormat,
    /// A filter that [`Targets`] was shown to accept.
    pub filter: String,
}

/// Cross-origin access from browsers.
#[derive(Debug, Clone)]
pub struct Cors {
    /// Origins as browsers serialise them (RFC 6454 §6.2).
    pub allowed_origins: Vec<String>,
}

/// What the first start does by itself.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// Whether an empty database gets an administrator.
    pub admin: bool,
}

/// Requests per minute and client address.
#[derive(Debug, Clone)]
pub struct RateLimit {
    pub enabled: bool,
    pub sign_up_per_minute: NonZeroU32,
    pub login_per_minute: NonZeroU32,
    pub refresh_per_minute: NonZeroU32,
    pub other_per_minute: NonZeroU32,
}

// Every function below reads all of its settings before it uses the first `?`: a fault must not hide the next one.

pub(super) fn server(reader: &mut Reader) -> Result<Server, Refused> {
    let host = reader.required("server.host", |text| {
        text.parse::<IpAddr>().map_err(|_| {
            Objection::new(
                format!("`{text}` is no IP address"),
                "give one, as 127.0.0.1, 0.0.0.0 or ::1",
            )
        })
    });
    let port = reader.number("server.port");
    let public_url = reader.optional("server.public_url", public_url);
    let admin_addr = reader.optional("server.admin_addr", |text| {
        text.parse::<SocketAddr>().map_err(|_| {
            Objection::new(
                format!("`{text}` is no address with a port"),
                "give an IP address and a port, as 127.0.0.1:3001",
            )
        })
    });
    let trusted_proxies = reader.each("server.trusted_proxies", |text| {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(|network| network.trunc()).map_err(|_| {
            Objection::new(
                format!("`{text}` is neither an IP address nor a network"),
                "give addresses as ::1 or networks as 10.0.0.0/8",
            )
        })
    });
    let request_timeout = reader.seconds("server.request_timeout_seconds");
    let shutdown_grace = reader.seconds("server.shutdown_grace_seconds");
    let max_connections = reader.number("server.max_connections");
    let (host, port) = (host?, port?);
    Ok(Server {
        host,
        port,
        public_url: public_url?.unwrap_or_else(|| listening_url(host, port)),
        admin_addr: admin_addr?,
        trusted_proxies: trusted_proxies?,
        request_timeout: request_timeout?,
        shutdown_grace: shutdown_grace?,
        max_connections: max_connections?,
    })
}

/// The URL of the listener itself. The unspecified address can be listened on but not called.
pub(super) fn listening_url(host: IpAddr, port: u16) -> String {
    if host.is_unspecified() {
        format!("http://localhost:{port}")
    } else {
        format!("http://{}", SocketAddr::new(host, port))
    }
}

fn public_url(text: &str) -> Result<String, Objection> {
    let remedy = "give an absolute URL, as https://accounts.example.org";
    let problem = match Url::parse(text) {
        Err(error) => format!("is no absolute URL: {error}"),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            "is neither http nor https".to_owned()
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "holds a user name or password".to_owned()
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            "has a query or a fragment".to_owned()
        }
        Ok(url) if url.port() == Some(0) => "has port 0, which nobody can call".to_owned(),
        Ok(url) => return Ok(url.as_str().trim_end_matches('/').to_owned()),
    };
    Err(Objection::new(problem, remedy))
}

pub(super) fn database(environment: Environment, reader: &mut Reader) -> Result<Database, Refused> {
    let url = reader.required("database.url", |text| database_url(environment, text));
    let max_connections = reader.number("database.max_connections");
    let min_connections = reader.number("database.min_connections");
    let acquire_timeout = reader.seconds("database.acquire_timeout_seconds");
    let statement_timeout = reader.seconds("database.statement_timeout_seconds");
    let migrate_on_start = reader.switch("database.migrate_on_start");
    let (min_connections, max_connections) = (min_connections?, max_connections?);
    if min_connections > max_connections {
        let problem =
            format!("{min_connections} is more than database.max_connections, {max_connections}");
        reader.refuse(
            "database.min_connections",
            Objection::new(problem, "lower it, or raise the other"),
        );
    }
    Ok(Database {
        url: url?,
        max_connections,
        min_connections,
        acquire_timeout: acquire_timeout?,
        statement_timeout: statement_timeout?,
        migrate_on_start: migrate_on_start?,
    })
}

/// Accepts the URLs that an adapter understands. Nothing of the URL is quoted, because it may hold a password.
fn database_url(environment: Environment, text: &str) -> Result<DatabaseUrl, Objection> {
    let accepted = "give sqlite://path or postgres://user:password@host/database";
    if let Some(file) = text.strip_prefix("sqlite:") {
        let (path, query) = file.split_once('?').unwrap_or((file, ""));
        let path = path.strip_prefix("//").unwrap_or(path);
        let in_memory = path == ":memory:"
            || form_urlencoded::parse(query.as_bytes())
                .any(|(name, value)| name == "mode" && value == "memory");
        let unknown = form_urlencoded::parse(query.as_bytes()).find(|(name, value)| {
            name != "mode" || !["memory", "rw", "rwc"].contains(&value.as_ref())
        });
        if let Some((name, value)) = unknown {
            return Err(Objection::new(
                format!("has a parameter that is not understood: {name}={value}"),
                "leave it out; only mode=rwc and mode=memory are known",
            ));
        }
        match (in_memory, environment) {
            (true, Environment::Production) => Err(Objection::new(
                "a database in memory forgets everybody when the server stops",
                "give a file or PostgreSQL in production",
            )),
            (true, Environment::Development) => Ok(DatabaseUrl::SqliteMemory),
            (false, _) if path.is_empty() => {
                Err(Objection::new("names no file", "give one, as sqlite://data/doorward.db"))
            }
            (false, _) => Ok(DatabaseUrl::SqliteFile(path.into())),
        }
    } else if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        match Url::parse(text) {
            Ok(_) => Ok(DatabaseUrl::Postgres(text.into())),
            Err(error) => Err(Objection::new(
                format!("is no URL: {error}"),
                "write special characters of user and password as %40 for @, %2F for /",
            )),
        }
    } else {
        Err(Objection::new("begins with no known kind of database", accepted))
    }
}

/// The issuer where nobody chose one. It does not hold the port, so that instances on several ports
/// accept each other's tokens.
const DEFAULT_ISSUER: &str = "doorward";

/// `public_url` is the one that was given, if any, and not one that was derived.
pub(super) fn auth(
    environment: Environment,
    public_url: Option<&str>,
    reader: &mut Reader,
) -> Result<Auth, Refused> {
    let secret = secret(environment, reader);
    let previous_secrets =
        reader.each("auth.previous_secrets", |text| hard_to_guess(environment, text));
    let issuer = reader.optional("auth.issuer", |text| Ok(text.to_owned()));
    let audience = reader.required("auth.audience", |text| Ok(text.to_owned()));
    let signing_algorithm = reader.choice(
        "auth.signing_algorithm",
        &[
            ("EdDSA", SigningAlgorithm::EdDsa),
            ("ES256", SigningAlgorithm::Es256),
            ("RS256", SigningAlgorithm::Rs256),
        ],
    );
    let key_rotation_days = reader.number::<u64>("auth.key_rotation_days");
    let public_keys_max_age = reader.seconds("auth.public_keys_max_age_seconds");
    let access_token_ttl = reader.seconds("auth.access_token_ttl_seconds");
    let refresh_idle_ttl = reader.seconds("auth.refresh_idle_ttl_seconds");
    let refresh_absolute_ttl = reader.seconds("auth.refresh_absolute_ttl_seconds");
    let refresh_grace = reader.seconds("auth.refresh_grace_seconds");
    let require_verified_email = reader.switch("auth.require_verified_email");
    let verification_hours = reader.number::<u64>("auth.verification_hours");
    let password_reset_minutes = reader.number::<u64>("auth.password_reset_minutes");
    let lockout_max = reader.seconds("auth.lockout_max_seconds");
    let hash_concurrency = reader
        .optional("auth.hash_concurrency", |text| reader::number("auth.hash_concurrency", text));
    let hash_queue = reader.number("auth.hash_queue");
    let hash_queue_timeout = reader.seconds("auth.hash_queue_timeout_seconds");
    let (idle, absolute) = (refresh_idle_ttl?, refresh_absolute_ttl?);
    if absolute < idle {
        let (idle, absolute) = (idle.as_secs(), absolute.as_secs());
        let problem = format!("{absolute} is less than auth.refresh_idle_ttl_seconds, {idle}");
        reader.refuse(
            "auth.refresh_absolute_ttl_seconds",
            Objection::new(problem, "raise it, or lower the other"),
        );
    }
    Ok(Auth {
        secret: secret?,
        previous_secrets: previous_secrets?,
        issuer: issuer?.unwrap_or_else(|| public_url.unwrap_or(DEFAULT_ISSUER).to_owned()),
        audience: audience?,
        signing_algorithm: signing_algorithm?,
        key_rotation: Some(key_rotation_days?)
            .filter(|days| *days > 0)
            .map(|days| Duration::from_hours(24 * days)),
        public_keys_max_age: public_keys_max_age?,
        access_token_ttl: access_token_ttl?,
        refresh_idle_ttl: idle,
        refresh_absolute_ttl: absolute,
        refresh_grace: refresh_grace?,
        require_verified_email: require_verified_email?,
        verification: Duration::from_hours(verification_hours?),
        password_reset: Duration::from_mins(password_reset_minutes?),
        lockout_max: lockout_max?,
        hash_concurrency: hash_concurrency?.unwrap_or_else(spare_processors),
        hash_queue: hash_queue?,
        hash_queue_timeout: hash_queue_timeout?,
    })
}

/// Hashing leaves one processor to the requests that need none.
fn spare_processors() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    processors.saturating_sub(1).max(1)
}

/// The secret, which only development can do without.
fn secret(environment: Environment, reader: &mut Reader) -> Result<Option<SecretString>, Refused> {
    let secret = reader.optional("auth.secret", |text| hard_to_guess(environment, text))?;
    // A file that could not be read was reported, and that the secret is missing follows from it.
    let missing = secret.is_none() && !reader.refused("auth.secret");
    if missing && environment == Environment::Production {
        let remedy = "set APP_AUTH_SECRET_FILE or APP_AUTH_SECRET to what `openssl rand -base64 48` prints, \
                      the same on all instances";
        let objection = Objection::new("production does not start without one", remedy);
        return Err(reader.refuse("auth.secret", objection));
    }
    Ok(secret)
}

/// Refuses what can be guessed. A short secret is refused in development as well, or it would fail on the day of the
/// release.
fn hard_to_guess(environment: Environment, text: &str) -> Result<SecretString, Objection> {
    const LEAST_BYTES: usize = 32;
    /// Random text of 32 characters has more, even in hexadecimal; a repeated word or digit has fewer.
    const LEAST_DISTINCT_BYTES: usize = 8;
    const PLACEHOLDERS: [&str; 8] = [
        "changeme",
        "change-me",
        "change_me",
        "change me",
        "placeholder",
        "replace",
        "example",
        "your",
    ];
    let remedy = "make one with `openssl rand -base64 48`";
    if text.len() < LEAST_BYTES {
        return Err(Objection::new(format!("is shorter than {LEAST_BYTES} bytes"), remedy));
    }
    let folded = text.to_lowercase();
    let distinct: HashSet<u8> = text.bytes().collect();
    let placeholder = PLACEHOLDERS.iter().any(|word| folded.contains(word))
        || distinct.len() < LEAST_DISTINCT_BYTES;
    if placeholder && environment == Environment::Production {
        return Err(Objection::new("is a placeholder that anybody can guess", remedy));
    }
    Ok(text.into())
}

pub(super) fn password(reader: &mut Reader) -> Result<Password, Refused> {
    let min_length = reader.number("password.min_length")?;
    Ok(Password { min_length })
}

pub(super) fn sign_up(reader: &mut Reader) -> Result<SignUp, Refused> {
    let conceal_existing = reader.switch("signup.conceal_existing")?;
    Ok(SignUp { conceal_existing })
}

pub(super) fn jobs(reader: &mut Reader) -> Result<Jobs, Refused> {
    let concurrency = reader.number("jobs.concurrency");
    let lease = reader.seconds("jobs.lease_seconds");
    Ok(Jobs { concurrency: concurrency?, lease: lease? })
}

pub(super) fn audit(reader: &mut Reader) -> Result<Audit, Refused> {
    let days = reader.number::<u64>("audit.retention_days")?;
    Ok(Audit { retention: (days > 0).then(|| Duration::from_hours(24 * days)) })
}

pub(super) fn mail_links(reader: &mut Reader) -> Result<MailLinks, Refused> {
    let verify_email_path = reader.required("mail.verify_email_path", page_path);
    let reset_password_path = reader.required("mail.reset_password_path", page_path);
    let confirm_email_change_path = reader.required("mail.confirm_email_change_path", page_path);
    let cancel_email_change_path = reader.required("mail.cancel_email_change_path", page_path);
    Ok(MailLinks {
        verify_email_path: verify_email_path?,
        reset_password_path: reset_password_path?,
        confirm_email_change_path: confirm_email_change_path?,
        cancel_email_change_path: cancel_email_change_path?,
    })
}

/// Accepts a path to which `?token=…` can be put.
fn page_path(text: &str) -> Result<String, Objection> {
    let is_path = text.starts_with('/')
        && !text.starts_with("//")
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'"' | b'<' | b'>'));
    if is_path {
        return Ok(text.to_owned());
    }
    let problem = format!("`{text}` is no path, or has a query");
    Err(Objection::new(problem, "give a path that begins with /, as /verify-email"))
}

pub(super) fn log(reader: &mut Reader) -> Result<Log, Refused> {
    let format =
        reader.choice("log.format", &[("pretty", LogFormat::Pretty), ("json", LogFormat::Json)]);
    let filter = reader.required("log.filter", log_filter);
    Ok(Log { format: format?, filter: filter? })
}

/// Accepts what the subscriber does, but for a bare module: a mistyped level would be taken for one, and
/// silence everything.
fn log_filter(text: &str) -> Result<String, Objection> {
    const REMEDY: &str = "give a level, or levels by module, as info,doorward_http=debug";
    text.parse::<Targets>()
        .map_err(|error| Objection::new(format!("`{text}` is no filter: {error}"), REMEDY))?;
    let is_level = |word: &str| word.parse::<LevelFilter>().is_ok();
    let bare = text.split(',').map(str::trim).find(|directive| {
        !directive.is_empty() && !directive.contains('=') && !is_level(directive)
    });
    match bare {
        Some(word) => Err(Objection::new(format!("`{word}` is no level"), REMEDY)),
        None => Ok(text.to_owned()),
    }
}

pub(super) fn cors(reader: &mut Reader) -> Result<Cors, Refused> {
    let allowed_origins = reader.each("cors.allowed_origins", origin)?;
    Ok(Cors { allowed_origins })
}

/// Accepts an origin only in the form in which browsers send it, because that is what it is compared with.
fn origin(text: &str) -> Result<String, Objection> {
    if text.contains('*') {
        return Err(Objection::new(
            format!("`{text}` would let any website act for the people who visit it"),
            "list each origin in full, as https://app.example.org",
        ));
    }
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
    match url.map(|url| url.origin().ascii_serialization()) {
        Some(origin) if origin == text => Ok(origin),
        Some(origin) => Err(Objection::new(
            format!("`{text}` is not what a browser sends"),
            format!("write `{origin}`"),
        )),
        None => Err(Objection::new(
            format!("`{text}` is no origin"),
            "give scheme://host or scheme://host:port, as https://app.example.org",
        )),
    }
}

pub(super) fn bootstrap(
    environment: Environment,
    reader: &mut Reader,
) -> Result<Bootstrap, Refused> {
    let admin = reader.switch("bootstrap.admin")?;
    if admin && environment == Environment::Production {
        reader.refuse(
            "bootstrap.admin",
            Objection::new(
                "would print an administrator's password into the logs of production",
                "set it to false and run `doorward admin create`",
            ),
        );
    }
    Ok(Bootstrap { admin })
}

pub(super) fn rate_limit(reader: &mut Reader) -> Result<RateLimit, Refused> {
    let enabled = reader.switch("rate_limit.enabled");
    let mut per_minute =
        |key| reader.number(key).and_then(|rate| NonZeroU32::new(rate).ok_or(Refused));
    let sign_up_per_minute = per_minute("rate_limit.sign_up_per_minute");
    let login_per_minute = per_minute("rate_limit.login_per_minute");
    let refresh_per_minute = per_minute("rate_limit.refresh_per_minute");
    let other_per_minute = per_minute("rate_limit.other_per_minute");
    Ok(RateLimit {
        enabled: enabled?,
        sign_up_per_minute: sign_up_per_minute?,
        login_per_minute: login_per_minute?,
        refresh_per_minute: refresh_per_minute?,
        other_per_minute: other_per_minute?,
    })
}
