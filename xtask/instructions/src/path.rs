//! The hot paths.

use std::{future::Future, hint::black_box, pin::Pin};

use anyhow::{Context, Result, ensure};
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use doorward_app::session::Tokens;
use doorward_domain::session::Generation;
use secrecy::ExposeSecret as _;

use crate::installation::{Installation, get};

/// How often a path can be walked.
pub const MOST: usize = 400;

/// How many people take turns.
const PEOPLE: usize = 20;

/// A way through Doorward whose instructions are counted.
pub struct Path {
    pub name: &'static str,
    pub walk: fn(usize) -> Walk,
}

type Walk = Pin<Box<dyn Future<Output = Result<()>>>>;

pub const PATHS: [Path; 8] = [
    Path { name: "GET /health/live", walk: |times| Box::pin(live(times)) },
    Path { name: "GET an unknown address", walk: |times| Box::pin(unknown(times)) },
    Path { name: "GET /users/me", walk: |times| Box::pin(me(times)) },
    Path { name: "GET /users/me from SQLite", walk: |times| Box::pin(me_from_sqlite(times)) },
    Path { name: "GET /users, 100 of them", walk: |times| Box::pin(page(times)) },
    Path { name: "POST /auth/refresh", walk: |times| Box::pin(refresh(times)) },
    Path { name: "verify an access token", walk: |times| Box::pin(access_token(times)) },
    Path { name: "verify a refresh token", walk: |times| Box::pin(refresh_token(times)) },
];

async fn live(times: usize) -> Result<()> {
    let installation = Installation::in_memory().await?;
    walk(&installation, times, |_| get("/health/live", None), StatusCode::OK).await
}

async fn unknown(times: usize) -> Result<()> {
    let installation = Installation::in_memory().await?;
    let request = |_| get("/api/v1/nothing/here", None);
    walk(&installation, times, request, StatusCode::NOT_FOUND).await
}

async fn me(times: usize) -> Result<()> {
    read_own_account(&Installation::in_memory().await?, times).await
}

async fn me_from_sqlite(times: usize) -> Result<()> {
    read_own_account(&Installation::on_sqlite().await?, times).await
}

async fn read_own_account(installation: &Installation, times: usize) -> Result<()> {
    let people = people(installation).await;
    let request = |at: usize| get("/api/v1/users/me", Some(&people[at % PEOPLE]));
    walk(installation, times, request, StatusCode::OK).await
}

async fn page(times: usize) -> Result<()> {
    let installation = Installation::in_memory().await?;
    for number in 0..100 {
        installation.world.registered(&format!("grace.{number}@example.com")).await;
    }
    installation.world.admin("admin@example.com").await;
    let (admin, _) = installation.world.signed_in("admin@example.com").await;
    let request = |_| get("/api/v1/users?limit=100", Some(&admin));
    walk(&installation, times, request, StatusCode::OK).await
}

/// Each request comes with the token that the one before was answered with: they are foreseen here, so
/// that no answer needs to be read.
async fn refresh(times: usize) -> Result<()> {
    let installation = Installation::in_memory().await?;
    let session = installation.person(0).await.session_id;
    let mut generation = Generation::FIRST;
    let signer = &installation.world.ctx.signer;
    let mut request = |_| {
        let token = signer.refresh_sign(session, generation);
        generation = generation.next();
        let body = serde_json::json!({ "refresh_token": token.expose_secret() });
        let request = Request::post("/api/v1/auth/refresh")
            .header(header::HOST, "accounts.test")
            .header(header::CONTENT_TYPE, "application/json");
        Ok(request.body(Body::from(body.to_string()))?)
    };
    walk(&installation, times, &mut request, StatusCode::OK).await
}

async fn access_token(times: usize) -> Result<()> {
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

/// Makes [`MOST`] requests and sends the first of them. The others end with the process, which costs
/// nothing.
async fn walk(
    installation: &Installation,
    times: usize,
    request: impl FnMut(usize) -> Result<Request<Body>>,
    expected: StatusCode,
) -> Result<()> {
    let requests: Vec<_> = (0..MOST).map(request).collect::<Result<_>>()?;
    let mut requests = requests.into_iter();
    ensure!(times <= requests.len());
    installation.send(requests.by_ref().take(times), expected).await?;
    std::mem::forget(requests);
    Ok(())
}
