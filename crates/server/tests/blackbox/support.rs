//! Starts the program in a folder of its own, watches what it says, and leaves nothing behind.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::api::Api;

/// An `auth.secret` that every instance of a test shares.
pub const SECRET: &str = "f3J9w-black-box-Qm2Zx7Lr5Tn8Vb4Kc6Hd";
/// How long the program may take to do what it does at once on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The end of the log that a failed test shows, in octets: with everything traced it is long.
const SHOWN: usize = 48 * 1024;

pub type Setting<'a> = (&'a str, &'a str);

/// Asks again and again until there is an answer, and fails the test when there is none in time.
pub async fn until<T>(what: &str, limit: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// The working folder of an installation.
pub fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder can be made")
}

/// A port that was free a moment ago, for programs that must have one before they say which.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    listener.local_addr().expect("a listener has an address").port()
}

/// The command as a user types it, without whatever this test was started with.
fn doorward(folder: &Path, settings: &[Setting], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("APP_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).args(arguments).envs(settings.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What one of the program's streams has said so far.
struct Capture {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Capture {
    fn new(mut stream: impl Read + Send + 'static) -> Self {
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 8192];
            while let Ok(count @ 1..) = stream.read(&mut piece) {
                kept.lock().unwrap().extend_from_slice(&piece[..count]);
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    /// Waits for the end of the stream, which comes with the end of the program.
    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
    }
}

/// A run of the program. It is killed when dropped, and shows what it said if the test failed.
pub struct Program {
    child: Child,
    stdout: Capture,
    stderr: Capture,
}

impl Program {
    pub fn spawn(folder: &Path, settings: &[Setting], arguments: &[&str], input: &str) -> Self {
        let mut child = doorward(folder, settings, arguments).spawn().expect("doorward starts");
        let mut stdin = child.stdin.take().expect("standard input is a pipe");
        // A program that reads nothing may be gone already.
        let _ = stdin.write_all(input.as_bytes());
        let stdout = Capture::new(child.stdout.take().expect("standard output is a pipe"));
        let stderr = Capture::new(child.stderr.take().expect("standard error is a pipe"));
        Self { child, stdout, stderr }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn printed(&self) -> String {
        self.stdout.text()
    }

    pub fn log(&self) -> String {
        self.stderr.text()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the program can be signalled");
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("the program is a child of this test")?;
        self.stdout.finish();
        self.stderr.finish();
        Some(status)
    }

    /// The exit status, once the program has ended by itself.
    pub async fn exit_code(&mut self, limit: Duration) -> i32 {
        let status = until("the end of the program", limit, async || self.ended()).await;
        status.code().unwrap_or_else(|| panic!("ended by signal {:?}", status.signal()))
    }

    /// Ends the program as `kill -9` does.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        self.child.wait().expect("the program is a child of this test");
        self.stdout.finish();
        self.stderr.finish();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let (printed, log) = (self.printed(), self.log());
            let shown = &log[log.ceil_char_boundary(log.len().saturating_sub(SHOWN))..];
            eprintln!("--- doorward {} printed\n{printed}\n--- and logged\n{shown}---", self.id());
        }
    }
}

/// What a command that does one thing said when it was through.
pub struct Outcome {
    pub code: i32,
    pub printed: String,
    pub told: String,
}

/// Runs a command to its end.
pub async fn run(
    folder: &Path,
    settings: &[Setting<'_>],
    arguments: &[&str],
    input: &str,
) -> Outcome {
    let mut program = Program::spawn(folder, settings, arguments, input);
    let code = program.exit_code(PATIENCE).await;
    Outcome { code, printed: program.printed(), told: program.log() }
}

/// A running server.
pub struct Server {
    pub program: Program,
    pub address: SocketAddr,
}

impl Server {
    /// Starts a server on a free port, or the one that the settings name, and waits until it says
    /// that it is ready, as it does in development.
    pub async fn start(folder: &Path, settings: &[Setting<'_>]) -> Self {
        let settings = [&[("APP_SERVER_PORT", "0")], settings].concat();
        let mut program = Program::spawn(folder, &settings, &[], "");
        let address = until("the banner", PATIENCE, async || {
            if let Some(status) = program.ended() {
                panic!("the server did not start: {status}");
            }
            announced(&program.printed())
        });
        let address = address.await;
        Self { program, address }
    }

    /// Starts a server and waits only until it accepts connections, which it does before it is ready.
    pub async fn launch(folder: &Path, settings: &[Setting<'_>]) -> Self {
        let port = free_port();
        let number = port.to_string();
        let settings = [&[("APP_SERVER_PORT", number.as_str())], settings].concat();
        let mut program = Program::spawn(folder, &settings, &[], "");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        until("the first connection", PATIENCE, async || {
            if let Some(status) = program.ended() {
                panic!("the server did not start: {status}");
            }
            tokio::net::TcpStream::connect(address).await.ok()
        })
        .await;
        Self { program, address }
    }

    pub fn api(&self) -> Api {
        Api::new(self.address)
    }

    pub fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// The memory that the program has in use, in octets; `None` where the system does not tell.
    pub fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes * 1024)
    }
}

/// The address in the banner.
fn announced(printed: &str) -> Option<SocketAddr> {
    let line = printed.lines().find_map(|line| line.trim().strip_prefix("API"))?;
    let address = line.trim().strip_prefix("http://")?.strip_suffix("/api/v1")?;
    Some(address.parse().expect("the banner shows where the server listens"))
}

/// Numbers that differ from run to run (`SplitMix64`), to try another order and timing each time.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        Self(RandomState::new().hash_one(()))
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).expect("an index fits");
            items.swap(last, other);
        }
    }
}

/// The `percent`-th percentile.
pub fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}
