//! The contract of all stores.

use std::sync::Arc;

use doorward_domain::ports::Store;
use doorward_infra_sqlite::testing::TestDatabase;

async fn create() -> (Arc<dyn Store>, TestDatabase) {
    let database = TestDatabase::create().await;
    (Arc::new(database.store().await), database)
}

doorward_testkit::store_contract!(create, TestDatabase::drop);
