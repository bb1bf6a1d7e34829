//! The loader against inputs made by hand; nothing here looks at the variables of the test process.

use std::{
    collections::BTreeMap, ffi::OsString, fs, os::unix::ffi::OsStringExt, path::Path,
    time::Duration,
};

use proptest::prelude::*;
use secrecy::ExposeSecret;

use doorward_domain::SigningAlgorithm;

use super::{
    DatabaseUrl, Environment, Faults, Inputs, Loaded, LogFormat, load, markdown_table, report,
    table::{Kind, Setting, TABLE},
};

const SECRET: &str = "kq8Zt2Vw5Yb7Nc4Mf9Rj3Hd6Lx1Ps0Ga";

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn environment(variables: &[(&str, &str)]) -> Inputs {
    Inputs { environment: pairs(variables), ..Inputs::default() }
}

fn production(variables: &[(&str, &str)]) -> Inputs {
    let mut inputs = environment(&[("APP_ENV", "production"), ("APP_AUTH_SECRET", SECRET)]);
    inputs.environment.extend(pairs(variables));
    inputs
}

fn set(key: &str, value: &str) -> Inputs {
    Inputs { overrides: vec![(key.to_owned(), value.to_owned())], ..Inputs::default() }
}

fn faults(inputs: &Inputs) -> Vec<String> {
    match load(inputs) {
        Ok(_) => Vec::new(),
        Err(Faults(faults)) => faults.iter().map(ToString::to_string).collect(),
    }
}

fn loaded(inputs: &Inputs) -> Loaded {
    load(inputs).unwrap_or_else(|faults| panic!("{faults}"))
}

fn origin(loaded: &Loaded, key: &str) -> String {
    let row = loaded.effective.iter().find(|row| row.key == key);
    row.map(|row| row.origin.clone()).unwrap_or_default()
}

fn value(loaded: &Loaded, key: &str) -> String {
    let row = loaded.effective.iter().find(|row| row.key == key);
    row.map(|row| row.value.clone()).unwrap_or_default()
}

