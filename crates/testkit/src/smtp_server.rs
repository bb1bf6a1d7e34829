//! A mail server that behaves as it is told.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What a [`SmtpServer`] does with those who bring a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Accepts,
    /// Answers this in place of a greeting.
    Greets(&'static str),
    /// Answers this when somebody signs in.
    AnswersSignIn(&'static str),
    /// Answers this to the recipient.
    AnswersRecipient(&'static str),
    /// Answers this to the mail itself, which it does not keep.
    AnswersMail(&'static str),
    /// Accepts the connection and says nothing.
    Tarpit,
    /// Closes in the middle of an answer.
    Breaks,
    /// Takes the mail, and closes in the middle of saying so.
    TakesAndBreaks,
    /// Takes the mail, and says so to nobody.
    TakesAndStalls,
    /// Takes one mail, then closes the connection that the client would use again.
    ClosesAfterEach,
}

/// A mail as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenMail {
    /// The argument of `MAIL FROM:`, with its parameters.
    pub from: String,
    /// The argument of each `RCPT TO:`.
    pub recipients: Vec<String>,
    /// Head and body.
    pub content: String,
}

/// A mail server on this machine that keeps what it accepted. It is gone when it is dropped.
#[derive(Debug)]
pub struct SmtpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Its end is that of all connections.
    _alive: watch::Sender<()>,
}

#[derive(Debug)]
struct Shared {
    manner: Mutex<Manner>,
    /// Lines of the answer to `EHLO`, such as `SMTPUTF8`.
    extensions: Vec<&'static str>,
    taken: watch::Sender<Vec<TakenMail>>,
    connections: AtomicUsize,
    /// The first words of all commands, in the order in which they came.
    commands: Mutex<Vec<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SmtpServer {
    /// Listens on any free port, with the extensions that today's servers have.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(manner: Manner) -> io::Result<Self> {
        Self::start_at(([127, 0, 0, 1], 0).into(), manner, &["8BITMIME", "SMTPUTF8"]).await
    }

    /// Listens on an address of this machine, with these extensions.
    ///
    /// # Errors
    /// When it cannot listen there.
    pub async fn start_at(
        address: SocketAddr,
        manner: Manner,
        extensions: &[&'static str],
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            manner: Mutex::new(manner),
            extensions: extensions.to_vec(),
            taken: watch::Sender::new(Vec::new()),
            connections: AtomicUsize::new(0),
            commands: Mutex::default(),
        });
        let (alive, ended) = watch::channel(());
        let served = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut over = ended.clone();
            loop {
                let stream = tokio::select! {
                    _ = over.changed() => return,
                    accepted = listener.accept() => accepted,
                };
                let Ok((stream, _)) = stream else { continue };
                served.connections.fetch_add(1, Ordering::Relaxed);
                let (served, mut over) = (Arc::clone(&served), ended.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        _ = over.changed() => {}
                        // A client that goes away in the middle is no matter.
                        _ = serve(stream, &served) => {}
                    }
                });
            }
        });
        Ok(Self { address, shared, _alive: alive })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Behaves otherwise from the next command on.
    pub fn behave(&self, manner: Manner) {
        *lock(&self.shared.manner) = manner;
    }

    /// What it took so far.
    #[must_use]
    pub fn taken(&self) -> Vec<TakenMail> {
        self.shared.taken.borrow().clone()
    }

    /// Waits until it has taken so many mails. Without a limit of time, which is up to the test.
    pub async fn until_taken(&self, count: usize) -> Vec<TakenMail> {
        let mut taken = self.shared.taken.subscribe();
        match taken.wait_for(|mails| mails.len() >= count).await {
            Ok(mails) => mails.clone(),
            // It ends with the sender, which is in `self`.
            Err(_) => self.taken(),
        }
    }

    /// How often somebody connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// The words that commands began with, in the order in which they came.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        lock(&self.shared.commands).clone()
    }
}

/// Waits until the client goes away.
async fn stall(stream: &mut BufReader<TcpStream>) -> io::Result<()> {
    let mut line = Vec::new();
    while stream.read_until(b'\n', &mut line).await? > 0 {
        line.clear();
    }
    Ok(())
}

async fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let manner = || *lock(&shared.manner);
    match manner() {
        Manner::Tarpit => return stall(&mut stream).await,
        Manner::Greets(answer) => stream.write_all(answer.as_bytes()).await?,
        _ => stream.write_all(b"220 test\r\n").await?,
    }
    let mut mail = TakenMail::nobodys();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let command = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        lock(&shared.commands).push(command.clone());
        let argument = || line.split_once(':').map_or("", |(_, rest)| rest).to_owned();
        let answer = match (command.as_str(), manner()) {
            (_, Manner::Tarpit) => return stall(&mut stream).await,
            ("EHLO", _) => {
                let lines = shared.extensions.iter().map(|line| format!("250-{line}\r\n"));
                format!("250-test\r\n{}250 HELP\r\n", lines.collect::<String>())
            }
            ("AUTH", Manner::AnswersSignIn(answer))
            | ("RCPT", Manner::AnswersRecipient(answer)) => answer.to_owned(),
            ("AUTH", _) => "235 welcome\r\n".to_owned(),
            ("MAIL", _) => {
                mail = TakenMail { from: argument(), ..TakenMail::nobodys() };
                "250 ok\r\n".to_owned()
            }
            ("RCPT", Manner::Breaks) => return stream.write_all(b"25").await,
            ("RCPT", _) => {
                mail.recipients.push(argument());
                "250 ok\r\n".to_owned()
            }
            ("DATA", _) => {
                stream.write_all(b"354 go on\r\n").await?;
                mail.content = read_content(&mut stream).await?;
                if !take(&mut stream, shared, mail.clone(), manner()).await? {
                    return Ok(());
                }
                continue;
            }
            ("QUIT", _) => return stream.write_all(b"221 bye\r\n").await,
            _ => "250 ok\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}

impl TakenMail {
    fn nobodys() -> Self {
        Self { from: String::new(), recipients: Vec::new(), content: String::new() }
    }
}

/// Whether the connection goes on.
async fn take(
    stream: &mut BufReader<TcpStream>,
    shared: &Shared,
    mail: TakenMail,
    manner: Manner,
) -> io::Result<bool> {
    if let Manner::AnswersMail(answer) = manner {
        stream.write_all(answer.as_bytes()).await?;
        return Ok(true);
    }
    shared.taken.send_modify(|taken| taken.push(mail));
    match manner {
        Manner::TakesAndBreaks => stream.write_all(b"25").await?,
        Manner::TakesAndStalls => stall(stream).await?,
        _ => stream.write_all(b"250 taken\r\n").await?,
    }
    Ok(!matches!(manner, Manner::TakesAndBreaks | Manner::TakesAndStalls | Manner::ClosesAfterEach))
}

/// Up to the line with a dot alone; a dot that was put before another one is taken off (RFC 5321 §4.5.2).
async fn read_content(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut content = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.strip_prefix('.') {
            Some("\r\n") => return Ok(content),
            Some(rest) => content.push_str(rest),
            None => content.push_str(&line),
        }
    }
}
