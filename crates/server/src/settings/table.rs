//! The table of every known setting. Names, validation, `config check` and the README's table derive from it.

use std::fmt::Write as _;

use super::{
    Environment,
    layer::{self, Layer},
};

/// The variable that chooses the [`Environment`].
pub const ENVIRONMENT_VARIABLE: &str = "APP_ENV";
/// The variable that `--config-dir` overrides.
pub const CONFIG_DIR_VARIABLE: &str = "APP_CONFIG_DIR";
/// What every variable of Doorward begins with.
pub const PREFIX: &str = "APP_";

/// The form of a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// A whole number within bounds, both included.
    Number { least: u64, most: u64 },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any text; what it must look like is up to the section that reads it.
    Text,
    /// A list of texts, separated by commas outside of TOML.
    List,
}

/// One row of the [`TABLE`].
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Section and name, as `server.port`.
    pub key: &'static str,
    pub kind: Kind,
    /// What it does, in one line of Markdown.
    pub meaning: &'static str,
    /// Whether its value must never be printed, and may be given as a file.
    pub secret: bool,
    /// What happens when nothing sets it, in a few words; `None` means that it always has a value.
    pub unset: Option<&'static str>,
}

impl Setting {
    const fn new(key: &'static str, kind: Kind, meaning: &'static str) -> Self {
        Self { key, kind, meaning, secret: false, unset: None }
    }

    const fn switch(key: &'static str, meaning: &'static str) -> Self {
        Self::new(key, Kind::Switch, meaning)
    }

    const fn number(key: &'static str, least: u64, most: u64, meaning: &'static str) -> Self {
        Self::new(key, Kind::Number { least, most }, meaning)
    }

    const fn choice(
        key: &'static str,
        words: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self::new(key, Kind::Choice(words), meaning)
    }

    const fn text(key: &'static str, meaning: &'static str) -> Self {
        Self::new(key, Kind::Text, meaning)
    }

    const fn list(key: &'static str, meaning: &'static str) -> Self {
        Self::new(key, Kind::List, meaning)
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    const fn optional(self, unset: &'static str) -> Self {
        Self { unset: Some(unset), ..self }
    }

    /// The environment variable: `database.max_connections` is `APP_DATABASE_MAX_CONNECTIONS`.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.key.replace('.', "_").to_uppercase())
    }

    /// The variable that names a file with the value; secrets only.
    pub fn file_variable(&self) -> Option<String> {
        self.secret.then(|| format!("{}_FILE", self.variable()))
    }

    /// The row of this key.
    pub fn named(key: &str) -> Option<&'static Self> {
        TABLE.iter().find(|setting| setting.key == key)
    }
}