/// Keys, values that are refused, and words of the fault that says so.
const UNUSABLE: &[(&str, &str, &str)] = &[
    ("server.host", "localhost", "`localhost` is no IP address"),
    ("server.host", "", "is empty"),
    ("server.port", "65536", "`65536` is no whole number from 0 to 65535"),
    ("server.port", "-1", "no whole number"),
    ("server.port", "3.5", "no whole number"),
    ("server.port", "http", "no whole number"),
    ("server.public_url", "accounts.example.org", "is no absolute URL"),
    ("server.public_url", "ftp://example.org", "neither http nor https"),
    ("server.public_url", "https://example.org/?a=b", "a query or a fragment"),
    ("server.public_url", "https://example.org/#top", "a query or a fragment"),
    ("server.public_url", "https://me@example.org", "a user name or password"),
    ("server.public_url", "http://127.0.0.1:0", "port 0"),
    ("server.admin_addr", "127.0.0.1", "no address with a port"),
    ("server.trusted_proxies", "10.0.0.0/33", "neither an IP address nor a network"),
    ("server.trusted_proxies", "::1,proxy", "`proxy` is neither"),
    ("server.request_timeout_seconds", "0", "from 1 to 3600"),
    ("server.max_connections", "0", "from 1 to"),
    ("database.url", "mysql://localhost/doorward", "no known kind of database"),
    ("database.url", "data/doorward.db", "no known kind of database"),
    ("database.url", "sqlite:", "names no file"),
    ("database.url", "sqlite://?mode=rwc", "names no file"),
    ("database.url", "sqlite://a.db?mode=ro", "not understood: mode=ro"),
    ("database.url", "sqlite://a.db?cache=shared", "not understood: cache=shared"),
    ("database.url", "postgres://u:p@host:port/db", "is no URL"),
    ("database.url", "", "is empty"),
    ("database.max_connections", "0", "from 1 to"),
    ("database.min_connections", "9", "9 is more than database.max_connections, 8"),
    ("database.migrate_on_start", "yes", "`yes` is neither true nor false"),
    ("auth.secret", "short", "is shorter than 32 bytes"),
    ("auth.previous_secrets", "short", "is shorter than 32 bytes"),
    ("auth.key_rotation_days", "3651", "from 0 to 3650"),
    ("audit.retention_days", "36501", "from 0 to 36500"),
    ("auth.public_keys_max_age_seconds", "0", "from 1 to 86400"),
    ("auth.audience", " ", "is empty"),
    ("auth.signing_algorithm", "HS256", "`HS256` is none of its values"),
    ("auth.access_token_ttl_seconds", "0", "from 1 to"),
    (
        "auth.refresh_absolute_ttl_seconds",
        "60",
        "60 is less than auth.refresh_idle_ttl_seconds, 2592000",
    ),
    ("auth.refresh_grace_seconds", "61", "from 0 to 60"),
    ("auth.lockout_max_seconds", "86401", "from 1 to 86400"),
    ("auth.hash_concurrency", "0", "from 1 to"),
    ("auth.require_verified_email", "yes", "neither true nor false"),
    ("auth.verification_hours", "0", "from 1 to 720"),
    ("auth.password_reset_minutes", "9", "from 10 to 1440"),
    ("mail.verify_email_path", "verify-email", "is no path"),
    ("mail.reset_password_path", "//example.net", "is no path"),
    ("mail.confirm_email_change_path", "/confirm?step=2", "is no path, or has a query"),
    ("mail.cancel_email_change_path", "", "is empty"),
    ("mail.pages", "yes", "neither true nor false"),
    ("password.min_length", "7", "from 8 to 64"),
    ("password.min_length", "65", "from 8 to 64"),
    ("signup.conceal_existing", "yes", "neither true nor false"),
    ("mail.transport", "sendmail", "`sendmail` is none of its values"),
    ("mail.from", "nobody", "is no address"),
    ("mail.product_name", "a\u{202e}b", "direction-changing"),
    ("mail.templates_dir", "/no/such/folder", "cannot read /no/such/folder"),
    ("mail.timeout_seconds", "0", "from 1 to 120"),
    ("log.format", "text", "give `pretty` or `json`"),
    ("log.filter", "doorward=loud", "is no filter"),
    ("log.filter", "wran", "`wran` is no level"),
    ("log.filter", "info,doorward_http", "is no level"),
    ("cors.allowed_origins", "*", "any website"),
    ("cors.allowed_origins", "https://*.example.org", "any website"),
    ("cors.allowed_origins", "https://example.org/", "write `https://example.org`"),
    ("cors.allowed_origins", "https://example.org:443", "write `https://example.org`"),
    ("cors.allowed_origins", "https://Example.org/app", "write `https://example.org`"),
    ("cors.allowed_origins", "null", "is no origin"),
    ("bootstrap.admin", "1", "neither true nor false"),
    ("rate_limit.login_per_minute", "0", "from 1 to"),
];

#[test]
fn an_unusable_value_is_one_fault_that_says_why() {
    for &(key, value, words) in UNUSABLE {
        let found = faults(&set(key, value));
        assert_eq!(found.len(), 1, "{key}={value}: {found:?}");
        assert!(found[0].starts_with(&format!("{key} (--set): ")), "{key}={value}: {}", found[0]);
        assert!(found[0].contains(words), "{key}={value}: {}", found[0]);

        let variable = Setting::named(key).map(Setting::variable).unwrap_or_default();
        let found = faults(&environment(&[(&variable, value)]));
        assert_eq!(found.len(), 1, "{variable}={value}: {found:?}");
        assert!(found[0].starts_with(&format!("{key} (environment {variable}): ")), "{}", found[0]);
    }
}

