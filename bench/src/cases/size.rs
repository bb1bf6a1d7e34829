//! How large the program is that people copy to their servers.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Case;
use crate::bench::Bench;
use crate::harness::process;
use crate::harness::report::{Finding, Goal, Outcome};
use crate::harness::rounds::Spread;

pub const CASE: Case = Case {
    name: "size",
    measures: "the release binary, linked statically and with packed relocations as for an empty image",
    goal: "≤ 15 MB; better 10 MB",
    run,
};

fn run(bench: &Bench) -> Result<Outcome> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("target/bench/static");
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    eprintln!("  building; the first time takes some minutes");
    let mut build = Command::new("cargo");
    build
        .args([
            "build",
            "--release",
            "--locked",
            "--package",
            "doorward-server",
            "--target",
            &target,
        ])
        .arg("--target-dir")
        .arg(&folder)
        // As the README says for an empty image, with the option that it names.
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs")
        .current_dir(&root);
    process::run(&mut build)?;
    let alone = bytes(&folder.join(&target).join("release/doorward"))?;
    let usual = bytes(&bench.doorward)?;
    let megabytes = Spread::of([alone / 1e6]);
    let finding = Finding::with_goal("MB, linked statically", megabytes, Goal::AtMost(15.0));
    Ok(Outcome {
        findings: vec![
            finding.stretch(Goal::AtMost(10.0)),
            Finding::of("MB, linked as usual", Spread::of([usual / 1e6])),
        ],
        notes: vec![format!("{alone:.0} and {usual:.0} bytes.")],
        ..Outcome::default()
    })
}

#[expect(clippy::cast_precision_loss, reason = "no file has 2^52 bytes")]
fn bytes(file: &Path) -> Result<f64> {
    let metadata = fs::metadata(file).with_context(|| format!("{} is missing", file.display()))?;
    Ok(metadata.len() as f64)
}
