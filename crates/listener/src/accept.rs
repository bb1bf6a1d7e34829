//! Accepting connections until told to stop, then seeing them off.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, Host};
use super::{Limits, Refusals, Shutdown, capacity};

/// The pause after an accept that failed for want of descriptors or memory.
const BACK_OFF: Duration = Duration::from_millis(50);
/// The least time between two log lines about the same trouble.
const LOG_INTERVAL: Duration = Duration::from_secs(5);
/// How long cut connections may take to stop: only a task that blocks its thread needs any of it.
const CUT_PATIENCE: Duration = Duration::from_millis(500);

/// The connections that the kernel may hold until they are accepted; it lowers the number to its
/// own limit (`net.core.somaxconn`). The usual 128 would turn clients away, who then try again only
/// after a second or more, whenever every place is taken for a moment.
const BACKLOG: u32 = 4096;

/// Listens on `address` with room for a crowd.
///
/// # Errors
///
/// The address is taken, is not this machine's, or needs a privilege.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // On Unix a restart must not wait for the old connections to time out; on Windows the same
    // option would let another process take the port over.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Requests that were still unanswered when the grace was over.
    pub cut: usize,
}

/// Serves `app` over HTTP/1.1 on `listener` until `shutdown` begins, then for
/// [`Limits::drain_delay`] longer, and gives requests in flight [`Limits::grace`] to finish.
///
/// Each request carries its client's address as `ConnectInfo<SocketAddr>`. Trouble with one
/// connection, a panic included, or with accepting one, never ends the loop.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    refusals: Refusals,
    shutdown: Shutdown,
) -> Outcome {
    let places = Arc::new(Semaphore::new(capacity::connection_cap(&limits)));
    let reception = Reception {
        tasks: TaskTracker::new(),
        places,
        host: Arc::new(Host {
            app,
            refusals,
            limits,
            draining: shutdown.draining().clone(),
            closing: CancellationToken::new(),
            cut: CancellationToken::new(),
            unanswered: AtomicUsize::new(0),
        }),
    };
    let stop = async {
        shutdown.draining().cancelled().await;
        let delay = reception.host.limits.drain_delay;
        // Even a sleep of no length waits for the next tick of the timer.
        if !delay.is_zero() {
            sleep(delay).await;
        }
    };
    tokio::select! {
        biased;
        () = stop => {}
        () = reception.accept_all(&listener) => {}
    }
    if let Err(error) = reception.accept_waiting(listener) {
        tracing::debug!(%error, "cannot accept the connections still waiting");
    }
    reception.close().await
}

struct Reception {
    host: Arc<Host>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Reception {
    /// Accepts connections for ever, each once there is a place for it.
    async fn accept_all(&self, listener: &TcpListener) {
        let mut full = Complaint::default();
        let mut failing = Complaint::default();
        loop {
            if self.places.available_permits() == 0 && full.is_due() {
                tracing::warn!("every connection is taken; further clients wait in the backlog");
            }
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, peer)) => self.receive(stream, peer, place),
                Err(error) if concerns_one_client(&error) => {
                    tracing::debug!(%error, "a client left before it was accepted");
                }
                Err(error) => {
                    if failing.is_due() {
                        tracing::error!(
                            %error,
                            "cannot accept connections; trying again every {BACK_OFF:?}"
                        );
                    }
                    sleep(BACK_OFF).await;
                }
            }
        }
    }

    /// Takes in the clients that had already connected when accepting ended: to close the listener
    /// would reset them.
    fn accept_waiting(&self, listener: TcpListener) -> io::Result<()> {
        let listener = listener.into_std()?;
        while let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            match listener.accept() {
                Ok((stream, peer)) => {
                    stream.set_nonblocking(true)?;
                    self.receive(TcpStream::from_std(stream)?, peer, place);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if concerns_one_client(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn receive(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let host = Arc::clone(&self.host);
        self.tasks.spawn(async move {
            connection::serve(host, stream, peer).await;
            drop(place);
        });
    }

    /// Lets requests in flight finish until the grace is over.
    async fn close(self) -> Outcome {
        let Self { host, tasks, .. } = self;
        host.closing.cancel();
        tasks.close();
        let mut drained = pin!(tasks.wait());
        let grace = host.limits.grace;
        let mut stuck = 0;
        if timeout(grace, drained.as_mut()).await.is_err() {
            host.cut.cancel();
            if timeout(CUT_PATIENCE, drained).await.is_err() {
                stuck = tasks.len();
            }
        }
        let cut = host.unanswered.load(Ordering::Relaxed) + stuck;
        if cut > 0 {
            tracing::warn!(requests = cut, ?grace, "requests were cut at the end of the grace");
        }
        Outcome { cut }
    }
}

/// Whether an accept failed because of the client alone, so that the next one may well succeed.
fn concerns_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}

/// Keeps lasting trouble from filling the log.
#[derive(Default)]
struct Complaint {
    last: Option<Instant>,
}

impl Complaint {
    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.last.is_none_or(|last| now - last >= LOG_INTERVAL);
        if due {
            self.last = Some(now);
        }
        due
    }
}