#[test]
fn production_refuses_what_is_unsafe() {
    let cases = [
        (
            "APP_AUTH_SECRET",
            "",
            "auth.secret (environment APP_AUTH_SECRET): production does not start without one",
        ),
        ("APP_AUTH_SECRET", "changeme-changeme-changeme-0123456789", "placeholder"),
        ("APP_AUTH_SECRET", "your-32-byte-secret-goes-here-0123456789", "placeholder"),
        ("APP_AUTH_SECRET", "0000000000000000000000000000000000000000", "placeholder"),
        ("APP_DATABASE_URL", "sqlite::memory:", "in memory"),
        ("APP_DATABASE_URL", "sqlite://:memory:", "in memory"),
        ("APP_DATABASE_URL", "sqlite://x?mode=%6demory", "in memory"),
        ("APP_BOOTSTRAP_ADMIN", "true", "administrator's password"),
        ("APP_MAIL_TRANSPORT", "mailbox", "everybody's mails"),
    ];
    for (name, value, words) in cases {
        let found = faults(&production(&[(name, value)]));
        assert_eq!(found.len(), 1, "{name}={value}: {found:?}");
        assert!(found[0].contains(words), "{name}={value}: {}", found[0]);
    }
    let found = faults(&environment(&[("APP_ENV", "production")]));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("auth.secret (not given): "), "{found:?}");
}

#[test]
fn development_accepts_a_database_in_memory_and_no_secret() {
    let inputs = environment(&[("APP_DATABASE_URL", "sqlite::memory:"), ("APP_AUTH_SECRET", "")]);
    let settings = loaded(&inputs).settings;
    assert!(matches!(settings.database.url, DatabaseUrl::SqliteMemory));
    assert!(settings.auth.secret.is_none());
}

#[test]
fn an_unknown_environment_is_refused_and_an_empty_one_is_not_development() {
    for name in ["staging", "Production", "prod", ""] {
        let found = faults(&environment(&[("APP_ENV", name)]));
        let expected = format!(
            "APP_ENV (environment APP_ENV): `{name}` is no environment; give `development` or `production`"
        );
        assert_eq!(found, [expected]);
    }
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest_one() {
    let variables = [
        ("APP_SERVER_PROT", "did you mean `APP_SERVER_PORT`?"),
        ("APP_DATABASE__URL", "did you mean `APP_DATABASE_URL`?"),
        ("APP_DB_URL_FILE", "did you mean `APP_DATABASE_URL_FILE`?"),
        ("APP_CONFIGDIR", "did you mean `APP_CONFIG_DIR`?"),
        ("APP_SERVER_PORT_FILE", "did you mean `APP_SERVER_PORT`?"),
        ("APP_COMPLETELY_DIFFERENT", "remove it"),
    ];
    for (name, advice) in variables {
        let found = faults(&environment(&[(name, "hush-hush")]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with(&format!("{name} (environment): names no setting; {advice}")),
            "{found:?}"
        );
        assert!(!found[0].contains("hush-hush"), "{found:?}");
    }
    let found = faults(&set("server.prot", "1"));
    assert_eq!(found, ["server.prot (--set): is no setting; did you mean `server.port`?"]);
    assert!(faults(&environment(&[("PATH", "/bin"), ("APPLE", "1")])).is_empty());
}

#[test]
fn all_faults_come_at_once() {
    let mut inputs = environment(&[
        ("APP_ENV", "prod"),
        ("APP_SERVER_PORT", "x"),
        ("APP_SERVER_HOST", "x"),
        ("APP_DATABASE_MIN_CONNECTIONS", "99"),
        ("APP_LOG_FORMAT", "x"),
        ("APP_NONSENSE", "x"),
    ]);
    inputs.overrides =
        vec![("rate_limit.enabled".into(), "x".into()), ("nonsense".into(), "x".into())];
    let Err(all) = load(&inputs) else {
        panic!("the inputs are faulty");
    };
    assert_eq!(all.0.len(), 8, "{all}");
    let text = all.to_string();
    assert!(text.starts_with("there are 8 faults in the settings:\n  - "), "{text}");
    assert_eq!(text.lines().count(), 9, "{text}");
}

#[test]
fn a_file_of_the_operator_is_checked_like_the_rest() {
    let cases = [
        ("[sever]\nport = 1", "sever.port ({}): is no setting; did you mean `server.port`?"),
        ("[server]\nprot = 1", "server.prot ({}): is no setting; did you mean `server.port`?"),
        ("server = 1", "server ({}): is no setting; remove it"),
        ("[server.port]\na = 1", "server.port.a ({}): is no setting; did you mean"),
        ("[server]\nport = [1]", "server.port ({}): holds a list where a single value belongs"),
        ("[cors]\nallowed_origins = [[\"a\"]]", "cors.allowed_origins ({}): holds a list where"),
        ("[server]\nport = \"x\"", "server.port ({}): `x` is no whole number"),
        ("[server]\nhost = \"\"", "server.host ({}): is empty"),
        ("[auth]\n\nsecret = \"hush-hush", "syntax ({}): line 3 is no TOML"),
    ];
    for (content, expected) in cases {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("default.toml");
        fs::write(&path, content).expect("a file");
        let inputs = Inputs { config_dir: Some(folder.path().to_owned()), ..Inputs::default() };
        let found = faults(&inputs);
        assert_eq!(found.len(), 1, "{found:?}");
        let expected = expected.replace("{}", &path.display().to_string());
        assert!(found[0].starts_with(&expected), "{expected}: {found:?}");
        assert!(!found[0].contains("hush-hush"), "{found:?}");
    }
}

#[test]
fn a_folder_without_settings_is_a_fault_however_it_was_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = folder.path().join("missing").display().to_string();
    let empty = folder.path().display().to_string();
    for path in [missing, empty] {
        let found = faults(&environment(&[("APP_CONFIG_DIR", &path)]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with(&format!("--config-dir ({path}): there is neither default.toml")),
            "{found:?}"
        );
    }
    assert!(faults(&environment(&[("APP_CONFIG_DIR", "")])).is_empty());
}

fn file_of(url: &DatabaseUrl) -> Option<&str> {
    match url {
        DatabaseUrl::SqliteFile(path) => path.to_str(),
        DatabaseUrl::SqliteMemory | DatabaseUrl::Postgres(_) => None,
    }
}

#[test]
fn a_url_names_a_file_memory_or_a_server() {
    let url = |text: &str| loaded(&set("database.url", text)).settings.database.url;
    for (text, file) in [
        ("sqlite://data/doorward.db", "data/doorward.db"),
        ("sqlite:data/doorward.db?mode=rwc", "data/doorward.db"),
        ("sqlite:///var/lib/doorward.db", "/var/lib/doorward.db"),
    ] {
        assert_eq!(file_of(&url(text)), Some(file));
    }
    for text in ["sqlite::memory:", "sqlite://:memory:", "sqlite://x?mode=memory"] {
        assert!(matches!(url(text), DatabaseUrl::SqliteMemory), "{text}");
    }
    for text in ["postgres://localhost/doorward", "postgresql://u:p@h:5432/d"] {
        assert!(
            matches!(url(text), DatabaseUrl::Postgres(url) if url.expose_secret() == text),
            "{text}"
        );
    }
}

#[test]
fn a_file_that_is_not_text_is_a_fault() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("default.toml"), [0xff, 0xfe]).expect("a file");
    let inputs = Inputs { config_dir: Some(folder.path().to_owned()), ..Inputs::default() };
    let found = faults(&inputs);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("can't be read"), "{found:?}");
}

