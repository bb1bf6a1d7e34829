//! One page: what will happen, and the button that makes it happen.

use doorward_domain::ProofPurpose;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::routes::BASE;

const SCRIPT: &str = include_str!("../../../assets/mail-page.js");

/// What a page says.
struct Words {
    title: &'static str,
    /// What will happen.
    lead: String,
    act: &'static str,
    /// For whoever the mail should not have reached.
    otherwise: &'static str,
    done: &'static str,
    /// What to do once it has happened.
    next: &'static str,
}

/// The page of what these mails are for, in the name of the application. `base` is what all addresses begin
/// with, `least` the number of characters of a new password.
pub(super) fn page(purpose: ProofPurpose, product: &str, base: &str, least: usize) -> String {
    let words = words(purpose, product);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (words.title) }
                link rel="icon" href="data:,";
                link rel="stylesheet" href={ (base) "/docs/assets/page.css" };
            }
            body.docs.mailed {
                header.bar { span.brand { (product) } }
                main {
                    section #before {
                        h1 { (words.title) }
                        p { (words.lead) }
                        noscript {
                            p.notice { "This page needs JavaScript. Nothing has happened yet: allow it, and open the link in the mail once more." }
                        }
                        (form(purpose, &words, base, least))
                        p.rule { (words.otherwise) }
                    }
                    section #done hidden {
                        h1 tabindex="-1" { (words.done) }
                        p { (words.next) }
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// Hidden until the script is there to send it.
fn form(purpose: ProofPurpose, words: &Words, base: &str, least: usize) -> Markup {
    let has_code = has_code(purpose);
    html! {
        p.notice #no-token hidden {
            "This page was opened without the token of a link. Open the link in the mail once more"
            @if has_code { ", or type the code from it" }
            "."
        }
        form #form method="post" hidden novalidate data-operation={ (base) (BASE) (operation(purpose)) } {
            @if has_code {
                fieldset #typed hidden disabled {
                    legend { "The mail has a code of eight digits. It works for ten minutes." }
                    label for="email" { "Address that the mail went to" }
                    input #email name="email" type="email" autocomplete="email" aria-describedby="email-fault";
                    p.fault #email-fault {}
                    label for="code" { "Code" }
                    input #code name="code" type="text" inputmode="numeric" autocomplete="one-time-code"
                        aria-describedby="code-fault";
                    p.fault #code-fault {}
                }
            }
            @if purpose == ProofPurpose::ResetPassword { (new_password(least)) }
            // What is put into it is read out.
            div #outcome aria-live="polite" tabindex="-1" {}
            button #act.act type="submit" { (words.act) }
            @if has_code { button #other.plain type="button" { "Type the code from the mail instead" } }
        }
    }
}

fn new_password(least: usize) -> Markup {
    html! {
        label for="new_password" { "New password" }
        input #new_password name="new_password" type="password" autocomplete="new-password" minlength=(least)
            spellcheck="false" autocapitalize="none" aria-describedby="rule new_password-fault";
        p.rule #rule {
            "At least " (least) " characters of any kind. A few words in a row are easy to remember and hard to guess."
        }
        p.fault #new_password-fault {}
        button #show.plain type="button" aria-controls="new_password" { "Show password" }
    }
}

/// The mail by which a change can be cancelled has no code: it works for a day, and a code for minutes.
fn has_code(purpose: ProofPurpose) -> bool {
    purpose != ProofPurpose::CancelEmailChange
}

fn operation(purpose: ProofPurpose) -> &'static str {
    match purpose {
        ProofPurpose::VerifyEmail => "/auth/verify-email",
        ProofPurpose::ResetPassword => "/auth/password-reset/confirm",
        ProofPurpose::ConfirmEmailChange => "/auth/email-change/confirm",
        ProofPurpose::CancelEmailChange => "/auth/email-change/cancel",
    }
}

fn words(purpose: ProofPurpose, product: &str) -> Words {
    match purpose {
        ProofPurpose::VerifyEmail => Words {
            title: "Confirm your address",
            lead: format!(
                "Somebody signed up for {product} with your address. If it was you, confirm that it is yours."
            ),
            act: "Confirm address",
            otherwise: "If it was not you, close this page: nothing will happen.",
            done: "Your address is confirmed",
            next: "You can close this page.",
        },
        ProofPurpose::ResetPassword => Words {
            title: "Choose a new password",
            lead: format!(
                "It replaces the password of your account with {product}, and everybody who is signed in to it is \
                 signed out."
            ),
            act: "Set new password",
            otherwise: "If you did not ask for this, close this page: your password stays as it is.",
            done: "Your password is changed",
            next: "Everybody is signed out. Sign in with the new password.",
        },
        ProofPurpose::ConfirmEmailChange => Words {
            title: "Confirm your new address",
            lead: format!(
                "Your account with {product} gets the address that the mail went to. You sign in with it from then on."
            ),
            act: "Use new address",
            otherwise: "If you did not ask for this, close this page: nothing will happen.",
            done: "Your address is changed",
            next: "Sign in with the new address from now on. You can close this page.",
        },
        ProofPurpose::CancelEmailChange => Words {
            title: "Keep your address",
            lead: format!(
                "Somebody asked for another address for your account with {product}. If you cancel that, the account \
                 keeps the one that the mail went to. If it was changed already, it is changed back, and everybody who \
                 is signed in to the account is signed out."
            ),
            act: "Cancel the change",
            otherwise: "If it was you who asked, close this page.",
            done: "The change is cancelled",
            next: "Your account has the address that the mail went to. If it was not you who wanted another one, \
                   somebody may know your password: choose a new one now.",
        },
    }
}
