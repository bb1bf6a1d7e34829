//! Tests of the service as its users see it, and what `hostile_tokens` needs to forge tokens.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorward_domain::{
    RoleName, SigningAlgorithm, TokenId, UserId, signing_key::PublicKeyParameters,
};
use secrecy::ExposeSecret;
use serde_json::json;
use time::{Duration, macros::datetime};
use uuid::Uuid;

use super::*;
use crate::keyring::Binding;

pub(super) const NOW: Timestamp = datetime!(2026-01-01 00:00:00 UTC);
pub(super) const SECRET: &str = "a secret of thirty-two octets!!!";
pub(super) const ALGORITHMS: [SigningAlgorithm; 3] =
    [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256, SigningAlgorithm::Rs256];

/// Making an RSA key takes long, so all tests share the keys.
static KEYS: LazyLock<[SealedSigningKey; 3]> = LazyLock::new(|| {
    let service = without_keys(SECRET);
    [(1, ALGORITHMS[0]), (2, ALGORITHMS[1]), (3, ALGORITHMS[2])].map(|(generation, algorithm)| {
        let activates_at = NOW + Duration::hours(generation - 1);
        service.key_generate(plan(algorithm, generation, activates_at)).unwrap()
    })
});

pub(super) fn plan(
    algorithm: SigningAlgorithm,
    generation: i64,
    activates_at: Timestamp,
) -> KeyPlan {
    let token_life = Duration::minutes(15);
    KeyPlan { generation, algorithm, created_at: NOW, activates_at, token_life }
}

pub(super) fn without_keys(secret: &str) -> TokenService {
    without_keys_after(secret, &[])
}

/// A service of an installation that had other secrets before.
fn without_keys_after(secret: &str, previous: &[&str]) -> TokenService {
    TokenService::new(TokenSettings {
        secret: secret.into(),
        previous_secrets: previous.iter().map(|secret| (*secret).into()).collect(),
        issuer: "https://accounts.example.com".to_owned(),
        audience: "doorward".to_owned(),
    })
    .unwrap()
}

/// A service whose only key is one of this algorithm.
pub(super) fn service(algorithm: SigningAlgorithm) -> TokenService {
    let service = without_keys(SECRET);
    let key = KEYS.iter().find(|key| key.algorithm == algorithm).unwrap().clone();
    service.keys_adopt(&[SealedSigningKey { activates_at: NOW, ..key }]).unwrap();
    service
}

pub(super) fn claims() -> AccessClaims {
    AccessClaims {
        user_id: UserId::from_uuid(Uuid::from_u128(1)),
        session_id: SessionId::from_uuid(Uuid::from_u128(2)),
        token_id: TokenId::from_uuid(Uuid::from_u128(3)),
        issued_at: NOW,
        expires_at: NOW + Duration::minutes(15),
        auth_time: NOW - Duration::days(1),
        auth_methods: vec!["pwd".to_owned()],
        roles: vec![RoleName::admin(), RoleName::user()],
    }
}

pub(super) fn sign(service: &TokenService, claims: &AccessClaims) -> String {
    service.access_sign(claims).unwrap().expose_secret().to_owned()
}

fn decode(part: &str) -> serde_json::Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The id of the key that signed a token.
fn kid(token: &str) -> String {
    decode(token.split('.').next().unwrap())["kid"].as_str().unwrap().to_owned()
}

#[test]
fn tokens_of_each_algorithm_are_read_back_and_say_exactly_what_the_documentation_lists() {
    for algorithm in ALGORITHMS {
        let service = service(algorithm);
        let token = sign(&service, &claims());
        assert_eq!(service.access_verify(&token, NOW), Ok(claims()), "{algorithm:?}");

        let parts: Vec<_> = token.split('.').collect();
        let kid = service.keys_public(NOW)[0].kid.clone();
        assert_eq!(
            decode(parts[0]),
            json!({"typ": "at+jwt", "alg": algorithm.as_str(), "kid": kid})
        );
        assert_eq!(
            decode(parts[1]),
            json!({
                "iss": "https://accounts.example.com",
                "aud": "doorward",
                "sub": "00000000-0000-0000-0000-000000000001",
                "sid": "00000000-0000-0000-0000-000000000002",
                "jti": "00000000-0000-0000-0000-000000000003",
                "iat": 1_767_225_600,
                "exp": 1_767_226_500,
                "roles": ["admin", "user"],
                "auth_time": 1_767_139_200,
                "amr": ["pwd"],
            })
        );
    }
}

