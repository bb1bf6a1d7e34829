//! Jobs, as operators see them.

use axum::http::{Method, StatusCode};
use doorward_domain::JobId;
use serde_json::json;

use super::support::{Api, text};

fn path(id: JobId) -> String {
    format!("/api/v1/jobs/{id}")
}

#[tokio::test]
async fn a_dead_job_is_found_tried_again_and_deleted() {
    let api = Api::new().await;
    let admin = api.admin().await;
    let dead = api.enqueue("mail.reset", 1).await;
    api.kill("mail.reset").await;
    let ready = api.enqueue("mail.reset", 1).await;
    let other = api.enqueue("audit.seal", 1).await;

    for (query, expected) in [
        ("", vec![other, ready, dead]),
        ("?state=dead", vec![dead]),
        ("?kind=mail.reset", vec![ready, dead]),
        ("?kind=mail.reset&state=ready", vec![ready]),
        ("?state=succeeded", vec![]),
    ] {
        let answer = api.get(&format!("/api/v1/jobs{query}"), Some(&admin)).await;
        let items = answer.json()["items"].as_array().unwrap().clone();
        let ids: Vec<String> = items.iter().map(|job| text(&job["id"])).collect();
        let expected: Vec<String> = expected.iter().map(JobId::to_string).collect();
        assert_eq!(ids, expected, "{query}");
    }
    let shown = api.get(&path(dead), Some(&admin)).await.json();
    assert_eq!(
        shown,
        json!({
            "id": dead.to_string(), "kind": "mail.reset", "state": "dead", "attempts": 1,
            "max_attempts": 1, "run_at": "2026-01-01T00:00:00Z",
            "created_at": "2026-01-01T00:00:00Z", "last_error": "out of luck",
        })
    );

    let retry = format!("{}/retry", path(dead));
    let retried = api.call(Method::POST, &retry, Some(&admin), None).await;
    assert_eq!(retried.status, StatusCode::ACCEPTED);
    assert_eq!(retried.json()["state"], "ready");
    let again = api.call(Method::POST, &retry, Some(&admin), None).await;
    assert_eq!(again.problem(), "job_not_retryable");

    let gone = api.call(Method::DELETE, &path(dead), Some(&admin), None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(api.get(&path(dead), Some(&admin)).await.problem(), "not_found");
}

#[tokio::test]
async fn a_list_of_jobs_goes_on_where_the_page_before_ended() {
    let api = Api::new().await;
    let admin = api.admin().await;
    for _ in 0..3 {
        api.enqueue("mail", 1).await;
    }
    let first = api.get("/api/v1/jobs?limit=2&kind=mail", Some(&admin)).await.json();
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let after = text(&first["next_cursor"]);
    let next = format!("/api/v1/jobs?limit=2&kind=mail&after={after}");
    let last = api.get(&next, Some(&admin)).await.json();
    assert_eq!((last["items"].as_array().unwrap().len(), &last["next_cursor"]), (1, &json!(null)));
}

#[tokio::test]
async fn a_filter_that_cannot_fit_is_refused() {
    let api = Api::new().await;
    let admin = api.admin().await;
    let answer = api.get("/api/v1/jobs?state=done&kind=Mail&sort=id", Some(&admin)).await;
    let faults = answer.faults();
    for expected in [("/state", "unknown_value"), ("/kind", "invalid_format")] {
        let expected = (expected.0.to_owned(), expected.1.to_owned());
        assert!(faults.contains(&expected), "{faults:?}");
    }
    assert_eq!(faults.len(), 3);
}