/// Every known setting, by section, in the order in which they are shown.
pub const TABLE: &[Setting] = &[
    Setting::text("server.host", "IP address to listen on"),
    Setting::number("server.port", 0, 65_535, "Port to listen on; 0 takes any free one"),
    Setting::text("server.public_url", "Absolute URL by which people reach the service; links come from it")
        .optional("`http://` with host and port"),
    Setting::text("server.admin_addr", "Second address, `IP:port`, that serves health alone, away from the public one").optional("none"),
    Setting::list("server.trusted_proxies", "Addresses or networks of the proxies whose `X-Forwarded-For` is believed"),
    Setting::number("server.request_timeout_seconds", 1, 3_600, "Time until a response begins"),
    Setting::number("server.shutdown_grace_seconds", 0, 3_600, "Time that a shutdown gives to requests in flight"),
    Setting::number("server.max_connections", 1, 1_000_000, "Connections served at once; lowered by itself where the process may not open as many files"),
    Setting::text("database.url", "`sqlite://path` (relative to the working folder) or `postgres://user:password@host/database`")
        .secret(),
    Setting::number("database.max_connections", 1, 10_000, "Connections in the pool at most"),
    Setting::number("database.min_connections", 0, 10_000, "Connections kept open, PostgreSQL only; at most `database.max_connections`"),
    Setting::number("database.acquire_timeout_seconds", 1, 300, "Time to wait for a connection before answering 503"),
    Setting::number("database.statement_timeout_seconds", 1, 3_600, "Time that one statement may run; on SQLite, wait for another process"),
    Setting::switch("database.migrate_on_start", "Apply outstanding migrations at start; otherwise run `doorward migrate`"),
    Setting::text("auth.secret", "At least 32 bytes, the same on all instances; protects signing keys and refresh tokens")
        .secret()
        .optional("made once in development; required in production"),
    Setting::list("auth.previous_secrets", "Other values of `auth.secret` that are still accepted while it is changed; in a file one a line")
        .secret(),
    Setting::text("auth.issuer", "Issuer (`iss`) of access tokens").optional("`server.public_url` if that is set, otherwise `doorward`"),
    Setting::text("auth.audience", "Audience (`aud`) of access tokens"),
    Setting::choice("auth.signing_algorithm", &["EdDSA", "ES256", "RS256"], "Algorithm of new signing keys"),
    Setting::number("auth.key_rotation_days", 0, 3_650, "Days that a signing key signs until the next one is made; 0 leaves it to `doorward keys rotate`"),
    Setting::number("auth.public_keys_max_age_seconds", 1, 86_400, "Time that others may keep the public keys; a new key is published a little longer before it signs"),
    Setting::number("auth.access_token_ttl_seconds", 1, 86_400, "Life of an access token"),
    Setting::number("auth.refresh_idle_ttl_seconds", 1, 315_360_000, "Life of a session that is not refreshed"),
    Setting::number("auth.refresh_absolute_ttl_seconds", 1, 315_360_000, "Life of a session in any case; at least the idle time"),
    Setting::number("auth.refresh_grace_seconds", 0, 60, "Time in which the previous refresh token may be used again"),
    Setting::number("auth.lockout_max_seconds", 1, 86_400, "Longest wait after wrong passwords; it doubles with each, from 1 second after the fifth"),
    Setting::number("auth.hash_concurrency", 1, 1_024, "Passwords hashed at once, 19 MiB each")
        .optional("one less than the processors, at least 1"),
    Setting::number("auth.hash_queue", 0, 100_000, "Sign-ins that may wait for a hash; more are answered 503"),
    Setting::number("auth.hash_queue_timeout_seconds", 1, 60, "Time that they may wait"),
    Setting::switch("auth.require_verified_email", "Let nobody sign in before they have verified their address"),
    Setting::number("auth.verification_hours", 1, 720, "Hours that the link works by which an address is verified"),
    Setting::number("auth.password_reset_minutes", 10, 1_440, "Minutes that the link works by which another password is chosen"),
    Setting::number("password.min_length", 8, 64, "Least number of characters of a new password; NIST SP 800-63B-4 asks for 15"),
    Setting::switch("signup.conceal_existing", "Answer a sign-up with 202 whether or not there is an account with the address, instead of 201 and 409"),
    Setting::number("jobs.concurrency", 0, 1_000, "Jobs done at once; 0 leaves them to other instances, such as `doorward worker`"),
    Setting::number("jobs.lease_seconds", 1, 3_600, "Time after which the job of a worker that died is taken over"),
    Setting::number("audit.retention_days", 0, 36_500, "Days that the audit trail is kept; 0 is for ever"),
    Setting::text("mail.verify_email_path", "Page under `server.public_url` to which the link leads that verifies an address; it gets `?token=…` and sends the token to the API"),
    Setting::text("mail.reset_password_path", "Page where another password is chosen"),
    Setting::text("mail.confirm_email_change_path", "Page where another address is confirmed"),
    Setting::text("mail.cancel_email_change_path", "Page where a change of address is stopped or undone"),
    Setting::switch("mail.pages", "Serve plain pages of Doorward's own at these four paths; `false` where your application has them"),
    Setting::choice("mail.transport", &["smtp", "mailbox", "none"], "How mails leave: to a server; not at all, to be seen at `/dev/mailbox`, refused in production; not yet, they wait as jobs")
        .optional("`smtp` if `mail.smtp_url` is set, otherwise `mailbox`, in production `none`"),
    Setting::text("mail.smtp_url", "`smtps://user:password@host` (TLS, port 465), `smtp://user:password@host` (STARTTLS, port 587) or `smtp://host?tls=none` (a relay nearby, port 25)")
        .secret()
        .optional("none"),
    Setting::text("mail.from", "Sender, as `Example <no-reply@example.org>`").optional("required with `smtp`"),
    Setting::text("mail.product_name", "What mails call your application"),
    Setting::text("mail.templates_dir", "Folder with templates that replace the built-in ones of the same name").optional("none"),
    Setting::number("mail.timeout_seconds", 1, 120, "Time that the server may take for one mail"),
    Setting::choice("log.format", &["pretty", "json"], "For people or for machines"),
    Setting::text("log.filter", "Level, or levels by module, as `info,doorward_http=debug`"),
    Setting::list("cors.allowed_origins", "Browser origins that may call the API, exactly `scheme://host[:port]`"),
    Setting::switch("bootstrap.admin", "Make an administrator on the first start and print its password; refused in production"),
    Setting::switch("rate_limit.enabled", "Limit requests per client address"),
    Setting::number("rate_limit.sign_up_per_minute", 1, 1_000_000, "Sign-ups per address"),
    Setting::number("rate_limit.login_per_minute", 1, 1_000_000, "Sign-ins, and other requests that check a password, per address"),
    Setting::number("rate_limit.refresh_per_minute", 1, 1_000_000, "Refreshes per address"),
    Setting::number("rate_limit.other_per_minute", 1, 1_000_000, "Every other request per address"),
];

/// The settings table of the README, in Markdown.
pub fn markdown_table() -> String {
    let development = built_in_defaults(Environment::Development);
    let production = built_in_defaults(Environment::Production);
    let mut table = String::from(
        "| setting | environment variable | default | meaning |\n\
         |---|---|---|---|\n\
         | | `APP_ENV` | `development` | `development` or `production` |\n\
         | | `APP_CONFIG_DIR` | none | Folder with own `default.toml`, `development.toml`, `production.toml`; as `--config-dir` |\n",
    );
    for setting in TABLE {
        let shown =
            |layers: &[Layer]| layers.iter().rev().find_map(|layer| layer.shown(setting.key));
        let default = match (shown(&development), shown(&production), setting.unset) {
            (Some(one), Some(other), _) if one == other => format!("`{one}`"),
            (Some(one), Some(other), _) => format!("`{one}`; in production `{other}`"),
            (_, _, unset) => unset.unwrap_or_default().to_owned(),
        };
        let mut variables = format!("`{}`", setting.variable());
        if let Some(file) = setting.file_variable() {
            let _ = write!(variables, ", `{file}`");
        }
        let limits = match setting.kind {
            Kind::Number { least, most } => format!(" ({least} to {most})"),
            Kind::Choice(words) => format!(" (`{}`)", words.join("`, `")),
            Kind::Switch | Kind::Text | Kind::List => String::new(),
        };
        let Setting { key, meaning, .. } = setting;
        let _ = writeln!(table, "| `{key}` | {variables} | {default} | {meaning}{limits} |");
    }
    table
}

fn built_in_defaults(environment: Environment) -> Vec<Layer> {
    // A fault in the built-in files is a fault of every start, where it is reported.
    layer::from_files(environment, None, &mut Vec::new())
}
