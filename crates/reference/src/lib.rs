//! The pages to read about the API, written from its OpenAPI document: plain HTML, no scripts, nothing from
//! elsewhere.
//!
//! They are written while Doorward is built, so that a server carries the pages, packed, and not what writes them.

mod document;
mod layout;
mod operation;
mod problems;
mod reference;
mod schema;

use serde_json::Value;

use self::document::Document;

/// The pages about one API.
#[derive(Debug)]
pub struct Pages {
    /// How the API is used, every operation, and the objects that it speaks of.
    pub reference: String,
    /// Every kind of problem; the `type` of a problem leads to its paragraph.
    pub problems: String,
}

/// Writes the pages about the API of an OpenAPI 3.1 document, which lists its kinds of problems as
/// `x-problem-types`. What the document leaves out is left out of the pages.
#[must_use]
pub fn pages(openapi: Value) -> Pages {
    let document = Document::new(openapi);
    Pages { reference: reference::page(&document), problems: problems::page(&document) }
}
