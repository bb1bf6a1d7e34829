//! Telling files apart by what is in them.

use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA256};

/// The SHA-256 (FIPS 180-4) of everything that a reader has to give.
///
/// # Errors
/// The reader's own.
pub fn content_digest(mut content: impl Read) -> io::Result<[u8; 32]> {
    let mut digest = Context::new(&SHA256);
    let mut piece = vec![0_u8; 64 * 1024];
    loop {
        match content.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => digest.update(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut octets = [0; 32];
    octets.copy_from_slice(digest.finish().as_ref());
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_of_any_length_has_the_digest_of_the_standard() {
        // NIST's example of a million times the letter a.
        let million = vec![b'a'; 1_000_000];
        let expected: [u8; 4] = [0xcd, 0xc7, 0x6e, 0x5c];
        assert_eq!(content_digest(&million[..]).unwrap()[..4], expected);
        assert_eq!(content_digest(&b""[..]).unwrap()[..4], [0xe3, 0xb0, 0xc4, 0x42]);
    }
}
