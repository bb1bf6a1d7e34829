//! Power that was given or taken is there or gone on every instance within a second, whatever happens
//! at the same moment.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorward_infra_postgres::testing::TestDatabase;
use serde_json::Value;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    api::{Api, Person, Tokens},
    operator::{administrator, id},
    support::{Random, SECRET, Server, Setting, folder, percentile},
};

/// What is promised for the time from a change to its effect everywhere.
const EVERYWHERE: Duration = Duration::from_secs(1);
/// The people whose power changes at the same time.
const PEOPLE: usize = 40;
/// How long a person waits before asking again whether a change has arrived.
const PACE: Duration = Duration::from_millis(25);
/// About as long as a change without a hash takes.
const MOMENT: Duration = Duration::from_millis(10);

/// The races of a test: 200, or as many as `TEST_RACE_ROUNDS` says.
fn rounds() -> usize {
    std::env::var("TEST_RACE_ROUNDS").map_or(200, |text| text.parse().expect("a number"))
}

fn settings(database: &str) -> Vec<Setting<'_>> {
    vec![
        ("APP_DATABASE_URL", database),
        ("APP_AUTH_SECRET", SECRET),
        // Otherwise derived from the port, which differs.
        ("APP_AUTH_ISSUER", "https://accounts.example.org"),
        ("APP_BOOTSTRAP_ADMIN", "false"),
        ("APP_RATE_LIMIT_ENABLED", "false"),
        ("APP_AUTH_HASH_CONCURRENCY", "2"),
        ("APP_AUTH_HASH_QUEUE", "1000"),
        ("APP_AUTH_HASH_QUEUE_TIMEOUT_SECONDS", "60"),
    ]
}

/// The moment when a change was acknowledged, for everybody who must heed it from then on.
type Acknowledged = watch::Receiver<Option<Instant>>;

async fn moment(acknowledged: &mut Acknowledged) -> Instant {
    let moment = acknowledged.wait_for(Option::is_some).await.expect("the change is acknowledged");
    moment.expect("it is there")
}

/// What a token opens.
#[derive(Clone, Copy, Debug)]
enum Door {
    /// The one that looks at nothing but the token: one's own account is also read.
    Sessions,
    Users,
    Roles,
}

/// Two instances, an administrator, and what was measured.
struct Arena {
    apis: [Api; 2],
    root: String,
    /// The times from acknowledgements until nothing of the old power was met any more.
    delays: Mutex<Vec<Duration>>,
    /// Races that a request won against the change, and those that it lost.
    refreshes: [AtomicUsize; 2],
    sign_ins: [AtomicUsize; 2],
}

impl Arena {
    async fn open(door: Door, api: &Api, id: &str, token: &str) -> u16 {
        let answer = match door {
            Door::Sessions => api.sessions(token).await,
            Door::Users => api.user(token, id).await,
            Door::Roles => api.roles(token).await,
        };
        answer.status
    }

    /// Asks both instances with a token until they answer with `after`, and once more when the second
    /// is over: nothing that was asked later may be answered otherwise.
    async fn heeded(
        &self,
        door: Door,
        id: &str,
        token: &str,
        [before, after]: [u16; 2],
        mut acknowledged: Acknowledged,
    ) {
        let since = moment(&mut acknowledged).await;
        for api in &self.apis {
            loop {
                let asked = Instant::now();
                let status = Self::open(door, api, id, token).await;
                if status == after {
                    self.delays.lock().unwrap().push(asked - since);
                    break;
                }
                assert_eq!(status, before, "{door:?}");
                assert!(asked - since < EVERYWHERE, "{door:?}: {status} after {:?}", asked - since);
                sleep(PACE).await;
            }
        }
        // No wait for something to happen: the promise is about this moment.
        sleep_until(since + EVERYWHERE).await;
        for api in &self.apis {
            assert_eq!(Self::open(door, api, id, token).await, after, "{door:?}: it came back");
        }
    }

    fn count([wins, losses]: &[AtomicUsize; 2], won: bool) {
        let outcome = if won { wins } else { losses };
        outcome.fetch_add(1, Ordering::Relaxed);
    }

    fn report(&self, what: &str, rounds: usize) {
        let mut delays = self.delays.lock().unwrap();
        let (median, worst) = (percentile(&mut delays, 50), percentile(&mut delays, 100));
        let refreshes = self.refreshes.each_ref().map(|count| count.load(Ordering::Relaxed));
        let sign_ins = self.sign_ins.each_ref().map(|count| count.load(Ordering::Relaxed));
        eprintln!(
            "{what} {rounds} times: effective everywhere after {median:?}, at most {worst:?}; refreshes \
             that won and lost {refreshes:?}, sign-ins {sign_ins:?}"
        );
    }
}

