//! The two stages of an end, and the signals that begin it.

use std::io;

use tokio_util::sync::CancellationToken;

/// The switch that ends the process gracefully; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    draining: CancellationToken,
}

impl Shutdown {
    /// Begins the graceful end; later calls change nothing.
    pub fn begin(&self) {
        self.draining.cancel();
    }

    /// Is cancelled when the end begins: readiness turns to 503, endless streams end, and workers
    /// take no further job.
    #[must_use]
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }
}

/// Takes over SIGTERM and SIGINT (Ctrl-C alone where there are no Unix signals) at once, and
/// returns the future that acts on them: the first signal begins the graceful end, after which the
/// process is to return from `main` with status 0; the second exits at once with status 1, because
/// whoever sends it wants the process gone, and a supervisor should see that it was no clean end.
///
/// # Errors
///
/// The operating system refused a signal handler.
pub fn signals(shutdown: Shutdown) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut arrivals = Arrivals::subscribe()?;
    Ok(async move {
        let signal = arrivals.next().await;
        tracing::info!(signal, "shutting down; a second signal exits at once");
        shutdown.begin();
        let signal = arrivals.next().await;
        tracing::warn!(signal, "second signal: exiting without waiting for requests in flight");
        std::process::exit(1)
    })
}

#[cfg(unix)]
struct Arrivals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Arrivals {
    fn subscribe() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(windows)]
struct Arrivals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Arrivals {
    fn subscribe() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) -> &'static str {
        self.0.recv().await;
        "Ctrl-C"
    }
}
