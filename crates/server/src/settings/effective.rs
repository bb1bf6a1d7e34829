//! What is in effect and where it came from, for `doorward config check`. Secrets are masked here and nowhere later.

use std::fmt::Write as _;

use url::Url;

use super::{
    Settings,
    reader::Reader,
    table::{ENVIRONMENT_VARIABLE, Setting, TABLE},
};

const MASK: &str = "********";

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The key of the setting, or `APP_ENV`.
    pub key: &'static str,
    /// The value; a secret is masked, and of the URL of a server its password.
    pub value: String,
    /// The layer that the value came from.
    pub origin: String,
}

/// Every setting in the order of the table, after the environment that was chosen.
pub(super) fn all(
    settings: &Settings,
    environment_origin: String,
    reader: &Reader,
) -> Vec<Effective> {
    let environment = Effective {
        key: ENVIRONMENT_VARIABLE,
        value: settings.environment.to_string(),
        origin: environment_origin,
    };
    let rows = TABLE.iter().map(|setting| one(setting, settings, reader));
    std::iter::once(environment).chain(rows).collect()
}

fn one(setting: &Setting, settings: &Settings, reader: &Reader) -> Effective {
    let key = setting.key;
    let derived = || match key {
        "server.public_url" => Some(settings.server.public_url.clone()),
        "auth.issuer" => Some(settings.auth.issuer.clone()),
        "auth.hash_concurrency" => Some(settings.auth.hash_concurrency.to_string()),
        "mail.transport" => Some(settings.mail.transport.to_string()),
        _ => None,
    };
    let origin = reader.origin(key).to_owned();
    let (value, origin) = match reader.text(key) {
        Some(url) if matches!(key, "database.url" | "mail.smtp_url") => {
            (without_password(&url), origin)
        }
        // That there is none is no secret.
        Some(text) if setting.secret && text != "[]" => (MASK.to_owned(), origin),
        Some(text) => (text, origin),
        None => match derived() {
            Some(value) => (value, format!("derived: {}", setting.unset.unwrap_or_default())),
            None => ("(unset)".to_owned(), origin),
        },
    };
    Effective { key, value, origin }
}

/// Masks the password of the URL of a server, in its authority and in its query, where libpq accepts one too.
fn without_password(text: &str) -> String {
    if text.starts_with("sqlite:") {
        return text.to_owned();
    }
    let Ok(mut url) = Url::parse(text) else {
        return MASK.to_owned();
    };
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    if let Some(query) = url.query() {
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) if name.to_lowercase().contains("password") => format!("{name}={MASK}"),
            _ => pair.to_owned(),
        });
        let masked = pairs.collect::<Vec<_>>().join("&");
        url.set_query(Some(&masked));
    }
    url.to_string()
}

/// The aligned table that `doorward config check` prints.
pub fn report(rows: &[Effective]) -> String {
    let width =
        |text: fn(&Effective) -> &str| rows.iter().map(|row| text(row).chars().count()).max();
    let keys = width(|row| row.key).unwrap_or_default();
    let values = width(|row| &row.value).unwrap_or_default();
    let mut report = String::new();
    for Effective { key, value, origin } in rows {
        let _ = writeln!(report, "{key:keys$}  {value:values$}  {origin}");
    }
    report
}
