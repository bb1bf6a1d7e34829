//! The reference: how the API is used, every operation, and the objects that it speaks of.

use maud::{Markup, html};

use crate::{
    document::{Document, text},
    layout::{self, markdown},
    operation, schema,
};

pub(crate) fn page(document: &Document) -> String {
    let title = format!("{} {}", document.title(), document.version());
    layout::page(&title, &contents(document), &main(document))
}

/// The headings of the guide, with the address and the text of each. What stands before the first is
/// the introduction.
fn chapters(guide: &str) -> impl Iterator<Item = (String, &str, &str)> {
    guide.split("\n## ").skip(1).map(|chapter| {
        let (heading, text) = chapter.split_once('\n').unwrap_or((chapter, ""));
        (heading.to_lowercase().replace(' ', "-"), heading, text)
    })
}

fn contents(document: &Document) -> Markup {
    html! {
        ul {
            @for (id, heading, _) in chapters(document.guide()) {
                li { a href={ "#" (id) } { (heading) } }
            }
        }
        @for (tag, _) in document.tags() {
            p { a href={ "#tag-" (tag) } { (tag) } }
            ul.operations {
                @for it in document.operations().filter(|it| it.tag() == tag) {
                    li { a href={ "#" (it.id()) } { (it.summary()) } }
                }
            }
        }
        p { a href="#objects" { "objects" } }
    }
}

fn main(document: &Document) -> Markup {
    let introduction = document.guide().split("\n## ").next().unwrap_or_default();
    html! {
        h1 { (document.title()) " " small { (document.version()) } }
        (markdown(introduction))
        @for (id, heading, text) in chapters(document.guide()) {
            section.chapter #(id) {
                h2 { (heading) }
                (markdown(text))
            }
        }
        @for (tag, description) in document.tags() {
            section.tag #{ "tag-" (tag) } {
                h2 { (tag) }
                p.lead { (description) }
                @for it in document.operations().filter(|it| it.tag() == tag) {
                    (operation::article(it))
                }
            }
        }
        section.tag #objects {
            h2 { "objects" }
            p.lead { "What answers are made of." }
            @for (name, is) in document.schemas().filter(|(name, _)| is_answered(document, name)) {
                article.object #{ "object-" (name) } {
                    h3 { (schema::words(name)) }
                    (markdown(text(&is["description"])))
                    (schema::fields(document, is))
                }
            }
        }
    }
}

/// Whether the object is part of an answer. Those of requests stand at their operations.
fn is_answered(document: &Document, name: &str) -> bool {
    let reference = format!("#/components/schemas/{name}");
    let is_read = |it: crate::document::Operation| {
        it.body().is_some_and(|body| body["schema"]["$ref"] == reference)
    };
    !document.operations().any(is_read)
}
