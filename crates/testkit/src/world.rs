use std::sync::Arc;

use doorward_app::{
    Actor, Ctx, Links, Policy, Receipt, access, account, bootstrap,
    grant::GrantCache,
    job::{self, Ended, JobRegistry},
    revocation::RevocationList,
    session::{self, Login, Tokens},
};
use doorward_domain::{
    ClaimedJob, Device, DisplayName, Email, Mail, Origin, Password, PasswordPolicy, ProofLives,
    SigningAlgorithm, User, ports::Store, refresh::RefreshPolicy,
};
use secrecy::ExposeSecret;
use time::Duration;

use crate::{
    CountingEntropy, FakeMailer, FixedClock, MemoryStore, PlainAnswerSealer, PlainHasher,
    PlainSealer, PlainSigner,
};

/// A password that every policy accepts.
pub const PASSWORD: &str = "correct horse battery staple";

/// An application context made of doubles, with a hold on each of them.
pub struct World {
    pub ctx: Ctx,
    pub clock: Arc<FixedClock>,
    pub hasher: Arc<PlainHasher>,
    pub mailer: Arc<FakeMailer>,
}

impl Default for World {
    fn default() -> Self {
        Self::over(Arc::new(MemoryStore::default()))
    }
}

impl World {
    /// The doubles of everything but the store, over this store.
    #[must_use]
    pub fn over(store: Arc<dyn Store>) -> Self {
        let clock = Arc::new(FixedClock::default());
        let hasher = Arc::new(PlainHasher::default());
        let mailer = Arc::new(FakeMailer::default());
        let ctx = Ctx {
            store,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(CountingEntropy::default()),
            hasher: Arc::clone(&hasher) as _,
            signer: Arc::new(PlainSigner::default()),
            revocations: Arc::new(RevocationList::default()),
            grants: Arc::new(GrantCache::default()),
            sealer: Arc::new(PlainSealer),
            answers: Arc::new(PlainAnswerSealer),
            mailer: Arc::clone(&mailer) as _,
            links: Arc::new(Links {
                verify_email: "https://example.com/verify-email".to_owned(),
                reset_password: "https://example.com/reset-password".to_owned(),
                confirm_email_change: "https://example.com/confirm-email-change".to_owned(),
                cancel_email_change: "https://example.com/cancel-email-change".to_owned(),
            }),
            origin: Origin::default(),
            policy: Policy {
                password: PasswordPolicy { min_length: 15 },
                conceal_existing: false,
                require_verified_email: false,
                proofs: ProofLives {
                    verification: Duration::hours(24),
                    password_reset: Duration::HOUR,
                    email_change: Duration::HOUR,
                    email_change_cancel: Duration::hours(24),
                },
                refresh: RefreshPolicy {
                    idle_ttl: Duration::days(30),
                    absolute_ttl: Duration::days(90),
                    grace: Duration::seconds(10),
                },
                access_ttl: Duration::minutes(15),
                signing_algorithm: SigningAlgorithm::EdDsa,
                public_keys_max_age: Duration::minutes(10),
                key_rotation: Some(Duration::days(90)),
                lockout_max: Duration::minutes(15),
                audit_retention: Some(Duration::days(365)),
            },
        };
        Self { ctx, clock, hasher, mailer }
    }

    /// Signs a person up with [`PASSWORD`].
    ///
    /// # Panics
    /// When that fails.
    pub async fn registered(&self, email: &str) -> User {
        let command = account::Register {
            email: Email::parse(email).expect("the test's address is valid"),
            password: password(PASSWORD),
            name: DisplayName::parse("Ada Lovelace").expect("a valid name"),
        };
        account::register(&self.ctx, command, Receipt::none()).await.expect("signing up works")
    }

    /// Signs a person in with [`PASSWORD`].
    ///
    /// # Panics
    /// When that fails.
    pub async fn signed_in(&self, email: &str) -> (Tokens, Actor) {
        let command = Login {
            email: Email::parse(email).expect("the test's address is valid"),
            password: password(PASSWORD),
            device: Device::default(),
            device_token: None,
        };
        let tokens = session::login(&self.ctx, command).await.expect("signing in works");
        let actor = access::authenticate(&self.ctx, tokens.access_token.expose_secret())
            .expect("a fresh token is accepted");
        (tokens, actor)
    }

    /// Makes an administrator and signs them in.
    ///
    /// # Panics
    /// When that fails.
    pub async fn admin(&self, email: &str) -> Actor {
        let command = account::Register {
            email: Email::parse(email).expect("the test's address is valid"),
            password: password(PASSWORD),
            name: DisplayName::parse("Admin").expect("a valid name"),
        };
        bootstrap::create_admin(&self.ctx, command).await.expect("an administrator can be made");
        self.signed_in(email).await.1
    }

    /// Does every job that is due, and returns the mails that were sent since the last call.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn mails(&self) -> Vec<Mail> {
        let (ctx, registry) = (Arc::new(self.ctx.clone()), JobRegistry::built_in());
        loop {
            let claimed = job::claim(&ctx, &registry.kinds(), 10, Duration::MINUTE).await;
            let claimed = claimed.expect("jobs can be claimed").taken;
            if claimed.is_empty() {
                return self.mailer.take();
            }
            for claimed in claimed {
                self.attempt(&registry, claimed).await;
            }
        }
    }

    /// Tries a claimed job, and completes it if that is left to its worker.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn attempt(&self, registry: &JobRegistry, claimed: ClaimedJob) {
        let (ctx, job) = (Arc::new(self.ctx.clone()), Arc::new(claimed));
        let ended = job::attempt(&ctx, registry, &job).await.expect("an attempt can be noted");
        if ended == Ended::Well {
            job::complete(&ctx, &[job.lease]).await.expect("a job can be completed");
        }
    }

    /// # Panics
    /// When the store contradicts itself.
    pub async fn assert_consistent(&self) {
        let found = self.ctx.store.inconsistencies().await.expect("the store can be read");
        assert!(found.is_empty(), "the store contradicts itself: {found:#?}");
    }
}

fn password(text: &str) -> Password {
    Password::parse(text).expect("a valid password")
}