#[test]
fn a_secret_comes_from_a_file_and_only_from_one_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("a file");
        path.display().to_string()
    };
    let good = write("good", &format!("{SECRET}\r\n"));
    let empty = write("empty", "\n");
    let missing = folder.path().join("missing").display().to_string();

    let loaded =
        loaded(&environment(&[("APP_ENV", "production"), ("APP_AUTH_SECRET_FILE", &good)]));
    let secret =
        loaded.settings.auth.secret.as_ref().map(|secret| secret.expose_secret().to_owned());
    assert_eq!(secret.as_deref(), Some(SECRET));
    assert_eq!(origin(&loaded, "auth.secret"), "environment APP_AUTH_SECRET_FILE");

    // One fault each: that the secret is missing follows from the file, and is not said again.
    for (path, words) in [(&empty, "is empty"), (&missing, "can't be read: No such file")] {
        let found =
            faults(&environment(&[("APP_ENV", "production"), ("APP_AUTH_SECRET_FILE", path)]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(words) && found[0].contains(path.as_str()), "{found:?}");
    }
    let found = faults(&production(&[("APP_AUTH_SECRET_FILE", &good)]));
    assert_eq!(
        found,
        [
            "auth.secret (environment APP_AUTH_SECRET_FILE): APP_AUTH_SECRET is set as well; remove one of the two"
        ]
    );
    // Variables that a deployment left empty are as good as absent.
    assert!(faults(&production(&[("APP_AUTH_SECRET_FILE", "")])).is_empty());
    assert!(
        faults(&production(&[("APP_AUTH_SECRET", ""), ("APP_AUTH_SECRET_FILE", &good)])).is_empty()
    );
}

