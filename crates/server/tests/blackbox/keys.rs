//! Keys and secrets are replaced while people work, and nobody notices.

use std::{
    collections::HashSet,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorward_infra_postgres::testing::TestDatabase;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    api::{Api, Person, Tokens},
    support::{Random, SECRET, Server, Setting, folder, run, until},
};

const NEW_SECRET: &str = "another-secret-of-at-least-32-octets-5Yk2";
/// The shortest that the settings allow: a new key signs 16 seconds after it was made.
const MAX_AGE: Duration = Duration::from_secs(1);
/// For how long a token is surely good: it lives 5 seconds, and as the times in it are whole seconds, up to
/// one of them is lost.
const VALID: Duration = Duration::from_secs(4);
/// The time from a change of the keys to its effect on every instance.
const NOTICED: Duration = Duration::from_secs(3);

fn settings<'a>(database: &'a str, secret: &'a str) -> Vec<Setting<'a>> {
    vec![
        ("APP_DATABASE_URL", database),
        ("APP_AUTH_SECRET", secret),
        // Otherwise derived from the port, which differs.
        ("APP_AUTH_ISSUER", "https://accounts.example.org"),
        ("APP_RATE_LIMIT_ENABLED", "false"),
    ]
}

fn impatient(database: &str) -> Vec<Setting<'_>> {
    let mut settings = settings(database, SECRET);
    settings.push(("APP_AUTH_PUBLIC_KEYS_MAX_AGE_SECONDS", "1"));
    settings.push(("APP_AUTH_ACCESS_TOKEN_TTL_SECONDS", "5"));
    settings
}

/// What `doorward keys …` prints for programs.
async fn keys(folder: &Path, settings: &[Setting<'_>], arguments: &[&str]) -> Value {
    let arguments = [&["keys"], arguments, &["--json"]].concat();
    let outcome = run(folder, settings, &arguments, "").await;
    assert_eq!(outcome.code, 0, "{}", outcome.told);
    serde_json::from_str(&outcome.printed).expect("JSON")
}

/// Each key with its state, oldest first.
async fn states(folder: &Path, settings: &[Setting<'_>]) -> Vec<(i64, String)> {
    let keys = keys(folder, settings, &["list"]).await;
    let keys = keys.as_array().expect("a list").iter();
    keys.map(|key| (key["generation"].as_i64().unwrap(), key["state"].as_str().unwrap().to_owned()))
        .collect()
}

/// The id of the key that signed a token.
fn kid(token: &str) -> String {
    let header = token.split('.').next().expect("a token has a header");
    let header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).expect("base64url")).expect("JSON");
    header["kid"].as_str().expect("a kid").to_owned()
}

async fn public(api: &Api) -> HashSet<String> {
    let set = api.get("/.well-known/jwks.json").await;
    assert_eq!(set.header("cache-control"), Some("public, max-age=1"));
    let set = set.expect(200);
    let keys = set["keys"].as_array().expect("keys").iter();
    keys.map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
}

/// The work of people and of those who check their tokens, and what it met.
struct Load {
    apis: [Api; 2],
    stop: AtomicBool,
    checked: AtomicUsize,
    /// Every token that was made, with the id of its key.
    made: Mutex<Vec<(String, String)>>,
}