#[test]
fn fractions_of_seconds_are_cut_off() {
    let service = service(SigningAlgorithm::EdDsa);
    let fraction = Duration::microseconds(999_999);
    let issued = AccessClaims {
        issued_at: NOW + fraction,
        expires_at: NOW + Duration::minutes(15) + fraction,
        auth_time: NOW - Duration::days(1) + fraction,
        ..claims()
    };
    assert_eq!(service.access_verify(&sign(&service, &issued), NOW), Ok(claims()));
}

#[test]
fn times_are_judged_by_the_given_now() {
    let service = service(SigningAlgorithm::EdDsa);
    let token = sign(&service, &claims());
    let microsecond = Duration::microseconds(1);
    let expiry = claims().expires_at;
    for (now, expected) in [
        (NOW, Ok(claims())),
        (expiry - microsecond, Ok(claims())),
        (expiry, Err(TokenError::Expired)),
        (expiry + Duration::days(36_500), Err(TokenError::Expired)),
        // The clock of the issuer may be ahead by five seconds, and not by more.
        (NOW - Duration::seconds(5), Ok(claims())),
        (NOW - Duration::seconds(5) - microsecond, Err(TokenError::NotYetValid)),
        (NOW - Duration::days(36_500), Err(TokenError::NotYetValid)),
    ] {
        assert_eq!(service.access_verify(&token, now), expected, "{now}");
    }
}

#[test]
fn the_newest_active_key_signs_whatever_its_algorithm() {
    // Key 1 (EdDSA) is active from the beginning, key 2 (ES256) from 01:00, key 3 (RS256) from 02:00.
    let service = without_keys(SECRET);
    // The order in which the database gives them does not matter.
    service.keys_adopt(&[KEYS[2].clone(), KEYS[0].clone(), KEYS[1].clone()]).unwrap();
    for (minutes, generation) in [(-1, 1), (0, 1), (59, 1), (60, 2), (119, 2), (120, 3), (999, 3)] {
        let issued_at = NOW + Duration::minutes(minutes);
        let token = sign(&service, &AccessClaims { issued_at, ..claims() });
        assert_eq!(kid(&token), KEYS[generation - 1].kid, "after {minutes} min");
    }
}

#[test]
fn a_newer_key_takes_over_in_the_second_in_which_it_becomes_active() {
    let service = without_keys(SECRET);
    let activates_at = NOW + Duration::seconds(10) + Duration::microseconds(999_999);
    let newer = service.key_generate(plan(SigningAlgorithm::EdDsa, 9, activates_at)).unwrap();
    service.keys_adopt(&[newer.clone(), KEYS[0].clone()]).unwrap();
    for (seconds, expected) in [(9, &KEYS[0].kid), (10, &newer.kid), (11, &newer.kid)] {
        let issued = AccessClaims { issued_at: NOW + Duration::seconds(seconds), ..claims() };
        assert_eq!(kid(&sign(&service, &issued)), *expected, "{seconds} s");
    }
}

#[test]
fn a_key_that_is_not_active_yet_verifies_all_the_same() {
    let ahead = service(SigningAlgorithm::Rs256);
    let behind = without_keys(SECRET);
    behind.keys_adopt(&*KEYS).unwrap();
    assert_eq!(behind.access_verify(&sign(&ahead, &claims()), NOW), Ok(claims()));
}