#[test]
fn previous_secrets_come_from_a_list_a_variable_or_the_lines_of_a_file_and_are_masked() {
    let (one, two) = ("Vq7-first-secret-of-all-8Zt2Vw5Yb7Nc", "Hd6-second-secret-9Rj3Lx1Ps0Ga4Mf");
    let odd = " with, comma and blanks 8Zt2Vw5Yb7Nc ";
    let exposed = |loaded: &Loaded| {
        let secrets = loaded.settings.auth.previous_secrets.iter();
        secrets.map(|secret| secret.expose_secret().to_owned()).collect::<Vec<_>>()
    };
    let none = loaded(&Inputs::default());
    assert!(exposed(&none).is_empty());
    assert_eq!(value(&none, "auth.previous_secrets"), "[]");

    let variable = environment(&[("APP_AUTH_PREVIOUS_SECRETS", &format!("{one}, {two}"))]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    fs::write(&file, format!("{one}\r\n{two}\n")).unwrap();
    let path = file.to_str().unwrap();
    let lines = environment(&[("APP_AUTH_PREVIOUS_SECRETS_FILE", path)]);
    let toml = format!("[auth]\nprevious_secrets = [\"{one}\", \"{odd}\"]\n");
    fs::write(folder.path().join("default.toml"), toml).unwrap();
    let list = Inputs { config_dir: Some(folder.path().to_owned()), ..Inputs::default() };
    for (inputs, second) in [(variable, two), (lines, two), (list, odd)] {
        let loaded = loaded(&inputs);
        assert_eq!(exposed(&loaded), [one, second]);
        assert_eq!(value(&loaded, "auth.previous_secrets"), "********");
        assert!(!report(&loaded.effective).contains("secret-of-all"));
    }
}

#[test]
fn no_secret_is_printed_anywhere() {
    const DATABASE: &str =
        "postgres://door:hush-hush@db.example.org/doorward?sslmode=require&password=hush-hush";
    let good = production(&[("APP_DATABASE_URL", DATABASE)]);
    let loaded = loaded(&good);
    let report = report(&loaded.effective);
    assert_eq!(
        value(&loaded, "database.url"),
        "postgres://door:********@db.example.org/doorward?sslmode=require&password=********"
    );
    assert_eq!(value(&loaded, "auth.secret"), "********");
    let mut outputs = vec![report, format!("{loaded:?}"), format!("{loaded:#?}")];

    let bad = [
        ("APP_DATABASE_URL", "postgres://door:hush-hush@host:port/doorward"),
        ("APP_DATABASE_URL", "mysql://door:hush-hush@host/doorward"),
        ("APP_AUTH_SECRET", "hush-hush"),
        ("APP_AUTH_SECRET", "hush-hush-changeme-changeme-changeme"),
        ("APP_AUTH_SECRETT", "hush-hush"),
    ];
    for (name, value) in bad {
        let Err(faults) = load(&production(&[(name, value)])) else {
            panic!("{name}={value} is faulty");
        };
        outputs.push(faults.to_string());
        outputs.push(format!("{faults:?}"));
    }
    for output in outputs {
        assert!(!output.contains("hush-hush") && !output.contains(SECRET), "{output}");
    }
}

#[test]
fn the_built_in_files_are_complete_in_both_environments() {
    let development = loaded(&Inputs::default());
    let production = loaded(&production(&[]));
    for loaded in [&development, &production] {
        assert_eq!(loaded.effective.len(), TABLE.len() + 1);
    }
    let default = include_str!("../../../../config/default.toml");
    for setting in TABLE {
        let (section, name) = setting.key.split_once('.').expect("a section");
        assert!(default.contains(&format!("[{section}]")), "{section} is not in default.toml");
        let given =
            default.contains(&format!("\n{name} = ")) || default.contains(&format!("\n# {name} ="));
        assert!(given, "{} is not in default.toml", setting.key);
        assert!(
            setting.unset.is_some() || value(&development, setting.key) != "(unset)",
            "{}",
            setting.key
        );
    }
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let settings = loaded(&Inputs::default()).settings;
    assert_eq!(settings.environment, Environment::Development);
    assert_eq!(settings.server.public_url, "http://127.0.0.1:3000");
    assert_eq!(settings.server.admin_addr, None);
    assert!(settings.server.trusted_proxies.is_empty());
    assert_eq!(settings.server.request_timeout, Duration::from_secs(30));
    assert_eq!(file_of(&settings.database.url), Some("data/doorward.db"));
    assert!(settings.database.migrate_on_start);
    assert_eq!(settings.auth.issuer, "doorward");
    assert_eq!(settings.auth.access_token_ttl, Duration::from_mins(15));
    assert!(settings.auth.hash_concurrency >= 1);
    assert_eq!(settings.password.min_length, 15);
    assert!(!settings.sign_up.conceal_existing);
    assert_eq!(settings.log.format, LogFormat::Pretty);
    assert!(settings.bootstrap.admin);

    let settings = loaded(&production(&[])).settings;
    assert_eq!(settings.environment, Environment::Production);
    assert!(!settings.database.migrate_on_start);
    assert_eq!(settings.log.format, LogFormat::Json);
    assert!(!settings.bootstrap.admin);
}

#[test]
fn later_layers_win_and_each_value_knows_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("a file");
        path.display().to_string()
    };
    let general = file(
        "default.toml",
        "[server]\nport = 1\n[password]\nmin_length = 9\n[log]\nformat = \"json\"",
    );
    let specific = file(
        "development.toml",
        "[server]\nport = 2\nmax_connections = 2\nrequest_timeout_seconds = 2",
    );
    let mut inputs = Inputs {
        config_dir: Some(folder.path().to_owned()),
        dot_env: pairs(&[
            ("APP_SERVER_PORT", "3"),
            ("APP_SERVER_MAX_CONNECTIONS", "3"),
            ("APP_AUTH_AUDIENCE", "env-file"),
        ]),
        environment: pairs(&[("APP_SERVER_PORT", "4"), ("APP_SERVER_MAX_CONNECTIONS", "4")]),
        ..Inputs::default()
    };
    inputs.overrides = vec![("server.port".into(), "5".into()), ("server.port".into(), "6".into())];
    let loaded = loaded(&inputs);
    let expected = [
        ("server.port", "6", "--set"),
        ("server.max_connections", "4", "environment APP_SERVER_MAX_CONNECTIONS"),
        ("auth.audience", "env-file", ".env APP_AUTH_AUDIENCE"),
        ("server.request_timeout_seconds", "2", specific.as_str()),
        ("password.min_length", "9", general.as_str()),
        // A built-in development.toml still lies over the operator's default.toml.
        ("log.format", "pretty", "development.toml (built in)"),
        ("server.host", "127.0.0.1", "default.toml (built in)"),
        (
            "auth.issuer",
            "doorward",
            "derived: `server.public_url` if that is set, otherwise `doorward`",
        ),
        ("server.admin_addr", "(unset)", "not given"),
        ("APP_ENV", "development", "default"),
    ];
    for (key, shown, place) in expected {
        assert_eq!(
            (value(&loaded, key).as_str(), origin(&loaded, key).as_str()),
            (shown, place),
            "{key}"
        );
    }
}

