//! The pages. They are read by those who develop, on any screen and without scripts.

use doorward_domain::{KeptMail, Timestamp};
use maud::{DOCTYPE, Markup, html};
use time::{format_description::well_known::Rfc3339, macros::format_description};

fn page(title: &str, main: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/docs/assets/page.css";
            }
            body.docs.mailbox {
                a.skip href="#main" { "Skip to the content" }
                header.bar {
                    a.brand href="/docs" { "Doorward" }
                    nav aria-label="Pages" {
                        a href="/dev/mailbox" { "Mailbox" }
                        a href="/dev/mailbox.json" { "mailbox.json" }
                        a href="/docs" { "Reference" }
                    }
                }
                main #main tabindex="-1" { (main) }
            }
        }
    };
    page.into_string()
}

pub(super) fn list(mails: &[KeptMail], public_url: &str) -> String {
    let main = html! {
        h1 { "Mailbox" }
        @if mails.is_empty() {
            p { "There is no mail yet." }
            p { "Mails that would be sent appear here, the newest first, a moment after what causes them. Sign somebody up, for instance:" }
            pre tabindex="0" { code { (sign_up(public_url)) } }
            p.lead { "Then " a href="/dev/mailbox" { "look again" } ". Nothing leaves this machine until " code { "mail.smtp_url" } " names a server." }
        } @else {
            p.lead {
                "Nothing was sent: these mails are kept here for you to see, the newest first. "
                a href="/dev/mailbox" { "Look again" } "."
            }
            ol.mails {
                @for mail in mails {
                    li {
                        a href={ "/dev/mailbox/" (mail.id) } {
                            span.subject { (mail.subject) }
                            span.to { span.hidden { "to " } (mail.to.as_given()) }
                            (moment(mail.at))
                        }
                    }
                }
            }
        }
    };
    page("Mailbox", &main)
}

pub(super) fn mail(mail: &KeptMail) -> String {
    let shown = html! {
        p { a href="/dev/mailbox" { "All mails" } }
        h1 { (mail.subject) }
        p.lead { "To " span.address { (mail.to.as_given()) } ", " (moment(mail.at)) }
        div.forms {
            section {
                h2 #html { "As HTML" }
                iframe title="The mail as HTML" src={ "/dev/mailbox/" (mail.id) "/html" }
                    sandbox="allow-popups allow-popups-to-escape-sandbox" referrerpolicy="no-referrer" {}
            }
            section {
                h2 #text { "As plain text" }
                pre tabindex="0" { code { (mail.text) } }
            }
        }
    };
    page(&mail.subject, &shown)
}

fn sign_up(public_url: &str) -> String {
    format!(
        "curl {public_url}/api/v1/users -H 'content-type: application/json' \\\n  \
         -d '{{\"email\":\"ada@example.com\",\"password\":\"correct horse battery staple\",\"name\":\"Ada\"}}'"
    )
}

fn moment(at: Timestamp) -> Markup {
    let said = at.format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC"));
    // Whatever a store holds can be written so.
    let (exact, said) = (at.format(&Rfc3339).unwrap_or_default(), said.unwrap_or_default());
    html! { time datetime=(exact) { (said) } }
}
