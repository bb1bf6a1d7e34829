//! `cargo xtask db`: the development server, whose data stays from one start to the next.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use super::cluster::Cluster;
use super::container::Container;
use super::installation::Engine;
use super::{Lifetime, discard, new_password, private_file, servers_folder, url};

/// The file with the URL, and so with the chosen port and the password.
const URL: &str = "url";

/// What a person wants of the development server.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Request {
    /// Starts the server, and makes it the first time.
    Start,
    /// Stops the server and keeps its data.
    Stop,
    /// Prints the URL of the running server, and nothing else.
    Url,
}

/// Does what was asked of the development server.
///
/// # Errors
/// When the server cannot be started or stopped, or `url` finds it not running.
pub fn serve(request: Request) -> Result<()> {
    let (parent, _exclusive) = servers_folder()?;
    let folder = parent.join("dev");
    match request {
        Request::Start => start(&folder),
        Request::Stop => stop(&folder),
        Request::Url => print_url(&folder),
    }
}

fn start(folder: &Path) -> Result<()> {
    if let Some(known) = recorded_url(folder)? {
        resume(folder, &known)?;
    } else if let Err(error) = make(folder) {
        // Nobody has used what a failed first start left behind.
        discard(folder)?;
        return Err(error);
    }
    eprintln!(
        "The development PostgreSQL server runs. To use it:\n\
         \n    APP_DATABASE_URL=$(cargo xtask db url) cargo run\n\
         \n`cargo xtask db stop` stops it and keeps its data."
    );
    Ok(())
}

fn make(folder: &Path) -> Result<()> {
    let engine = Engine::choose()?;
    // There is no URL yet: if there is a folder, its first start was killed.
    discard(folder)?;
    fs::create_dir(folder)?;
    let password = new_password()?;
    eprintln!("Making a PostgreSQL server for development …");
    let port = match engine {
        Engine::Installed(programs) => {
            let cluster = Cluster::create(folder, &programs, &password)?;
            cluster.start(None, Lifetime::Lasting)?
        }
        Engine::Docker => Container::create(folder, &password, Lifetime::Lasting)?.ready()?,
    };
    private_file(&folder.join(URL), &url(port, &password))
}

fn resume(folder: &Path, known: &str) -> Result<()> {
    let (port, password) = port_and_password(known)
        .with_context(|| format!("{} is damaged: delete the folder", folder.join(URL).display()))?;
    if let Some(container) = Container::recorded(folder)? {
        container.start()?;
        container.ready()?;
        return Ok(());
    }
    let cluster = Cluster::recorded(folder)?.with_context(|| damaged(folder))?;
    if cluster.is_running() {
        return Ok(());
    }
    if !cluster.home().join("data").exists() {
        bail!(
            "The development database in {} is gone: delete {} to start with an empty one.",
            cluster.home().display(),
            folder.display()
        );
    }
    if !cluster.programs().join("postgres").exists() {
        bail!(
            "The development database was made by the PostgreSQL in {}, which is gone: \
             install that version again, or delete {} and lose the data.",
            cluster.programs().display(),
            folder.display()
        );
    }
    let taken = cluster.start(Some(port), Lifetime::Lasting)?;
    if taken != port {
        eprintln!("Port {port} is taken by another program: the server uses {taken} from now on.");
        private_file(&folder.join(URL), &url(taken, password))?;
    }
    Ok(())
}

fn stop(folder: &Path) -> Result<()> {
    if let Some(container) = Container::recorded(folder)? {
        container.stop()?;
    }
    if let Some(cluster) = Cluster::recorded(folder)? {
        cluster.stop(Lifetime::Lasting)?;
    }
    eprintln!(
        "The development PostgreSQL server is stopped; `cargo xtask db start` has its data again."
    );
    Ok(())
}

fn print_url(folder: &Path) -> Result<()> {
    let running = match (Container::recorded(folder)?, Cluster::recorded(folder)?) {
        (Some(container), _) => container.is_running(),
        (None, Some(cluster)) => cluster.is_running(),
        (None, None) => false,
    };
    match recorded_url(folder)? {
        Some(url) if running => println!("{url}"),
        _ => bail!(
            "The development PostgreSQL server does not run: start it with `cargo xtask db start`."
        ),
    }
    Ok(())
}

fn recorded_url(folder: &Path) -> Result<Option<String>> {
    match fs::read_to_string(folder.join(URL)) {
        Ok(url) => Ok(Some(url)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn damaged(folder: &Path) -> String {
    format!("{} is damaged: delete it and start again", folder.display())
}

/// Takes apart what [`url`] put together.
fn port_and_password(url: &str) -> Option<(u16, &str)> {
    let (account, address) = url.split_once("://")?.1.split_once('@')?;
    let (_, password) = account.split_once(':')?;
    let (_, port) = address.split_once('/')?.0.split_once(':')?;
    Some((port.parse().ok()?, password))
}

#[cfg(test)]
mod tests {
    use super::super::url;
    use super::port_and_password;

    #[test]
    fn a_url_is_taken_apart_as_it_was_put_together() {
        let url = url(5433, "0123abcd");
        assert_eq!(port_and_password(&url), Some((5433, "0123abcd")));
        assert_eq!(port_and_password(""), None);
        assert_eq!(port_and_password("postgres://doorward@127.0.0.1/doorward"), None);
    }
}
