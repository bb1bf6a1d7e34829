//! The in-memory store keeps the same contract as the databases.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use doorward_domain::ports::Store;
use doorward_testkit::MemoryStore;

fn create() -> Ready<(Arc<dyn Store>, ())> {
    ready((Arc::new(MemoryStore::default()), ()))
}

fn finish((): ()) -> Ready<()> {
    ready(())
}

doorward_testkit::store_contract!(create, finish);
