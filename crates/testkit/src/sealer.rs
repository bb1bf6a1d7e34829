use std::hash::{DefaultHasher, Hasher};

use doorward_domain::{
    audit::chain::Digest,
    idempotency::{Fingerprint, RequestName},
    ports::{AnswerSealer, AuditSealer, KeyError},
};

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

/// Seals by writing the name of the request in front. What it "encrypts" can be read by everybody.
#[derive(Debug, Default)]
pub struct PlainAnswerSealer;

impl AnswerSealer for PlainAnswerSealer {
    fn fingerprint(&self, payload: &[u8]) -> Fingerprint {
        Fingerprint(PlainSealer.digest(payload))
    }

    fn fits(&self, payload: &[u8], fingerprint: &Fingerprint) -> bool {
        self.fingerprint(payload) == *fingerprint
    }

    fn answer_seal(&self, request: &RequestName, answer: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok([request.as_str().as_bytes(), b"\0", answer].concat())
    }

    fn answer_open(&self, request: &RequestName, sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let answer = sealed.strip_prefix(request.as_str().as_bytes());
        let answer = answer.and_then(|rest| rest.strip_prefix(b"\0"));
        answer.map(<[u8]>::to_vec).ok_or(KeyError::AnswerUnreadable)
    }
}
