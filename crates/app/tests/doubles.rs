//! How to use each double of `doorward-testkit`. The examples are meant to be copied.
//!
//! Take a fake where you can ([`World`] puts all of them together): such a test says what a person
//! would notice, and survives a use case that is written differently. Take a mock where the call
//! itself is the point ("commit is never called"), or where a port must fail. Both go together: a
//! `World` with one port exchanged for a mock is the usual arrangement.

use std::sync::Arc;

use doorward_app::{
    Failure, Receipt, access,
    access::AuthenticateError,
    account::{self, ProfileError, Register, RegisterError},
    session::{self, Login, LoginError},
};
use doorward_domain::{
    Credential, Device, DisplayName, Email, GuessKey, PageRequest, Password, PasswordHash,
    RoleName, User, UserId,
    ports::{
        Clock, Constraint, Entropy, HashError, KeyError, PasswordHasher, Store, StoreError,
        TokenError, TokenSigner, Verdict,
    },
    session::Generation,
};
use doorward_testkit::{
    CountingEntropy, FixedClock, MemoryStore, PASSWORD, PlainHasher, PlainSigner, World,
    mock::{
        MockClock, MockEntropy, MockPasswordHasher, MockStore, MockTokenSigner, MockUnitOfWork,
    },
};
use mockall::Sequence;
use secrecy::ExposeSecret;
use time::{Duration, macros::datetime};

fn sign_up() -> Register {
    Register {
        email: Email::parse("ada@example.com").expect("a valid address"),
        password: Password::parse(PASSWORD).expect("a valid password"),
        name: DisplayName::parse("Ada Lovelace").expect("a valid name"),
    }
}

fn sign_in() -> Login {
    let Register { email, password, .. } = sign_up();
    Login { email, password, device: Device::default(), device_token: None }
}

/// A user as a store returns it.
fn ada() -> (User, Credential) {
    let now = datetime!(2026-01-01 00:00:00 UTC);
    let id = UserId::new(now, &CountingEntropy::default());
    let Register { email, name, .. } = sign_up();
    let hash = PasswordHash::from_text(format!("plain:{PASSWORD}"));
    (
        User::new(id, email, name, vec![RoleName::user()], now),
        Credential { user_id: id, hash, version: 0 },
    )
}

// ---- Fakes ----

/// Time passes only when a test says so. That makes both sides of a boundary testable.
#[tokio::test]
async fn fixed_clock() {
    let clock = FixedClock::default();
    assert_eq!(clock.now(), datetime!(2026-01-01 00:00:00 UTC));
    assert_eq!(clock.now(), clock.now());

    // `World` holds on to its clock, so a test can move it under the use cases.
    let world = World::default();
    world.registered("ada@example.com").await;
    let (tokens, actor) = world.signed_in("ada@example.com").await;
    let token = tokens.access_token.expose_secret();
    world.clock.advance(Duration::minutes(15) - Duration::MICROSECOND);
    assert_eq!(access::authenticate(&world.ctx, token), Ok(actor));
    world.clock.advance(Duration::MICROSECOND);
    assert_eq!(
        access::authenticate(&world.ctx, token),
        Err(AuthenticateError::Token(TokenError::Expired))
    );
    world.assert_consistent().await;
}

/// Ids are unique, in order, and the same in each run: a test can state them.
#[tokio::test]
async fn counting_entropy() {
    let entropy = CountingEntropy::default();
    let mut bytes = [0xff; 4];
    entropy.fill(&mut bytes);
    assert_eq!(bytes, [0, 0, 0, 1]);
    entropy.fill(&mut bytes);
    assert_eq!(bytes, [0, 0, 0, 2]);

    for _run in 0..2 {
        let world = World::default();
        let first = world.registered("ada@example.com").await;
        let second = world.registered("grace@example.com").await;
        assert_eq!(first.id.to_string(), "019b76da-a800-7000-8000-000000000001");
        // Each sign-up makes an id for the job of its mail and one for the audit trail as well.
        assert_eq!(second.id.to_string(), "019b76da-a800-7000-8000-000000000004");
        world.assert_consistent().await;
    }
}

