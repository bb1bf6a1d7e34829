//! Files that the build packed with gzip.

use std::{io::Read, sync::OnceLock};

use bytes::Bytes;
use flate2::read::GzDecoder;

/// A file that is kept compressed. It is unpacked once, when the first client asks that does not take
/// gzip, and shared by all of them.
pub(crate) struct Packed {
    pub gzip: &'static [u8],
    plain: OnceLock<Bytes>,
}

impl Packed {
    pub const fn new(gzip: &'static [u8]) -> Self {
        Self { gzip, plain: OnceLock::new() }
    }

    pub fn plain(&self) -> Bytes {
        self.plain.get_or_init(|| unpacked(self.gzip).into()).clone()
    }
}

/// What the build packed, for one use.
pub(crate) fn unpacked(gzip: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    // What the build packed can be unpacked.
    let _ = GzDecoder::new(gzip).read_to_end(&mut plain);
    plain
}
