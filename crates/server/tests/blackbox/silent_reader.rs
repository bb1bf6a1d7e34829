//! Whoever reads the log may stand still; the server must not.

use std::process::{Child, Command, Stdio};

use crate::{
    api::Api,
    support::{PATIENCE, folder, free_port, until},
};

/// More lines than a pipe holds, many times over.
const REQUESTS: usize = 2_000;

/// A failed test must leave no process behind.
struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_neither_serving_nor_stopping() {
    let folder = folder();
    let port = free_port();
    let server = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .current_dir(folder.path())
        .env("APP_SERVER_PORT", port.to_string())
        .env("APP_RATE_LIMIT_ENABLED", "false")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut server = KilledOnDrop(server);
    let api = Api::new(([127, 0, 0, 1], port).into());
    until("it serves", PATIENCE, async || {
        let probe = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
        probe.is_ok().then_some(())
    })
    .await;
    for _ in 0..REQUESTS {
        assert_eq!(api.get("/health/live").await.status, 200);
    }
    let id = rustix::process::Pid::from_child(&server.0);
    rustix::process::kill_process(id, rustix::process::Signal::TERM)
        .expect("it can be told to stop");
    let status =
        until("it stops", PATIENCE, async || server.0.try_wait().expect("it is ours")).await;
    assert!(status.success(), "{status}");
}
