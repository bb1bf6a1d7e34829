//! People come in from a file, whatever happens meanwhile.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use doorward_infra_postgres::testing::TestDatabase;
use serde_json::{Value, json};

use crate::{
    api::Person,
    operator::administrator,
    support::{PATIENCE, Program, Random, SECRET, Server, Setting, folder, run, until},
};

/// By Django 6.1.3, with fewer iterations than are its default.
const DJANGO: &str =
    "pbkdf2_sha256$5000$PhCkbsol2GLhzG7DtuwatP$hjBYQZ/6DnIYNenSwseTOUc2dk3tzlhUG5yj8uG+VAI=";
/// What it is the hash of.
const OLD: &str = "Grüße aus Köln: 5 µm² 🦀";

fn sqlite(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("doorward.db").display())
}

fn settings(database: &str) -> Vec<Setting<'_>> {
    vec![("APP_DATABASE_URL", database), ("APP_AUTH_SECRET", SECRET)]
}

fn person(email: &str) -> Person {
    Person { email: email.to_owned(), password: OLD.to_owned(), name: "Ada".to_owned() }
}

/// The file of the tests: ten lines, of which the second, the third, … are wrong, each in its way.
fn mixed() -> String {
    let id = "019b76da-a87b-774b-8000-00000000abcd";
    let lines = [
        json!({"email": "ada@example.org", "name": "Ada", "password_hash": DJANGO, "id": id,
               "email_verified": true, "created_at": "2019-05-01T12:00:00.123456789+02:00"})
        .to_string(),
        "{\"email\": \"bob@example.org\", \"name\": ".to_owned(),
        json!({"email": "nobody", "name": "", "status": "gone", "roles": ["No Role"]}).to_string(),
        json!({"email": "ADA@example.org", "name": "Ada"}).to_string(),
        json!({"email": "carol@example.org", "name": "Carol", "id": id}).to_string(),
        json!({"email": "dan@example.org", "name": "Dan", "roles": ["boss"]}).to_string(),
        json!({"email": "eve@example.org", "name": "Eve", "admin": true}).to_string(),
        json!({"email": "fay@example.org", "name": "Fay",
               "password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"})
        .to_string(),
        json!({"email": "gus@example.org", "name": "Gus", "created_at": "2999-01-01T00:00:00Z"})
            .to_string(),
        String::new(),
        json!({"email": "hal@example.org", "name": "Hal", "status": "disabled", "roles": []})
            .to_string(),
    ];
    lines.join("\n")
}

#[tokio::test]
async fn a_line_that_is_refused_is_named_and_stops_nothing() {
    let home = folder();
    let database = sqlite(home.path());
    let settings = settings(&database);
    fs::write(home.path().join("users.ndjson"), mixed()).unwrap();
    let import = async |more: &[&str]| {
        let arguments = [&["users", "import", "users.ndjson"], more].concat();
        run(home.path(), &settings, &arguments, "").await
    };
    let list = async || {
        let listed = run(home.path(), &settings, &["users", "list", "--json"], "").await;
        let lines = listed.printed.lines();
        lines.map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Value>>()
    };

    let rehearsed = import(&["--dry-run"]).await;
    assert_eq!(list().await, Vec::<Value>::new(), "a rehearsal adds nobody");
    let imported = import(&[]).await;
    assert_eq!(imported.code, 1);
    assert_eq!(imported.printed, rehearsed.printed);
    assert!(rehearsed.told.contains("2 users would be added, 8 lines would be refused."));
    assert!(imported.told.contains("2 users added, 8 lines refused."), "{}", imported.told);
    let lines: Vec<&str> = imported.printed.lines().collect();
    for (line, words) in [
        ("line 2: ", &["not a line of JSON", "column"][..]),
        ("line 3: ", &["email must have", "name must not be empty", "status must", "roles "]),
        ("line 4: ", &["email belongs to another user"]),
        ("line 5: ", &["id belongs to another user"]),
        ("line 6: ", &["no role boss"]),
        ("line 7: ", &["unknown field `admin`"]),
        ("line 8: ", &["password_hash "]),
        ("line 9: ", &["created_at lies in the future"]),
    ] {
        let found =
            lines.iter().find(|it| it.starts_with(line)).unwrap_or_else(|| panic!("{line}"));
        assert!(words.iter().all(|word| found.contains(word)), "{found}");
    }
    assert_eq!(lines.len(), 8);

    let there = list().await;
    assert_eq!(there.len(), 2);
    let ada = there.iter().find(|user| user["email"] == "ada@example.org").expect("Ada");
    assert_eq!(ada["created_at"], "2019-05-01T10:00:00.123456Z");
    assert_eq!((&ada["email_verified"], &ada["roles"]), (&json!(true), &json!(["user"])));
    let hal = there.iter().find(|user| user["email"] == "hal@example.org").expect("Hal");
    assert_eq!((&hal["status"], &hal["roles"]), (&json!("disabled"), &json!([])));

    // What is there already is refused when it comes again, for programs as well.
    let again = import(&["--json"]).await;
    let lines: Vec<Value> =
        again.printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0], json!({"line": 1, "errors": ["id belongs to another user already"]}));
    assert_eq!(lines[10], json!({"added": 0, "refused": 10, "dry_run": false}));
}

