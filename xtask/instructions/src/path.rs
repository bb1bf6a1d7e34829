//! The hot paths.

use std::{future::Future, hint::black_box, pin::Pin};

use anyhow::{Context, Result};
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use doorward_app::session::Tokens;
use doorward_domain::{AccessClaims, RoleName, session::Generation};
use doorward_testkit::fixture;
use secrecy::ExposeSecret as _;

use crate::installation::{Installation, get};

/// How many people take turns.
const PEOPLE: usize = 10;

/// A way through Doorward whose instructions are counted.
pub struct Path {
    pub name: &'static str,
    /// How many walks outweigh that two starts of a process never take quite the same instructions.
    pub walks: usize,
    /// Walks so many times, at most twice [`walks`](Self::walks).
    pub walk: fn(&'static Self, usize) -> Walk,
}

type Walk = Pin<Box<dyn Future<Output = Result<()>>>>;

pub static PATHS: [Path; 9] = [
    Path { name: "GET /health/live", walks: 1_500, walk: |p, n| Box::pin(live(p, n)) },
    Path { name: "GET an unknown address", walks: 1_500, walk: |p, n| Box::pin(unknown(p, n)) },
    Path { name: "GET /users/me", walks: 500, walk: |p, n| Box::pin(me(p, n)) },
    Path {
        name: "GET /users/me from SQLite",
        walks: 500,
        walk: |p, n| Box::pin(me_on_sqlite(p, n)),
    },
    Path { name: "GET /users, 100 of them", walks: 60, walk: |p, n| Box::pin(page(p, n)) },
    Path { name: "POST /auth/refresh", walks: 300, walk: |p, n| Box::pin(refresh(p, n)) },
    Path { name: "verify an access token", walks: 300, walk: |p, n| Box::pin(access_token(p, n)) },
    Path { name: "verify it again", walks: 10_000, walk: |_, n| Box::pin(access_token_again(n)) },
    Path { name: "verify a refresh token", walks: 10_000, walk: |_, n| Box::pin(refresh_token(n)) },
];

async fn live(path: &Path, times: usize) -> Result<()> {
    let installation = Installation::in_memory().await?;
    path.requests(&installation, times, |_| get("/health/live", None), StatusCode::OK).await
}

async fn unknown(path: &Path, times: usize) -> Result<()> {
    let installation = Installation::in_memory().await?;
    let request = |_| get("/api/v1/nothing/here", None);
    path.requests(&installation, times, request, StatusCode::NOT_FOUND).await
}

async fn me(path: &Path, times: usize) -> Result<()> {
    path.own_account(&Installation::in_memory().await?, times).await
}

async fn me_on_sqlite(path: &Path, times: usize) -> Result<()> {
    path.own_account(&Installation::on_sqlite().await?, times).await
}

async fn page(path: &Path, times: usize) -> Result<()> {
    let installation = Installation::in_memory().await?;
    let world = &installation.world;
    for number in 1..=100 {
        fixture::register(world.ctx.store.as_ref(), &fixture::user(number)).await?;
    }
    world.admin("admin@example.com").await;
    let (admin, _) = world.signed_in("admin@example.com").await;
    let request = |_| get("/api/v1/users?limit=100", Some(&admin));
    path.requests(&installation, times, request, StatusCode::OK).await
}

/// Each request comes with the token that the one before was answered with: they are foreseen here, so
/// that no answer needs to be read.
async fn refresh(path: &Path, times: usize) -> Result<()> {
    let installation = Installation::in_memory().await?;
    let session = installation.person(0).await.session_id;
    let signer = &installation.world.ctx.signer;
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
    path.requests(&installation, times, request, StatusCode::OK).await
}

async fn access_token(path: &Path, times: usize) -> Result<()> {
    let installation = Installation::in_memory().await?;
    let (signer, clock) = (&installation.world.ctx.signer, &installation.world.ctx.clock);
    let person = installation.person(0).await;
    let claims = signer.access_verify(person.access_token.expose_secret(), clock.now())?;
    let mut tokens = Vec::with_capacity(path.walks * 2);
    for number in 0..path.walks * 2 {
        let roles = vec![RoleName::parse(&format!("role-{number:04}"))?];
        tokens.push(signer.access_sign(&AccessClaims { roles, ..claims.clone() })?);
    }
    for token in tokens.iter().take(times) {
        black_box(signer.access_verify(black_box(token.expose_secret()), clock.now())?);
    }
    Ok(())
}

async fn access_token_again(times: usize) -> Result<()> {
    let installation = Installation::in_memory().await?;
    let people = people(&installation).await;
    let (signer, clock) = (&installation.world.ctx.signer, &installation.world.ctx.clock);
    for person in people.iter().cycle().take(times) {
        let token = black_box(person.access_token.expose_secret());
        black_box(signer.access_verify(token, clock.now())?);
    }
    Ok(())
}

async fn refresh_token(times: usize) -> Result<()> {
    let installation = Installation::in_memory().await?;
    let people = people(&installation).await;
    let signer = &installation.world.ctx.signer;
    for person in people.iter().cycle().take(times) {
        let token = black_box(person.refresh_token.expose_secret());
        black_box(signer.refresh_verify(token)).context("the token is refused")?;
    }
    Ok(())
}

async fn people(installation: &Installation) -> Vec<Tokens> {
    let mut people = Vec::with_capacity(PEOPLE);
    for number in 0..PEOPLE {
        people.push(installation.person(number).await);
    }
    people
}

impl Path {
    async fn own_account(&self, installation: &Installation, times: usize) -> Result<()> {
        let people = people(installation).await;
        let request = |at: usize| get("/api/v1/users/me", Some(&people[at % PEOPLE]));
        self.requests(installation, times, request, StatusCode::OK).await
    }

    /// Makes as many requests as can be asked for, and sends the first of them. The others end with the
    /// process: dropping them would be counted too.
    async fn requests(
        &self,
        installation: &Installation,
        times: usize,
        request: impl FnMut(usize) -> Result<Request<Body>>,
        expected: StatusCode,
    ) -> Result<()> {
        let requests: Vec<_> = (0..self.walks * 2).map(request).collect::<Result<_>>()?;
        let mut requests = requests.into_iter();
        installation.send(requests.by_ref().take(times), expected).await?;
        std::mem::forget(requests);
        Ok(())
    }
}