/// A signature is verified once and remembered; nothing but the very same token may profit.
#[test]
fn what_is_remembered_of_a_token_serves_no_other_token_no_other_time_and_no_other_service() {
    for algorithm in ALGORITHMS {
        let service = service(algorithm);
        let token = sign(&service, &claims());
        for _ in 0..2 {
            assert_eq!(service.access_verify(&token, NOW), Ok(claims()));
            for index in 0..token.len() {
                let mut octets = token.clone().into_bytes();
                octets[index] = if octets[index] == b'A' { b'B' } else { b'A' };
                let other = String::from_utf8(octets).unwrap();
                assert!(service.access_verify(&other, NOW).is_err(), "octet {index}");
            }
        }
        let expired = Err(TokenError::Expired);
        assert_eq!(service.access_verify(&token, claims().expires_at), expired);
        let early = claims().issued_at - Duration::seconds(6);
        assert_eq!(service.access_verify(&token, early), Err(TokenError::NotYetValid));
        service.keys_adopt(&[]).unwrap();
        assert_eq!(service.access_verify(&token, NOW), Err(TokenError::UnknownKey));
    }
}

/// As somebody who stole the key would forge it: good for ever.
#[test]
fn a_token_of_a_retired_key_is_refused_and_the_key_is_not_published() {
    let thief = service(SigningAlgorithm::EdDsa);
    let forged = AccessClaims { expires_at: NOW + Duration::days(999), ..claims() };
    let token = sign(&thief, &forged);
    let service = without_keys(SECRET);
    service.keys_adopt(&*KEYS).unwrap();
    // Key 2 signs from 01:00, and tokens live for 15 minutes.
    let retires = NOW + Duration::minutes(75) + doorward_domain::key_life::SETTLING;
    let before = retires - Duration::microseconds(1);
    assert_eq!(service.access_verify(&token, before), Ok(forged));
    assert_eq!(service.keys_public(before).len(), 3);
    assert_eq!(service.access_verify(&token, retires), Err(TokenError::UnknownKey));
    assert_eq!(service.keys_public(retires).len(), 2);
}

#[test]
fn keys_of_a_previous_secret_are_adopted_and_sealed_anew() {
    const NEW: &str = "another secret of thirty-two octets";
    let between = without_keys_after(NEW, &["some other secret", SECRET]);
    between.keys_adopt(&*KEYS).unwrap();
    let token = sign(&service(SigningAlgorithm::EdDsa), &claims());
    assert_eq!(between.access_verify(&token, NOW), Ok(claims()));

    let after = without_keys(NEW);
    assert!(matches!(after.key_reseal(&KEYS[0]), Err(KeyError::WrongSecret { .. })));
    let resealed = KEYS.each_ref().map(|key| between.key_reseal(key).unwrap());
    after.keys_adopt(&resealed).unwrap();
    assert_eq!(after.access_verify(&token, NOW), Ok(claims()));
    for (key, resealed) in KEYS.iter().zip(resealed) {
        let sealed_private_key = key.sealed_private_key.clone();
        assert_eq!(SealedSigningKey { sealed_private_key, ..resealed.clone() }, *key);
        let refusal = without_keys(SECRET).keys_adopt(&[resealed]);
        assert!(matches!(refusal, Err(KeyError::WrongSecret { .. })));
    }
}

#[test]
fn without_a_key_nothing_is_signed() {
    let service = without_keys(SECRET);
    assert!(matches!(service.access_sign(&claims()), Err(KeyError::NoActiveKey)));
    // A clock that is behind finds the first key not active yet, and there is no other.
    service.keys_adopt(&KEYS[1..]).unwrap();
    assert_eq!(kid(&sign(&service, &claims())), KEYS[1].kid);
    assert_eq!(service.keys_public(NOW).len(), 2);
}

