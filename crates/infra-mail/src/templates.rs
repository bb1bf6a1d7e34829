//! What mails say.

use std::{
    collections::BTreeMap,
    fs, io,
    ops::Deref,
    path::{Path, PathBuf},
};

use askama::Template;
use doorward_domain::{DisplayName, Letter, Mail, Proof};
use minijinja::{Environment, UndefinedBehavior, Value};
use secrecy::ExposeSecret;
use time::{Duration, macros::format_description};

/// A mail as its reader sees it. It may hold a link and a code, so it is not for logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Why a folder of templates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is no template; there are {known}", path.display())]
    Unknown { path: PathBuf, known: String },
    #[error("the template {name} is wrong")]
    Faulty { name: String, source: minijinja::Error },
    #[error(
        "the template {name} has no subject: its first line is the subject, then follows an empty one"
    )]
    NoSubject { name: String },
    #[error("the built-in template cannot be rendered")]
    BuiltIn(#[source] askama::Error),
}

/// What a template may use. Those that a letter has no use for are empty.
#[derive(Default)]
struct Words<'a> {
    product: &'a str,
    name: &'a str,
    at: String,
    link: &'a str,
    link_lives: String,
    code: &'a str,
    code_lives: String,
}

impl<'a> Words<'a> {
    fn of(mail: &'a Mail, product: &'a str) -> Self {
        let format = format_description!("[year]-[month]-[day] at [hour]:[minute] UTC");
        let at = mail.at.format(format).unwrap_or_else(|_| mail.at.to_string());
        let name = mail.name.as_ref().map_or("", DisplayName::as_str);
        let words = Self { product, name, at, ..Self::default() };
        match &mail.letter {
            Letter::VerifyEmail(proof)
            | Letter::ResetPassword(proof)
            | Letter::ConfirmEmailChange(proof) => words.with(proof),
            Letter::EmailChangeRequested { cancel_link } => {
                Self { link: cancel_link.expose_secret(), ..words }
            }
            Letter::Welcome | Letter::PasswordChanged | Letter::AlreadySignedUp => words,
        }
    }

    fn pairs(&self) -> [(&'static str, Value); 7] {
        let Self { product, name, at, link, link_lives, code, code_lives } = self;
        [
            ("product", Value::from(*product)),
            ("name", Value::from(*name)),
            ("at", Value::from(at.as_str())),
            ("link", Value::from(*link)),
            ("link_lives", Value::from(link_lives.as_str())),
            ("code", Value::from(*code)),
            ("code_lives", Value::from(code_lives.as_str())),
        ]
    }

    fn with(self, proof: &'a Proof) -> Self {
        Self {
            link: proof.link.expose_secret(),
            link_lives: span(proof.link_lives),
            code: proof.code.expose_secret(),
            code_lives: span(proof.code_lives),
            ..self
        }
    }
}

/// A span as people say it.
fn span(span: Duration) -> String {
    let counted = |count: i64, unit: &str| match count {
        1 => format!("1 {unit}"),
        _ => format!("{count} {unit}s"),
    };
    match (span.whole_hours(), span.whole_minutes()) {
        // A mail that had to wait for its server; nobody counts with the minutes of a day.
        (hours, minutes) if hours > 1 || minutes == 60 => counted(hours, "hour"),
        (_, minutes) => counted(minutes, "minute"),
    }
}

/// Makes a type of each built-in template, so that what is wrong with one does not compile, and a table
/// of their sources.
macro_rules! built_in {
    ($($letter:literal: $text:ident $text_file:tt, $html:ident $html_file:tt;)+) => {
        $(
            built_in!(@one $text $text_file);
            built_in!(@one $html $html_file);
        )+

        /// The built-in templates by the names of their files.
        const SOURCES: &[(&str, &str)] = &[
            ("layout.html", include_str!("../templates/layout.html")),
            $(
                ($text_file, include_str!(concat!("../templates/", $text_file))),
                ($html_file, include_str!(concat!("../templates/", $html_file))),
            )+
        ];

        /// The text, subject first, and the HTML of the built-in template of this name.
        fn render_built_in(letter: &str, words: &Words<'_>) -> Result<(String, String), askama::Error> {
            match letter {
                $($letter => Ok(($text(words).render()?, $html(words).render()?)),)+
                _ => Err(askama::Error::custom(format!("there is no template {letter}"))),
            }
        }
    };
    (@one $name:ident $file:tt) => {
        #[derive(Template)]
        #[template(path = $file)]
        struct $name<'a>(&'a Words<'a>);

        impl<'a> Deref for $name<'a> {
            type Target = Words<'a>;

            fn deref(&self) -> &Words<'a> {
                self.0
            }
        }
    };
}

