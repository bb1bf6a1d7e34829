//! The hot paths.

use std::{future::Future, hint::black_box, pin::Pin, sync::Arc};

use anyhow::{Context, Result};
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use doorward_app::session::Tokens;
use doorward_domain::{AccessClaims, RoleName, session::Generation};
use doorward_testkit::fixture;
use secrecy::{ExposeSecret as _, SecretString};

use crate::installation::{Installation, get};

/// How many people take turns.
const PEOPLE: usize = 10;

/// A way through Doorward whose instructions are counted.
pub struct Path {
    pub name: &'static str,
    /// How many walks outweigh what differs from one to the next.
    pub walks: usize,
    /// Prepares so many walks for practice, and as many that count.
    pub prepare: fn(usize) -> Prepared,
}

pub type Prepared = Later<(Walk, Walk)>;
/// The walks, one after the other.
pub type Walk = Later<()>;
type Later<T> = Pin<Box<dyn Future<Output = Result<T>>>>;

pub static PATHS: [Path; 8] = [
    Path { name: "GET /health/live", walks: 500, prepare: |n| Box::pin(live(n)) },
    Path { name: "GET an unknown address", walks: 500, prepare: |n| Box::pin(unknown(n)) },
    Path { name: "GET /users/me", walks: 500, prepare: |n| Box::pin(me(n)) },
    Path { name: "GET /users, 100 of them", walks: 30, prepare: |n| Box::pin(page(n)) },
    Path { name: "POST /auth/refresh", walks: 200, prepare: |n| Box::pin(refresh(n)) },
    Path { name: "verify an access token", walks: 200, prepare: |n| Box::pin(access_token(n)) },
    Path { name: "verify it again", walks: 1_000, prepare: |n| Box::pin(access_token_again(n)) },
    Path { name: "verify a refresh token", walks: 1_000, prepare: |n| Box::pin(refresh_token(n)) },
];

async fn live(walks: usize) -> Result<(Walk, Walk)> {
    let installation = Installation::in_memory().await?;
    requests(installation, walks, |_| get("/health/live", None), StatusCode::OK)
}

async fn unknown(walks: usize) -> Result<(Walk, Walk)> {
    let installation = Installation::in_memory().await?;
    let request = |_| get("/api/v1/nothing/here", None);
    requests(installation, walks, request, StatusCode::NOT_FOUND)
}

async fn me(walks: usize) -> Result<(Walk, Walk)> {
    let installation = Installation::in_memory().await?;
    let people = people(&installation).await;
    let request = |at: usize| get("/api/v1/users/me", Some(&people[at % PEOPLE]));
    requests(installation, walks, request, StatusCode::OK)
}

async fn page(walks: usize) -> Result<(Walk, Walk)> {
    let installation = Installation::in_memory().await?;
    let world = &installation.world;
    for number in 1..=100 {
        fixture::register(world.ctx.store.as_ref(), &fixture::user(number)).await?;
    }
    world.admin("admin@example.com").await;
    let (admin, _) = world.signed_in("admin@example.com").await;
    let request = |_| get("/api/v1/users?limit=100", Some(&admin));
    requests(installation, walks, request, StatusCode::OK)
}

/// Each request comes with the token that the one before was answered with: they are foreseen here, so
/// that no answer needs to be read.
async fn refresh(walks: usize) -> Result<(Walk, Walk)> {
    let installation = Installation::in_memory().await?;
    let session = installation.person(0).await.session_id;
    let signer = Arc::clone(&installation.world.ctx.signer);
    let mut generation = Generation::FIRST;
    let request = |_| {
        let token = signer.refresh_sign(session, generation);
        generation = generation.next();
        let body = serde_json::json!({ "refresh_token": token.expose_secret() });
        let request = Request::post("/api/v1/auth/refresh")
            .header(header::HOST, "accounts.test")
            .header(header::CONTENT_TYPE, "application/json");
        Ok(request.body(Body::from(body.to_string()))?)
    };
    requests(installation, walks, request, StatusCode::OK)
}

/// Each token is a new one, so that its signature is checked.
async fn access_token(walks: usize) -> Result<(Walk, Walk)> {
    let installation = Installation::in_memory().await?;
    let ctx = &installation.world.ctx;
    let person = installation.person(0).await;
    let claims = ctx.signer.access_verify(person.access_token.expose_secret(), ctx.clock.now())?;
    let sign = |number| {
        let roles = vec![RoleName::parse(&format!("role-{number:04}"))?];
        Ok(ctx.signer.access_sign(&AccessClaims { roles, ..claims.clone() })?)
    };
    let practice = (0..walks).map(sign).collect::<Result<_>>()?;
    let tokens = (walks..walks * 2).map(sign).collect::<Result<_>>()?;
    Ok((verify(&installation, practice), verify(&installation, tokens)))
}

async fn access_token_again(walks: usize) -> Result<(Walk, Walk)> {
    let installation = Installation::in_memory().await?;
    let people = people(&installation).await;
    let tokens: Vec<_> =
        people.iter().map(|person| person.access_token.clone()).cycle().take(walks).collect();
    Ok((verify(&installation, tokens.clone()), verify(&installation, tokens)))
}

fn verify(installation: &Installation, tokens: Vec<SecretString>) -> Walk {
    let (signer, now) =
        (Arc::clone(&installation.world.ctx.signer), installation.world.ctx.clock.now());
    Box::pin(async move {
        for token in &tokens {
            black_box(signer.access_verify(black_box(token.expose_secret()), now)?);
        }
        Ok(())
    })
}

async fn refresh_token(walks: usize) -> Result<(Walk, Walk)> {
    let installation = Installation::in_memory().await?;
    let people = people(&installation).await;
    let tokens: Vec<_> =
        people.iter().map(|person| person.refresh_token.clone()).cycle().take(walks).collect();
    let walk = |tokens: Vec<SecretString>| -> Walk {
        let signer = Arc::clone(&installation.world.ctx.signer);
        Box::pin(async move {
            for token in &tokens {
                let token = black_box(token.expose_secret());
                black_box(signer.refresh_verify(token)).context("the token is refused")?;
            }
            Ok(())
        })
    };
    Ok((walk(tokens.clone()), walk(tokens)))
}

async fn people(installation: &Installation) -> Vec<Tokens> {
    let mut people = Vec::with_capacity(PEOPLE);
    for number in 0..PEOPLE {
        people.push(installation.person(number).await);
    }
    people
}

fn requests(
    installation: Installation,
    walks: usize,
    request: impl FnMut(usize) -> Result<Request<Body>>,
    expected: StatusCode,
) -> Result<(Walk, Walk)> {
    let mut practice: Vec<_> = (0..walks * 2).map(request).collect::<Result<_>>()?;
    let counted = practice.split_off(walks);
    let installation = Arc::new(installation);
    let send = |requests| -> Walk {
        let installation = Arc::clone(&installation);
        Box::pin(async move { installation.send(requests, expected).await })
    };
    Ok((send(practice), send(counted)))
}
