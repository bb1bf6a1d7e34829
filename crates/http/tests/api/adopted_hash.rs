//! Accounts that came with a password hash from elsewhere, with real hashing and over real databases.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use doorward_domain::{
    DisplayName, Email, RoleName, User, UserId,
    ports::{Clock, Store},
};
use doorward_infra_crypto::{Argon2Hasher, HashParameters, HasherSettings};
use doorward_infra_postgres::testing::TestDatabase as PostgresDatabase;
use doorward_infra_sqlite::testing::TestDatabase as SqliteDatabase;
use doorward_testkit::World;
use serde_json::json;

use super::support::{Answer, Api, settings};

/// By Django 6.1.3, with fewer iterations than are its default.
const HASH: &str =
    "pbkdf2_sha256$5000$PhCkbsol2GLhzG7DtuwatP$hjBYQZ/6DnIYNenSwseTOUc2dk3tzlhUG5yj8uG+VAI=";
/// What it is the hash of. Its NFKC is another text.
const OLD: &str = "Gr\u{fc}\u{df}e aus K\u{f6}ln: 5 \u{b5}m\u{b2} \u{1f980}";

async fn first_sign_in_replaces_the_hash(store: Arc<dyn Store>) {
    let mut world = World::over(store);
    let hashing = HasherSettings {
        concurrency: 1,
        queue: 8,
        queue_timeout: Duration::from_mins(1),
        parameters: HashParameters::default(),
    };
    let hasher = Argon2Hasher::new(hashing, Arc::clone(&world.ctx.entropy)).unwrap();
    world.ctx.hasher = Arc::new(hasher);
    let api = Api::with(world, settings()).await;
    let user_id = import(&api).await;
    let adopted = stored_hash(&api, user_id).await;

    let wrong = login(&api, "not the password").await;
    assert_eq!(wrong.problem(), "invalid_credentials");
    assert_eq!(stored_hash(&api, user_id).await, adopted);

    assert_eq!(login(&api, OLD).await.status, StatusCode::OK);
    let renewed = stored_hash(&api, user_id).await;
    assert!(renewed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{renewed}");

    assert_eq!(login(&api, OLD).await.status, StatusCode::OK);
    assert_eq!(stored_hash(&api, user_id).await, renewed);
    assert_eq!(login(&api, "not the password").await.problem(), "invalid_credentials");
    api.world.assert_consistent().await;
}

async fn import(api: &Api) -> UserId {
    let (ctx, now) = (&api.world.ctx, api.world.clock.now());
    let id = UserId::new(now, ctx.entropy.as_ref());
    let email = Email::parse("ada@example.com").unwrap();
    let name = DisplayName::parse("Ada").unwrap();
    let hash = ctx.hasher.adopt(HASH).unwrap();
    let mut work = ctx.store.begin().await.unwrap();
    work.user_insert(&User::new(id, email, name, vec![RoleName::user()], now)).await.unwrap();
    work.credential_insert(id, &hash, now).await.unwrap();
    work.commit().await.unwrap();
    id
}

async fn login(api: &Api, password: &str) -> Answer {
    let body = json!({"email": "ada@example.com", "password": password});
    api.post("/api/v1/auth/login", body).await
}

async fn stored_hash(api: &Api, user_id: UserId) -> String {
    let found = api.world.ctx.store.credential_by_user(user_id).await.unwrap();
    found.expect("there is an account").1.hash.as_phc().to_owned()
}

#[tokio::test]
async fn on_sqlite() {
    let database = SqliteDatabase::create().await;
    first_sign_in_replaces_the_hash(Arc::new(database.store().await)).await;
    database.drop().await;
}

#[tokio::test]
async fn on_postgres() {
    let database = PostgresDatabase::create().await;
    first_sign_in_replaces_the_hash(Arc::new(database.store().await)).await;
    database.drop().await;
}
