//! The settings of mail: how it leaves, and what it says.

use std::{net::IpAddr, path::Path, sync::Arc, time::Duration};

use doorward_domain::{DisplayName, ProofPurpose};
use doorward_http::MailPages;
use doorward_infra_mail::{Security, Sender, SmtpSettings, Templates};
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::{Host, Url};

use super::{
    Environment,
    fault::Objection,
    reader::{Reader, Refused},
};
use crate::upkeep::chain;

/// Mail.
#[derive(Debug, Clone)]
pub struct Mail {
    pub transport: Transport,
    pub templates: Arc<Templates>,
    /// The pages to which links lead, if Doorward serves them.
    pub pages: Option<MailPages>,
}

/// How mails leave.
#[derive(Debug, Clone)]
pub enum Transport {
    Smtp(SmtpSettings),
    /// Not at all: they are kept for developers to see.
    Mailbox,
    /// Not yet: they wait as jobs.
    None,
}

/// As `mail.transport` names it.
impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Smtp(_) => "smtp",
            Self::Mailbox => "mailbox",
            Self::None => "none",
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Smtp,
    Mailbox,
    None,
}

/// What a URL says of a server.
struct Server {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<(String, SecretString)>,
}

pub(super) fn mail(environment: Environment, reader: &mut Reader) -> Result<Mail, Refused> {
    let words = [("smtp", Word::Smtp), ("mailbox", Word::Mailbox), ("none", Word::None)];
    let chosen = reader.optional_choice("mail.transport", &words);
    let url_given = reader.text("mail.smtp_url").is_some() || reader.refused("mail.smtp_url");
    let server = reader.optional("mail.smtp_url", |text| smtp_url(environment, text));
    let sender = reader.optional("mail.from", sender);
    let patience = reader.seconds("mail.timeout_seconds");
    let product = product(reader);
    let templates = templates(reader, product.as_ref().ok());
    let pages = pages(reader, product.as_ref().ok());
    let word = chosen?.unwrap_or(match environment {
        _ if url_given => Word::Smtp,
        Environment::Development => Word::Mailbox,
        Environment::Production => Word::None,
    });
    if word == Word::Mailbox && environment == Environment::Production {
        let objection = Objection::new(
            "would show everybody's mails, and the links in them, to whoever asks",
            "give mail.smtp_url, or set it to none until there is a server",
        );
        return Err(reader.refuse("mail.transport", objection));
    }
    let transport = match word {
        Word::Smtp => Transport::Smtp(smtp(reader, server, sender, patience)?),
        // What is wrong with the others is a fault all the same.
        Word::Mailbox => Transport::Mailbox,
        Word::None => Transport::None,
    };
    Ok(Mail { transport, templates: templates?, pages: pages? })
}

fn smtp(
    reader: &mut Reader,
    server: Result<Option<Server>, Refused>,
    sender: Result<Option<Sender>, Refused>,
    patience: Result<Duration, Refused>,
) -> Result<SmtpSettings, Refused> {
    let mut lacks = |key: &str, remedy| {
        // A file that could not be read was reported, and that the value is missing follows from it.
        if !reader.refused(key) {
            reader.refuse(key, Objection::new("mails cannot be sent by SMTP without it", remedy));
        }
        Refused
    };
    let server = server.and_then(|server| {
        server.ok_or_else(|| lacks("mail.smtp_url", "give one, as smtps://user:password@host"))
    });
    let sender = sender.and_then(|sender| {
        sender.ok_or_else(|| lacks("mail.from", "give one, as Example <no-reply@example.org>"))
    });
    let Server { host, port, security, credentials } = server?;
    Ok(SmtpSettings { host, port, security, credentials, sender: sender?, patience: patience? })
}

fn product(reader: &mut Reader) -> Result<DisplayName, Refused> {
    reader.required("mail.product_name", |text| {
        DisplayName::parse(text)
            .map_err(|error| Objection::new(error.to_string(), "give the name of your application"))
    })
}

