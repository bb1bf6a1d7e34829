//! Reading what is left of a request body that nobody wanted.
//!
//! A client that is still sending when the answer comes, and the connection closes, may see a reset
//! instead of the answer. So what a handler leaves unread is read and thrown away for a short while.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

/// For how long, and for how many octets, the rest is read.
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_OCTETS: usize = 256 * 1024 * 1024;

/// A request body that is read to its end even when it is dropped before.
pub(crate) struct DrainedBody {
    inner: Body,
    ended: bool,
    /// A client that waits for `100 Continue` sends nothing until somebody reads.
    held_back: bool,
}

impl DrainedBody {
    pub fn new(inner: Body, headers: &HeaderMap) -> Self {
        let ended = inner.is_end_stream();
        Self { inner, ended, held_back: headers.contains_key(header::EXPECT) }
    }
}

impl HttpBody for DrainedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.held_back = false;
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        self.ended = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for DrainedBody {
    fn drop(&mut self) {
        if self.is_end_stream() || self.held_back {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut rest = std::mem::take(&mut self.inner);
        runtime.spawn(tokio::time::timeout(PATIENCE, async move {
            let mut octets = 0;
            while let Some(Ok(frame)) = rest.frame().await {
                octets += frame.data_ref().map_or(0, Bytes::len);
                if octets > MAX_OCTETS {
                    break;
                }
            }
        }));
    }
}
