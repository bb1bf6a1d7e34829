//! The commands about signing keys. They work on the database, beside running servers, which notice.

use anyhow::Result;
use doorward_app::{
    Receipt,
    signing_key::{self, ListedKey},
};
use doorward_domain::AuditParty;
use doorward_infra_sqlite::Workload;
use serde_json::{Value, json};

use crate::{
    commands::on_database,
    output::{self, print, shown, shown_or_dash, text},
    settings::Settings,
};

/// Prints all keys.
pub(crate) fn list(settings: &Settings, json: bool) -> Result<()> {
    let keys =
        on_database(settings, Workload::Serving, async |ctx| Ok(signing_key::list(&ctx).await?))?;
    if json {
        let keys: Vec<Value> = keys.iter().map(object).collect();
        print(&format!("{:#}\n", Value::from(keys)))?;
    } else if keys.is_empty() {
        eprintln!("There are no keys yet; the first start of the server makes one.");
    } else {
        print(&table(&keys))?;
    }
    Ok(())
}

/// Begins a rotation, or replaces all keys `now`.
pub(crate) fn rotate(settings: &Settings, now: bool, json: bool) -> Result<()> {
    let rotation = on_database(settings, Workload::Serving, async |ctx| {
        let rotation = if now {
            signing_key::rotate_now(&ctx).await
        } else {
            signing_key::rotate(&ctx, AuditParty::console(), Receipt::none()).await
        };
        Ok(rotation?)
    })?;
    let key = &rotation.key;
    if json {
        let rotation = json!({"key": object(key), "under_way": rotation.under_way});
        return print(&format!("{rotation:#}\n"));
    }
    let (kid, from) = (&key.kid, shown(key.activates_at));
    if now {
        eprintln!("All keys are replaced by {kid}. Access tokens made before are refused.");
    } else if rotation.under_way {
        eprintln!("A rotation is under way already: {kid} signs from {from} on.");
    } else {
        eprintln!("Made {kid}, which is published now and signs from {from} on.");
    }
    Ok(())
}

/// Encrypts all keys anew.
pub(crate) fn rewrap(settings: &Settings) -> Result<()> {
    let keys =
        on_database(settings, Workload::Serving, async |ctx| Ok(signing_key::rewrap(&ctx).await?))?;
    eprintln!(
        "Encrypted {keys} signing keys with the present auth.secret. Keep the former one in \
         auth.previous_secrets until the sessions from before the change are over."
    );
    Ok(())
}

fn object(key: &ListedKey) -> Value {
    json!({
        "kid": key.kid,
        "generation": key.generation,
        "algorithm": key.algorithm.as_str(),
        "state": key.state.as_str(),
        "created_at": text(key.created_at),
        "activates_at": text(key.activates_at),
        "signs_until": key.signs_until.map(text),
        "retires_at": key.retires_at.map(text),
    })
}

fn table(keys: &[ListedKey]) -> String {
    let head = ["key", "generation", "algorithm", "state", "signs from", "signs until", "retires"];
    let row = |key: &ListedKey| {
        [
            key.kid.clone(),
            key.generation.to_string(),
            key.algorithm.as_str().to_owned(),
            key.state.as_str().to_owned(),
            shown(key.activates_at),
            shown_or_dash(key.signs_until),
            shown_or_dash(key.retires_at),
        ]
    };
    output::table(head, keys.iter().map(row))
}

#[cfg(test)]
mod tests {
    use doorward_domain::{KeyState, SigningAlgorithm};
    use time::macros::datetime;

    use super::*;

    #[test]
    fn keys_are_shown_aligned_for_people_and_whole_for_programs() {
        let old = ListedKey {
            kid: "one".to_owned(),
            generation: 9,
            algorithm: SigningAlgorithm::EdDsa,
            state: KeyState::Active,
            created_at: datetime!(2026-01-01 00:00:00.5 UTC),
            activates_at: datetime!(2026-01-01 00:00:00.5 UTC),
            signs_until: Some(datetime!(2026-01-02 00:10:15 UTC)),
            retires_at: Some(datetime!(2026-01-02 00:25:30 UTC)),
        };
        let new = ListedKey {
            kid: "another".to_owned(),
            generation: 10,
            state: KeyState::Published,
            activates_at: datetime!(2026-01-02 00:10:15 UTC),
            signs_until: None,
            retires_at: None,
            ..old.clone()
        };
        assert_eq!(
            table(&[old.clone(), new.clone()]),
            "key      generation  algorithm  state      signs from            signs until           retires\n\
             one      9           EdDSA      active     2026-01-01 00:00:00Z  2026-01-02 00:10:15Z  2026-01-02 00:25:30Z\n\
             another  10          EdDSA      published  2026-01-02 00:10:15Z  -                     -\n"
        );
        assert_eq!(object(&new)["retires_at"], Value::Null);
        assert_eq!(object(&old)["created_at"], "2026-01-01T00:00:00.5Z");
    }
}
