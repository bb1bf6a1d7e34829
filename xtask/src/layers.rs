//! `cargo xtask layers`: dependencies point inwards.
//!
//! `server → {http, infra-*} → app → domain`. The table below is the whole rule: a row per kind of
//! package, with the packages of this workspace that it may depend on, and the others that it must
//! not name. Only direct dependencies count, because only they can be named in code.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::program;

/// What one kind of package may depend on.
struct Layer {
    /// The package's name; a `*` at the end stands for any rest.
    package: &'static str,
    /// The packages of this workspace that it may depend on.
    inner: &'static [&'static str],
    /// Those that its tests may depend on besides.
    in_tests: &'static [&'static str],
    /// The packages of others that it must not depend on outside its tests.
    banned: &'static [&'static Ban],
    /// Why no other package of this workspace is allowed.
    reason: &'static str,
}

/// Packages that serve one purpose, and the reason why a layer has no business with it.
struct Ban {
    packages: &'static [&'static str],
    reason: &'static str,
}

static RUNTIME: Ban = Ban {
    packages: &["tokio", "async-std", "smol"],
    reason: "time, tasks and I/O come in through ports, so that tests run without a runtime's clock",
};
static DATABASE: Ban = Ban {
    packages: &["sqlx", "rusqlite", "diesel"],
    reason: "only an adapter knows a database; the others see the store's ports",
};
static WIRE: Ban = Ban {
    packages: &["axum", "hyper", "http", "tower", "utoipa", "reqwest"],
    reason: "HTTP is a way in, and stays exchangeable in one place",
};
static FORMAT: Ban = Ban {
    packages: &["serde", "serde_json"],
    reason: "what is on the wire or in a row is a view that its adapter owns, not the domain's shape",
};

const LAYERS: [Layer; 13] = [
    Layer {
        package: "doorward-domain",
        inner: &[],
        in_tests: &[],
        banned: &[&RUNTIME, &DATABASE, &WIRE, &FORMAT],
        reason: "the domain is the innermost layer",
    },
    Layer {
        package: "doorward-app",
        inner: &["doorward-domain"],
        in_tests: &["doorward-testkit"],
        banned: &[&RUNTIME, &DATABASE, &WIRE],
        reason: "use cases see the domain and its ports only, never who implements or calls them",
    },
    Layer {
        package: "doorward-gather",
        inner: &[],
        in_tests: &[],
        banned: &[&DATABASE, &WIRE],
        reason: "it gathers questions of whatever kind, and knows nothing of Doorward",
    },
    Layer {
        package: "doorward-listener",
        inner: &[],
        in_tests: &[],
        banned: &[&DATABASE],
        reason: "it serves whatever router it is given, and knows nothing of Doorward",
    },
    Layer {
        package: "doorward-log",
        inner: &[],
        in_tests: &[],
        banned: &[&DATABASE, &WIRE, &RUNTIME],
        reason: "it writes lines, and knows nothing of Doorward",
    },
    Layer {
        package: "doorward-reference",
        inner: &[],
        in_tests: &[],
        banned: &[&DATABASE, &WIRE, &RUNTIME],
        reason: "it writes pages from an OpenAPI document while Doorward is built, and knows nothing of Doorward",
    },
    Layer {
        package: "doorward-infra-*",
        inner: &["doorward-domain", "doorward-gather"],
        // Some of what an adapter must do is seen only through a use case, such as proving the trail.
        in_tests: &["doorward-testkit", "doorward-app"],
        banned: &[&WIRE],
        reason: "an adapter implements the domain's ports, and can be swapped without another noticing",
    },
    Layer {
        package: "doorward-http",
        inner: &["doorward-app", "doorward-domain", "doorward-reference"],
        in_tests: &["doorward-testkit", "doorward-infra-*"],
        banned: &[&DATABASE],
        reason: "the HTTP layer calls use cases, and never names an adapter",
    },
    Layer {
        package: "doorward-server",
        inner: &[
            "doorward-app",
            "doorward-domain",
            "doorward-http",
            "doorward-infra-*",
            "doorward-listener",
            "doorward-log",
        ],
        in_tests: &["doorward-testkit"],
        banned: &[],
        reason: "the server wires the layers together, and test doubles stay out of the binary",
    },
    Layer {
        package: "doorward-testkit",
        inner: &["doorward-app", "doorward-domain"],
        in_tests: &[],
        banned: &[&DATABASE, &WIRE],
        reason: "the doubles and the contract suite serve every adapter, so they know none",
    },
    Layer {
        package: "xtask",
        inner: &[],
        in_tests: &[],
        banned: &[&DATABASE, &RUNTIME],
        reason: "the chores must compile in seconds, and work when the product does not compile",
    },
    Layer {
        package: "xtask-instructions",
        inner: &[
            "doorward-app",
            "doorward-domain",
            "doorward-http",
            "doorward-infra-crypto",
            "doorward-log",
            "doorward-testkit",
        ],
        in_tests: &[],
        banned: &[],
        reason: "it is built once more, optimised, in every run of CI: it takes what it measures alone",
    },
    Layer {
        package: "xtask-schema",
        inner: &[],
        in_tests: &[],
        banned: &[],
        reason: "it migrates a database so that the adapters can be compiled: it cannot need them",
    },
];

