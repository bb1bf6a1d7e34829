//! The plain way to answer who is asking: verify the token, look the person up by one prepared `SELECT`
//! through SQLx' pool. The pool is as SQLx' documentation has it but for its size, and for the ping
//! before each use, which everybody turns off who measures.
//!
//! It reads Doorward's own table, so that both find the same rows.

use std::sync::Arc;

use anyhow::Result;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::types::Uuid;
use sqlx::{FromRow, PgPool, SqlitePool};
use time::OffsetDateTime;

use super::Options;
use super::verifying::{Person, Verifier};
use crate::cases::ME;

/// The connections of a yardstick's pool.
const POOL: u32 = 16;

/// Finds a person; `pgbench` sends the same.
pub const SELECT: &str = "SELECT id, email, email_verified, name, status, created_at, updated_at, \
                          last_login_at FROM users WHERE id = $1";

/// What is shown of a person; the database decides how it writes times.
#[derive(Serialize, FromRow)]
struct Row<T> {
    id: Uuid,
    email: String,
    email_verified: bool,
    name: String,
    status: String,
    created_at: T,
    updated_at: T,
    last_login_at: Option<T>,
}

/// What every request of a yardstick needs.
struct Shared<P> {
    verifier: Arc<Verifier>,
    pool: P,
}

impl<P: Clone> Clone for Shared<P> {
    fn clone(&self) -> Self {
        Self { verifier: Arc::clone(&self.verifier), pool: self.pool.clone() }
    }
}

impl<P> AsRef<Verifier> for Shared<P> {
    fn as_ref(&self) -> &Verifier {
        &self.verifier
    }
}

/// The plain way on PostgreSQL.
pub fn postgres(options: &Options) -> Result<Router> {
    let pool = PgPoolOptions::new()
        .max_connections(POOL)
        .test_before_acquire(false)
        .connect_lazy(&options.database_url)?;
    let shared = Shared { verifier: Verifier::of(options)?, pool };
    Ok(Router::new().route(ME, get(from_postgres)).with_state(shared))
}

async fn from_postgres(
    State(shared): State<Shared<PgPool>>,
    Person(id): Person,
) -> Result<Json<Row<Rfc3339>>, StatusCode> {
    answer(sqlx::query_as(SELECT).bind(id).fetch_optional(&shared.pool).await)
}

/// The plain way on SQLite.
pub fn sqlite(options: &Options) -> Result<Router> {
    let file: SqliteConnectOptions = options.database_url.parse()?;
    let pool = SqlitePoolOptions::new()
        .max_connections(POOL)
        .test_before_acquire(false)
        .connect_lazy_with(file.journal_mode(SqliteJournalMode::Wal));
    let shared = Shared { verifier: Verifier::of(options)?, pool };
    Ok(Router::new().route(ME, get(from_sqlite)).with_state(shared))
}

async fn from_sqlite(
    State(shared): State<Shared<SqlitePool>>,
    Person(id): Person,
) -> Result<Json<Row<i64>>, StatusCode> {
    answer(sqlx::query_as(SELECT).bind(id).fetch_optional(&shared.pool).await)
}

fn answer<T>(found: sqlx::Result<Option<Row<T>>>) -> Result<Json<Row<T>>, StatusCode> {
    let row = found.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    row.map(Json).ok_or(StatusCode::NOT_FOUND)
}

/// A time that is written by RFC 3339.
#[derive(Serialize, sqlx::Type)]
#[sqlx(transparent)]
struct Rfc3339(#[serde(with = "time::serde::rfc3339")] OffsetDateTime);
