use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use doorward_domain::{
    AccessClaims, DeviceId, GuessKey, GuessSubject, KeyPlan, KeyState, KnownDevice, ProofId,
    ProofPurpose, ProofSecrets, PublicKey, RoleName, SealedSigningKey, SessionId, Timestamp,
    TokenDigest, TokenId, UserId,
    key_life::lives,
    ports::{AuditSealer, KeyError, TokenError, TokenSigner},
    session::Generation,
    signing_key::PublicKeyParameters,
};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::PlainSealer;

/// Signs nothing: tokens are their claims, readable, so that a failing test shows what was in them.
///
/// ```text
/// access:USER:SESSION:TOKEN:ISSUED:EXPIRES:AUTH_TIME:METHODS:ROLES
/// refresh:SESSION:GENERATION
/// PURPOSE:PROOF
/// device:USER:DEVICE:SIGNED_IN
/// ```
#[derive(Debug, Default)]
pub struct PlainSigner {
    keys: Mutex<Vec<SealedSigningKey>>,
}

impl TokenSigner for PlainSigner {
    fn key_generate(&self, plan: KeyPlan) -> Result<SealedSigningKey, KeyError> {
        Ok(SealedSigningKey {
            kid: format!("key-{}", plan.generation),
            generation: plan.generation,
            algorithm: plan.algorithm,
            sealed_private_key: b"no key at all".to_vec(),
            created_at: plan.created_at,
            activates_at: plan.activates_at,
            token_life: plan.token_life,
        })
    }

    fn key_reseal(&self, key: &SealedSigningKey) -> Result<SealedSigningKey, KeyError> {
        Ok(SealedSigningKey { sealed_private_key: b"sealed anew".to_vec(), ..key.clone() })
    }

    fn keys_adopt(&self, keys: &[SealedSigningKey]) -> Result<(), KeyError> {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys.to_vec();
        Ok(())
    }

    fn keys_public(&self, now: Timestamp) -> Vec<PublicKey> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let lives = lives(&keys);
        let known = keys.iter().zip(lives);
        known
            .filter(|(_, life)| life.state_at(now) != KeyState::Retired)
            .map(|(key, _)| PublicKey {
                kid: key.kid.clone(),
                algorithm: key.algorithm,
                parameters: PublicKeyParameters::Ed25519 { x: "AA".to_owned() },
            })
            .collect()
    }

    fn access_sign(&self, claims: &AccessClaims) -> Result<SecretString, KeyError> {
        let roles: Vec<&str> = claims.roles.iter().map(RoleName::as_str).collect();
        Ok(format!(
            "access:{}:{}:{}:{}:{}:{}:{}:{}",
            claims.user_id,
            claims.session_id,
            claims.token_id,
            claims.issued_at.unix_timestamp(),
            claims.expires_at.unix_timestamp(),
            claims.auth_time.unix_timestamp(),
            claims.auth_methods.join("+"),
            roles.join("+"),
        )
        .into())
    }

    fn access_verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenError> {
        let claims = read_access(token).ok_or(TokenError::Malformed)?;
        if now < claims.expires_at { Ok(claims) } else { Err(TokenError::Expired) }
    }

    fn refresh_sign(&self, session: SessionId, generation: Generation) -> SecretString {
        format!("refresh:{session}:{}", generation.number()).into()
    }

    fn refresh_verify(&self, token: &str) -> Option<(SessionId, Generation)> {
        let (session, generation) = token.strip_prefix("refresh:")?.split_once(':')?;
        let generation = Generation::from_number(generation.parse().ok()?)?;
        Some((SessionId::from_uuid(session.parse().ok()?), generation))
    }

    fn proof_sign(&self, purpose: ProofPurpose, id: ProofId) -> ProofSecrets {
        let token = format!("{}:{id}", purpose.as_str());
        // Of two proofs of a test the codes differ, because the end of an id is what differs.
        let number = id.as_uuid().as_u128() % 100_000_000;
        let token_digest = TokenDigest(PlainSealer.digest(token.as_bytes()));
        ProofSecrets { token: token.into(), token_digest, code: format!("{number:08}").into() }
    }

    fn proof_verify(&self, purpose: ProofPurpose, token: &str) -> Option<(ProofId, TokenDigest)> {
        let id = token.strip_prefix(purpose.as_str())?.strip_prefix(':')?;
        let digest = TokenDigest(PlainSealer.digest(token.as_bytes()));
        Some((ProofId::from_uuid(id.parse().ok()?), digest))
    }

    fn proof_code_verify(&self, purpose: ProofPurpose, id: ProofId, code: &str) -> bool {
        self.proof_sign(purpose, id).code.expose_secret() == code
    }

    fn device_sign(&self, device: KnownDevice) -> SecretString {
        let KnownDevice { user_id, id, signed_in_at } = device;
        format!("device:{user_id}:{id}:{}", signed_in_at.unix_timestamp()).into()
    }

    fn device_verify(&self, token: &str) -> Option<KnownDevice> {
        let mut parts = token.strip_prefix("device:")?.split(':');
        let mut uuid = || parts.next()?.parse::<Uuid>().ok();
        let (user_id, id) = (UserId::from_uuid(uuid()?), DeviceId::from_uuid(uuid()?));
        let seconds = parts.next()?.parse().ok()?;
        let signed_in_at = Timestamp::from_unix_timestamp(seconds).ok()?;
        Some(KnownDevice { user_id, id, signed_in_at })
    }

    fn guess_key(&self, subject: &GuessSubject) -> GuessKey {
        let mut key = GuessKey([0; 32]);
        for (part, octets) in key.0.chunks_mut(8).enumerate() {
            let mut hasher = DefaultHasher::new();
            (part, subject.label()).hash(&mut hasher);
            octets.copy_from_slice(&hasher.finish().to_be_bytes());
        }
        key
    }
}

fn read_access(token: &str) -> Option<AccessClaims> {
    let mut parts = token.strip_prefix("access:")?.split(':');
    let mut uuid = || parts.next()?.parse::<Uuid>().ok();
    let (user_id, session_id, token_id) = (uuid()?, uuid()?, uuid()?);
    let mut time = || Timestamp::from_unix_timestamp(parts.next()?.parse().ok()?).ok();
    let (issued_at, expires_at, auth_time) = (time()?, time()?, time()?);
    let mut list = || Some(parts.next()?.split('+').filter(|word| !word.is_empty()));
    let auth_methods = list()?.map(str::to_owned).collect();
    let roles = list()?.map(|role| RoleName::parse(role).ok()).collect::<Option<_>>()?;
    Some(AccessClaims {
        user_id: UserId::from_uuid(user_id),
        session_id: SessionId::from_uuid(session_id),
        token_id: TokenId::from_uuid(token_id),
        issued_at,
        expires_at,
        auth_time,
        auth_methods,
        roles,
    })
}