fn templates(
    reader: &mut Reader,
    product: Option<&DisplayName>,
) -> Result<Arc<Templates>, Refused> {
    let folder = reader.optional("mail.templates_dir", |text| {
        let product = product.map_or("Doorward", DisplayName::as_str);
        Templates::with_folder(product, Path::new(text)).map_err(|error| {
            Objection::new(
                chain(&error),
                "correct it, or leave the file out to have the built-in one",
            )
        })
    });
    let product = product.ok_or(Refused)?;
    Ok(Arc::new(folder?.unwrap_or_else(|| Templates::built_in(product.as_str()))))
}

fn pages(reader: &mut Reader, product: Option<&DisplayName>) -> Result<Option<MailPages>, Refused> {
    if !reader.switch("mail.pages")? {
        return Ok(None);
    }
    let mut pages = MailPages::of(product.ok_or(Refused)?.as_str());
    let mut all = Ok(());
    for (purpose, key) in [
        (ProofPurpose::VerifyEmail, "mail.verify_email_path"),
        (ProofPurpose::ResetPassword, "mail.reset_password_path"),
        (ProofPurpose::ConfirmEmailChange, "mail.confirm_email_change_path"),
        (ProofPurpose::CancelEmailChange, "mail.cancel_email_change_path"),
    ] {
        // What is no path at all was refused as a place for a link to lead to.
        let path = reader.text(key).filter(|_| !reader.refused(key));
        if let Some(Err(error)) = path.map(|path| pages.add(purpose, &path)) {
            let remedy =
                "give another path, or set mail.pages to false if your application serves it";
            all = Err(reader.refuse(key, Objection::new(error.to_string(), remedy)));
        }
    }
    all.map(|()| Some(pages))
}

fn sender(text: &str) -> Result<Sender, Objection> {
    text.parse().map_err(|error: doorward_infra_mail::SenderError| {
        Objection::new(error.to_string(), "give one, as Example <no-reply@example.org>")
    })
}

/// Accepts `smtps://` (TLS), `smtp://` (STARTTLS) and `smtp://…?tls=none`. Nothing of the URL is quoted,
/// because it may hold a password.
fn smtp_url(environment: Environment, text: &str) -> Result<Server, Objection> {
    const FORM: &str = "give smtps://user:password@host or smtp://user:password@host:587";
    const ENCODE: &str =
        "write special characters of user and password as %40 for @, %2F for /, %3A for :";
    let url =
        Url::parse(text).map_err(|error| Objection::new(format!("is no URL: {error}"), ENCODE))?;
    let security = match (url.scheme(), url.query()) {
        ("smtps", None) => Security::Tls,
        ("smtp", None) => Security::StartTls,
        ("smtp", Some("tls=none")) => Security::None,
        ("smtp" | "smtps", Some(_)) => {
            let remedy = "leave it out; only smtp://host?tls=none is known";
            return Err(Objection::new("has a parameter that is not understood", remedy));
        }
        _ => return Err(Objection::new("is neither smtp:// nor smtps://", FORM)),
    };
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        // As when a password holds a slash that is not written as %2F.
        return Err(Objection::new("goes on after the host and port", ENCODE));
    }
    let host = url.host().filter(|host| !host.to_string().is_empty());
    let host = host.ok_or_else(|| Objection::new("names no host", FORM))?;
    // The standard for URLs leaves the hosts of schemes that it does not know as they are.
    let host = Host::parse(&host.to_string())
        .map_err(|error| Objection::new(format!("names no valid host: {error}"), FORM))?;
    let port = url.port().unwrap_or(match security {
        Security::Tls => 465,
        Security::StartTls => 587,
        Security::None => 25,
    });
    if port == 0 {
        return Err(Objection::new("has port 0, which nobody can call", FORM));
    }
    let credentials = credentials(&url)?;
    let exposed = security == Security::None && credentials.is_some() && !is_this_machine(&host);
    if exposed && environment == Environment::Production {
        return Err(Objection::new(
            "would send its password over the network for all to read",
            "leave tls=none out, or user and password",
        ));
    }
    let host = match host {
        Host::Domain(name) => name,
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    };
    Ok(Server { host, port, security, credentials })
}

