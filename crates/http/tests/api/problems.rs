//! Failures behind the API: nothing of them reaches the client.

use std::sync::Arc;

use axum::http::StatusCode;
use doorward_domain::ports::StoreError;
use doorward_testkit::mock::MockStore;
use serde_json::json;

use super::support::{Api, PASSWORD};

fn cause() -> Box<dyn std::error::Error + Send + Sync> {
    "connection to 10.1.2.3 with password hunter2 refused".into()
}

async fn failing(error: fn() -> StoreError) -> Api {
    let mut api = Api::new().await;
    let mut store = MockStore::new();
    store.expect_guess_counters().returning(move |_| Err(error()));
    store.expect_begin().returning(move || Err(error()));
    store.expect_ping().returning(move || Err(error()));
    api.world.ctx.store = Arc::new(store);
    Api::reopened(api)
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_a_503() {
    for error in [|| StoreError::Unavailable(cause()), || StoreError::Busy(cause())] {
        let api = failing(error).await;
        let login = json!({"email": "ada@example.com", "password": PASSWORD});
        for answer in
            [api.sign_up("ada@example.com").await, api.post("/api/v1/auth/login", login).await]
        {
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.problem(), "unavailable");
            assert!(!String::from_utf8_lossy(&answer.octets).contains("hunter2"));
        }
        let ready = api.get("/health/ready", None).await;
        assert_eq!(ready.json()["checks"]["database"], "unavailable");
        assert_eq!(api.get("/health/live", None).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_defect_is_a_500_without_its_cause() {
    let api = failing(|| StoreError::Backend(cause())).await;
    let answer = api.sign_up("ada@example.com").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.problem(), "internal_error");
    assert!(!String::from_utf8_lossy(&answer.octets).contains("hunter2"));
}