/// Counts how often a password was hashed or checked, can be overloaded, and can make a hash that
/// should be renewed.
#[tokio::test]
async fn plain_hasher() {
    let hasher = PlainHasher::default();
    let password = Password::parse("secret").unwrap();
    let hash = hasher.hash(&password).await.unwrap();
    assert_eq!(hash.as_str(), "plain:secret");
    let outdated = PlainHasher::outdated_hash("secret");
    for (stored, verdict) in [
        (Some(&hash), Verdict::Match { outdated: false }),
        (Some(&outdated), Verdict::Match { outdated: true }),
        (None, Verdict::Mismatch),
    ] {
        let mut turn = hasher.turn().await.unwrap();
        assert_eq!(turn.verify(&password, stored).await.unwrap(), verdict);
    }
    assert_eq!(hasher.calls(), 4);

    // A use case tells its caller when to come again, and stores nothing.
    let world = World::default();
    world.hasher.set_overloaded(true);
    let refusal = account::register(&world.ctx, sign_up(), Receipt::none()).await.unwrap_err();
    let RegisterError::Failed(Failure::Hash(HashError::Overloaded { retry_after })) = refusal
    else {
        panic!("{refusal:?}");
    };
    assert_eq!(retry_after, std::time::Duration::from_secs(2));
    assert!(!world.ctx.store.user_exists().await.unwrap());
    world.assert_consistent().await;
}

/// Tokens are readable, so an assertion shows what is in them and a test can forge one.
#[tokio::test]
async fn plain_signer() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;
    let (tokens, actor) = world.signed_in("ada@example.com").await;
    let session = actor.session_id();
    assert_eq!(
        tokens.access_token.expose_secret(),
        format!(
            "access:{}:{session}:019b76da-a800-7000-8000-000000000005:1767225600:1767226500:1767225600:pwd:user",
            user.id
        )
    );
    assert_eq!(tokens.refresh_token.expose_secret(), format!("refresh:{session}:0"));

    // The same arguments give the same refresh token, and it can be read back.
    let signer = PlainSigner::default();
    let token = signer.refresh_sign(session, Generation::FIRST.next());
    assert_eq!(token.expose_secret(), format!("refresh:{session}:1"));
    assert_eq!(
        signer.refresh_verify(token.expose_secret()),
        Some((session, Generation::FIRST.next()))
    );
    world.assert_consistent().await;
}

/// A whole store without a database. It keeps the contract of the real ones, roll-back included.
/// Write through a unit of work, read back through the store.
#[tokio::test]
async fn memory_store() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let (user, credential) = ada();

    let mut work = store.begin().await.unwrap();
    work.user_insert(&user).await.unwrap();
    drop(work);
    assert_eq!(store.user_by_id(user.id).await.unwrap(), None, "dropping it has undone it");

    let mut work = store.begin().await.unwrap();
    work.user_insert(&user).await.unwrap();
    let again = work.user_insert(&user).await;
    assert!(matches!(again, Err(StoreError::Conflict(Constraint::UserEmail))), "{again:?}");
    // The conflict has left the unit of work usable.
    work.credential_insert(user.id, &credential.hash, user.created_at).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(store.credential_by_user(user.id).await.unwrap(), Some((user.clone(), credential)));

    // Two instances of the service are two worlds over one store.
    let (here, there) = (World::over(Arc::clone(&store)), World::over(store));
    let taken = account::register(&here.ctx, sign_up(), Receipt::none()).await;
    assert!(matches!(taken, Err(RegisterError::EmailTaken)), "{taken:?}");
    session::login(&there.ctx, sign_in()).await.unwrap();
    let seen = here.ctx.store.user_by_id(user.id).await.unwrap().unwrap();
    assert_eq!(seen.last_login_at, Some(datetime!(2026-01-01 00:00:00 UTC)));
    here.assert_consistent().await;
}

// ---- Mocks ----

/// A use case reads the clock once, so that everything it writes bears one time. This clock would
/// show a second reading, both by the count and by the hour.
#[tokio::test]
async fn mock_clock() {
    let mut world = World::default();
    let mut clock = MockClock::new();
    let now = datetime!(2026-06-01 12:00:00 UTC);
    clock.expect_now().times(1).return_const(now);
    world.ctx.clock = Arc::new(clock);

    let user = account::register(&world.ctx, sign_up(), Receipt::none()).await.unwrap();
    assert_eq!((user.created_at, user.updated_at), (now, now));
    assert_eq!(world.ctx.store.user_by_id(user.id).await.unwrap(), Some(user));
    world.assert_consistent().await;
}