#[tokio::test]
async fn what_is_no_file_of_lines_is_refused() {
    let home = folder();
    let database = sqlite(home.path());
    for (path, words) in [("nothing.ndjson", "nothing.ndjson"), (".", "not a file")] {
        let refused = run(home.path(), &settings(&database), &["users", "import", path], "").await;
        assert_eq!(refused.code, 1);
        assert!(refused.told.contains(words), "{}", refused.told);
    }
}

/// Out of one database and into another, the password of another system still opens the account.
#[tokio::test]
async fn people_move_from_one_installation_to_another() {
    let home = folder();
    let old = sqlite(home.path());
    let new = TestDatabase::create().await;
    let moved_to = new.url();
    fs::write(home.path().join("users.ndjson"), mixed()).unwrap();
    run(home.path(), &settings(&old), &["users", "import", "users.ndjson"], "").await;
    let server = Server::start(home.path(), &settings(&old)).await;
    let bob = person("bob@example.org");
    let bob = Person { password: Person::new("Bob").password, ..bob };
    server.api().sign_up(&bob).await.expect(201);
    drop(server);

    let plain = run(home.path(), &settings(&old), &["users", "export"], "").await;
    assert!(!plain.printed.contains("password_hash"));
    let arguments = ["users", "export", "--password-hashes"];
    let exported = run(home.path(), &settings(&old), &arguments, "").await;
    assert_eq!(exported.code, 0, "{}", exported.told);
    fs::write(home.path().join("moved.ndjson"), &exported.printed).unwrap();
    let moved =
        run(home.path(), &settings(&moved_to), &["users", "import", "moved.ndjson"], "").await;
    assert_eq!(moved.code, 0, "{}{}", moved.printed, moved.told);

    let server = Server::start(home.path(), &settings(&moved_to)).await;
    for person in [person("ada@example.org"), bob] {
        for _ in 0..2 {
            server.api().sign_in(&person).await.expect(200);
        }
    }
    drop(server);
    let again = run(home.path(), &settings(&moved_to), &["users", "export"], "").await;
    let without_sign_ins = |printed: &str| -> Vec<Value> {
        let user = |line: &str| {
            let mut user: Value = serde_json::from_str(line).expect("JSON");
            user["last_login_at"].take();
            user
        };
        printed.lines().map(user).collect()
    };
    assert_eq!(without_sign_ins(&again.printed), without_sign_ins(&plain.printed));
    new.drop().await;
}

async fn an_import_that_is_killed_adds_everybody_once(database: &str) {
    const PEOPLE: usize = 60_000;
    let home = folder();
    let settings = settings(database);
    let mut file = String::new();
    for number in 0..PEOPLE {
        let user = json!({"email": format!("person-{number}@example.org"), "name": "Person"});
        writeln!(file, "{user}").unwrap();
    }
    fs::write(home.path().join("users.ndjson"), file).unwrap();
    let server = Server::start(home.path(), &settings).await;
    let root = administrator(&server, home.path(), &settings).await;
    let api = server.api();
    // The newest one is the last of those whose batch was committed.
    let newest = async || {
        let page = api.get_as(&root.access, "/api/v1/users?limit=1").await.expect(200);
        let email = page["items"][0]["email"].as_str().expect("an address").to_owned();
        email.strip_prefix("person-")?.split_once('@')?.0.parse::<usize>().ok()
    };
    let arguments = ["users", "import", "users.ndjson"];
    let mut random = Random::new();
    for mark in [1, 10_000, 20_000, 30_000] {
        let mut import = Program::spawn(home.path(), &settings, &arguments, "");
        let reached = async || newest().await.filter(|number| *number >= mark);
        until("the next batch", Duration::from_mins(1), reached).await;
        tokio::time::sleep(Duration::from_millis(random.below(100))).await;
        import.kill();
    }
    let mut import = Program::spawn(home.path(), &settings, &arguments, "");
    // Whoever signs up beside it waits for a batch at most.
    until("the import", PATIENCE, async || newest().await.filter(|number| *number > 35_000)).await;
    api.sign_up(&Person::new("Newcomer")).await.expect(201);
    let code = import.exit_code(Duration::from_mins(2)).await;
    assert_eq!(code, 0, "{}{}", import.printed(), import.log());
    assert!(import.log().contains("Going on behind line"), "{}", import.log());
    let exported = run(home.path(), &settings, &["users", "export"], "").await;
    let count = |word: &str| exported.printed.lines().filter(|line| line.contains(word)).count();
    assert_eq!(count("person-"), PEOPLE);
    assert_eq!(count("Newcomer"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_killed_adds_everybody_once_on_sqlite() {
    let home = folder();
    an_import_that_is_killed_adds_everybody_once(&sqlite(home.path())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_killed_adds_everybody_once_on_postgres() {
    let database = TestDatabase::create().await;
    an_import_that_is_killed_adds_everybody_once(&database.url()).await;
    database.drop().await;
}
