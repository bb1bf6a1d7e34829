//! Takes the two files that the documentation page needs out of the Swagger UI archive, and packs
//! each with gzip: the page then needs nothing from elsewhere, and costs half a megabyte.

use std::{
    fs::File,
    io::{Cursor, Read, Write},
    path::PathBuf,
};

use anyhow::{Context, Result};
use flate2::{Compression, write::GzEncoder};

const FILES: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
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
