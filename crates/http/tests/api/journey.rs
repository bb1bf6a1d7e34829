//! One person's life with an account, the same over each store: exact ids, times and tokens.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use doorward_domain::ports::Store;
use doorward_infra_postgres::testing::TestDatabase as PostgresDatabase;
use doorward_infra_sqlite::testing::TestDatabase as SqliteDatabase;
use doorward_testkit::MemoryStore;
use serde_json::{Value, json};
use time::Duration;

use super::support::{Answer, Api, PASSWORD, text};

const NEW_PASSWORD: &str = "four other words in a row";

/// What happened, for the snapshot.
#[derive(Default)]
struct Diary(Vec<Value>);

impl Diary {
    fn note(&mut self, what: &str, answer: &Answer) -> Value {
        let header = |name: &str| answer.header(name).map(str::to_owned);
        self.0.push(json!({
            "what": what,
            "status": answer.status.as_u16(),
            "location": header("location"),
            "link": header("link"),
            "body": answer.json(),
        }));
        answer.json()
    }
}

async fn journey(store: Arc<dyn Store>) {
    let api = Api::over(store).await;
    let mut diary = Diary::default();
    sign_up_and_in(&api, &mut diary).await;
    let (first, second) = two_sessions(&api, &mut diary).await;
    let last = change_password(&api, &mut diary, &first, &second).await;
    leave(&api, &mut diary, &last).await;
    api.world.assert_consistent().await;
    insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_json_snapshot!("journey", diary.0);
    });
}

async fn sign_up_and_in(api: &Api, diary: &mut Diary) {
    diary.note("sign up", &api.sign_up("Ada@BÜCHER.example").await);
    diary.note("the address is taken", &api.sign_up("ada@xn--bcher-kva.example").await);
    let wrong = json!({"email": "ada@bücher.example", "password": "not the password"});
    diary.note("a wrong password", &api.post("/api/v1/auth/login", wrong).await);
    let unknown = json!({"email": "bob@example.com", "password": "not the password"});
    diary.note("an unknown address", &api.post("/api/v1/auth/login", unknown).await);
}

async fn two_sessions(api: &Api, diary: &mut Diary) -> (Value, Value) {
    api.world.clock.advance(Duration::seconds(5));
    let first = api.sign_in("ada@bücher.example").await;
    api.world.clock.advance(Duration::seconds(5));
    let second = api.sign_in("ADA@bücher.example").await;
    diary.0.push(json!({"what": "two sessions", "first": first, "second": second}));
    let token = text(&second["access_token"]);
    diary.note("me", &api.get("/api/v1/users/me", Some(&token)).await);
    let name = Some(json!({"name": "Ada King"}));
    let renamed = api.call(Method::PATCH, "/api/v1/users/me", Some(&token), name).await;
    diary.note("rename", &renamed);
    let page = api.get("/api/v1/users/me/sessions?limit=1", Some(&token)).await;
    let cursor = text(&diary.note("first page of sessions", &page)["next_cursor"]);
    let path = format!("/api/v1/users/me/sessions?limit=1&after={cursor}");
    diary.note("second page of sessions", &api.get(&path, Some(&token)).await);
    api.world.clock.advance(Duration::seconds(5));
    let refresh = json!({"refresh_token": first["refresh_token"]});
    let first = diary.note("refresh", &api.post("/api/v1/auth/refresh", refresh.clone()).await);
    let again = diary.note("refresh again", &api.post("/api/v1/auth/refresh", refresh).await);
    assert_eq!(first["refresh_token"], again["refresh_token"]);
    (first, second)
}

async fn change_password(api: &Api, diary: &mut Diary, first: &Value, second: &Value) -> String {
    let path = "/api/v1/users/me/password";
    let token = text(&first["access_token"]);
    let put = |body: Value| api.call(Method::PUT, path, Some(&token), Some(body));
    let body = json!({"current_password": "not the password", "new_password": NEW_PASSWORD});
    diary.note("the current password is wrong", &put(body).await);
    let body = json!({"current_password": PASSWORD, "new_password": "passwordpassword"});
    diary.note("the new password is guessable", &put(body).await);
    let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    diary.note("change the password", &put(body).await);
    let other = text(&second["access_token"]);
    diary.note("the other session is over", &api.get("/api/v1/users/me", Some(&other)).await);
    let refresh = json!({"refresh_token": second["refresh_token"]});
    diary.note("so is its refresh token", &api.post("/api/v1/auth/refresh", refresh).await);
    let refresh = json!({"refresh_token": first["refresh_token"]});
    let kept =
        diary.note("the present one goes on", &api.post("/api/v1/auth/refresh", refresh).await);

    api.world.clock.advance(Duration::seconds(11));
    let stolen = json!({"refresh_token": first["refresh_token"]});
    let reused = api.post("/api/v1/auth/refresh", stolen).await;
    diary.note("a used refresh token", &reused);
    let token = text(&kept["access_token"]);
    diary.note("ends its session", &api.get("/api/v1/users/me", Some(&token)).await);

    let login = json!({"email": "ada@bücher.example", "password": NEW_PASSWORD});
    let last = diary.note("sign in anew", &api.post("/api/v1/auth/login", login).await);
    text(&last["access_token"])
}

async fn leave(api: &Api, diary: &mut Diary, token: &str) {
    let me = "/api/v1/users/me";
    let delete = |body: Value| api.call(Method::DELETE, me, Some(token), Some(body));
    diary.note("leaving needs the password", &delete(json!({"password": PASSWORD})).await);
    diary.note("leave", &delete(json!({"password": NEW_PASSWORD})).await);
    diary.note("gone", &api.get(me, Some(token)).await);
    let answer = api.sign_up("ada@bücher.example").await;
    assert_eq!(answer.status, StatusCode::CREATED, "the address is free again");
    let token = text(&api.sign_in("ada@bücher.example").await["access_token"]);
    let logout = api.call(Method::POST, "/api/v1/auth/logout", Some(&token), None).await;
    diary.note("sign out", &logout);
    diary.note("signed out", &api.get(me, Some(&token)).await);
}

#[tokio::test]
async fn in_memory() {
    journey(Arc::new(MemoryStore::default())).await;
}

#[tokio::test]
async fn on_sqlite() {
    let database = SqliteDatabase::create().await;
    journey(Arc::new(database.store().await)).await;
    database.drop().await;
}

#[tokio::test]
async fn on_postgres() {
    let database = PostgresDatabase::create().await;
    journey(Arc::new(database.store().await)).await;
    database.drop().await;
}
