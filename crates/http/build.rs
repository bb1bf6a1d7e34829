//! Packs with gzip the OpenAPI document, the pages that are written from it, and the two files of the Swagger UI
//! archive that the page to try it needs: that page then needs nothing from elsewhere, and costs half a megabyte.
//! And names the one script that the pages of mails may run by its hash.

use std::{
    fs::File,
    io::{Cursor, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

/// The document that `cargo xtask openapi` makes.
const DOCUMENT: &str = "../../openapi.json";
const SCRIPT: &str = "assets/mail-page.js";
const FILES: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={DOCUMENT}");
    println!("cargo::rerun-if-changed={SCRIPT}");
    let script = std::fs::read(SCRIPT).with_context(|| format!("cannot read {SCRIPT}"))?;
    let hash = BASE64_STANDARD.encode(Sha256::digest(script));
    println!("cargo::rustc-env=MAIL_PAGE_SCRIPT_HASH=sha256-{hash}");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let document = std::fs::read(DOCUMENT).with_context(|| format!("cannot read {DOCUMENT}"))?;
    pack(&document, &out.join("openapi.json.gz"))?;
    let document = serde_json::from_slice(&document).with_context(|| {
        format!("{DOCUMENT} is not JSON; take back what was done to it by hand")
    })?;
    let pages = doorward_reference::pages(document);
    pack(pages.reference.as_bytes(), &out.join("reference.html.gz"))?;
    pack(pages.problems.as_bytes(), &out.join("problems.html.gz"))?;
    let mut archive =
        zip::ZipArchive::new(Cursor::new(utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED))?;
    for file in FILES {
        let suffix = format!("/dist/{file}");
        let name = archive
            .file_names()
            .filter_map(Result::ok)
            .find(|name| name.ends_with(&suffix))
            .map(std::borrow::Cow::into_owned)
            .with_context(|| format!("the Swagger UI archive has no {suffix}"))?;
        let mut content = Vec::new();
        archive.by_name(&name)?.read_to_end(&mut content)?;
        pack(&content, &out.join(format!("{file}.gz")))?;
    }
    Ok(())
}

fn pack(content: &[u8], target: &Path) -> Result<()> {
    let mut packed = GzEncoder::new(File::create(target)?, Compression::best());
    packed.write_all(content)?;
    packed.finish()?;
    Ok(())
}