/// Checks the workspace's packages against the table.
///
/// # Errors
/// When Cargo cannot read the workspace, or with every breach.
pub fn check() -> Result<()> {
    let mut cargo = program::cargo(["metadata", "--format-version=1", "--no-deps", "--offline"]);
    let metadata = serde_json::from_slice(&program::read(&mut cargo)?)?;
    let breaches = breaches(&metadata)?;
    if !breaches.is_empty() {
        bail!("the layers are broken:\n  {}", breaches.join("\n  "));
    }
    eprintln!("Dependencies point inwards.");
    Ok(())
}

/// Every breach in what `cargo metadata --no-deps` tells, as a sentence each.
fn breaches(metadata: &Value) -> Result<Vec<String>> {
    let packages = list(metadata, "packages")?;
    let names = packages.iter().map(|package| text(package, "name")).collect::<Result<Vec<_>>>()?;
    let mut breaches = Vec::new();
    for (package, name) in packages.iter().zip(&names) {
        let Some(layer) = LAYERS.iter().find(|layer| matches(layer.package, name)) else {
            breaches
                .push(format!("{name} belongs to no layer: give it a row in xtask/src/layers.rs"));
            continue;
        };
        for dependency in list(package, "dependencies")? {
            let dependency_name = text(dependency, "name")?;
            let in_tests = dependency["kind"] == "dev";
            if dependency_name == *name {
                // A package's tests name the package itself to turn on one of its features.
                continue;
            }
            let reason = if names.contains(&dependency_name) {
                inner_breach(layer, dependency_name, in_tests)
            } else {
                outer_breach(layer, dependency_name, in_tests)
            };
            if let Some(reason) = reason {
                let place = if in_tests { " in its tests" } else { "" };
                breaches
                    .push(format!("{name} must not depend on {dependency_name}{place}: {reason}"));
            }
        }
    }
    Ok(breaches)
}

/// Why a package of the layer must not depend on that package of the workspace, if it must not.
fn inner_breach(layer: &Layer, dependency: &str, in_tests: bool) -> Option<&'static str> {
    let listed = |names: &[&str]| names.iter().any(|name| matches(name, dependency));
    let allowed = listed(layer.inner) || (in_tests && listed(layer.in_tests));
    (!allowed).then_some(layer.reason)
}

/// Why a package of the layer must not depend on somebody else's package, if it must not.
fn outer_breach(layer: &Layer, dependency: &str, in_tests: bool) -> Option<&'static str> {
    let names = |ban: &&&Ban| ban.packages.iter().any(|name| is_family(name, dependency));
    let ban = layer.banned.iter().find(names)?;
    (!in_tests).then_some(ban.reason)
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

/// Whether a package is the named one or one of its companions, as `tokio-util` is of `tokio`.
fn is_family(name: &str, package: &str) -> bool {
    package.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value[key].as_array().with_context(|| format!("`cargo metadata` has no list `{key}`"))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key].as_str().with_context(|| format!("`cargo metadata` has no text `{key}`"))
}

#[cfg(test)]
mod tests;