built_in! {
    "welcome": WelcomeText "welcome.txt", WelcomeHtml "welcome.html";
    "verify_email": VerifyEmailText "verify_email.txt", VerifyEmailHtml "verify_email.html";
    "reset_password": ResetPasswordText "reset_password.txt", ResetPasswordHtml "reset_password.html";
    "confirm_email_change": ConfirmText "confirm_email_change.txt", ConfirmHtml "confirm_email_change.html";
    "email_change_requested": ChangeText "email_change_requested.txt", ChangeHtml "email_change_requested.html";
    "password_changed": ChangedText "password_changed.txt", ChangedHtml "password_changed.html";
    "already_signed_up": AlreadyText "already_signed_up.txt", AlreadyHtml "already_signed_up.html";
}

/// The templates of an installation.
#[derive(Debug)]
pub struct Templates {
    product: String,
    /// All of them, if any was replaced.
    replaced: Option<Environment<'static>>,
}

impl Templates {
    /// The built-in templates. `product` is what people know the application by.
    #[must_use]
    pub fn built_in(product: &str) -> Self {
        Self { product: product.to_owned(), replaced: None }
    }

    /// The built-in templates, but those that the folder has. Each was rendered once, so what is wrong
    /// with one shows at start.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be read, is no template, or is wrong.
    pub fn with_folder(product: &str, folder: &Path) -> Result<Self, TemplateError> {
        let mut sources: BTreeMap<String, String> =
            SOURCES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| TemplateError::Unreadable { path, source }
        };
        for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
            let path = entry.map_err(unreadable(folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // What nobody put there for us: Kubernetes mounts files through folders of its own, such as
            // `..data`, and editors leave theirs.
            if name.starts_with('.') {
                continue;
            }
            let Some(source) = sources.get_mut(&*name) else {
                let known = SOURCES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                return Err(TemplateError::Unknown { path, known });
            };
            let text = fs::read_to_string(&path).map_err(unreadable(&path))?;
            *source = text.replace("\r\n", "\n");
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, source) in sources {
            environment
                .add_template_owned(name.clone(), source)
                .map_err(|source| TemplateError::Faulty { name, source })?;
        }
        let templates = Self { product: product.to_owned(), replaced: Some(environment) };
        for (name, _) in SOURCES {
            if let Some(letter) = name.strip_suffix(".txt") {
                templates.render_words(letter, &Words::default())?;
            }
        }
        Ok(templates)
    }

    /// Writes a mail.
    ///
    /// # Errors
    /// When a template cannot be rendered, which was tried at start.
    pub fn render(&self, mail: &Mail) -> Result<Rendered, TemplateError> {
        self.render_words(mail.letter.name(), &Words::of(mail, &self.product))
    }

    fn render_words(&self, letter: &str, words: &Words<'_>) -> Result<Rendered, TemplateError> {
        let (text, html) = match &self.replaced {
            None => render_built_in(letter, words).map_err(TemplateError::BuiltIn)?,
            Some(environment) => {
                let render = |name: String| {
                    let rendered = environment
                        .get_template(&name)
                        .and_then(|it| it.render(Value::from_pairs(words.pairs())));
                    rendered.map_err(|source| TemplateError::Faulty { name, source })
                };
                (render(format!("{letter}.txt"))?, render(format!("{letter}.html"))?)
            }
        };
        let (subject, text) = text
            .split_once("\n\n")
            .filter(|(subject, _)| {
                !subject.trim().is_empty() && !subject.trim().contains(char::is_control)
            })
            .ok_or_else(|| TemplateError::NoSubject { name: format!("{letter}.txt") })?;
        Ok(Rendered { subject: subject.trim().to_owned(), text: text.to_owned(), html })
    }
}

#[cfg(test)]
mod tests {
    use doorward_domain::Email;
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    fn proof() -> Proof {
        Proof {
            link: "https://app.example.org/verify?token=abc&x=1".into(),
            link_lives: Duration::hours(24),
            code: "12345678".into(),
            code_lives: Duration::minutes(10),
        }
    }

    fn letters() -> Vec<Letter> {
        vec![
            Letter::Welcome,
            Letter::VerifyEmail(proof()),
            Letter::ResetPassword(proof()),
            Letter::ConfirmEmailChange(proof()),
            Letter::EmailChangeRequested { cancel_link: "https://app.example.org/cancel".into() },
            Letter::PasswordChanged,
            Letter::AlreadySignedUp,
        ]
    }

    fn mail(letter: Letter) -> Mail {
        Mail {
            id: Uuid::nil(),
            to: Email::parse("ada@example.com").unwrap(),
            name: Some(DisplayName::parse("Ada <b>\"O'Neil\"</b>").unwrap()),
            letter,
            at: datetime!(2026-01-01 12:30 UTC),
        }
    }

