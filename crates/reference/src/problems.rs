//! The page that explains every kind of problem; the `type` of a problem leads to its paragraph.

use maud::html;

use crate::{document::Document, layout};

pub(crate) fn page(document: &Document) -> String {
    let contents = html! {
        ul {
            @for kind in document.problem_types() {
                li { a href={ "#" (kind.code) } { code { (kind.code) } } }
            }
        }
    };
    let main = html! {
        h1 { "Problems" }
        p {
            "Every error is a problem by RFC 9457. Switch on its " code { "code" } ", which never \
             changes; show people its " code { "detail" } "; report its " code { "request_id" } "."
        }
        @for kind in document.problem_types() {
            section.problem #(kind.code) {
                h2 { code { (kind.code) } " " span.status { (kind.status) } }
                p { strong { (kind.title) "." } " " (kind.explanation) }
                @let answered_by = document.answering(kind);
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
