//! Password hashing with Argon2id (RFC 9106).

use std::{sync::Arc, time::Duration};

use argon2::{Algorithm, Params, Version};
use async_trait::async_trait;
use doorward_domain::{
    ForeignHashError, Password, PasswordHash,
    ports::{Entropy, HashError, HashingTurn, PasswordHasher, Verdict},
};

use crate::{
    argon2_hash::{Argon2Hash, SALT_LENGTH, output_length},
    argon2_memory::{Argon2Memory, Function, check_processor, failed, function},
    hashing_pool::{HashingPool, Turn},
    stored_hash::StoredHash,
};

/// How much hashing is done at once, and how hard it is.
#[derive(Debug, Clone)]
pub struct HasherSettings {
    /// How many hashes run at once, each on a thread and in memory of its own. 0 counts as 1.
    pub concurrency: usize,
    /// How many may wait for their turn. Whoever comes when this many wait is refused at once.
    pub queue: usize,
    /// How long one waits before being refused.
    pub queue_timeout: Duration,
    /// The cost of new hashes.
    pub parameters: Params,
}

/// Hashes passwords with Argon2id, a bounded number at a time.
///
/// It keeps the memory of one hash for each that ever ran at once. It needs a tokio runtime with
/// time enabled.
pub struct Argon2Hasher {
    pool: HashingPool,
    parameters: Params,
    /// What new hashes are made by.
    function: Function,
    entropy: Arc<dyn Entropy>,
    /// What passwords are checked against when there is no account. It is random, not a hash of
    /// anything, but costs as much to check as a hash with the current parameters.
    dummy: PasswordHash,
}

impl Argon2Hasher {
    /// Makes a hasher; `entropy` gives the salts.
    ///
    /// # Errors
    /// [`HashError::Failed`] when the parameters cannot be written in PHC format: its outputs have
    /// 10 to 64 octets; and when this processor does not compute what it should.
    pub fn new(settings: HasherSettings, entropy: Arc<dyn Entropy>) -> Result<Self, HashError> {
        let HasherSettings { concurrency, queue, queue_timeout, parameters } = settings;
        check_processor()?;
        let mut salt = [0; SALT_LENGTH];
        entropy.fill(&mut salt);
        let mut output = vec![0; output_length(&parameters)];
        entropy.fill(&mut output);
        let function = function(Algorithm::Argon2id, Version::V0x13, &parameters, output.len());
        Ok(Self {
            pool: HashingPool::new(concurrency, queue, queue_timeout, parameters.block_count()),
            function: function.map_err(failed)?,
            dummy: Argon2Hash::write(&parameters, &salt, &output)?,
            parameters,
            entropy,
        })
    }
}

#[async_trait]
impl PasswordHasher for Argon2Hasher {
    async fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        let mut salt = [0; SALT_LENGTH];
        self.entropy.fill(&mut salt);
        let password = password.clone();
        let function = self.function;
        let mut output = vec![0; output_length(&self.parameters)];
        let compute = move |memory: &mut Argon2Memory| {
            memory.compute(&function, password.expose(), &salt, &mut output)?;
            Ok::<_, HashError>(output)
        };
        let output = self.pool.run(compute).await??;
        Argon2Hash::write(&self.parameters, &salt, &output)
    }

    async fn turn(&self) -> Result<Box<dyn HashingTurn + '_>, HashError> {
        let turn = self.pool.admit().await?;
        Ok(Box::new(Argon2Turn { hasher: self, turn }))
    }

    fn adopt(&self, foreign: &str) -> Result<PasswordHash, ForeignHashError> {
        StoredHash::adopt(foreign, &self.parameters)
    }
}

struct Argon2Turn<'a> {
    hasher: &'a Argon2Hasher,
    turn: Turn,
}

#[async_trait]
impl HashingTurn for Argon2Turn<'_> {
    async fn verify(
        &mut self,
        password: &Password,
        hash: Option<&PasswordHash>,
    ) -> Result<Verdict, HashError> {
        let Argon2Hasher { pool, parameters, dummy, .. } = self.hasher;
        let stored = StoredHash::read(hash.unwrap_or(dummy), parameters)?;
        let outdated = stored.is_outdated(parameters);
        let password = password.clone();
        let check = move |memory: &mut Argon2Memory| stored.matches(&password, memory);
        let matches = pool.run_in(Arc::clone(&self.turn), check).await??;
        if matches && hash.is_some() {
            Ok(Verdict::Match { outdated })
        } else {
            Ok(Verdict::Mismatch)
        }
    }
}

