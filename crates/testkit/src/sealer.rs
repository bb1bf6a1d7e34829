use std::hash::{DefaultHasher, Hasher};

use doorward_domain::{audit::chain::Digest, ports::AuditSealer};

/// Digests that differ when what is digested does, unless somebody wants them not to.
#[derive(Debug, Default)]
pub struct PlainSealer;

impl AuditSealer for PlainSealer {
    fn digest(&self, octets: &[u8]) -> Digest {
        let mut digest = Digest::default();
        for (part, salt) in digest.as_chunks_mut::<8>().0.iter_mut().zip(0_u8..) {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(salt);
            hasher.write(octets);
            *part = hasher.finish().to_be_bytes();
        }
        digest
    }

    fn sign(&self, octets: &[u8]) -> Digest {
        self.digest(&[b"signed by the installation: ", octets].concat())
    }

    fn verify(&self, octets: &[u8], signature: &Digest) -> bool {
        self.sign(octets) == *signature
    }
}