#[test]
fn an_empty_value_unsets_what_is_optional_and_empties_a_list() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let content =
        "[server]\nadmin_addr = \"127.0.0.1:9\"\ntrusted_proxies = [\"::1\", \" 10.1.2.3/8 \"]";
    fs::write(folder.path().join("default.toml"), content).expect("a file");
    let folder = folder.path().display().to_string();

    let kept = loaded(&environment(&[("APP_CONFIG_DIR", &folder)]));
    assert!(kept.settings.server.admin_addr.is_some());
    let networks: Vec<String> =
        kept.settings.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["::1/128", "10.0.0.0/8"]);

    let variables = [
        ("APP_CONFIG_DIR", folder.as_str()),
        ("APP_SERVER_ADMIN_ADDR", ""),
        ("APP_SERVER_TRUSTED_PROXIES", ""),
    ];
    let emptied = loaded(&environment(&variables));
    assert_eq!(emptied.settings.server.admin_addr, None);
    assert_eq!(origin(&emptied, "server.admin_addr"), "environment APP_SERVER_ADMIN_ADDR");
    assert!(emptied.settings.server.trusted_proxies.is_empty());
    assert_eq!(value(&emptied, "server.trusted_proxies"), "[]");
}

#[test]
fn lists_are_separated_by_commas() {
    let settings = loaded(&environment(&[
        ("APP_SERVER_TRUSTED_PROXIES", "10.0.0.0/8, ::1,"),
        ("APP_CORS_ALLOWED_ORIGINS", "https://a.example.org,http://localhost:5173"),
    ]))
    .settings;
    assert_eq!(settings.server.trusted_proxies.len(), 2);
    assert_eq!(settings.cors.allowed_origins, ["https://a.example.org", "http://localhost:5173"]);
}

