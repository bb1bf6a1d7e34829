//! What making and checking a token costs.

use divan::{Bencher, black_box};
use doorward_domain::{
    AccessClaims, KeyPlan, RoleName, SessionId, SigningAlgorithm, Timestamp, TokenId, UserId,
    ports::TokenSigner, session::Generation,
};
use doorward_infra_crypto::{TokenService, TokenSettings};
use secrecy::{ExposeSecret, SecretString};
use time::{Duration, macros::datetime};
use uuid::Uuid;

const NOW: Timestamp = datetime!(2026-01-01 00:00:00 UTC);

const ALGORITHMS: [SigningAlgorithm; 3] =
    [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256, SigningAlgorithm::Rs256];

/// So many different tokens take turns: no one token stands for all.
const PEOPLE: usize = 64;

fn main() {
    divan::main();
}

#[divan::bench(args = ALGORITHMS)]
fn access_token_sign(bencher: Bencher, algorithm: SigningAlgorithm) {
    let (service, claims) = (service(algorithm), claims(1));
    bencher.bench(|| service.access_sign(black_box(&claims)));
}

/// Each token is a new one, so that its signature is checked.
#[divan::bench(args = ALGORITHMS)]
fn access_token_verify(bencher: Bencher, algorithm: SigningAlgorithm) {
    let (service, mut number) = (service(algorithm), 0);
    bencher
        .with_inputs(|| {
            number += 1;
            service.access_sign(&claims(number)).expect("there is a key")
        })
        .bench_local_refs(|token| service.access_verify(token.expose_secret(), NOW));
}

#[divan::bench]
fn access_token_verify_again(bencher: Bencher) {
    let service = service(SigningAlgorithm::EdDsa);
    let known = |number| {
        let token = service.access_sign(&claims(number)).expect("there is a key");
        service.access_verify(token.expose_secret(), NOW).expect("the token is valid");
        token
    };
    let mut tokens = taking_turns(known);
    bencher
        .with_inputs(|| tokens.next().expect("the turns never end"))
        .bench_local_refs(|token| service.access_verify(token.expose_secret(), NOW));
}

#[divan::bench]
fn refresh_token_sign(bencher: Bencher) {
    let service = service(SigningAlgorithm::EdDsa);
    let session = SessionId::from_uuid(Uuid::from_u128(1));
    bencher.bench(|| service.refresh_sign(black_box(session), Generation::FIRST));
}

#[divan::bench]
fn refresh_token_verify(bencher: Bencher) {
    let service = service(SigningAlgorithm::EdDsa);
    let session = |number| SessionId::from_uuid(Uuid::from_u128(number));
    let mut tokens =
        taking_turns(|number| service.refresh_sign(session(number), Generation::FIRST));
    bencher
        .with_inputs(|| tokens.next().expect("the turns never end"))
        .bench_local_refs(|token| service.refresh_verify(token.expose_secret()));
}

fn taking_turns(sign: impl Fn(u128) -> SecretString) -> impl Iterator<Item = SecretString> {
    let tokens: Vec<SecretString> = (1..).map(sign).take(PEOPLE).collect();
    tokens.into_iter().cycle()
}

fn service(algorithm: SigningAlgorithm) -> TokenService {
    let service = TokenService::new(TokenSettings {
        secret: "a secret of thirty-two octets!!!".into(),
        previous_secrets: Vec::new(),
        issuer: "https://accounts.example.com".to_owned(),
        audience: "doorward".to_owned(),
    })
    .expect("the secret makes keys");
    let key = service.key_generate(KeyPlan {
        generation: 1,
        algorithm,
        created_at: NOW,
        activates_at: NOW,
        token_life: Duration::minutes(15),
    });
    service.keys_adopt(&[key.expect("a key can be made")]).expect("its own key is taken up");
    service
}

fn claims(number: u128) -> AccessClaims {
    AccessClaims {
        user_id: UserId::from_uuid(Uuid::from_u128(number)),
        session_id: SessionId::from_uuid(Uuid::from_u128(number)),
        token_id: TokenId::from_uuid(Uuid::from_u128(number)),
        issued_at: NOW,
        expires_at: NOW + Duration::minutes(15),
        auth_time: NOW,
        auth_methods: vec!["pwd".to_owned()],
        roles: vec![RoleName::user()],
    }
}
