//! What a connection costs that does nothing.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Case;
use crate::bench::Bench;
use crate::doorward::Doorward;
use crate::harness::report::{Finding, Outcome};
use crate::harness::rounds::Spread;
use crate::seed::Store;

pub const CASE: Case = Case {
    name: "connections",
    measures: "memory of an idle kept-alive connection that has made one request, at 10,000",
    goal: "none of its own; an idle streaming connection: ≤ 19 kB",
    run,
};

const CONNECTIONS: usize = 10_000;
/// Descriptors beside the connections.
const OTHERS: u64 = 200;
/// How long an instance is left alone before its memory counts.
const IDLE: Duration = Duration::from_secs(3);

fn run(bench: &Bench) -> Result<Outcome> {
    raise_descriptors(CONNECTIONS as u64 + OTHERS)?;
    // A hundred more than are held, for those that ask whether it is ready.
    let places = (CONNECTIONS + 100).to_string();
    let further = [("APP_SERVER_MAX_CONNECTIONS", places.as_str())];
    let url = Store::Sqlite.empty(bench)?;
    let server = Doorward::start_with(bench, &url, &bench.machine.server, &further)?;
    let address = server.url.strip_prefix("http://").context("the server speaks plain HTTP")?;
    // The first requests build what every later one uses.
    drop(held(address, 100)?);
    thread::sleep(IDLE);
    let before = server.process.usage()?.memory;
    let begun = Instant::now();
    let held = held(address, CONNECTIONS)?;
    thread::sleep(IDLE);
    let after = server.process.usage()?.memory;
    // One that was closed meanwhile took no memory, so it must not count.
    for stream in &held {
        ensure!(
            is_open(stream)?,
            "a connection did not stay open; it took {:.0} s to open them all, and Doorward closes what \
             is idle for 75 s: the machine is too busy",
            begun.elapsed().as_secs_f64()
        );
    }
    #[expect(clippy::cast_precision_loss, reason = "no machine has 2^52 bytes")]
    let each = after.saturating_sub(before) as f64 / CONNECTIONS as f64 / 1e3;
    Ok(Outcome {
        findings: vec![Finding::of("kB for each idle connection", Spread::of([each]))],
        notes: vec![format!(
            "Resident memory with {CONNECTIONS} connections less that without, divided by them; what the \
             kernel keeps for a socket is not in it."
        )],
        ..Outcome::default()
    })
}

/// Opens connections and makes one request on each.
fn held(address: &str, count: usize) -> Result<Vec<TcpStream>> {
    let open = |nth| {
        let mut stream = TcpStream::connect(address)
            .with_context(|| format!("connection {nth} was not accepted"))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        ask(&mut stream).with_context(|| format!("connection {nth} was not served"))?;
        Ok(stream)
    };
    (1..=count).map(open).collect()
}

/// Whether the server has neither closed a connection nor sent what nobody asked for.
fn is_open(stream: &TcpStream) -> Result<bool> {
    stream.set_nonblocking(true)?;
    match stream.peek(&mut [0]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
        Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error.into()),
        Ok(_) | Err(_) => Ok(false),
    }
}

/// Makes a request and reads the whole of its answer.
fn ask(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let (mut answer, mut block) = (Vec::new(), [0; 4096]);
    while !is_whole(&answer) {
        let read = stream.read(&mut block)?;
        ensure!(read > 0, "the server closed the connection");
        answer.extend_from_slice(&block[..read]);
    }
    ensure!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// Whether an answer with a `Content-Length` has come to its end.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| body.len() >= length)
}

/// Lets this process, and what it starts, open so many files.
fn raise_descriptors(wanted: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    ensure!(
        allowed >= wanted,
        "{CONNECTIONS} connections need {wanted} open files, and {allowed} are allowed; raise the hard \
         limit (`ulimit -Hn`)"
    );
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::{is_open, is_whole};

    #[test]
    fn a_connection_that_the_server_closed_does_not_count() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("an address"));
        let client = client.expect("it is accepted");
        let (server, _) = listener.accept().expect("somebody came");
        assert!(is_open(&client).expect("it can be asked"));
        drop(server);
        client.set_nonblocking(false).expect("it can wait");
        // Waits for the end, so that it has come.
        assert_eq!(client.peek(&mut [0]).expect("it ends"), 0);
        assert!(!is_open(&client).expect("it can be asked"));
    }

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlive";
        assert!(is_whole(answer));
        for cut in 0..answer.len() {
            assert!(!is_whole(&answer[..cut]), "{cut}");
        }
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\n\r\n"), "the length is not told");
    }
}
