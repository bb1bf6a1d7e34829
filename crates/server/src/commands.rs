//! The commands that do one thing and end.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use doorward_app::{Ctx, account::Register, bootstrap};
use doorward_domain::{DisplayName, Email, Password};
use doorward_infra_sqlite::Workload;

use crate::{
    output::print,
    settings::{Effective, Settings, report},
    telemetry,
    wiring::{self, Database},
};

/// How long a running server may take to say that it is ready.
const HEALTH_PATIENCE: Duration = Duration::from_secs(5);
/// The longest password line that is read, in octets.
const PASSWORD_MAX_OCTETS: u64 = 16 * 1024;

/// Runs a future on a small runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(future)
}

/// Does something with the database of the installation, beside running servers.
pub(crate) fn on_database<T>(
    settings: &Settings,
    workload: Workload,
    work: impl AsyncFnOnce(Arc<Ctx>) -> Result<T>,
) -> Result<T> {
    let _log = telemetry::start(&settings.log)?;
    block_on(async {
        let database = Database::open(&settings.database, workload).await?;
        database.prepare(settings.database.migrate_on_start).await?;
        let ctx = wiring::context(settings, &database)?;
        let done = work(Arc::new(ctx)).await;
        database.close().await;
        done
    })
}

pub(crate) fn migrate(settings: &Settings) -> Result<()> {
    let _log = telemetry::start(&settings.log)?;
    block_on(async {
        let database = Database::open(&settings.database, Workload::Serving).await?;
        let applied = database.migrate().await?;
        database.close().await;
        match applied.as_slice() {
            [] => eprintln!("The database is up to date."),
            names => names.iter().for_each(|name| eprintln!("Applied {name}.")),
        }
        Ok(())
    })
}

pub(crate) fn create_admin(settings: &Settings, email: &str, name: &str) -> Result<()> {
    let (email, name, password) =
        match (Email::parse(email), DisplayName::parse(name), read_password()) {
            (Ok(email), Ok(name), Ok(password)) => (email, name, password),
            (email, name, password) => {
                let faults = [
                    email.err().map(|fault| format!("--email {fault}")),
                    name.err().map(|fault| format!("--name {fault}")),
                    password.err().map(|fault| format!("the password on standard input {fault}")),
                ];
                bail!(faults.into_iter().flatten().collect::<Vec<_>>().join("; "))
            }
        };
    let command = Register { email, password, name };
    let user = on_database(settings, Workload::Serving, async |ctx| {
        Ok(bootstrap::create_admin(&ctx, command).await?)
    })?;
    eprintln!("Made the administrator {} ({}).", user.email.as_given(), user.id);
    Ok(())
}

/// One line; the line's end does not belong to the password.
fn read_password() -> Result<Password> {
    let mut line = String::new();
    BufReader::new(io::stdin().lock().take(PASSWORD_MAX_OCTETS)).read_line(&mut line)?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(Password::parse(line.strip_suffix('\r').unwrap_or(line))?)
}

pub(crate) fn health_check(settings: &Settings) -> Result<()> {
    let server = SocketAddr::new(reachable(settings.server.host), settings.server.port);
    let mut stream = TcpStream::connect_timeout(&server, HEALTH_PATIENCE)
        .with_context(|| format!("nobody answers on {server}"))?;
    stream.set_read_timeout(Some(HEALTH_PATIENCE))?;
    stream.set_write_timeout(Some(HEALTH_PATIENCE))?;
    let request =
        format!("GET /health/ready HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut status_line = String::new();
    BufReader::new(stream.take(1024))
        .read_line(&mut status_line)
        .with_context(|| format!("{server} accepted the connection but does not answer"))?;
    let status = status_line.split(' ').nth(1).unwrap_or_default();
    ensure!(status == "200", "{server} is not ready: it answered {}", status_line.trim_end());
    Ok(())
}

/// The address to reach a server at that listens on `host`.
fn reachable(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    }
}

/// Prints the document as it stands in the repository: for an installation with the default settings.
pub(crate) fn openapi() -> Result<()> {
    print(&doorward_http::published())
}

pub(crate) fn show(effective: &[Effective], json: bool) -> Result<()> {
    if json {
        let rows: Vec<_> = effective
            .iter()
            .map(
                |row| serde_json::json!({"key": row.key, "value": row.value, "origin": row.origin}),
            )
            .collect();
        print(&format!("{}\n", serde_json::to_string_pretty(&rows)?))
    } else {
        print(&report(effective))
    }
}
