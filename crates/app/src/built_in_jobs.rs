use doorward_domain::JobKind;

use crate::{
    job::{self, JobRegistry},
    mailing,
};

impl JobRegistry {
    /// The kinds that are part of Doorward.
    #[must_use]
    pub fn built_in() -> Self {
        let mut registry = Self::default();
        if let Ok(kind) = JobKind::parse("jobs.prune") {
            registry.handle(kind.clone(), job::prune);
            registry.repeat(kind, job::PRUNE_PERIOD);
        }
        mailing::register(&mut registry);
        registry
    }
}