/// Which randomness is asked for, and what becomes of it. A refused sign-up asks for none.
#[tokio::test]
async fn mock_entropy() {
    let mut world = World::default();
    let mut entropy = MockEntropy::new();
    entropy
        .expect_fill()
        .withf(|bytes| bytes.len() == 8)
        // The ids of the user, of the job that mails them, and of the audit event.
        .times(3)
        .returning(|bytes| bytes.fill(0xff));
    world.ctx.entropy = Arc::new(entropy);

    let weak = Password::parse("passwordpassword").unwrap();
    account::register(&world.ctx, Register { password: weak, ..sign_up() }, Receipt::none())
        .await
        .unwrap_err();
    let user = account::register(&world.ctx, sign_up(), Receipt::none()).await.unwrap();
    // Two bits of the random part say which variant of UUID it is (RFC 9562 §4.1).
    assert_eq!(user.id.to_string(), "019b76da-a800-7000-bfff-ffffffffffff");
    world.assert_consistent().await;
}

/// For an unknown address the hasher does the same work against no hash, once, so that the time
/// taken tells nothing. The fake could not show what it was given.
#[tokio::test]
async fn mock_password_hasher() {
    let mut world = World::default();
    let mut hasher = MockPasswordHasher::new();
    hasher
        .expect_verify()
        .withf(|password, hash| password.expose() == PASSWORD.as_bytes() && hash.is_none())
        .times(1)
        .returning(|_, _| Ok(Verdict::Mismatch));
    hasher.expect_hash().never();
    world.ctx.hasher = Arc::new(hasher);

    let refusal = session::login(&world.ctx, sign_in()).await;
    assert!(matches!(refusal, Err(LoginError::InvalidCredentials)), "{refusal:?}");
    world.assert_consistent().await;
}

/// A signer without a key: nobody is signed in half-way, because the token is made before the
/// session is committed.
#[tokio::test]
async fn mock_token_signer() {
    let mut world = World::default();
    let user = world.registered("ada@example.com").await;
    let mut signer = MockTokenSigner::new();
    signer.expect_guess_key().returning(|_| GuessKey([0; 32]));
    signer.expect_access_sign().times(1).returning(|_| Err(KeyError::NoActiveKey));
    world.ctx.signer = Arc::new(signer);

    let refusal = session::login(&world.ctx, sign_in()).await;
    assert!(
        matches!(refusal, Err(LoginError::Failed(Failure::Key(KeyError::NoActiveKey)))),
        "{refusal:?}"
    );
    let now = world.ctx.clock.now();
    let sessions =
        world.ctx.store.sessions_by_user(user.id, now, PageRequest::default()).await.unwrap();
    assert_eq!(sessions.items, []);
    assert_eq!(world.ctx.store.user_by_id(user.id).await.unwrap(), Some(user));
    world.assert_consistent().await;
}

/// A database that cannot be reached is a failure of the use case, never an answer about the
/// account: not "gone", not "wrong password".
#[tokio::test]
async fn mock_store() {
    let unavailable = || StoreError::Unavailable("connection refused".into());
    let mut store = MockStore::new();
    store.expect_user_by_id().times(1).returning(move |_| Err(unavailable()));
    store.expect_guess_counters().times(1).returning(move |_| Err(unavailable()));

    // An actor comes from a token, and checking a token reads no store.
    let elsewhere = World::default();
    elsewhere.registered("ada@example.com").await;
    let (_, actor) = elsewhere.signed_in("ada@example.com").await;

    let world = World::over(Arc::new(store));
    let shown = account::profile(&world.ctx, &actor).await;
    assert!(
        matches!(shown, Err(ProfileError::Failed(Failure::Store(StoreError::Unavailable(_))))),
        "{shown:?}"
    );
    let refusal = session::login(&world.ctx, sign_in()).await;
    assert!(
        matches!(refusal, Err(LoginError::Failed(Failure::Store(StoreError::Unavailable(_))))),
        "{refusal:?}"
    );
    assert_eq!(world.hasher.calls(), 0);
    elsewhere.assert_consistent().await;
}

