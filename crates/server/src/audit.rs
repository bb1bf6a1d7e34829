//! The commands about the audit trail.

use anyhow::{Result, bail};
use doorward_app::audit::{self, Verified, VerifyError};
use doorward_domain::audit::hex;
use doorward_infra_sqlite::Workload;
use indicatif::ProgressBar;
use serde_json::json;

use crate::{commands::on_database, output::print, settings::Settings};

/// Proves the trail, or fails with the first thing that is wrong with it.
pub(crate) fn verify(settings: &Settings, json: bool) -> Result<()> {
    let outcome = on_database(settings, Workload::Serving, async |ctx| {
        // It shows nothing where standard error is no terminal.
        let progress = ProgressBar::new_spinner();
        let show = |events| progress.set_message(format!("{events} events checked"));
        let outcome = audit::verify(&ctx, show).await;
        progress.finish_and_clear();
        match outcome {
            Ok(proved) => Ok(Ok(proved)),
            Err(VerifyError::Tampered(tampering)) => Ok(Err(tampering)),
            Err(VerifyError::Failed(failure)) => Err(failure.into()),
        }
    })?;
    match outcome {
        Ok(proved) if json => print(&format!("{:#}\n", object(&proved))),
        Ok(proved) => print(&report(&proved)),
        Err(tampering) => {
            if json {
                let problem = json!({"code": tampering.code(), "detail": tampering.to_string()});
                print(&format!("{:#}\n", json!({"sound": false, "problem": problem})))?;
            }
            bail!("the audit trail is not sound: {tampering}");
        }
    }
}

/// Signs the trail with the present secret.
pub(crate) fn vouch(settings: &Settings) -> Result<()> {
    let outcome =
        on_database(settings, Workload::Serving, async |ctx| match audit::vouch(&ctx).await {
            Ok(signed) => Ok(Ok(signed)),
            Err(VerifyError::Tampered(tampering)) => Ok(Err(tampering)),
            Err(VerifyError::Failed(failure)) => Err(failure.into()),
        })?;
    match outcome {
        Ok(Some(seal)) => print(&format!("Signed: seal {seal} and all before it.\n")),
        Ok(None) => print("Nothing to do: the trail is signed.\n"),
        Err(tampering) => bail!("nothing was signed, the audit trail is not sound: {tampering}"),
    }
}

fn object(proved: &Verified) -> serde_json::Value {
    json!({
        "sound": true,
        "events": proved.events,
        "seals": proved.seals,
        "unsealed": proved.unsealed,
        "pruned": proved.pruned,
        "last_seal": {"number": proved.end.number, "hash": hex(&proved.end.hash)},
    })
}

fn report(proved: &Verified) -> String {
    let Verified { events, seals, unsealed, pruned, end } = proved;
    let hash = hex(&end.hash);
    let rows = [
        ("checked", format!("{events} events under {seals} seals, all as they were written")),
        ("not sealed yet", unsealed.to_string()),
        ("pruned", pruned.to_string()),
        ("last seal", format!("{} {hash}", end.number)),
    ];
    rows.map(|(name, value)| format!("{name:14}  {value}\n")).concat()
}