#[test]
fn every_word_of_a_choice_and_both_bounds_of_a_number_are_accepted() {
    for setting in TABLE {
        let values: Vec<String> = match setting.kind {
            Kind::Choice(words) => words.iter().map(ToString::to_string).collect(),
            Kind::Number { least, most } => vec![least.to_string(), most.to_string()],
            Kind::Switch => vec!["true".to_owned(), "false".to_owned()],
            Kind::Text | Kind::List => Vec::new(),
        };
        for value in values {
            // A fault that remains is one between two settings, as a minimum above its maximum.
            let found = faults(&set(setting.key, &value));
            assert!(
                found.iter().all(|fault| fault.contains("than ") || fault.contains("without it")),
                "{}={value}: {found:?}",
                setting.key
            );
        }
    }
    let settings = loaded(&set("auth.signing_algorithm", "RS256")).settings;
    assert_eq!(settings.auth.signing_algorithm, SigningAlgorithm::Rs256);
}

#[test]
fn the_public_url_is_kept_without_a_slash_and_is_derived_from_what_is_listened_on() {
    let given = loaded(&set("server.public_url", "https://Example.org/accounts/")).settings;
    assert_eq!(given.server.public_url, "https://example.org/accounts");
    assert_eq!(given.auth.issuer, "https://example.org/accounts");

    for (host, url) in [
        ("0.0.0.0", "http://localhost:3000"),
        ("::", "http://localhost:3000"),
        ("::1", "http://[::1]:3000"),
    ] {
        assert_eq!(loaded(&set("server.host", host)).settings.server.public_url, url);
    }
}

#[test]
fn the_port_that_the_system_assigned_takes_the_place_of_zero() {
    let mut derived = loaded(&set("server.port", "0")).settings;
    derived.listening_on(4711);
    assert_eq!(derived.server.port, 4711);
    assert_eq!(derived.server.public_url, "http://127.0.0.1:4711");
    assert_eq!(derived.auth.issuer, "doorward");

    let mut inputs = set("server.port", "0");
    inputs.overrides.push(("server.public_url".into(), "https://example.org".into()));
    let mut given = loaded(&inputs).settings;
    given.listening_on(4711);
    assert_eq!(given.server.public_url, "https://example.org");
}

#[test]
fn variables_of_the_process_that_are_not_text_are_faults_if_they_are_ours() {
    let broken = || OsString::from_vec(vec![0x66, 0xff]);
    let mut inputs = Inputs::default();
    let variables = [
        (OsString::from("APP_LOG_FILTER"), broken()),
        (OsString::from("OTHER"), broken()),
        (OsString::from("APP_SERVER_PORT"), OsString::from("4000")),
    ];
    inputs.take_variables(variables.into_iter());
    assert_eq!(inputs.environment, pairs(&[("APP_SERVER_PORT", "4000")]));
    let expected =
        "APP_LOG_FILTER (environment): is not UTF-8; set it to a text in UTF-8, or remove it";
    assert_eq!(faults(&inputs), [expected]);
}