#[test]
fn public_keys_are_listed_oldest_first_and_named_by_their_thumbprints() {
    let service = without_keys(SECRET);
    service.keys_adopt(&[KEYS[2].clone(), KEYS[0].clone(), KEYS[1].clone()]).unwrap();
    let public = service.keys_public(NOW);
    for (public, key) in public.iter().zip(KEYS.iter()) {
        assert_eq!((&public.kid, public.algorithm), (&key.kid, key.algorithm));
        assert_eq!(public.kid, crate::signing_key::thumbprint(&public.parameters).unwrap());
    }
    let lengths: Vec<Vec<usize>> = public
        .iter()
        .map(|key| {
            let length = |text: &String| URL_SAFE_NO_PAD.decode(text).unwrap().len();
            match &key.parameters {
                PublicKeyParameters::Ed25519 { x } => vec![length(x)],
                PublicKeyParameters::P256 { x, y } => vec![length(x), length(y)],
                PublicKeyParameters::Rsa { n, e } => vec![length(n), length(e)],
            }
        })
        .collect();
    assert_eq!(lengths, [vec![32], vec![32, 32], vec![256, 3]]);
}

#[test]
fn a_key_that_cannot_be_adopted_leaves_the_present_ones_in_force() {
    let service = service(SigningAlgorithm::EdDsa);
    let token = sign(&service, &claims());
    let foreign =
        without_keys("another secret").key_generate(plan(SigningAlgorithm::EdDsa, 4, NOW)).unwrap();
    let refusal = service.keys_adopt(&[KEYS[1].clone(), foreign.clone()]).unwrap_err();
    assert!(matches!(&refusal, KeyError::WrongSecret { kid } if *kid == foreign.kid));
    assert!(refusal.to_string().contains(&foreign.kid));
    assert_eq!(service.access_verify(&token, NOW), Ok(claims()));
    assert_eq!(service.keys_public(NOW).len(), 1);
}

#[test]
fn rows_that_were_tampered_with_are_not_adopted() {
    let good = &KEYS[0];
    let der = b"not a private key at all";
    let binding = Binding { kid: &good.kid, generation: 1, algorithm: good.algorithm };
    let service = without_keys(SECRET);
    let sealer = &service.sealer;
    let pair = crate::signing_key::KeyPair::generate(SigningAlgorithm::EdDsa).unwrap();
    let other_pair = binding.seal(sealer, &pair.to_pkcs8().unwrap()).unwrap();
    let row_with = |sealed_private_key| SealedSigningKey { sealed_private_key, ..good.clone() };
    for (what, row, is_damage) in [
        ("empty", row_with(vec![]), true),
        ("version", row_with([&[2], &good.sealed_private_key[1..]].concat()), true),
        ("cut", row_with(good.sealed_private_key[..20].to_vec()), true),
        ("no key", row_with(binding.seal(sealer, der).unwrap()), true),
        ("another key under this id", row_with(other_pair), true),
        ("another row's key", row_with(KEYS[1].sealed_private_key.clone()), false),
        ("generation", SealedSigningKey { generation: 2, ..good.clone() }, false),
        ("kid", SealedSigningKey { kid: "../x".to_owned(), ..good.clone() }, false),
        (
            "algorithm",
            SealedSigningKey { algorithm: SigningAlgorithm::Es256, ..good.clone() },
            false,
        ),
    ] {
        // Neither a fresh service nor one that knows the key takes the row.
        for known in [&[][..], std::slice::from_ref(good)] {
            service.keys_adopt(known).unwrap();
            match service.keys_adopt(std::slice::from_ref(&row)) {
                Err(KeyError::Damaged { kid, .. }) if is_damage => assert_eq!(kid, row.kid),
                Err(KeyError::WrongSecret { kid }) if !is_damage => assert_eq!(kid, row.kid),
                other => panic!("{what}: {other:?}"),
            }
        }
    }
}

#[test]
fn known_keys_are_not_decrypted_again_and_removed_ones_are_forgotten() {
    let service = without_keys(SECRET);
    service.keys_adopt(&KEYS[..1]).unwrap();
    let token = sign(&service, &claims());
    assert_eq!(service.access_verify(&token, NOW), Ok(claims()));
    let address = |service: &TokenService| {
        std::ptr::from_ref(service.keyring().find(&KEYS[0].kid, NOW).unwrap()).addr()
    };
    let before = address(&service);
    service.keys_adopt(&KEYS[..2]).unwrap();
    assert_eq!(address(&service), before);

    service.keys_adopt(&KEYS[1..]).unwrap();
    assert_eq!(service.access_verify(&token, NOW), Err(TokenError::UnknownKey));
    service.keys_adopt(&[]).unwrap();
    assert!(service.keys_public(NOW).is_empty());
}

