//! A client that writes what it likes and reads what comes.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long any answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection.
pub struct Wire {
    stream: TcpStream,
    received: Vec<u8>,
}

/// An answer, with the names of its fields in lower case.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Wire {
    pub async fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).await.expect("the server accepts");
        stream.set_nodelay(true).expect("a socket takes options");
        Self { stream, received: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await;
        sent.expect("the server reads").expect("the server takes everything");
    }

    /// Sends as far as it goes; whether the server hears it is no concern.
    pub async fn blurt(&mut self, bytes: &[u8]) {
        let _ = timeout(PATIENCE, self.stream.write_all(bytes)).await;
    }

    /// Leaves with a reset, as a process that is killed does, instead of a polite end.
    pub fn slam(self) {
        let _ = self.stream.set_zero_linger();
    }

    async fn read_some(&mut self) -> usize {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.received)).await;
        read.expect("an answer").expect("the answer can be read to its end")
    }

    /// Reads up to and including `end`, which must come.
    async fn read_past(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            let found = self.received.windows(end.len()).position(|window| window == end);
            if let Some(position) = found {
                return self.received.drain(..position + end.len()).collect();
            }
            let so_far = String::from_utf8_lossy(&self.received).into_owned();
            assert!(self.read_some().await > 0, "the answer breaks off: {so_far:?}");
        }
    }

    /// Reads one answer.
    pub async fn reply(&mut self) -> Reply {
        let head = String::from_utf8(self.read_past(b"\r\n\r\n").await).expect("a head is text");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let status: u16 = status.unwrap_or_else(|| panic!("{head}"));
        let fields = lines.filter_map(|line| line.split_once(':'));
        let headers: HashMap<_, _> = fields
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        assert!(!headers.contains_key("transfer-encoding"), "{head}");
        let has_body = !matches!(status, 100..200 | 204 | 304);
        let length = headers.get("content-length").filter(|_| has_body);
        let length = length.map_or(0, |length| length.parse().expect("a length is a number"));
        while self.received.len() < length {
            assert!(self.read_some().await > 0, "the body breaks off: {head}");
        }
        let body = String::from_utf8(self.received.drain(..length).collect());
        Reply { status, headers, body: body.expect("a body is text") }
    }

    /// Waits for the server to end the connection, which must bring nothing more.
    pub async fn end(mut self) {
        let rest = self.stream.read_to_end(&mut self.received);
        // A reset is an end as well.
        let _ = timeout(PATIENCE, rest).await.expect("an end");
        assert_eq!(String::from_utf8_lossy(&self.received), "");
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The problem that the answer must be.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: Value = serde_json::from_str(&self.body).expect("a problem is JSON");
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{problem}");
    }
}

/// A request with a JSON body.
pub fn request(method: &str, path: &str, token: Option<&str>, body: &Value) -> Vec<u8> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let authorization =
        token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
