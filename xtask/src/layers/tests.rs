use serde_json::{Value, json};

use super::{LAYERS, breaches};

const NORMAL: Value = Value::Null;

fn dev() -> Value {
    json!("dev")
}

/// Made-up metadata of a workspace in which one package has one dependency.
fn breaches_of(package: &str, dependency: &str, kind: &Value) -> Vec<String> {
    let members = [
        "doorward-domain",
        "doorward-app",
        "doorward-gather",
        "doorward-listener",
        "doorward-log",
        "doorward-reference",
        "doorward-infra-postgres",
        "doorward-infra-sqlite",
        "doorward-http",
        "doorward-server",
        "doorward-testkit",
        "xtask",
        "xtask-instructions",
        "xtask-schema",
    ];
    let packages: Vec<Value> = members
        .iter()
        .map(|name| {
            let dependencies = if *name == package {
                json!([{ "name": dependency, "kind": kind }])
            } else {
                json!([])
            };
            json!({ "name": name, "dependencies": dependencies })
        })
        .collect();
    breaches(&json!({ "packages": packages })).expect("the metadata is complete")
}

#[test]
fn every_outward_dependency_between_packages_is_a_breach() {
    let forbidden = [
        ("doorward-domain", "doorward-app"),
        ("doorward-domain", "doorward-testkit"),
        ("doorward-app", "doorward-http"),
        ("doorward-app", "doorward-infra-postgres"),
        ("doorward-app", "doorward-testkit"),
        ("doorward-gather", "doorward-domain"),
        ("doorward-listener", "doorward-http"),
        ("doorward-log", "doorward-domain"),
        ("doorward-reference", "doorward-http"),
        ("doorward-infra-postgres", "doorward-app"),
        ("doorward-infra-postgres", "doorward-infra-sqlite"),
        ("doorward-infra-sqlite", "doorward-http"),
        ("doorward-infra-sqlite", "doorward-testkit"),
        ("doorward-http", "doorward-infra-sqlite"),
        ("doorward-http", "doorward-server"),
        ("doorward-http", "doorward-testkit"),
        ("doorward-server", "doorward-testkit"),
        ("doorward-server", "xtask"),
        ("doorward-testkit", "doorward-infra-postgres"),
        ("xtask", "doorward-server"),
        ("xtask-instructions", "doorward-infra-postgres"),
        ("xtask-schema", "doorward-infra-postgres"),
    ];
    for (package, dependency) in forbidden {
        let found = breaches_of(package, dependency, &NORMAL);
        assert_eq!(found.len(), 1, "{package} → {dependency}: {found:?}");
        let beginning = format!("{package} must not depend on {dependency}: ");
        assert!(found[0].starts_with(&beginning), "{found:?}");
    }
}

#[test]
fn every_ban_of_every_layer_is_a_breach_except_in_tests() {
    for layer in &LAYERS {
        let package = layer.package.replace('*', "postgres");
        for ban in layer.banned {
            for dependency in ban.packages {
                let found = breaches_of(&package, dependency, &NORMAL);
                let sentence = format!("{package} must not depend on {dependency}: {}", ban.reason);
                assert_eq!(found, [sentence]);
                assert_eq!(breaches_of(&package, dependency, &dev()), [""; 0]);
            }
        }
    }
}

#[test]
fn the_layers_ban_what_they_are_about() {
    for (package, dependency) in [
        ("doorward-domain", "tokio"),
        ("doorward-domain", "serde"),
        ("doorward-domain", "serde_json"),
        ("doorward-domain", "sqlx"),
        ("doorward-domain", "axum"),
        ("doorward-app", "tokio-util"),
        ("doorward-app", "http-body"),
        ("doorward-app", "sqlx"),
        ("doorward-http", "sqlx"),
        ("doorward-infra-sqlite", "axum"),
        ("xtask", "sqlx"),
    ] {
        assert_eq!(breaches_of(package, dependency, &NORMAL).len(), 1, "{package} → {dependency}");
    }
}

#[test]
fn a_build_script_is_bound_like_the_package() {
    let found = breaches_of("doorward-domain", "tokio", &json!("build"));
    assert_eq!(found.len(), 1);
}

#[test]
fn tests_reach_further_but_not_everywhere() {
    for (package, dependency) in [
        ("doorward-app", "doorward-testkit"),
        ("doorward-infra-postgres", "doorward-testkit"),
        ("doorward-infra-postgres", "doorward-infra-postgres"),
        ("doorward-http", "doorward-infra-sqlite"),
        ("doorward-server", "doorward-testkit"),
    ] {
        assert_eq!(breaches_of(package, dependency, &dev()), [""; 0]);
    }
    for (package, dependency) in [
        ("doorward-domain", "doorward-app"),
        ("doorward-app", "doorward-infra-sqlite"),
        ("doorward-infra-postgres", "doorward-infra-sqlite"),
        ("doorward-http", "doorward-server"),
    ] {
        let found = breaches_of(package, dependency, &dev());
        assert_eq!(found.len(), 1, "{package} → {dependency}");
        assert!(found[0].contains(" in its tests: "), "{found:?}");
    }
}

#[test]
fn inward_dependencies_and_strangers_are_fine() {
    for (package, dependency) in [
        ("doorward-app", "doorward-domain"),
        ("doorward-infra-postgres", "doorward-domain"),
        ("doorward-infra-postgres", "sqlx"),
        ("doorward-http", "doorward-app"),
        ("doorward-http", "axum"),
        ("doorward-server", "doorward-infra-postgres"),
        ("doorward-domain", "uuid"),
        // A name that only begins like a banned one is another package.
        ("doorward-domain", "httpdate"),
    ] {
        assert_eq!(breaches_of(package, dependency, &NORMAL), [""; 0], "{package} → {dependency}");
    }
}

#[test]
fn a_package_without_a_layer_is_a_breach() {
    let metadata = json!({ "packages": [{ "name": "doorward-new", "dependencies": [] }] });
    let found = breaches(&metadata).expect("the metadata is complete");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("doorward-new belongs to no layer"), "{found:?}");
}

#[test]
fn metadata_of_another_shape_is_an_error() {
    assert!(breaches(&json!({})).is_err());
    assert!(breaches(&json!({ "packages": [{}] })).is_err());
}