#[test]
fn a_changed_activation_takes_effect() {
    let service = without_keys(SECRET);
    service.keys_adopt(&KEYS[..2]).unwrap();
    let later = NOW + Duration::days(1);
    let key = SealedSigningKey { activates_at: later, ..KEYS[1].clone() };
    service.keys_adopt(&[KEYS[0].clone(), key]).unwrap();
    let soon = AccessClaims { issued_at: NOW + Duration::hours(1), ..claims() };
    assert_eq!(kid(&sign(&service, &soon)), KEYS[0].kid);
}

#[test]
fn two_instances_with_one_secret_take_each_others_tokens() {
    let (one, two) = (service(SigningAlgorithm::EdDsa), service(SigningAlgorithm::EdDsa));
    assert_eq!(two.access_verify(&sign(&one, &claims()), NOW), Ok(claims()));
    let session = claims().session_id;
    let refresh = one.refresh_sign(session, Generation::FIRST);
    let again = two.refresh_sign(session, Generation::FIRST);
    assert_eq!(refresh.expose_secret(), again.expose_secret());
    assert_eq!(two.refresh_verify(refresh.expose_secret()), Some((session, Generation::FIRST)));
}

#[test]
fn an_access_token_is_no_refresh_token_and_a_foreign_refresh_token_is_none_either() {
    let service = service(SigningAlgorithm::EdDsa);
    let token = sign(&service, &claims());
    assert_eq!(service.refresh_verify(&token), None);
    assert_eq!(service.refresh_verify(&format!("dwr_{token}")), None);
    let foreign =
        without_keys("another secret").refresh_sign(claims().session_id, Generation::FIRST);
    assert_eq!(service.refresh_verify(foreign.expose_secret()), None);
}

#[test]
fn a_token_that_would_be_refused_for_its_length_is_not_made() {
    let service = service(SigningAlgorithm::EdDsa);
    let roles = |count| AccessClaims {
        roles: (0..count).map(|n| RoleName::parse(&format!("r{n:049}")).unwrap()).collect(),
        ..claims()
    };
    let many = roles(90);
    assert_eq!(service.access_verify(&sign(&service, &many), NOW), Ok(many));
    let refusal = service.access_sign(&roles(200)).unwrap_err();
    assert!(refusal.to_string().contains("too many roles"), "{refusal}");
}

#[test]
fn keys_can_be_replaced_while_tokens_are_checked() {
    let service = service(SigningAlgorithm::EdDsa);
    let token = sign(&service, &claims());
    std::thread::scope(|scope| {
        let checking = scope.spawn(|| {
            for _ in 0..500 {
                assert_eq!(service.access_verify(&token, NOW), Ok(claims()));
            }
        });
        while !checking.is_finished() {
            service.keys_adopt(&KEYS[..1]).unwrap();
            service.keys_adopt(&KEYS[..2]).unwrap();
        }
    });
}

#[test]
fn debug_shows_no_secret() {
    let service = service(SigningAlgorithm::EdDsa);
    let settings = TokenSettings {
        secret: SECRET.into(),
        previous_secrets: vec![SECRET.into()],
        issuer: "issuer".to_owned(),
        audience: "audience".to_owned(),
    };
    let token = service.access_sign(&claims()).unwrap();
    let shown = format!("{service:?} {settings:?} {:?} {token:?}", KEYS[0]);
    assert!(shown.contains(&KEYS[0].kid));
    assert!(!shown.contains("thirty-two") && !shown.contains(token.expose_secret()), "{shown}");
    assert!(!shown.contains(&format!("{:?}", KEYS[0].sealed_private_key)));
}