/// When a write fails, nothing is committed.
#[tokio::test]
async fn mock_unit_of_work() {
    let mut work = MockUnitOfWork::new();
    work.expect_audit_append().returning(|_| Ok(()));
    work.expect_user_insert().times(1).returning(|_| Ok(()));
    work.expect_proofs_reserve().returning(|_, _, _| Ok(false));
    work.expect_credential_insert()
        .times(1)
        .returning(|_, _, _| Err(StoreError::Busy("no lock in time".into())));
    work.expect_commit().never();
    let mut store = MockStore::new();
    store.expect_begin().times(1).return_once(move || Ok(Box::new(work)));

    let world = World::over(Arc::new(store));
    let refusal = account::register(&world.ctx, sign_up(), Receipt::none()).await;
    assert!(
        matches!(refusal, Err(RegisterError::Failed(Failure::Store(StoreError::Busy(_))))),
        "{refusal:?}"
    );
}

/// A commit whose outcome is not known is a failure too: no token is handed out for it.
#[tokio::test]
async fn mock_unit_of_work_that_cannot_commit() {
    let mut work = MockUnitOfWork::new();
    work.expect_audit_append().returning(|_| Ok(()));
    work.expect_user_signed_in().returning(|_, _| Ok(true));
    work.expect_credential_is_current().returning(|_, _| Ok(true));
    work.expect_session_insert().returning(|_| Ok(()));
    work.expect_commit().times(1).return_once(|| Err(StoreError::Unavailable("gone".into())));
    let mut store = MockStore::new();
    store.expect_credential_by_email().returning(|_| Ok(Some(ada())));
    store.expect_guess_counters().returning(|keys| Ok(vec![None; keys.len()]));
    store.expect_begin().return_once(move || Ok(Box::new(work)));

    let world = World::over(Arc::new(store));
    let refusal = session::login(&world.ctx, sign_in()).await;
    assert!(
        matches!(refusal, Err(LoginError::Failed(Failure::Store(StoreError::Unavailable(_))))),
        "{refusal:?}"
    );
}

/// A sequence shows the order of the calls: rows are taken as user, credential, session, always, so
/// that two units of work never deadlock; and no password is checked while one is open.
#[tokio::test]
async fn mocks_in_sequence() {
    let (user, credential) = ada();
    let id = user.id;
    let (mut store, mut hasher) = (MockStore::new(), MockPasswordHasher::new());
    let mut work = MockUnitOfWork::new();
    work.expect_audit_append().returning(|_| Ok(()));
    // Two sequences, because the unit of work moves into the last call of the outer one.
    let (mut outside, mut inside) = (Sequence::new(), Sequence::new());
    // Whether there is such an account is not even looked up for who is locked out.
    store
        .expect_guess_counters()
        .times(1)
        .in_sequence(&mut outside)
        .returning(|keys| Ok(vec![None; keys.len()]));
    store
        .expect_credential_by_email()
        .times(1)
        .in_sequence(&mut outside)
        .return_once(move |_| Ok(Some((user, credential))));
    // Before and after the wait for a turn.
    store
        .expect_guess_counters()
        .times(2)
        .in_sequence(&mut outside)
        .returning(|keys| Ok(vec![None; keys.len()]));
    hasher
        .expect_verify()
        .times(1)
        .in_sequence(&mut outside)
        .returning(|_, _| Ok(Verdict::Match { outdated: true }));
    hasher
        .expect_hash()
        .times(1)
        .in_sequence(&mut outside)
        .returning(|_| Ok(PasswordHash::from_text("renewed".to_owned())));
    work.expect_user_signed_in()
        .withf(move |user_id, _| *user_id == id)
        .times(1)
        .in_sequence(&mut inside)
        .returning(|_, _| Ok(true));
    work.expect_credential_is_current()
        .withf(move |user_id, version| (*user_id, *version) == (id, 0))
        .times(1)
        .in_sequence(&mut inside)
        .returning(|_, _| Ok(true));
    work.expect_credential_rehash()
        .withf(|_, version, hash, _| (*version, hash.as_str()) == (0, "renewed"))
        .times(1)
        .in_sequence(&mut inside)
        .returning(|_, _, _, _| Ok(()));
    work.expect_session_insert()
        .withf(move |session| session.user_id == id)
        .times(1)
        .in_sequence(&mut inside)
        .returning(|_| Ok(()));
    work.expect_commit().times(1).in_sequence(&mut inside).return_once(|| Ok(()));
    store.expect_begin().times(1).in_sequence(&mut outside).return_once(move || Ok(Box::new(work)));

    let mut world = World::over(Arc::new(store));
    world.ctx.hasher = Arc::new(hasher);
    session::login(&world.ctx, sign_in()).await.unwrap();
}
