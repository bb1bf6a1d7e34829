//! Databases with many people in them, made once and kept: in the database server as templates, and as
//! files under `target/bench/seeds`. A run works on copies, because it changes what it measures.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::json;
use sqlx::{Connection as _, SqliteConnection};

use crate::bench::Bench;
use crate::doorward::{self, Doorward};

/// The address of the one who may see everybody.
pub const ADMINISTRATOR: &str = "administrator@example.com";

/// Changes whenever people are made in another way.
const FORM: u32 = 1;

/// The kinds of database.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Store {
    Postgres,
    Sqlite,
}

impl Store {
    /// What its migrations' folder and its subjects are called by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }

    /// A new, empty database, and its URL.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn empty(self, bench: &Bench) -> Result<String> {
        match self {
            Self::Postgres => bench.postgres.database(),
            Self::Sqlite => Ok(sqlite_url(&bench.new_folder("sqlite")?.join("doorward.db"))),
        }
    }

    /// A database of its own with so many people, each of whom has signed in once, and
    /// [`ADMINISTRATOR`]. The first of a kind takes about half a minute for a million people.
    ///
    /// # Errors
    /// When the people cannot be made.
    pub fn seeded(self, bench: &Bench, people: u32) -> Result<String> {
        let name = format!("seed_{people}_{:016x}", self.version()?);
        match self {
            Self::Postgres => {
                if !bench.postgres.has(&name)? {
                    let url = bench.postgres.database()?;
                    self.populate(bench, &url, people)?;
                    bench.postgres.rename(&url, &name)?;
                }
                bench.postgres.copy(&name)
            }
            Self::Sqlite => {
                let kept = seeds().join(format!("{name}.db"));
                if !kept.exists() {
                    fs::create_dir_all(seeds())?;
                    // Beside its last place, so that the name is given to a whole file or to none.
                    let folder = tempfile::tempdir_in(seeds())?;
                    let file = folder.path().join("doorward.db");
                    self.populate(bench, &sqlite_url(&file), people)?;
                    fs::rename(&file, &kept)?;
                }
                let copy = bench.new_folder("sqlite")?.join("doorward.db");
                fs::copy(&kept, &copy)
                    .with_context(|| format!("{} cannot be copied", kept.display()))?;
                Ok(sqlite_url(&copy))
            }
        }
    }

    /// What a seed depends on: the migrations, and how people are made.
    fn version(self) -> Result<u64> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(self.name());
        let entries = fs::read_dir(&folder)
            .with_context(|| format!("{} cannot be read", folder.display()))?;
        let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        files.sort();
        let mut hasher = DefaultHasher::new();
        (FORM, sessions(self)).hash(&mut hasher);
        for file in files {
            fs::read(file)?.hash(&mut hasher);
        }
        Ok(hasher.finish())
    }

    fn populate(self, bench: &Bench, url: &str, people: u32) -> Result<()> {
        let begun = Instant::now();
        eprintln!("  making {people} people on {}, once", self.name());
        let server = Doorward::start(bench, url, &bench.machine.all)?;
        let file = bench.file("people.ndjson");
        write_people(&file, people)?;
        server.import_file(bench, &file)?;
        fs::remove_file(&file)?;
        server.process.stop()?;
        match self {
            Self::Postgres => {
                bench.postgres.execute(url, sessions(self))?;
                bench.postgres.execute(url, "VACUUM ANALYZE")?;
            }
            Self::Sqlite => {
                sqlite(url, &[sessions(self), "PRAGMA wal_checkpoint(TRUNCATE)"])?;
            }
        }
        eprintln!("  it took {:.0} s", begun.elapsed().as_secs_f64());
        Ok(())
    }
}