fn credentials(url: &Url) -> Result<Option<(String, SecretString)>, Objection> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(std::borrow::Cow::into_owned).map_err(|_| {
            Objection::new(
                "has a user or password that is not UTF-8",
                "write a percent sign in it as %25",
            )
        })
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (_, None) => Err(Objection::new("has a user and no password", "give both or none")),
        ("", Some(_)) => Err(Objection::new("has a password and no user", "give both or none")),
        (user, Some(password)) => Ok(Some((decoded(user)?, decoded(password)?.into()))),
    }
}

fn is_this_machine(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(ip) => IpAddr::from(*ip).is_loopback(),
        Host::Ipv6(ip) => IpAddr::from(*ip).is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::settings::{Faults, Inputs, load, report};

    fn inputs(environment: &str, variables: &[(&str, &str)]) -> Inputs {
        let secret = "kq8Zt2Vw5Yb7Nc4Mf9Rj3Hd6Lx1Ps0Ga";
        let fixed = [("APP_ENV", environment), ("APP_AUTH_SECRET", secret)];
        let pairs = fixed.iter().chain(variables);
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Inputs { environment: pairs.collect(), ..Inputs::default() }
    }

    #[test]
    fn mails_leave_as_is_said_or_as_suits_the_environment() {
        const URL: (&str, &str) = ("APP_MAIL_SMTP_URL", "smtps://me:hush-hush@mail.example.org");
        const FROM: (&str, &str) = ("APP_MAIL_FROM", "Example <no-reply@example.org>");
        const NONE: (&str, &str) = ("APP_MAIL_TRANSPORT", "none");
        for (environment, variables, transport) in [
            ("development", &[][..], "mailbox"),
            ("production", &[], "none"),
            ("development", &[URL, FROM], "smtp"),
            ("production", &[URL, FROM], "smtp"),
            ("production", &[URL, FROM, NONE], "none"),
            ("development", &[NONE], "none"),
            ("development", &[URL, ("APP_MAIL_TRANSPORT", "mailbox")], "mailbox"),
        ] {
            let loaded = load(&inputs(environment, variables)).unwrap();
            assert_eq!(loaded.settings.mail.transport.to_string(), transport, "{variables:?}");
            let shown = report(&loaded.effective);
            let row = shown.lines().find(|line| line.starts_with("mail.transport")).unwrap();
            assert!(row.contains(transport), "{row}");
            assert!(!format!("{shown}{loaded:?}").contains("hush-hush"), "{shown}");
        }
    }

    #[test]
    fn what_smtp_lacks_is_said_all_at_once() {
        let faults = |variables: &[(&str, &str)]| match load(&inputs("development", variables)) {
            Ok(_) => Vec::new(),
            Err(Faults(faults)) => faults.iter().map(ToString::to_string).collect(),
        };
        let nothing = faults(&[("APP_MAIL_TRANSPORT", "smtp")]);
        assert_eq!(nothing.len(), 2, "{nothing:?}");
        assert!(nothing[0].starts_with("mail.smtp_url (not given): mails cannot be sent"));
        assert!(nothing[1].starts_with("mail.from (not given): mails cannot be sent"));
        let wrong = faults(&[("APP_MAIL_SMTP_URL", "smtp://hush-hush@x"), ("APP_MAIL_FROM", "x")]);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(!wrong.concat().contains("hush-hush"), "{wrong:?}");
    }

    #[test]
    fn pages_are_served_unless_the_application_has_them() {
        let load = |variables: &[(&str, &str)]| load(&inputs("production", variables));
        assert!(load(&[]).unwrap().settings.mail.pages.is_some());
        let docs = ("APP_MAIL_VERIFY_EMAIL_PATH", "/docs/verify");
        let same = ("APP_MAIL_CANCEL_EMAIL_CHANGE_PATH", "/reset-password");
        let braces = ("APP_MAIL_CONFIRM_EMAIL_CHANGE_PATH", "/{lang}/confirm");
        let without = ("APP_MAIL_PAGES", "false");
        let loaded = load(&[docs, same, braces, without]).unwrap();
        assert!(loaded.settings.mail.pages.is_none());
        let Err(Faults(faults)) = load(&[docs, same, braces]) else {
            panic!("they are in the way")
        };
        let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        for (said, words) in said.iter().zip([
            "begins with /docs is Doorward's own; give another path, or set mail.pages to false",
            "no page can be at `/{lang}/confirm`",
            "`/reset-password` is the page of another kind of mail already",
        ]) {
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn templates_are_read_when_the_settings_are() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("welcome.txt"), "Hi\n\n{{ nme }}").unwrap();
        let path = folder.path().to_str().unwrap();
        let Err(Faults(faults)) = load(&inputs("development", &[("APP_MAIL_TEMPLATES_DIR", path)]))
        else {
            panic!("the template is wrong")
        };
        assert_eq!(faults.len(), 1);
        let said = faults[0].to_string();
        assert!(said.contains("the template welcome.txt is wrong: undefined value"), "{said}");
    }

    #[test]
    fn a_url_says_where_the_server_is_and_how_to_sign_in() {
        for (text, host, port, security, credentials) in [
            ("smtps://mail.example.org", "mail.example.org", 465, Security::Tls, None),
            ("smtp://Mail.Example.org", "mail.example.org", 587, Security::StartTls, None),
            ("smtp://bücher.example/", "xn--bcher-kva.example", 587, Security::StartTls, None),
            ("smtp://[::1]:2525?tls=none", "::1", 2525, Security::None, None),
            ("smtp://127.0.0.1?tls=none", "127.0.0.1", 25, Security::None, None),
            (
                "smtps://me%40example.org:p%25%3A%2F+%C3%A9@mail.example.org:4650",
                "mail.example.org",
                4650,
                Security::Tls,
                Some(("me@example.org", "p%:/+é")),
            ),
        ] {
            let server = smtp_url(Environment::Production, text).ok().unwrap();
            assert_eq!((&*server.host, server.port, server.security), (host, port, security));
            let found = server.credentials.as_ref();
            let found = found.map(|(user, password)| (&**user, password.expose_secret()));
            assert_eq!(found, credentials, "{text}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_being_quoted() {
        for (text, words) in [
            ("mail.example.org", "is no URL"),
            ("mail.example.org:587", "neither smtp"),
            ("http://mail.example.org", "neither smtp"),
            ("smtp://", "names no host"),
            ("smtp://hunter2:@", "host"),
            ("smtp://user:hunter2@bad host", "is no URL"),
            ("smtp://mail.example.org:99999", "is no URL"),
            ("smtp://mail.example.org:0", "port 0"),
            ("smtp://hunter2@mail.example.org", "no password"),
            ("smtp://:hunter2@mail.example.org", "no user"),
            ("smtp://user:hunter2@mail.example.org/x", "goes on after"),
            ("smtp://user:hunter2@mail.example.org#x", "goes on after"),
            ("smtp://user:%FFhunter2@mail.example.org", "not UTF-8"),
            ("smtp://mail.example.org?tls=maybe", "not understood"),
            ("smtps://mail.example.org?tls=none", "not understood"),
            ("smtp://user:hunter2@mail.example.org?tls=none", "for all to read"),
        ] {
            let objection = smtp_url(Environment::Production, text).err().expect(text);
            let said = format!("{}; {}", objection.problem, objection.remedy);
            assert!(said.contains(words), "{text}: {said}");
            assert!(!said.contains("hunter2"), "{text}: {said}");
        }
        for text in [
            "smtp://user:hunter2@localhost?tls=none",
            "smtp://user:hunter2@127.0.0.2?tls=none",
            "smtp://user:hunter2@[::1]?tls=none",
        ] {
            assert!(smtp_url(Environment::Production, text).is_ok(), "{text}");
        }
        let relay = "smtp://user:hunter2@relay?tls=none";
        assert!(smtp_url(Environment::Development, relay).is_ok());
    }
}
