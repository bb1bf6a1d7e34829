//! However many try at once, on however many instances, there is always somebody who administers.

use std::{path::Path, time::Duration};

use doorward_infra_postgres::testing::TestDatabase;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    api::{Answer, Api, Person, Tokens},
    operator::{administrator, id},
    support::{Random, SECRET, Server, Setting, folder},
};

const ROUNDS: usize = 20;
const ATTEMPTS: usize = 20;

/// The ways to take an administrator's power.
#[derive(Clone, Copy, Debug)]
enum Way {
    Demote,
    Disable,
    Delete,
    Resign,
}

const WAYS: [Way; 4] = [Way::Demote, Way::Disable, Way::Delete, Way::Resign];

/// Somebody who is an administrator for a round.
#[derive(Clone)]
struct Admin {
    id: String,
    person: Person,
    tokens: Tokens,
}

/// An attempt on one of the two, after a moment that may be any.
async fn attempt(api: Api, steward: String, admin: Admin, way: Way, wait: Duration) -> Answer {
    sleep(wait).await;
    match way {
        Way::Demote => api.set_roles(&steward, &admin.id, &["user"]).await,
        Way::Disable => api.set_status(&steward, &admin.id, "disabled").await,
        Way::Delete => api.delete_user(&steward, &admin.id).await,
        Way::Resign => api.delete_account(&admin.tokens.access, &admin.person.password).await,
    }
}

/// What becomes of an attempt on the one who is not left: it succeeds, or another was faster.
#[track_caller]
fn check(answer: Answer, way: Way) {
    match (answer.status, way) {
        (200, Way::Demote | Way::Disable) | (204, Way::Delete | Way::Resign) => {}
        (401, Way::Resign) => drop(answer.expect_problem(401, "invalid_token")),
        (404, Way::Demote | Way::Disable | Way::Delete) => {
            drop(answer.expect_problem(404, "not_found"));
        }
        _ => panic!("{way:?}: {answer:?}"),
    }
}

struct Installation {
    apis: [Api; 2],
    /// The token of somebody who is no administrator and may change people and their roles.
    steward: String,
}

impl Installation {
    async fn appoint(&self, name: &str) -> Admin {
        let person = Person::new(name);
        let id = id(&self.apis[0].sign_up(&person).await.expect(201));
        self.apis[0].set_roles(&self.steward, &id, &["admin", "user"]).await.expect(200);
        let tokens = Tokens::of(&self.apis[1].sign_in(&person).await.expect(200));
        Admin { id, person, tokens }
    }

    /// Whether this one still administers, as all instances see it.
    async fn is_in_office(&self, admin: &Admin) -> bool {
        let mut seen = Vec::new();
        for api in &self.apis {
            let answer = api.user(&self.steward, &admin.id).await;
            seen.push(
                answer.status == 200 && {
                    let user = answer.expect(200);
                    let roles = user["roles"].as_array().expect("a list of roles");
                    user["status"] == "active" && roles.iter().any(|role| role == "admin")
                },
            );
        }
        assert_eq!(seen[0], seen[1]);
        seen[0]
    }

    /// Puts two administrators in the place of the former one, and everybody at once against both.
    /// Returns the one who is left.
    async fn storm(&self, round: usize, former: &str, random: &mut Random) -> Admin {
        let admins = [
            self.appoint(&format!("Admin {round} A")).await,
            self.appoint(&format!("Admin {round} B")).await,
        ];
        self.apis[0].set_roles(&self.steward, former, &["user"]).await.expect(200);
        let mut order: Vec<_> = (0..ATTEMPTS).collect();
        random.shuffle(&mut order);
        let mut attempts = JoinSet::new();
        for number in order {
            let target = number % 2;
            let (way, instance) = (WAYS[number / 2 % 4], random.below(2) == 1);
            // To resign takes a hash; the others wait for any part of that in every other round.
            let hasty = round.is_multiple_of(2) || matches!(way, Way::Resign);
            let wait = Duration::from_micros(if hasty { 0 } else { random.below(80_000) });
            let (api, steward) = (self.apis[usize::from(instance)].clone(), self.steward.clone());
            let admin = admins[target].clone();
            attempts
                .spawn(async move { (target, way, attempt(api, steward, admin, way, wait).await) });
        }
        let answers = attempts.join_all().await;

        let standing = [self.is_in_office(&admins[0]).await, self.is_in_office(&admins[1]).await];
        assert_eq!(standing.iter().filter(|stands| **stands).count(), 1, "round {round}");
        let survivor = usize::from(standing[1]);
        for (target, way, answer) in answers {
            if target == survivor {
                answer.expect_problem(409, "last_admin");
            } else {
                check(answer, way);
            }
        }
        let [first, second] = admins;
        let survivor = if survivor == 0 { first } else { second };
        for api in &self.apis {
            api.roles(&survivor.tokens.access).await.expect(200);
        }
        survivor
    }
}

fn settings(database: &str) -> Vec<Setting<'_>> {
    vec![
        ("APP_DATABASE_URL", database),
        ("APP_AUTH_SECRET", SECRET),
        ("APP_BOOTSTRAP_ADMIN", "false"),
        ("APP_RATE_LIMIT_ENABLED", "false"),
        ("APP_AUTH_HASH_CONCURRENCY", "2"),
    ]
}

async fn somebody_is_left(url: &str, folders: [&Path; 2]) {
    let settings = settings(url);
    let servers =
        [Server::start(folders[0], &settings).await, Server::start(folders[1], &settings).await];
    let root = administrator(&servers[0], folders[0], &settings).await;
    let apis = servers.each_ref().map(Server::api);
    let person = Person::new("Steward");
    let steward = id(&apis[0].sign_up(&person).await.expect(201));
    let permissions = ["users:read", "users:write", "roles:read", "roles:write"];
    apis[0].put_role(&root.access, "steward", &permissions).await.expect(201);
    apis[0].set_roles(&root.access, &steward, &["steward"]).await.expect(200);
    let steward = Tokens::of(&apis[0].sign_in(&person).await.expect(200)).access;

    let mut former = id(&apis[0].me(&root.access).await.expect(200));
    let (installation, mut random) = (Installation { apis, steward }, Random::new());
    for round in 0..ROUNDS {
        former = installation.storm(round, &former, &mut random).await.id;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_attempts_on_two_administrators_one_is_left_on_postgres() {
    let database = TestDatabase::create().await;
    let (one, other) = (folder(), folder());
    somebody_is_left(&database.url(), [one.path(), other.path()]).await;
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_attempts_on_two_administrators_one_is_left_on_sqlite() {
    let (one, other) = (folder(), folder());
    let file = format!("sqlite://{}", one.path().join("data/doorward.db").display());
    somebody_is_left(&file, [one.path(), other.path()]).await;
}
