//! The README's tour works as it stands.

use std::{process::Command, time::Duration};

use crate::support::{PATIENCE, Server, folder};

const README: &str = include_str!("../../../../README.md");
const HERE: &str = "http://127.0.0.1:3000";

fn tour() -> &'static str {
    let (_, rest) = README.split_once("## A tour").expect("the README has a tour");
    let (_, rest) = rest.split_once("```bash\n").expect("the tour is a block of shell");
    rest.split_once("```").expect("the block ends").0
}

#[tokio::test]
async fn the_tour_can_be_pasted() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]).await;
    let script = tour().replace(HERE, &format!("http://127.0.0.1:{}", server.port()));
    let run = tokio::task::spawn_blocking(move || {
        Command::new("bash").args(["-eu", "-o", "pipefail", "-c", &script]).output()
    });
    let output = tokio::time::timeout(PATIENCE + Duration::from_secs(10), run).await;
    let output = output.expect("the tour ends").unwrap().expect("bash and curl are there");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
    let expected = [
        "\"roles\":[\"user\"]",
        "\"code\":\"validation_failed\"",
        "\"last_login_at\":\"",
        "\"token_type\":\"Bearer\"",
        "\"current\":true",
        "204",
        "204",
        "204",
        "\"code\":\"invalid_token\"",
    ];
    assert_eq!(lines.len(), expected.len(), "{said}");
    for (line, part) in lines.iter().zip(expected) {
        assert!(line.contains(part), "{part} is missing in: {line}");
    }
}