    #[test]
    fn every_letter_has_a_template_in_both_forms() {
        let templates = Templates::built_in("Example & Co");
        for letter in letters() {
            let name = letter.name();
            let link = !Words::of(&mail(letter.clone()), "").link.is_empty();
            let rendered = templates.render(&mail(letter.clone())).unwrap();
            assert!(rendered.subject.contains("Example & Co"), "{name}");
            let to_a_stranger = ["verify_email", "confirm_email_change"].contains(&name);
            let greets = rendered.text.contains("Hello Ada <b>\"O'Neil\"</b>,");
            assert_eq!(
                greets, !to_a_stranger,
                "{name}: who typed an address in says nothing there"
            );
            assert_eq!(rendered.text.contains("Ada"), !to_a_stranger, "{name}");
            assert_eq!(rendered.html.contains("Ada"), !to_a_stranger, "{name}");
            assert!(!rendered.html.contains("<b>"), "{name}: what people wrote is text");
            assert_eq!(rendered.text.contains("https://app.example.org/"), link, "{name}");
            assert_eq!(rendered.html.contains("href=\"https:"), link, "{name}");
            assert!(!rendered.html.contains("src="), "{name}: nothing is loaded");
            let nameless = templates.render(&Mail { name: None, ..mail(letter) }).unwrap();
            assert!(nameless.text.starts_with("Hello,\n\n"), "{name}: {}", nameless.text);
            assert!(nameless.html.contains(">Hello,<"), "{name}: {}", nameless.html);
        }
        let rendered = templates.render(&mail(Letter::VerifyEmail(proof()))).unwrap();
        for words in ["12345678", "24 hours", "10 minutes"] {
            assert!(rendered.text.contains(words) && rendered.html.contains(words), "{words}");
        }
        let changed = templates.render(&mail(Letter::PasswordChanged)).unwrap();
        assert!(changed.text.contains("2026-01-01 at 12:30 UTC"));
    }

    #[test]
    fn a_folder_replaces_what_it_has_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let nothing = Templates::with_folder("Example", folder.path()).unwrap();
        let built_in = Templates::built_in("Example");
        for letter in letters() {
            let (one, other) = (
                built_in.render(&mail(letter.clone())).unwrap(),
                nothing.render(&mail(letter)).unwrap(),
            );
            assert_eq!((one.subject, one.text), (other.subject, other.text));
            // The engines write quotes and apostrophes differently, and readers see the same.
            let seen = |html: &str| {
                [
                    ("&#60;", "<"),
                    ("&lt;", "<"),
                    ("&#62;", ">"),
                    ("&gt;", ">"),
                    ("&#34;", "\""),
                    ("&quot;", "\""),
                    ("&#39;", "'"),
                    ("&#x27;", "'"),
                    ("&#38;", "&"),
                    ("&amp;", "&"),
                    ("&#x2f;", "/"),
                ]
                .iter()
                .fold(html.to_owned(), |html, (from, to)| html.replace(from, to))
            };
            assert_eq!(seen(&one.html), seen(&other.html));
        }
        fs::create_dir(folder.path().join("..data")).unwrap();
        fs::write(folder.path().join(".welcome.txt.swp"), "b0VIM").unwrap();
        fs::write(folder.path().join("welcome.txt"), "Hi {{ name }}\n\nAll set.\n").unwrap();
        let replaced = Templates::with_folder("Example", folder.path()).unwrap();
        let welcome = replaced.render(&mail(Letter::Welcome)).unwrap();
        assert_eq!(welcome.text, "All set.");
        assert!(welcome.html.contains("Your address is confirmed"));
        // As an editor on Windows writes it.
        fs::write(folder.path().join("welcome.txt"), "Hi {{ name }}\r\n\r\nAll set.\r\n").unwrap();
        let replaced = Templates::with_folder("Example", folder.path()).unwrap();
        assert_eq!(replaced.render(&mail(Letter::Welcome)).unwrap().text, "All set.");
    }

    #[test]
    fn a_template_that_is_wrong_is_refused_at_start() {
        for (file, text, words) in [
            ("welcom.txt", "Hi\n\nx", "is no template"),
            ("welcome.txt", "Hi {{ nme }}\n\nx", "welcome.txt"),
            ("welcome.txt", "Hi {{ name\n\nx", "welcome.txt"),
            ("welcome.txt", "no subject", "subject"),
            ("welcome.html", "{% extends 'nothing.html' %}", "welcome.html"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(file), text).unwrap();
            let error = Templates::with_folder("Example", folder.path()).unwrap_err();
            assert!(error.to_string().contains(words), "{file}: {error}");
        }
        let nowhere = Templates::with_folder("Example", Path::new("/no/such/folder"));
        assert!(matches!(nowhere, Err(TemplateError::Unreadable { .. })));
    }

    #[test]
    fn spans_are_said_as_people_say_them() {
        for (minutes, said) in [
            (1, "1 minute"),
            (10, "10 minutes"),
            (60, "1 hour"),
            (90, "90 minutes"),
            (1439, "23 hours"),
            (1440, "24 hours"),
        ] {
            assert_eq!(span(Duration::minutes(minutes)), said);
        }
    }
}