impl Load {
    /// Signs in, and from then on refreshes on either instance and uses each token on either until it
    /// expires. Beside it, an application checks the token by its copy of the public keys.
    async fn person(self: Arc<Self>, number: usize) {
        let mut random = Random::new();
        let either = |random: &mut Random| usize::from(random.below(2) == 1);
        let mut tokens = self.apis[0].welcome(&Person::new(&format!("Person {number}"))).await;
        let (mut copy, mut copied) = (public(&self.apis[0]).await, Instant::now());
        while !self.stop.load(Ordering::Relaxed) {
            let asked = Instant::now();
            let answer = self.apis[either(&mut random)].refresh(&tokens.refresh).await;
            tokens = Tokens::of(&answer.expect(200));
            let kid = kid(&tokens.access);
            if copied.elapsed() >= MAX_AGE {
                copied = Instant::now();
                copy = public(&self.apis[either(&mut random)]).await;
            }
            assert!(copy.contains(&kid), "a copy of the public keys lacks {kid}");
            self.made.lock().unwrap().push((tokens.access.clone(), kid));
            let uses = random.below(8);
            for _ in 0..uses {
                let answer = self.apis[either(&mut random)].me(&tokens.access).await;
                if asked.elapsed() < VALID {
                    answer.expect(200);
                    self.checked.fetch_add(1, Ordering::Relaxed);
                }
                tokio::time::sleep(Duration::from_millis(random.below(400))).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_rotations_on_two_instances_under_load_refuse_no_valid_token() {
    let database = TestDatabase::create().await;
    let (url, one, other) = (database.url(), folder(), folder());
    let settings = impatient(&url);
    let servers =
        [Server::start(one.path(), &settings).await, Server::start(other.path(), &settings).await];
    let load = Arc::new(Load {
        apis: servers.each_ref().map(Server::api),
        stop: AtomicBool::default(),
        checked: AtomicUsize::default(),
        made: Mutex::default(),
    });
    let mut people = JoinSet::new();
    for number in 0..4 {
        people.spawn(Arc::clone(&load).person(number));
    }

    for generation in 2..=6 {
        let begun = keys(one.path(), &settings, &["rotate"]).await;
        assert_eq!(begun["key"]["generation"], generation);
        assert_eq!(begun["under_way"], false);
        let again = keys(other.path(), &settings, &["rotate"]).await;
        assert_eq!(again["key"], begun["key"]);
        assert_eq!(again["under_way"], true);
        let new = begun["key"]["kid"].as_str().expect("a kid");
        until("the new key signs", Duration::from_secs(40), async || {
            assert!(people.try_join_next().is_none(), "nobody is done yet");
            load.made.lock().unwrap().iter().any(|(_, kid)| kid == new).then_some(())
        })
        .await;
    }
    load.stop.store(true, Ordering::Relaxed);
    people.join_all().await;

    let made = load.made.lock().unwrap().clone();
    let signers: HashSet<&String> = made.iter().map(|(_, kid)| kid).collect();
    assert_eq!(signers.len(), 6);
    let retired = until("all keys but the newest retire", Duration::from_secs(40), async || {
        let present = public(&load.apis[0]).await;
        (present.len() == 1).then(|| made.iter().filter(move |(_, kid)| !present.contains(kid)))
    });
    let retired: Vec<_> = retired.await.collect();
    for (token, _) in &retired {
        for api in &load.apis {
            api.me(token).await.expect_problem(401, "invalid_token");
        }
    }
    let checked = load.checked.load(Ordering::Relaxed);
    eprintln!(
        "{} tokens were made and accepted {checked} times; all {} of retired keys are refused",
        made.len(),
        retired.len()
    );
    assert!(checked > made.len() && retired.len() > 100);
    drop(servers);
    database.drop().await;
}

/// In an emergency valid tokens are refused, but nobody is signed out.
async fn replaced_at_once(url: &str, folders: [&Path; 2]) {
    let settings = settings(url, SECRET);
    let servers =
        [Server::start(folders[0], &settings).await, Server::start(folders[1], &settings).await];
    let apis = servers.each_ref().map(Server::api);
    let tokens = apis[0].welcome(&Person::new("Ada Lovelace")).await;
    for api in &apis {
        api.me(&tokens.access).await.expect(200);
    }
    keys(folders[0], &settings, &["rotate"]).await;
    let replaced = keys(folders[0], &settings, &["rotate", "--now"]).await;
    assert_eq!(replaced["key"]["generation"], 3);
    assert_eq!(states(folders[0], &settings).await, [(3, "active".to_owned())]);
    for api in &apis {
        until("the old key is refused", NOTICED, async || {
            (api.me(&tokens.access).await.status == 401).then_some(())
        })
        .await;
    }
    let mut tokens = tokens;
    for api in [&apis[1], &apis[0]] {
        tokens = Tokens::of(&api.refresh(&tokens.refresh).await.expect(200));
        for api in &apis {
            api.me(&tokens.access).await.expect(200);
        }
    }
    drop(servers);
}

#[tokio::test]
async fn a_stolen_key_is_replaced_at_once_on_postgres() {
    let database = TestDatabase::create().await;
    let (one, other) = (folder(), folder());
    replaced_at_once(&database.url(), [one.path(), other.path()]).await;
    database.drop().await;
}

#[tokio::test]
async fn a_stolen_key_is_replaced_at_once_on_sqlite() {
    let (one, other) = (folder(), folder());
    let file = format!("sqlite://{}", one.path().join("data/doorward.db").display());
    replaced_at_once(&file, [one.path(), other.path()]).await;
}

/// The steps that the README gives to operators, and what helps when they can't be followed.
async fn another_secret(url: &str, folder: &Path) {
    let start = async |settings: &[Setting<'_>]| Server::start(folder, settings).await;
    let old = settings(url, SECRET);
    let server = start(&old).await;
    let before = server.api().welcome(&Person::new("Ada Lovelace")).await;
    let unused = server.api().sign_in(&Person::new("Ada Lovelace")).await.expect(200);
    let unused = Tokens::of(&unused);
    drop(server);

    let mut both = settings(url, NEW_SECRET);
    both.push(("APP_AUTH_PREVIOUS_SECRETS", SECRET));
    let server = start(&both).await;
    let api = server.api();
    api.me(&before.access).await.expect(200);
    let between = Tokens::of(&api.refresh(&before.refresh).await.expect(200));
    api.me(&between.access).await.expect(200);
    // Without the former secret the keys cannot be read, and nothing changes.
    let refused = run(folder, &settings(url, NEW_SECRET), &["keys", "rewrap"], "").await;
    assert_eq!(refused.code, 1);
    assert!(refused.told.contains("auth.previous_secrets"), "{}", refused.told);
    let rewrapped = run(folder, &both, &["keys", "rewrap"], "").await;
    assert_eq!(rewrapped.code, 0, "{}", rewrapped.told);
    assert!(rewrapped.told.contains("Encrypted 1 signing keys"), "{}", rewrapped.told);
    assert!(!rewrapped.told.contains(SECRET) && !rewrapped.told.contains(NEW_SECRET));
    api.me(&between.access).await.expect(200);
    drop(server);

    let server = start(&settings(url, NEW_SECRET)).await;
    let api = server.api();
    for tokens in [&before, &between] {
        api.me(&tokens.access).await.expect(200);
    }
    let after = Tokens::of(&api.refresh(&between.refresh).await.expect(200));
    api.me(&after.access).await.expect(200);
    api.refresh(&unused.refresh).await.expect_problem(401, "invalid_refresh_token");
    drop(server);
    let mut gone = old;
    gone.push(("APP_SERVER_PORT", "0"));
    let refused = run(folder, &gone, &[], "").await;
    assert_eq!(refused.code, 1, "the former secret alone is of no use any more");

    // A secret that was lost takes all tokens with it, but not the accounts.
    let other = settings(url, "a-third-secret-of-32-octets-or-more-8Kd3");
    keys(folder, &other, &["rotate", "--now"]).await;
    let server = start(&other).await;
    let api = server.api();
    api.me(&after.access).await.expect_problem(401, "invalid_token");
    api.refresh(&after.refresh).await.expect_problem(401, "invalid_refresh_token");
    let anew = Tokens::of(&api.sign_in(&Person::new("Ada Lovelace")).await.expect(200));
    api.me(&anew.access).await.expect(200);
}

#[tokio::test]
async fn the_secret_is_changed_without_signing_anybody_out() {
    let database = TestDatabase::create().await;
    let (here, there) = (folder(), folder());
    another_secret(&database.url(), here.path()).await;
    another_secret("sqlite://data/doorward.db", there.path()).await;
    database.drop().await;
}

#[tokio::test]
async fn keys_are_listed_and_rotated_beside_a_running_server() {
    let folder = folder();
    let file = settings("sqlite://data/doorward.db", SECRET);
    let empty = run(folder.path(), &file, &["keys", "list"], "").await;
    assert_eq!((empty.code, empty.printed.as_str()), (0, ""));
    assert!(empty.told.contains("no keys yet"), "{}", empty.told);

    let server = Server::start(folder.path(), &file).await;
    let rotated = run(folder.path(), &file, &["keys", "rotate"], "").await;
    assert_eq!(rotated.code, 0, "{}", rotated.told);
    assert!(rotated.told.contains("signs from 20"), "{}", rotated.told);
    let again = run(folder.path(), &file, &["keys", "rotate"], "").await;
    assert!(again.told.contains("under way already"), "{}", again.told);
    let expected = [(1, "active".to_owned()), (2, "published".to_owned())];
    assert_eq!(states(folder.path(), &file).await, expected);
    let table = run(folder.path(), &file, &["keys", "list"], "").await;
    let lines: Vec<_> = table.printed.lines().collect();
    assert_eq!(lines.len(), 3, "{}", table.printed);
    assert!(lines[0].starts_with("key ") && lines[1].contains(" active "));
    let set = async || server.api().get("/.well-known/jwks.json").await.expect(200);
    until("the server publishes the new key", NOTICED, async || {
        (set().await["keys"].as_array().expect("keys").len() == 2).then_some(())
    })
    .await;
}