#[cfg(test)]
impl Argon2Hasher {
    /// Checks a password in a turn of its own.
    pub(crate) async fn verify(
        &self,
        password: &Password,
        hash: Option<&PasswordHash>,
    ) -> Result<Verdict, HashError> {
        self.turn().await?.verify(password, hash).await
    }
}

impl std::fmt::Debug for Argon2Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Argon2Hasher").field("parameters", &self.parameters).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use argon2::{Argon2, password_hash::phc::PasswordHash as Phc};

    use super::*;
    use crate::SystemEntropy;

    fn hasher_with(parameters: Params) -> Argon2Hasher {
        let settings = HasherSettings {
            concurrency: 2,
            queue: 64,
            queue_timeout: Duration::from_mins(1),
            parameters,
        };
        Argon2Hasher::new(settings, Arc::new(SystemEntropy::default())).unwrap()
    }

    fn hasher() -> Argon2Hasher {
        hasher_with(Params::new(32, 2, 1, None).unwrap())
    }

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    fn phc(text: &str) -> PasswordHash {
        PasswordHash::from_text(text.to_owned())
    }

    async fn verify(hasher: &Argon2Hasher, text: &str, hash: &str) -> Result<Verdict, HashError> {
        hasher.verify(&password(text), Some(&phc(hash))).await
    }

    #[tokio::test]
    async fn tells_the_right_password_from_wrong_ones() {
        let hasher = hasher();
        let hash = hasher.hash(&password("correct horse")).await.unwrap();
        let right = hasher.verify(&password("correct horse"), Some(&hash)).await.unwrap();
        assert_eq!(right, Verdict::Match { outdated: false });
        for wrong in ["correct horsf", "correct hors", "correct horse ", "Correct horse", "x"] {
            let verdict = hasher.verify(&password(wrong), Some(&hash)).await.unwrap();
            assert_eq!(verdict, Verdict::Mismatch, "{wrong}");
        }
    }

    #[tokio::test]
    async fn long_passwords_are_not_cut() {
        let hasher = hasher();
        let hash = hasher.hash(&password(&format!("{}a", "x".repeat(255)))).await.unwrap();
        let other = password(&format!("{}b", "x".repeat(255)));
        assert_eq!(hasher.verify(&other, Some(&hash)).await.unwrap(), Verdict::Mismatch);
    }

    #[tokio::test]
    async fn equal_passwords_have_different_salts_of_16_octets() {
        let hasher = hasher();
        let mut salts = std::collections::HashSet::new();
        for _ in 0..8 {
            let hash = hasher.hash(&password("correct horse")).await.unwrap();
            let read = Phc::new(hash.as_str()).unwrap();
            assert_eq!(read.salt.as_ref().unwrap().len(), 16);
            assert!(hash.as_str().starts_with("$argon2id$v=19$m=32,t=2,p=1$"), "{}", hash.as_str());
            assert!(salts.insert(read.salt.unwrap().to_string()));
        }
    }

    #[tokio::test]
    async fn without_a_hash_nothing_matches_but_the_same_work_is_done() {
        let mut hasher = hasher();
        let verdict = hasher.verify(&password("correct horse"), None).await.unwrap();
        assert_eq!(verdict, Verdict::Mismatch);
        // The dummy goes through the same reader and asks for the current parameters.
        let dummy = StoredHash::read(&hasher.dummy, &hasher.parameters).unwrap();
        assert!(!dummy.is_outdated(&hasher.parameters));
        let real = hasher.hash(&password("correct horse")).await.unwrap();
        assert_eq!(hasher.dummy.as_str().len(), real.as_str().len());
        // Not even a dummy that happens to be right lets anybody in.
        hasher.dummy = real;
        let verdict = hasher.verify(&password("correct horse"), None).await.unwrap();
        assert_eq!(verdict, Verdict::Mismatch);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_taken_from_others_until_it_is_over() {
        let settings = HasherSettings {
            concurrency: 1,
            queue: 1,
            queue_timeout: Duration::from_secs(1),
            parameters: Params::new(32, 1, 1, None).unwrap(),
        };
        let hasher = Argon2Hasher::new(settings, Arc::new(SystemEntropy::default())).unwrap();
        let right = password("correct horse");
        let hash = hasher.hash(&right).await.unwrap();
        let mut turn = hasher.turn().await.unwrap();
        for _ in 0..2 {
            let verdict = turn.verify(&right, Some(&hash)).await.unwrap();
            assert_eq!(verdict, Verdict::Match { outdated: false });
            let refused = hasher.turn().await.err();
            assert!(matches!(refused, Some(HashError::Overloaded { .. })), "{refused:?}");
        }
        drop(turn);
        hasher.turn().await.unwrap();
    }

    #[tokio::test]
    async fn a_full_pool_refuses_with_and_without_a_hash() {
        let settings = HasherSettings {
            concurrency: 1,
            queue: 0,
            queue_timeout: Duration::ZERO,
            parameters: Params::new(32, 1, 1, None).unwrap(),
        };
        let hasher = Argon2Hasher::new(settings, Arc::new(SystemEntropy::default())).unwrap();
        let hash = hasher.hash(&password("correct horse")).await.unwrap();
        let foreign =
            hasher.adopt("$2y$05$L38D0YlThxlyoiYT11dal.kp9O1sBtyGhGGO.Ng/6Mx9.pO8mXFvG").unwrap();
        let (start, started) = tokio::sync::oneshot::channel();
        let (end, ended) = std::sync::mpsc::channel();
        let running = hasher.pool.run(move |_| {
            let _ = start.send(());
            ended.recv().unwrap();
        });
        let refused = async {
            started.await.unwrap();
            let password = password("correct horse");
            for outcome in [
                hasher.hash(&password).await.map(|_| ()),
                hasher.verify(&password, Some(&hash)).await.map(|_| ()),
                hasher.verify(&password, None).await.map(|_| ()),
                hasher.verify(&password, Some(&foreign)).await.map(|_| ()),
            ] {
                assert!(matches!(outcome, Err(HashError::Overloaded { .. })), "{outcome:?}");
            }
            end.send(()).unwrap();
        };
        let (running, ()) = tokio::join!(running, refused);
        running.unwrap();
    }

    /// Vectors of the reference implementation (phc-winner-argon2, `src/test.c`); the password is
    /// "password", the salt "somesalt".
    #[tokio::test]
    async fn vectors_of_the_reference_implementation_match() {
        let hasher = hasher();
        for vector in [
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
        ] {
            // The salts have 8 octets, so all of them are outdated.
            let verdict = verify(&hasher, "password", vector).await.unwrap();
            assert_eq!(verdict, Verdict::Match { outdated: true }, "{vector}");
            let verdict = verify(&hasher, "Password", vector).await.unwrap();
            assert_eq!(verdict, Verdict::Mismatch, "{vector}");
        }
    }

    #[tokio::test]
    async fn weaker_or_other_hashes_are_outdated() {
        for (stored, current, outdated) in [
            ((32, 2, 1), (32, 2, 1), false),
            ((32, 2, 1), (33, 2, 1), true),
            ((32, 2, 1), (32, 3, 1), true),
            ((64, 3, 2), (32, 2, 1), false),
        ] {
            let params = |(m, t, p)| Params::new(m, t, p, None).unwrap();
            let hash = hasher_with(params(stored)).hash(&password("correct horse")).await.unwrap();
            let now = hasher_with(params(current));
            let verdict = now.verify(&password("correct horse"), Some(&hash)).await.unwrap();
            assert_eq!(verdict, Verdict::Match { outdated }, "{stored:?} {current:?}");
        }
        for (algorithm, version) in
            [(Algorithm::Argon2i, Version::V0x13), (Algorithm::Argon2id, Version::V0x10)]
        {
            let salt = [7; SALT_LENGTH];
            let params = Params::new(32, 2, 1, None).unwrap();
            let mut output = [0; 32];
            Argon2::new(algorithm, version, params)
                .hash_password_into(b"correct horse", &salt, &mut output)
                .unwrap();
            let ours = Argon2Hash::write(&hasher().parameters, &salt, &output).unwrap();
            let text = ours
                .as_str()
                .replace("argon2id", algorithm.as_str())
                .replace("v=19", &format!("v={}", u32::from(version)));
            let verdict = verify(&hasher(), "correct horse", &text).await.unwrap();
            assert_eq!(verdict, Verdict::Match { outdated: true }, "{text}");
        }
    }

    #[tokio::test]
    async fn short_outputs_are_outdated() {
        let short = hasher_with(Params::new(32, 2, 1, Some(16)).unwrap());
        let hash = short.hash(&password("correct horse")).await.unwrap();
        let verdict = hasher().verify(&password("correct horse"), Some(&hash)).await.unwrap();
        assert_eq!(verdict, Verdict::Match { outdated: true });
    }

    #[tokio::test]
    async fn what_is_no_hash_or_costs_too_much_is_unusable() {
        let hasher = hasher();
        let end = "$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let long_output = "A".repeat(87);
        for text in [
            "",
            "password",
            "$",
            "$$$$$$",
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
            "$argon2id$v=19$m=32,t=2,p=1",
            "$argon2id$v=19$m=32,t=2,p=1$c29tZXNhbHRzb21lc2FsdA",
            &format!("$argon2id$v=18$m=32,t=2,p=1{end}"),
            &format!("$argon2id$v=19$m=32,t=0,p=1{end}"),
            &format!("$argon2id$v=19$m=32,t=2,p=0{end}"),
            &format!("$argon2id$v=19$m=7,t=2,p=1{end}"),
            &format!("$argon2id$v=19$m=-1,t=2,p=1{end}"),
            &format!("$argon2id$v=19$m=32,t=2,p=1,x=1{end}"),
            &format!("$argon2id$v=19$m=131073,t=2,p=1{end}"),
            &format!("$argon2id$v=19$m=131072,t=9,p=1{end}"),
            &format!("$argon2id$v=19$m=4294967295,t=2,p=1{end}"),
            &format!("$argon2id$v=19$m=4294967296,t=2,p=1{end}"),
            &format!("$argon2id$v=19$m=32,t=32769,p=1{end}"),
            &format!("$argon2id$v=19$m=32,t=4294967295,p=1{end}"),
            &format!("$argon2id$v=19$m=32,t=2,p=5{end}"),
            &format!("$argon2d$v=19$m=32,t=2,p=1{end}"),
            &format!("$argon2id$v=19$m=32,t=2{end}"),
            &format!("$argon2id$v=19$m=32,t=2,p=1,keyid=c29tZQ{end}"),
            &format!("$argon2id$v=19$m=32,t=2,p=1,data=c29tZQ{end}"),
            &format!("$argon2id$v=19$m=4294967295,t=2,p=16777215{end}"),
            &format!("$argon2id$v=19$m=32,t=2,p=1$c29tZXNhbHRzb21lc2FsdA${long_output}"),
            &format!("$argon2id$v=19$m=32,t=2,p=1{end}$"),
            &format!("$argon2id$v=19$m=32,t=2,p=1{end}="),
        ] {
            let outcome = verify(&hasher, "password", text).await;
            assert!(matches!(outcome, Err(HashError::Unusable(_))), "{text}: {outcome:?}");
        }
    }

    #[tokio::test]
    async fn current_parameters_above_the_limits_are_usable() {
        let strong = hasher_with(Params::new(131_073, 9, 1, None).unwrap());
        let hash = strong.hash(&password("correct horse")).await.unwrap();
        let verdict = strong.verify(&password("correct horse"), Some(&hash)).await.unwrap();
        assert_eq!(verdict, Verdict::Match { outdated: false });
    }

    #[test]
    fn parameters_without_a_phc_form_are_refused_when_it_is_made() {
        for output_length in [4, 65] {
            let settings = HasherSettings {
                concurrency: 1,
                queue: 1,
                queue_timeout: Duration::from_secs(1),
                parameters: Params::new(32, 2, 1, Some(output_length)).unwrap(),
            };
            assert!(Argon2Hasher::new(settings, Arc::new(SystemEntropy::default())).is_err());
        }
    }

    #[tokio::test]
    async fn a_hash_from_elsewhere_matches_and_is_outdated_always() {
        let hasher = hasher();
        let own = hasher.hash(&password("correct horse")).await.unwrap();
        for (text, right) in [
            // By Django 6.1.3.
            (
                "pbkdf2_sha256$5000$PhCkbsol2GLhzG7DtuwatP$hjBYQZ/6DnIYNenSwseTOUc2dk3tzlhUG5yj8uG+VAI=",
                "Gr\u{fc}\u{df}e aus K\u{f6}ln: 5 \u{b5}m\u{b2} \u{1f980}",
            ),
            // By PHP 8.2.35.
            (
                "$2y$05$L38D0YlThxlyoiYT11dal.kp9O1sBtyGhGGO.Ng/6Mx9.pO8mXFvG",
                "correct horse battery staple",
            ),
            // Nothing tells it from a hash that was made here.
            (own.as_str(), "correct horse"),
        ] {
            let adopted = hasher.adopt(text).unwrap();
            let verdict = hasher.verify(&password(right), Some(&adopted)).await.unwrap();
            assert_eq!(verdict, Verdict::Match { outdated: true }, "{text}");
            let verdict = hasher.verify(&password("wrong"), Some(&adopted)).await.unwrap();
            assert_eq!(verdict, Verdict::Mismatch, "{text}");
        }
    }

    /// What was hashed elsewhere is what was typed, or its NFKC.
    #[tokio::test]
    async fn a_hash_from_elsewhere_is_of_either_unicode_form_and_an_own_one_of_nfkc() {
        let hasher = hasher();
        let typed = "4 \u{b5}m\u{b2}";
        let salt = [7; SALT_LENGTH];
        let mut output = [0; 32];
        for (hashed, own) in
            [(typed, Verdict::Mismatch), ("4 \u{3bc}m2", Verdict::Match { outdated: false })]
        {
            Argon2::new(Algorithm::Argon2id, Version::V0x13, hasher.parameters.clone())
                .hash_password_into(hashed.as_bytes(), &salt, &mut output)
                .unwrap();
            let hash = Argon2Hash::write(&hasher.parameters, &salt, &output).unwrap();
            assert_eq!(hasher.verify(&password(typed), Some(&hash)).await.unwrap(), own);
            let adopted = hasher.adopt(hash.as_str()).unwrap();
            let verdict = hasher.verify(&password(typed), Some(&adopted)).await.unwrap();
            assert_eq!(verdict, Verdict::Match { outdated: true }, "{hashed}");
        }
    }

    #[tokio::test]
    async fn only_what_was_taken_over_is_checked_as_a_hash_from_elsewhere() {
        let hasher = hasher();
        let bcrypt = "$2y$05$L38D0YlThxlyoiYT11dal.kp9O1sBtyGhGGO.Ng/6Mx9.pO8mXFvG";
        let adopted = hasher.adopt(bcrypt).unwrap();
        for text in [bcrypt, "foreign:", "foreign:x", "foreign:$1$ukBpmE9o$cNhUyOG6Gp3gL0vEUV3xr/"]
        {
            let outcome = verify(&hasher, "correct horse battery staple", text).await;
            assert!(matches!(outcome, Err(HashError::Unusable(_))), "{text}: {outcome:?}");
        }
        // An export writes what is stored.
        assert_eq!(hasher.adopt(adopted.as_str()), Ok(adopted));
    }

    /// Hashes of many sizes through the same, used memory must be what the plain call computes.
    #[tokio::test]
    async fn memory_that_was_used_before_changes_no_result() {
        let hasher = hasher();
        for (m, t, p) in [(32, 1, 1), (8, 1, 1), (32, 3, 2), (16, 2, 1), (96, 1, 1), (32, 1, 1)] {
            let params = Params::new(m, t, p, None).unwrap();
            for round in 0..3_u8 {
                let text = format!("password {m} {t} {p} {round}");
                let salt = [round; SALT_LENGTH];
                let mut plain = [0; 32];
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
                    .hash_password_into(text.as_bytes(), &salt, &mut plain)
                    .unwrap();
                let hash = Argon2Hash::write(&params, &salt, &plain).unwrap();
                let verdict = hasher.verify(&password(&text), Some(&hash)).await.unwrap();
                assert!(matches!(verdict, Verdict::Match { .. }), "{text}");
            }
        }
    }

    #[tokio::test]
    async fn the_default_parameters_are_those_of_the_documentation() {
        let hasher = hasher_with(Params::default());
        let hash = hasher.hash(&password("correct horse")).await.unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        let verdict = hasher.verify(&password("correct horse"), Some(&hash)).await.unwrap();
        assert_eq!(verdict, Verdict::Match { outdated: false });
    }
}
