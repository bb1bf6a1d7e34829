//! Takes the two files that the documentation page needs out of the Swagger UI archive, and packs
//! each with gzip: the page then needs nothing from elsewhere, and costs half a megabyte. And names the
//! one script that the pages of mails may run by its hash.

use std::{
    fs::File,
    io::{Cursor, Read, Write},
    path::PathBuf,
};

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

const SCRIPT: &str = "assets/mail-page.js";
const FILES: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={SCRIPT}");
    let script = std::fs::read(SCRIPT).with_context(|| format!("cannot read {SCRIPT}"))?;
    let hash = BASE64_STANDARD.encode(Sha256::digest(script));
    println!("cargo::rustc-env=MAIL_PAGE_SCRIPT_HASH=sha256-{hash}");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
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
        let target = File::create(out.join(format!("{file}.gz")))?;
        let mut packed = GzEncoder::new(target, Compression::best());
        packed.write_all(&content)?;
        packed.finish()?;
    }
    Ok(())
}
