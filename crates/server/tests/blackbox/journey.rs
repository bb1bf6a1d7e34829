//! A person's way from signing up to leaving, on both databases.

use doorward_infra_postgres::testing::TestDatabase;
use reqwest::Method;

use crate::{
    api::{Api, Person, Tokens},
    support::{Server, folder},
};

/// What a traveller knew on the way and nobody else may learn.
pub struct Secrets {
    pub person: Person,
    pub new_password: String,
    pub tokens: Vec<Tokens>,
}

/// Walks through everything that a person can do with an account.
pub async fn travel(api: &Api, name: &str) -> Secrets {
    let person = Person::new(name);
    let phone = sign_up_and_in(api, &person).await;
    let (laptop, phone) = refresh_and_list(api, &person, phone).await;
    let new_password = "quartz-meadow lantern 83 ribbon".to_owned();
    let tokens = change_password(api, &person, &new_password, laptop, phone).await;
    Secrets { person, new_password, tokens }
}

async fn sign_up_and_in(api: &Api, person: &Person) -> Tokens {
    let answer = api.sign_up(person).await;
    let location = answer.header("location").map(ToOwned::to_owned);
    let user = answer.expect(201);
    assert_eq!(location, user["id"].as_str().map(|id| format!("/api/v1/users/{id}")));
    assert_eq!(user["email"], person.email);
    assert_eq!(user["roles"], serde_json::json!(["user"]));
    api.sign_up(person).await.expect_problem(409, "email_taken");

    let phone = Tokens::of(&api.sign_in(person).await.expect(200));
    let me = api.me(&phone.access).await.expect(200);
    assert_eq!((&me["id"], &me["name"]), (&user["id"], &person.name.as_str().into()));
    let renamed = api.rename(&phone.access, "Somebody Else").await.expect(200);
    assert_eq!(renamed["name"], "Somebody Else");
    assert_eq!(api.me(&phone.access).await.expect(200)["name"], "Somebody Else");
    phone
}

/// Signs in on a second device, lists both and ends the first. Returns the second and what the first
/// had.
async fn refresh_and_list(api: &Api, person: &Person, phone: Tokens) -> (Tokens, Tokens) {
    let refreshed = Tokens::of(&api.refresh(&phone.refresh).await.expect(200));
    assert_eq!(refreshed.session, phone.session);
    assert_ne!(refreshed.refresh, phone.refresh);
    api.me(&refreshed.access).await.expect(200);

    let laptop = Tokens::of(&api.sign_in(person).await.expect(200));
    let listed = api.sessions(&laptop.access).await.expect(200);
    let sessions: Vec<_> = listed["items"].as_array().expect("items").iter().collect();
    assert_eq!(sessions.len(), 2, "{listed}");
    assert_eq!(
        (&sessions[0]["id"], &sessions[0]["current"]),
        (&laptop.session.as_str().into(), &true.into())
    );
    assert_eq!(
        (&sessions[1]["id"], &sessions[1]["current"]),
        (&phone.session.as_str().into(), &false.into())
    );
    assert_eq!(listed["next_cursor"], serde_json::Value::Null);

    api.revoke(&laptop.access, &phone.session).await.expect(204);
    api.me(&refreshed.access).await.expect_problem(401, "invalid_token");
    api.me(&phone.access).await.expect_problem(401, "invalid_token");
    api.refresh(&refreshed.refresh).await.expect_problem(401, "invalid_refresh_token");
    api.revoke(&laptop.access, &phone.session).await.expect_problem(404, "not_found");
    (laptop, refreshed)
}

/// Changes the password on the laptop, which signs a third device out, and leaves for good.
async fn change_password(
    api: &Api,
    person: &Person,
    new_password: &str,
    laptop: Tokens,
    phone: Tokens,
) -> Vec<Tokens> {
    let tablet = Tokens::of(&api.sign_in(person).await.expect(200));
    let wrong = api.change_password(&laptop.access, "not the password", new_password).await;
    wrong.expect_problem(403, "wrong_password");
    api.change_password(&laptop.access, &person.password, new_password).await.expect(204);
    api.me(&tablet.access).await.expect_problem(401, "invalid_token");
    api.refresh(&tablet.refresh).await.expect_problem(401, "invalid_refresh_token");
    api.me(&laptop.access).await.expect(200);
    api.sign_in(person).await.expect_problem(401, "invalid_credentials");
    let changed = Person { password: new_password.to_owned(), ..person.clone() };
    let television = Tokens::of(&api.sign_in(&changed).await.expect(200));

    api.sign_out(&laptop.access).await.expect(204);
    api.me(&laptop.access).await.expect_problem(401, "invalid_token");
    api.refresh(&laptop.refresh).await.expect_problem(401, "invalid_refresh_token");

    let wrong = api.delete_account(&television.access, "not the password").await;
    wrong.expect_problem(403, "wrong_password");
    api.delete_account(&television.access, new_password).await.expect(204);
    api.me(&television.access).await.expect_problem(401, "invalid_token");
    api.refresh(&television.refresh).await.expect_problem(401, "invalid_refresh_token");
    api.sign_in(&changed).await.expect_problem(401, "invalid_credentials");
    api.call(Method::GET, "/api/v1/users/me", None, None)
        .await
        .expect_problem(401, "authentication_required");
    vec![phone, laptop, tablet, television]
}

#[tokio::test]
async fn with_nothing_configured_it_all_works() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]).await;
    let api = server.api();
    let health = api.get("/health").await.expect(200);
    assert_eq!(health["status"], "ok");
    travel(&api, "Ada Lovelace").await;
    assert!(folder.path().join("data/doorward.db").is_file());
}

#[tokio::test]
async fn one_variable_takes_it_to_postgres() {
    let database = TestDatabase::create_empty().await;
    let folder = folder();
    let server = Server::start(folder.path(), &[("APP_DATABASE_URL", &database.url())]).await;
    travel(&server.api(), "Grace Hopper").await;
    assert!(!folder.path().join("data/doorward.db").exists());
    drop(server);
    database.drop().await;
}
