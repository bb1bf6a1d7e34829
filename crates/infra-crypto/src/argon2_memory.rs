//! Where Argon2 (RFC 9106) is computed, by the widest vector instructions that the processor has.

use argon2::{Algorithm, Params, Version};
use argon2_rust::{Argon2, Error, Hasher, params};
use doorward_domain::ports::HashError;

/// What is computed: a kind of Argon2 at a cost, for a digest of a length.
pub(crate) type Function = Argon2;

/// Makes a function.
///
/// # Errors
/// When Argon2 has none with such parameters.
pub(crate) fn function(
    algorithm: Algorithm,
    version: Version,
    cost: &Params,
    digest_length: usize,
) -> Result<Function, Error> {
    let algorithm = match algorithm {
        Algorithm::Argon2d => argon2_rust::Algorithm::Argon2d,
        Algorithm::Argon2i => argon2_rust::Algorithm::Argon2i,
        Algorithm::Argon2id => argon2_rust::Algorithm::Argon2id,
    };
    let version = match version {
        Version::V0x10 => argon2_rust::Version::V0x10,
        Version::V0x13 => argon2_rust::Version::V0x13,
    };
    let digest_length = digest_length.try_into().map_err(|_| Error::OutputTooLong)?;
    let cost = argon2_rust::Params::builder()
        .memory(params::Memory::kib(cost.m_cost().into()))
        .passes(cost.t_cost())
        .lanes(cost.p_cost())
        .tag_len(params::TagLen::bytes(digest_length))
        .build()?;
    Ok(Argon2::new(algorithm, version, cost))
}

/// Memory that is used for one hash after another and grows to what the costliest of them needed.
/// Getting 19 MiB of fresh pages for each would take a third of the time that the hash itself takes.
///
/// It is not wiped after a hash, but is overwritten by the next.
pub(crate) struct Argon2Memory(Hasher);

impl Argon2Memory {
    /// Memory that is got when it is first used.
    pub(crate) fn new() -> Self {
        let (algorithm, version) = (argon2_rust::Algorithm::Argon2id, argon2_rust::Version::V0x13);
        Self(Argon2::new(algorithm, version, argon2_rust::Params::DEFAULT).hasher())
    }

    /// Its size in KiB.
    pub(crate) fn size(&self) -> usize {
        self.0.reserved_blocks()
    }

    /// Fills `digest`, which has the length that the function was made for.
    ///
    /// # Errors
    /// [`HashError::Failed`] when there is no memory, or the salt is shorter than 8 octets.
    pub(crate) fn compute(
        &mut self,
        function: &Function,
        password: &[u8],
        salt: &[u8],
        digest: &mut [u8],
    ) -> Result<(), HashError> {
        self.0.set_argon2(*function);
        self.0.hash_into(password, salt, digest).map_err(failed)
    }
}

/// An error of a library, which is a defect wherever it occurs.
pub(crate) fn failed(error: impl std::error::Error + Send + Sync + 'static) -> HashError {
    HashError::Failed(Box::new(error))
}

/// Computes the example of RFC 9106 §5.3 on this processor: each kind of vector instructions has a
/// program of its own, and one that errs would store hashes that no other machine can check.
///
/// # Errors
/// [`HashError::Failed`] when something else comes out.
pub(crate) fn check_processor() -> Result<(), HashError> {
    const DIGEST: [u8; 32] = [
        0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53,
        0xc9, 0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01,
        0xe6, 0x59,
    ];
    let cost = Params::new(32, 3, 4, None).map_err(failed)?;
    let example = function(Algorithm::Argon2id, Version::V0x13, &cost, DIGEST.len());
    let mut digest = [0; DIGEST.len()];
    example
        .and_then(|it| it.hash_into_with_ad(&[1; 32], &[2; 16], &[3; 8], &[4; 12], &mut digest))
        .map_err(failed)?;
    if digest == DIGEST {
        return Ok(());
    }
    let instructions = argon2_rust::detected_backend();
    let error = format!(
        "Argon2 is computed wrongly on this processor with its {instructions} instructions; report \
         its model, and run Doorward on another"
    );
    Err(HashError::Failed(error.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn this_processor_computes_the_example_of_the_rfc() {
        check_processor().unwrap();
    }

    #[test]
    fn what_argon2_does_not_have_is_refused() {
        let cost = Params::new(32, 1, 1, None).unwrap();
        assert!(function(Algorithm::Argon2id, Version::V0x13, &cost, 3).is_err());
        let function = function(Algorithm::Argon2id, Version::V0x13, &cost, 32).unwrap();
        let outcome = Argon2Memory::new().compute(&function, b"password", b"7 octet", &mut [0; 32]);
        assert!(matches!(outcome, Err(HashError::Failed(_))), "{outcome:?}");
    }

    #[test]
    fn a_lack_of_memory_is_an_error() {
        let cost = Params::new(u32::MAX, 1, 1, None).unwrap();
        let function = function(Algorithm::Argon2id, Version::V0x13, &cost, 32).unwrap();
        let mut memory = Argon2Memory::new();
        let outcome = memory.compute(&function, b"password", b"somesalt", &mut [0; 32]);
        assert!(matches!(outcome, Err(HashError::Failed(_))), "{outcome:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// The `argon2` crate is another implementation by other authors.
        #[test]
        fn it_computes_what_another_implementation_does(
            algorithm in prop::sample::select(vec![Algorithm::Argon2i, Algorithm::Argon2id]),
            version in prop::sample::select(vec![Version::V0x10, Version::V0x13]),
            lanes in 1_u32..=5,
            blocks_per_lane in 8_u32..=300,
            passes in 1_u32..=4,
            digest_length in 4_usize..=130,
            password in prop::collection::vec(any::<u8>(), 0..300),
            salt in prop::collection::vec(any::<u8>(), 8..=80),
            larger_first in any::<bool>(),
        ) {
            let cost =
                Params::new(lanes * blocks_per_lane, passes, lanes, Some(digest_length)).unwrap();
            let mut expected = vec![0; digest_length];
            argon2::Argon2::new(algorithm, version, cost.clone())
                .hash_password_into(&password, &salt, &mut expected)
                .unwrap();

            let mut memory = Argon2Memory::new();
            if larger_first {
                let cost = Params::new(2_000, 1, 1, None).unwrap();
                let larger = function(Algorithm::Argon2i, Version::V0x13, &cost, 64).unwrap();
                memory.compute(&larger, b"another password", &salt, &mut [0; 64]).unwrap();
            }
            let function = function(algorithm, version, &cost, digest_length).unwrap();
            for _ in 0..2 {
                let mut digest = vec![0; digest_length];
                memory.compute(&function, &password, &salt, &mut digest).unwrap();
                prop_assert_eq!(&digest, &expected);
            }
        }
    }
}
