//! What Doorward is measured by: servers that do one part of its work and nothing else. Each is a
//! process of its own, this program started with another subcommand, and serves the part of its work
//! under the address that it has in Doorward, so that the same load fits both.

pub mod hash_rate;
mod layered;
pub mod pgbench;
mod plain;
mod profile;
mod selecting;
mod verifying;

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use clap::Args;
use tokio::net::TcpListener;

/// Which yardstick to be, and what it needs to know.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The yardstick's name.
    name: String,
    /// The port to listen on.
    #[arg(long)]
    port: u16,
    /// How long the bodies of answers are, in bytes.
    #[arg(long, default_value_t = 150)]
    bytes: usize,
    /// Where the public keys are that tokens are verified with.
    #[arg(long, value_name = "URL", default_value = "")]
    keys: String,
    /// The database of Doorward.
    #[arg(long, env = "YARDSTICK_DATABASE_URL", hide_env_values = true, default_value = "")]
    database_url: String,
}

/// Makes what a yardstick serves.
type Make = fn(&Options) -> Result<Router>;

/// The yardsticks that serve.
const SERVERS: &[(&str, Make)] = &[
    ("axum-json", |options| Ok(plain::json(options))),
    ("axum-live", |_| Ok(plain::live())),
    ("axum-layers", |_| layered::live()),
    ("axum-verify", verifying::json),
    ("axum-verify-select", selecting::postgres),
    ("axum-verify-select-sqlite", selecting::sqlite),
];

/// Serves a yardstick until it is killed.
///
/// # Errors
/// When there is no such yardstick or the port is taken.
pub fn serve(options: &Options) -> Result<()> {
    let Some((_, router)) = SERVERS.iter().find(|(name, _)| *name == options.name) else {
        bail!("there is no yardstick {}", options.name);
    };
    // The same kind of runtime as Doorward's.
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let router = router(options)?.route("/ready", get(|| async {}));
        let address = (Ipv4Addr::LOCALHOST, options.port);
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("port {} cannot be listened on", options.port))?
            .tap_io(|stream| {
                // A connection that broke at once is noticed when it is read.
                let _ = stream.set_nodelay(true);
            });
        Ok(axum::serve(listener, router).await?)
    })
}
