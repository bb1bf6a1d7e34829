//! The page that explains every kind of problem; the `type` of a problem leads to its paragraph.

use maud::html;

use super::{document::Document, layout};
use crate::problem::Code;

pub(super) fn page(document: &Document) -> String {
    let contents = html! {
        ul {
            @for code in Code::ALL {
                li { a href={ "#" (code.as_str()) } { code { (code.as_str()) } } }
            }
        }
    };
    let main = html! {
        h1 { "Problems" }
        p {
            "Every error is a problem by RFC 9457. Switch on its " code { "code" } ", which never \
             changes; show people its " code { "detail" } "; report its " code { "request_id" } "."
        }
        @for code in Code::ALL {
            section.problem #(code.as_str()) {
                h2 { code { (code.as_str()) } " " span.status { (code.status().as_u16()) } }
                p { strong { (code.title()) "." } " " (code.explanation()) }
                @let answered_by = document.answering(*code);
                @if !answered_by.is_empty() {
                    details {
                        summary {
                            @match answered_by.len() {
                                1 => "One operation answers with it",
                                several => { (several) " operations answer with it" }
                            }
                        }
                        ul {
                            @for operation in answered_by {
                                li {
                                    a href={ "/docs#" (operation.id()) } { (operation.summary()) }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    layout::page("Doorward: problems", &contents, &main)
}