/// A session for everybody, as if each of them had signed in.
fn sessions(store: Store) -> &'static str {
    match store {
        Store::Postgres => {
            "INSERT INTO sessions \
             (id, user_id, generation, rotated_at, created_at, last_used_at, expires_at, ip, user_agent) \
             SELECT gen_random_uuid(), id, 0, created_at, created_at, created_at, \
             created_at + interval '30 days', '192.0.2.1', 'Mozilla/5.0' FROM users"
        }
        Store::Sqlite => {
            "INSERT INTO sessions \
             (id, user_id, generation, rotated_at, created_at, last_used_at, expires_at, ip, user_agent) \
             SELECT randomblob(16), id, 0, created_at, created_at, created_at, \
             created_at + 2592000000000, '192.0.2.1', 'Mozilla/5.0' FROM users"
        }
    }
}

/// The id of the person with this number. Ids grow with the numbers, as they do with time (RFC 9562,
/// version 7), so that somebody can be asked for without looking for them first.
pub fn id(person: u32) -> String {
    // A millisecond each, from the first of 2026 on.
    let time = 1_767_225_600_000_u64 + u64::from(person);
    let scatter = u64::from(person).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        "{:08x}-{:04x}-7{:03x}-8{:03x}-{:012x}",
        time >> 16,
        time & 0xffff,
        (scatter >> 52) & 0xfff,
        (scatter >> 40) & 0xfff,
        scatter & 0xffff_ffff_ffff
    )
}

/// The numbers of people who lie far from each other, among so many, the same at each call.
pub fn scattered(people: u32, count: u32) -> impl Iterator<Item = u32> {
    // The golden ratio's multiples are spread evenly, however many are taken.
    let share = |nth: u32| (f64::from(nth) * 0.618_033_988_749_895).fract();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below `people`")]
    (1..=count).map(move |nth| 1 + (share(nth) * f64::from(people)) as u32)
}

fn write_people(file: &Path, people: u32) -> Result<()> {
    let hash = doorward::password_hash()?;
    let mut out = BufWriter::new(File::create(file)?);
    let mut line = String::new();
    for person in 1..=people {
        line.clear();
        writeln!(
            line,
            r#"{{"id":"{}","email":"{}","name":"Ada Lovelace","email_verified":true,"password_hash":"{hash}"}}"#,
            id(person),
            doorward::address(person),
        )?;
        out.write_all(line.as_bytes())?;
    }
    let administrator = json!({
        "email": ADMINISTRATOR,
        "name": "Charles Babbage",
        "email_verified": true,
        "roles": ["admin"],
        "password_hash": hash,
    });
    writeln!(out, "{administrator}")?;
    out.flush()?;
    Ok(())
}

fn sqlite_url(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench/seeds")
}

/// Runs statements in an SQLite file that nobody else has open, one after the other.
///
/// # Errors
/// When one of them fails.
fn sqlite(url: &str, statements: &[&'static str]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = SqliteConnection::connect(url).await?;
        for statement in statements {
            sqlx::raw_sql(*statement).execute(&mut connection).await?;
        }
        Ok(connection.close().await?)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_uuids_that_grow_with_their_numbers() {
        let ids: Vec<String> = (1..=1000).map(id).collect();
        assert!(ids.is_sorted() && ids.iter().collect::<HashSet<_>>().len() == ids.len());
        assert!(ids.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'7'), "{}", ids[0]);
    }

    #[test]
    fn whoever_is_asked_for_is_there_and_seldom_the_same() {
        for people in [1, 1_000, 1_000_000] {
            let asked: Vec<u32> = scattered(people, 1000).collect();
            assert!(asked.iter().all(|person| (1..=people).contains(person)), "{people}");
        }
        let asked: HashSet<u32> = scattered(1_000_000, 1000).collect();
        assert!(asked.len() > 990 && asked.iter().any(|person| *person > 990_000));
    }

    #[test]
    fn people_are_a_line_of_json_each() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("people.ndjson");
        write_people(&file, 2).expect("they are written");
        let text = fs::read_to_string(file).expect("they are there");
        let emails: Vec<_> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
            .map(|line| line["email"].as_str().map(str::to_owned))
            .collect();
        let expected = [doorward::address(1), doorward::address(2), ADMINISTRATOR.into()];
        assert_eq!(emails, expected.map(Some));
    }
}
