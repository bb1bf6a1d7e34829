//! A client that sends exactly the bytes it is told to.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

pub(super) struct Client {
    pub(super) stream: TcpStream,
    unread: Vec<u8>,
}

pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Asserts that this is a refusal in the shape of the API that ends the connection.
    pub(super) fn assert_refusal(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.head);
        assert_eq!(self.field("content-type"), Some("application/problem+json"));
        assert_eq!(self.field("x-request-id"), Some("made-up"));
        assert_eq!(self.field("connection"), Some("close"));
        assert!(self.field("date").is_some());
        let problem: serde_json::Value = serde_json::from_str(&self.body).expect("a JSON body");
        assert_eq!(problem["status"], status);
    }
}

impl From<TcpStream> for Client {
    fn from(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new() }
    }
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        within(TcpStream::connect(address)).await.unwrap().into()
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.expect("the server takes it all");
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
        self.answer().await
    }

    /// Reads one answer with a `Content-Length`.
    pub(super) async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("an answer, not the end of the connection")
    }

    pub(super) async fn try_answer(&mut self) -> Option<Answer> {
        let end = loop {
            let end = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None if !self.read_more().await => return None,
                None => {}
            }
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap();
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.field("content-length").map_or(0, |value| value.parse().unwrap());
        while self.unread.len() < length {
            assert!(self.read_more().await, "the answer is cut off");
        }
        answer.body = String::from_utf8(self.unread.drain(..length).collect()).unwrap();
        Some(answer)
    }

    async fn read_more(&mut self) -> bool {
        let count = within(self.stream.read_buf(&mut self.unread)).await;
        count.expect("no reset") > 0
    }

    /// Waits until the server ends the connection, and asserts that nothing more came.
    pub(super) async fn assert_closed(&mut self) {
        assert!(!self.read_more().await, "more came: {:?}", String::from_utf8_lossy(&self.unread));
    }
}