/// Somebody whose power changes, again and again.
struct Subject {
    arena: Arc<Arena>,
    person: Person,
    id: String,
    tokens: Tokens,
    /// How long the last sign-in took.
    sign_in_takes: Duration,
    random: Random,
}

impl Subject {
    async fn join(arena: Arc<Arena>, number: usize) -> Self {
        let person = Person::new(&format!("Subject {number}"));
        let id = id(&arena.apis[0].sign_up(&person).await.expect(201));
        let begun = Instant::now();
        let tokens = Tokens::of(&arena.apis[0].sign_in(&person).await.expect(200));
        let sign_in_takes = begun.elapsed();
        Self { arena, person, id, tokens, sign_in_takes, random: Random::new() }
    }

    fn either(&mut self) -> Api {
        self.arena.apis[usize::from(self.random.below(2) == 1)].clone()
    }

    /// Any time up to `most`.
    fn within(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.random.below(u64::try_from(most.as_micros()).unwrap() + 1))
    }
}

/// The roles that a token bears.
fn borne(token: &str) -> Vec<String> {
    let claims = token.split('.').nth(1).expect("a token has claims");
    let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    serde_json::from_value(claims["roles"].clone()).expect("a list of roles")
}

/// Giving a role and taking it again, each while the person refreshes and tries what the role permits.
impl Subject {
    async fn change_roles(&mut self, roles: &[&str], statuses: [u16; 2]) {
        let (sender, acknowledged) = watch::channel(None);
        let (here, there, elsewhere) = (self.either(), self.either(), self.either());
        let waits = [self.within(MOMENT), self.within(MOMENT)];
        let (arena, id, old) = (&self.arena, &self.id, &self.tokens);
        let change = async {
            sleep(waits[0]).await;
            here.set_roles(&arena.root, id, roles).await.expect(200);
            sender.send_replace(Some(Instant::now()));
        };
        let refresh = async {
            sleep(waits[1]).await;
            let answer = there.refresh(&old.refresh).await;
            Arena::count(&arena.refreshes, acknowledged.borrow().is_none());
            let fresh = Tokens::of(&answer.expect(200));
            arena.heeded(Door::Roles, id, &fresh.access, statuses, acknowledged.clone()).await;
            fresh
        };
        // What is read at this very moment must not be kept for longer.
        let tries = async {
            while acknowledged.borrow().is_none() {
                let status = Arena::open(Door::Users, &elsewhere, id, &old.access).await;
                assert!(statuses.contains(&status), "{status}");
            }
        };
        let former = arena.heeded(Door::Users, id, &old.access, statuses, acknowledged.clone());
        let ((), fresh, (), ()) = tokio::join!(change, refresh, tries, former);
        let next = Tokens::of(&self.either().refresh(&fresh.refresh).await.expect(200));
        assert_eq!(
            borne(&next.access),
            roles,
            "a token that is made later bears the present roles"
        );
        self.tokens = next;
    }

    async fn gain_and_lose_a_role(&mut self) {
        self.change_roles(&["auditor", "user"], [403, 200]).await;
        self.change_roles(&["user"], [200, 403]).await;
    }
}

/// Disabling, while the person refreshes and signs in.
impl Subject {
    /// Nothing of a session that ends at the acknowledgement is accepted afterwards.
    async fn ended(arena: &Arena, id: &str, tokens: &Tokens, acknowledged: &Acknowledged) {
        let refused = async {
            moment(&mut acknowledged.clone()).await;
            for api in &arena.apis {
                let answer = api.refresh(&tokens.refresh).await;
                answer.expect_problem(401, "invalid_refresh_token");
            }
        };
        let access = &tokens.access;
        let heeded = arena.heeded(Door::Sessions, id, access, [200, 401], acknowledged.clone());
        tokio::join!(refused, heeded);
    }

