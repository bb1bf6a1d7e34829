//! `peer.toml`.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde::Deserialize;

use super::protocol::{Protocol, Request, SignedIn};

/// What a peer says of itself; `bench/peers/README.md` explains the keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub about: String,
    pub hash: String,
    pub install: Vec<Vec<String>>,
    pub installed: String,
    #[serde(default)]
    pub prepare: Vec<Vec<String>>,
    #[serde(default)]
    pub time_hash: Vec<String>,
    pub start: Vec<String>,
    pub ready: String,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    #[serde(rename = "mode")]
    pub modes: Vec<Mode>,
    sign_up: Request,
    login: Request,
    me: Request,
    signed_in: SignedIn,
}

/// One way to run a peer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mode {
    pub name: String,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads the text of a `peer.toml`.
    ///
    /// # Errors
    /// When a key is missing, unknown or says something impossible.
    pub fn parse(text: &str) -> Result<Self> {
        let manifest: Self = toml::from_str(text)?;
        ensure!(!manifest.start.is_empty(), "`start` is empty");
        ensure!(!manifest.modes.is_empty(), "there is no `[[mode]]`");
        manifest.signed_in.check()?;
        ensure!(manifest.me.proves.is_some(), "`me.proves` is missing");
        Ok(manifest)
    }

    /// How it is asked.
    pub fn protocol(&self) -> Protocol {
        Protocol {
            sign_up: self.sign_up.clone(),
            login: self.login.clone(),
            me: self.me.clone(),
            signed_in: self.signed_in.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Manifest;

    const LEAST: &str = r#"
about = "x"
hash = "x"
install = []
installed = "x"
start = ["x"]
ready = "/"
mode = [{ name = "x" }]
sign_up = { method = "POST", path = "/u" }
login = { method = "POST", path = "/l" }
me = { method = "GET", path = "/me", proves = "{email}" }
signed_in = { cookie = true }
"#;

    #[test]
    fn the_least_is_understood_and_what_is_wrong_is_told() {
        Manifest::parse(LEAST).expect("it is enough");
        for (from, to, fault) in [
            ("ready = \"/\"", "", "missing field `ready`"),
            ("about", "abuot", "unknown field `abuot`"),
            ("start = [\"x\"]", "start = []", "`start` is empty"),
            (", proves = \"{email}\"", "", "`me.proves` is missing"),
            ("cookie = true", "", "neither"),
            ("cookie = true", "token_header = \"A\"", "neither"),
            ("[{ name = \"x\" }]", "[]", "no `[[mode]]`"),
        ] {
            let error = Manifest::parse(&LEAST.replace(from, to)).expect_err(fault);
            assert!(format!("{error:#}").contains(fault), "{fault}: {error:#}");
        }
    }
}