#[test]
fn a_dot_env_file_counts_unless_the_process_is_in_production() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(".env");
    let read = |inputs: &mut Inputs, path: &Path| {
        inputs.take_dot_env(path);
        inputs.dot_env.clone()
    };
    assert!(read(&mut Inputs::default(), &path).is_empty());

    fs::write(&path, "# comment\nAPP_SERVER_PORT=4000\nexport APP_LOG_FILTER='debug'\nOTHER=1\n")
        .expect("a file");
    let mut development = Inputs::default();
    let expected = pairs(&[("APP_SERVER_PORT", "4000"), ("APP_LOG_FILTER", "debug")]);
    assert_eq!(read(&mut development, &path), expected);
    assert_eq!(loaded(&development).settings.server.port, 4000);
    assert!(read(&mut production(&[]), &path).is_empty());

    fs::write(&path, "APP_SERVER_PORT=4000\nAPP_AUTH_SECRET=hush hush\n").expect("a file");
    let mut broken = Inputs::default();
    read(&mut broken, &path);
    let found = faults(&broken);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(".env (") && !found[0].contains("hush"), "{found:?}");
}

#[test]
fn the_example_of_a_production_lacks_nothing_but_its_secret() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(".env");
    fs::write(&path, include_str!("../../../../.env.example")).expect("a file");
    let mut inputs = Inputs::default();
    inputs.take_dot_env(&path);
    let found = faults(&inputs);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("auth.secret (.env APP_AUTH_SECRET): "), "{found:?}");

    inputs.dot_env.extend(pairs(&[("APP_AUTH_SECRET", SECRET)]));
    assert_eq!(loaded(&inputs).settings.environment, Environment::Production);
}

#[test]
fn the_names_of_variables_are_unambiguous() {
    let mut names: Vec<String> = TABLE.iter().map(Setting::variable).collect();
    names.extend(TABLE.iter().filter_map(Setting::file_variable));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert_eq!(
        Setting::named("database.max_connections").map(Setting::variable).as_deref(),
        Some("APP_DATABASE_MAX_CONNECTIONS")
    );
}

#[test]
fn the_report_is_aligned() {
    let report = report(&loaded(&production(&[])).effective);
    let lines: Vec<&str> = report.lines().collect();
    assert_eq!(lines.len(), TABLE.len() + 1);
    let column = |line: &str, word: &str| line.find(word);
    assert_eq!(column(lines[0], "production"), column(lines[1], "127.0.0.1"));
    assert_eq!(
        column(lines[0], "environment APP_ENV"),
        column(lines[1], "default.toml (built in)")
    );
}

#[test]
fn the_markdown_table_has_a_row_for_every_setting() {
    let table = markdown_table();
    assert_eq!(table.lines().count(), TABLE.len() + 4);
    assert!(
        table.lines().all(|line| line.matches(" |").count() == 4 || line.starts_with("|---")),
        "{table}"
    );
    let rows = [
        "| `server.port` | `APP_SERVER_PORT` | `3000` | ",
        "| `auth.secret` | `APP_AUTH_SECRET`, `APP_AUTH_SECRET_FILE` | made once in development; required in production | ",
        "| `log.format` | `APP_LOG_FORMAT` | `pretty`; in production `json` | ",
    ];
    for row in rows {
        assert!(table.contains(row), "{row}\n{table}");
    }
}

#[test]
fn the_readme_has_the_table_as_it_is() {
    let readme = include_str!("../../../../README.md");
    let table = markdown_table();
    assert!(
        readme.contains(&table),
        "replace the table in README.md by the output of `cargo run -- config table`"
    );
}

proptest! {
    /// Whatever the environment holds, loading ends in settings or faults, never in a panic, and repeats no secret.
    #[test]
    fn any_value_is_accepted_or_refused(index in 0..TABLE.len(), value in "\\PC{0,40}") {
        let variable = TABLE[index].variable();
        let result = load(&environment(&[(&variable, &value)]));
        if let (Err(faults), true) = (result, TABLE[index].secret && value.chars().count() > 12) {
            prop_assert!(!faults.to_string().contains(&value));
        }
    }
}
