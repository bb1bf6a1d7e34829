//! What the pages share.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use pulldown_cmark::{Parser, html::push_html};

/// A page of its own words; `contents` leads around in it. There are no scripts.
pub(crate) fn page(title: &str, contents: &Markup, main: &Markup) -> String {
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
            body.docs {
                a.skip href="#main" { "Skip to the content" }
                header.bar {
                    a.brand href="/docs" { "Doorward" }
                    nav aria-label="Pages" {
                        a href="/docs" { "Reference" }
                        a href="/docs/problems" { "Problems" }
                        a href="/docs/try" { "Try it" }
                        a href="/openapi.json" { "openapi.json" }
                    }
                }
                div.columns {
                    nav.contents aria-label="On this page" { (contents) }
                    main #main tabindex="-1" { (main) }
                }
            }
        }
    };
    page.into_string()
}

/// Markdown of the document, which is Doorward's own and never a client's.
pub(crate) fn markdown(text: &str) -> Markup {
    let mut html = String::new();
    push_html(&mut html, Parser::new(text));
    // What scrolls must be reachable by keyboard.
    PreEscaped(html.replace("<pre>", "<pre tabindex=\"0\">"))
}

/// A block of code.
pub(crate) fn code(text: &str) -> Markup {
    html! { pre tabindex="0" { code { (text) } } }
}