    async fn disabled_meanwhile(&mut self) -> Vec<Tokens> {
        let (sender, acknowledged) = watch::channel(None);
        let (here, there, elsewhere) = (self.either(), self.either(), self.either());
        // Most of a sign-in is the hash; the change may fall into any part of it.
        let wait = self.within(self.sign_in_takes);
        let refresh_after = (wait + self.within(2 * MOMENT)).saturating_sub(MOMENT);
        let (arena, id, old) = (&self.arena, &self.id, &self.tokens);
        let change = async {
            sleep(wait).await;
            here.set_status(&arena.root, id, "disabled").await.expect(200);
            sender.send_replace(Some(Instant::now()));
        };
        let refresh = async {
            sleep(refresh_after).await;
            let answer = there.refresh(&old.refresh).await;
            Arena::count(&arena.refreshes, answer.status == 200);
            if answer.status != 200 {
                answer.expect_problem(401, "invalid_refresh_token");
                return None;
            }
            let fresh = Tokens::of(&answer.expect(200));
            Self::ended(arena, id, &fresh, &acknowledged).await;
            Some(fresh)
        };
        let sign_in = async {
            let begun = Instant::now();
            let answer = elsewhere.sign_in(&self.person).await;
            let took = begun.elapsed();
            Arena::count(&arena.sign_ins, answer.status == 200);
            if answer.status != 200 {
                answer.expect_problem(403, "account_disabled");
                return (None, took);
            }
            let another = Tokens::of(&answer.expect(200));
            Self::ended(arena, id, &another, &acknowledged).await;
            (Some(another), took)
        };
        let former = Self::ended(arena, id, old, &acknowledged);
        let ((), fresh, (another, took), ()) = tokio::join!(change, refresh, sign_in, former);
        self.sign_in_takes = took;
        [Some(self.tokens.clone()), fresh, another].into_iter().flatten().collect()
    }

    async fn be_disabled_and_come_back(&mut self) {
        let ended = self.disabled_meanwhile().await;
        let api = self.either();
        api.set_status(&self.arena.root, &self.id, "active").await.expect(200);
        self.tokens = Tokens::of(&api.sign_in(&self.person).await.expect(200));
        for api in &self.arena.apis {
            for tokens in &ended {
                api.sessions(&tokens.access).await.expect_problem(401, "invalid_token");
                assert_eq!(api.refresh(&tokens.refresh).await.status, 401);
            }
            api.me(&self.tokens.access).await.expect(200);
        }
    }
}

#[derive(Clone, Copy)]
enum Race {
    Roles,
    Status,
}

async fn race(race: Race, url: &str, folders: [&Path; 2]) {
    let settings = settings(url);
    let servers =
        [Server::start(folders[0], &settings).await, Server::start(folders[1], &settings).await];
    let root = administrator(&servers[0], folders[0], &settings).await;
    let apis = servers.each_ref().map(Server::api);
    let permissions = ["users:read", "roles:read"];
    apis[0].put_role(&root.access, "auditor", &permissions).await.expect(201);
    let arena = Arc::new(Arena {
        apis,
        root: root.access,
        delays: Mutex::default(),
        refreshes: Default::default(),
        sign_ins: Default::default(),
    });
    let each = rounds().div_ceil(PEOPLE);
    let mut people = JoinSet::new();
    for number in 0..PEOPLE {
        let arena = Arc::clone(&arena);
        people.spawn(async move {
            let mut subject = Subject::join(arena, number).await;
            for _ in 0..each {
                match race {
                    Race::Roles => subject.gain_and_lose_a_role().await,
                    Race::Status => subject.be_disabled_and_come_back().await,
                }
            }
        });
    }
    people.join_all().await;
    let what = match race {
        Race::Roles => "a role was given and taken",
        Race::Status => "somebody was disabled",
    };
    arena.report(what, each * PEOPLE);
}

async fn race_on_postgres(kind: Race) {
    let database = TestDatabase::create().await;
    let (one, other) = (folder(), folder());
    race(kind, &database.url(), [one.path(), other.path()]).await;
    database.drop().await;
}

async fn race_on_sqlite(kind: Race) {
    let (one, other) = (folder(), folder());
    let file = format!("sqlite://{}", one.path().join("data/doorward.db").display());
    race(kind, &file, [one.path(), other.path()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_is_had_or_gone_within_a_second_of_the_change_on_postgres() {
    race_on_postgres(Race::Roles).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_is_had_or_gone_within_a_second_of_the_change_on_sqlite() {
    race_on_sqlite(Race::Roles).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_somebody_disabled_is_accepted_after_a_second_on_postgres() {
    race_on_postgres(Race::Status).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_somebody_disabled_is_accepted_after_a_second_on_sqlite() {
    race_on_sqlite(Race::Status).await;
}
