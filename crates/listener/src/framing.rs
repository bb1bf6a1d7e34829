//! Where one request ends and the next begins, checked more strictly than hyper does.
//!
//! hyper accepts, as RFC 9112 allows, a request that carries both `Content-Length` and
//! `Transfer-Encoding`, lines that end in a bare LF, and transfer codings before `chunked`, and it
//! hides from the service that they were there. A proxy in front may read the same bytes in
//! another way, which is how requests are smuggled (RFC 9112 §11.2). The witness therefore keeps
//! the raw head of each request, and follows the boundaries by `Content-Length` alone: a chunked
//! request is made the last one of its connection, so nothing can hide behind its body.

use bytes::{Buf, BytesMut};
use http::{Version, uri::Authority};

/// A copy of the bytes that were read and belong to no accepted request yet.
#[derive(Default)]
pub(super) struct Witness {
    pending: BytesMut,
    body_left: u64,
    finished: bool,
}

impl Witness {
    /// Notes bytes that came from the client.
    pub(super) fn saw(&mut self, bytes: &[u8]) {
        if self.finished {
            return;
        }
        let body = usize::try_from(self.body_left).unwrap_or(usize::MAX).min(bytes.len());
        self.body_left -= body as u64;
        self.pending.extend_from_slice(&bytes[body..]);
    }

    /// Attributes the oldest pending head, and the body that it announces, to the request that
    /// hyper just parsed. Says which rule the head breaks.
    pub(super) fn accept(&mut self, version: Version) -> Result<(), &'static str> {
        let verdict = match head_length(&self.pending) {
            Some(length) => inspect(&self.pending[..length], version).map(|body| (length, body)),
            None => Err("The request head does not end."),
        };
        let (length, body) = match verdict {
            Ok((length, Body::Length(body))) => (length, body),
            Ok((_, Body::Chunked)) => {
                self.finish();
                return Ok(());
            }
            Err(fault) => {
                self.finish();
                return Err(fault);
            }
        };
        let here = usize::try_from(body).unwrap_or(usize::MAX).min(self.pending.len() - length);
        self.body_left = body - here as u64;
        if length + here == self.pending.len() {
            // An idle connection should cost little, so no buffer is kept for it.
            self.pending = BytesMut::new();
        } else {
            self.pending.advance(length + here);
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.finished = true;
        self.pending = BytesMut::new();
    }

    /// Whether no further request may follow on the connection.
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether some of the next head has arrived; empty lines before it do not count
    /// (RFC 9112 §2.2).
    pub(super) fn has_head(&self) -> bool {
        self.pending.iter().any(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    /// Whether part of the current request's body has not come yet.
    pub(super) fn awaits_body(&self) -> bool {
        self.body_left > 0
    }

    /// Whether the client may still be sending something that nobody will read.
    pub(super) fn expects_more(&self) -> bool {
        self.finished || self.awaits_body() || !self.pending.is_empty()
    }

    /// Whether the pending head stopped within its request target.
    pub(super) fn is_within_target(&self) -> bool {
        self.pending.contains(&b' ') && !self.pending.contains(&b'\n')
    }
}

enum Body {
    Length(u64),
    Chunked,
}

/// The length of the head including leading empty lines and the empty line that ends it.
fn head_length(bytes: &[u8]) -> Option<usize> {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let mut line = start;
    loop {
        let end = line + bytes[line..].iter().position(|&byte| byte == b'\n')? + 1;
        if matches!(&bytes[line..end], b"\n" | b"\r\n") {
            return Some(end);
        }
        line = end;
    }
}

/// Whether a `Host` is `host[:port]`, or empty where the target has no authority.
fn is_host(value: &[u8]) -> bool {
    let authority = || Authority::try_from(value).is_ok_and(|it| !it.as_str().contains('@'));
    value.is_empty() || authority()
}

fn inspect(head: &[u8], version: Version) -> Result<Body, &'static str> {
    let (mut lengths, mut codings, mut hosts) = (None, None, 0_usize);
    for line in head.split_inclusive(|&byte| byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\r\n") else {
            return Err("A line of the request head does not end in CR LF.");
        };
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") && lengths.replace(value).is_some() {
            return Err("The request has more than one Content-Length.");
        } else if name.eq_ignore_ascii_case(b"transfer-encoding")
            && codings.replace(value).is_some()
        {
            return Err("The request has more than one Transfer-Encoding.");
        } else if name.eq_ignore_ascii_case(b"host") {
            hosts += 1;
            if !is_host(value) {
                return Err("Host is no host name with an optional port (RFC 9112 §3.2).");
            }
        }
    }
    if hosts > 1 || (hosts == 0 && version == Version::HTTP_11) {
        return Err("The request must have exactly one Host (RFC 9112 §3.2).");
    }
    match (lengths, codings) {
        (None, None) => Ok(Body::Length(0)),
        (Some(value), None) => std::str::from_utf8(value)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .map(Body::Length)
            .ok_or("Content-Length is not a number."),
        (None, Some(value)) if value.eq_ignore_ascii_case(b"chunked") => Ok(Body::Chunked),
        (None, Some(_)) => Err("The only Transfer-Encoding accepted is chunked."),
        (Some(_), Some(_)) => Err("The request has both Content-Length and Transfer-Encoding."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(head: &str) -> Result<(), &'static str> {
        let mut witness = Witness::default();
        witness.saw(head.as_bytes());
        witness.accept(Version::HTTP_11)
    }

    #[test]
    fn ambiguous_framing_is_refused() {
        for fields in [
            "Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            "Host: a\r\nContent-Length: 4\r\ncontent-length: 4\r\n",
            "Host: a\r\nContent-Length: 4, 4\r\n",
            "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n",
            "Host: a\r\nTransfer-Encoding: xchunked\r\n",
            "Host: a\nAccept: b\r\n",
            "Host: a\r\nHost: b\r\n",
            "Accept: */*\r\n",
        ] {
            assert!(verdict(&format!("GET / HTTP/1.1\r\n{fields}\r\n")).is_err(), "{fields:?}");
        }
        assert!(verdict("GET / HTTP/1.1\r\nHost: a\r\n").is_err(), "no end of the head");
    }

    #[test]
    fn boundaries_are_followed_through_pipelined_bodies_in_any_slicing() {
        let stream = b"\r\nPOST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nGET /\n\
            GET /b HTTP/1.1\r\nHost: a\r\n\r\n\
            POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n";
        for size in 1..stream.len() {
            let mut witness = Witness::default();
            let mut accepted = 0;
            for piece in stream.chunks(size) {
                witness.saw(piece);
                while !witness.is_finished() && head_length(&witness.pending).is_some() {
                    assert_eq!(witness.accept(Version::HTTP_11), Ok(()), "slices of {size}");
                    accepted += 1;
                }
            }
            assert_eq!(accepted, 3, "slices of {size}");
            assert!(witness.is_finished(), "nothing may follow a chunked request");
        }
    }

    #[test]
    fn a_body_still_on_its_way_is_known() {
        let mut witness = Witness::default();
        witness.saw(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
        witness.accept(Version::HTTP_11).unwrap();
        assert!(witness.expects_more());
        witness.saw(b"cd");
        assert!(!witness.expects_more());
        witness.saw(b"\r\n");
        assert!(!witness.has_head(), "an empty line between requests is no head");
    }
}
