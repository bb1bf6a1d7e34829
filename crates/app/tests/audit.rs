//! The audit trail: what leaves an event, and what is proved of it.

use std::{collections::BTreeSet, sync::Arc};

use doorward_app::{
    Actor, Ctx, Receipt, access,
    account::{self, RegisterError},
    audit::{self, SealError, Verified, VerifyError},
    email_change::{self, ChangeEmail},
    grant::{self, Permitted},
    import::Import,
    job, maintenance,
    password::{self, ChangePassword},
    password_reset::{self, ResetPassword},
    proof::Presented,
    role,
    session::{self, Login},
    signing_key,
    user::{self, UpdateUser},
    verification,
};
use doorward_domain::{
    AuditAction, AuditEvent, AuditFilter, AuditParty, Device, DisplayName, Email, JobError,
    JobKind, JobPayload, LetterKind, Mail, NewJob, Origin, PageLimit, PageRequest, Password,
    Permission, Role, RoleName, UserStatus,
    audit::chain::Tampering,
    ports::{AuditSealer, ImportDigest, Store},
    role::RoleDescription,
};
use doorward_testkit::{PASSWORD, PlainSealer, World, mock::MockStore, token_of};
use secrecy::{ExposeSecret, SecretString};
use time::Duration;

/// All events, oldest first.
async fn events(world: &World) -> Vec<AuditEvent> {
    let limit = PageLimit::new(200).unwrap();
    let filter = AuditFilter::default();
    let page = world.ctx.store.audit_events(&filter, PageRequest { limit, after: None }).await;
    let mut events = page.unwrap().items;
    events.reverse();
    events
}

fn sign_up(email: &str) -> account::Register {
    let email = Email::parse(email).unwrap();
    let name = DisplayName::parse("Ada Lovelace").unwrap();
    account::Register { email, password: Password::parse(PASSWORD).unwrap(), name }
}

fn login(email: &str, password: &str) -> Login {
    let password = Password::parse(password).unwrap();
    Login {
        email: Email::parse(email).unwrap(),
        password,
        device: Device::default(),
        device_token: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "the test is the command line")]
fn console<P>() -> Permitted<P> {
    Permitted::at_console()
}

async fn permitted<P: grant::Needed>(world: &World, actor: Actor) -> Permitted<P> {
    grant::permit(&world.ctx, actor).await.unwrap()
}

async fn retry_and_delete_a_job(world: &World, admin: Actor) {
    let (ctx, kind) = (&world.ctx, JobKind::parse("test").unwrap());
    let job = NewJob::new(kind.clone(), JobPayload::empty(), ctx.clock.now(), ctx.entropy.as_ref());
    let mut work = ctx.store.begin().await.unwrap();
    assert!(work.job_enqueue(&job).await.unwrap());
    work.commit().await.unwrap();
    let claim = ctx.store.jobs_claim(&[kind], 1, Duration::MINUTE, ctx.clock.now()).await.unwrap();
    job::fail(ctx, &claim.taken[0], &JobError::new("out of luck")).await.unwrap();
    let by = permitted(world, admin).await;
    job::retry(ctx, &by, job.id).await.unwrap();
    job::delete(ctx, &by, job.id).await.unwrap();
}

#[tokio::test]
async fn a_refused_sign_in_leaves_the_same_for_an_account_that_is_there_and_one_that_is_not() {
    let mut world = World::default();
    let user = world.registered("ada@example.com").await;
    let device = Device { ip: Some("192.0.2.1".to_owned()), user_agent: None };
    let origin = Origin { device, request_id: Some("r".to_owned()) };
    world.ctx = world.ctx.asked_from(origin.clone());
    for address in ["ada@example.com", "nobody@example.com"] {
        session::login(&world.ctx, login(address, "wrong")).await.unwrap_err();
    }
    let events = events(&world).await;
    let [_, known, unknown] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(known.subject, Some(AuditParty::user(user.id)));
    assert_eq!(known.data, r#"{"reason":"wrong password"}"#);
    assert_eq!(unknown.subject, None);
    assert_eq!(unknown.data, r#"{"reason":"unknown address"}"#);
    for event in [known, unknown] {
        assert_eq!((event.action.as_str(), &event.actor), ("login.failed", &None));
        assert_eq!(event.origin, origin);
    }
}

#[tokio::test]
async fn what_cannot_be_written_down_does_not_happen() {
    let mut world = World::default();
    let actor = world.admin("admin@example.com").await;
    let by = permitted(&world, actor).await;
    let mut store = MockStore::new();
    store.expect_begin().returning(|| Err(doorward_domain::ports::StoreError::Busy("full".into())));
    world.ctx.store = std::sync::Arc::new(store) as std::sync::Arc<dyn Store>;
    user::begin_export(&world.ctx, &by, false).await.unwrap_err();
}

/// Everything that is done by mail; the tokens and codes that were mailed.
async fn every_flow(world: &World) -> Vec<String> {
    let ctx = &world.ctx;
    let address = Email::parse("bob@example.com").unwrap();
    world.registered("bob@example.com").await;
    verification::request(ctx, &address).await.unwrap();
    password_reset::request(ctx, &address).await.unwrap();
    let mut mails = world.mails().await;
    let of = |mails: &[Mail], letter| {
        let mail = mails.iter().find(|it| it.letter.kind() == letter).unwrap();
        SecretString::from(token_of(mail))
    };
    let token = Presented::Token(of(&mails, LetterKind::VerifyEmail));
    verification::verify(ctx, &token).await.unwrap();
    verification::verify(ctx, &token).await.unwrap_err();
    let presented = Presented::Token(of(&mails, LetterKind::ResetPassword));
    let new = Password::parse(PASSWORD).unwrap();
    password_reset::confirm(ctx, ResetPassword { presented, new }).await.unwrap();
    let (_, actor) = world.signed_in("bob@example.com").await;
    let (new, password) = (Email::parse("bob@example.org").unwrap(), Password::parse(PASSWORD));
    let command = ChangeEmail { new, password: password.unwrap() };
    email_change::request(ctx, &actor, command, Receipt::none()).await.unwrap();
    let change = world.mails().await;
    let token = of(&change, LetterKind::ConfirmEmailChange);
    email_change::confirm(ctx, &Presented::Token(token)).await.unwrap();
    email_change::cancel(ctx, of(&change, LetterKind::EmailChangeRequested)).await.unwrap();
    mails.extend(change);
    let is_proof = |mail: &&Mail| {
        !matches!(mail.letter.kind(), LetterKind::Welcome | LetterKind::PasswordChanged)
    };
    mails.iter().filter(is_proof).map(token_of).collect()
}

/// One trail in which everything happens that can leave an event. What holds for all events is checked
/// on it.
#[tokio::test]
async fn every_action_is_produced_and_none_gives_a_secret_away() {
    let world = World::default();
    let ctx = &world.ctx;
    let admin = world.admin("admin@example.com").await;
    let ada = world.registered("ada@example.com").await;
    let again = account::register(ctx, sign_up("ada@example.com"), Receipt::none()).await;
    assert!(matches!(again, Err(RegisterError::EmailTaken)));
    for _ in 0..5 {
        session::login(ctx, login("ada@example.com", "wrong")).await.unwrap_err();
    }
    world.clock.advance(Duration::seconds(1));

    // A refresh token that is used again after its successor was.
    let (tokens, _) = world.signed_in("ada@example.com").await;
    let stolen = tokens.refresh_token.expose_secret();
    let next = session::refresh(ctx, stolen).await.unwrap();
    session::refresh(ctx, next.refresh_token.expose_secret()).await.unwrap();
    session::refresh(ctx, stolen).await.unwrap_err();

    let (_, actor) = world.signed_in("ada@example.com").await;
    let (_, other) = world.signed_in("ada@example.com").await;
    session::revoke(ctx, &actor, other.session_id()).await.unwrap();
    let new = "four other words in a row";
    for current in ["wrong", PASSWORD] {
        let current = Password::parse(current).unwrap();
        let command = ChangePassword { current, new: Password::parse(new).unwrap() };
        let _ = password::change(ctx, &actor, command).await;
    }
    session::logout(ctx, &actor).await.unwrap();
    let secrets = every_flow(&world).await;

    let name = RoleName::parse("support").unwrap();
    let (description, permissions) = (RoleDescription::default(), [].into());
    let support = Role { name: name.clone(), description, permissions };
    let by = permitted(&world, admin).await;
    role::put(ctx, &by, &support).await.unwrap();
    role::put(ctx, &by, &support).await.unwrap();
    user::set_roles(ctx, &by, ada.id, std::slice::from_ref(&name)).await.unwrap();
    role::delete(ctx, &by, &name).await.unwrap();
    let by = permitted(&world, admin).await;
    for status in [UserStatus::Disabled, UserStatus::Active] {
        let name = Some(DisplayName::parse("Ada King").unwrap());
        let command = UpdateUser { name, status: Some(status) };
        user::update(ctx, &by, ada.id, command).await.unwrap();
    }
    user::delete(ctx, &by, ada.id).await.unwrap();
    user::begin_export(ctx, &console(), true).await.unwrap();
    grant::note_refusal(ctx, &admin, &Permission::USERS_READ).await.unwrap();
    retry_and_delete_a_job(&world, admin).await;

    let file = ImportDigest([7; 32]);
    let import = Import::begin(ctx, (&console(), &console()), file, false).await.unwrap();
    import.finish(ctx).await.unwrap();
    signing_key::ensure(ctx).await.unwrap();
    signing_key::rewrap(ctx).await.unwrap();
    signing_key::rotate_now(ctx).await.unwrap();

    audit::seal(&with_secret(&world, 9, &[])).await.unwrap();
    audit::vouch(ctx).await.unwrap();
    let before = events(&world).await;
    audit::seal(ctx).await.unwrap();
    world.clock.advance(Duration::days(366));
    maintenance::prune(ctx).await.unwrap();
    let after = events(&world).await;

    let all = || before.iter().chain(&after);
    let seen: BTreeSet<&str> = all().map(|event| event.action.as_str()).collect();
    let known: BTreeSet<&str> = AuditAction::ALL.iter().map(|action| action.as_str()).collect();
    assert_eq!(seen, known);
    for event in all() {
        let told = format!("{event:?}");
        for secret in ["@example.com", PASSWORD, new, stolen, "wrong\""] {
            assert!(!told.contains(secret), "{told}");
        }
        assert!(secrets.iter().all(|secret| !told.contains(secret)), "{told}");
    }
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_routine_refresh_leaves_nothing() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (tokens, _) = world.signed_in("ada@example.com").await;
    let before = events(&world).await;
    let next = session::refresh(&world.ctx, tokens.refresh_token.expose_secret()).await.unwrap();
    access::authenticate(&world.ctx, next.access_token.expose_secret()).unwrap();
    assert_eq!(events(&world).await, before);
}

#[tokio::test]
async fn pruning_takes_what_was_kept_long_enough_and_the_rest_is_still_proved() {
    let world = World::default();
    let ctx = &world.ctx;
    for day in [0, 1, 364] {
        world.clock.advance(Duration::days(day));
        world.registered(&format!("ada{day}@example.com")).await;
        assert_eq!(audit::seal(ctx).await.unwrap(), 1);
        assert_eq!(audit::seal(ctx).await.unwrap(), 0, "there is nothing left to seal");
    }
    // The first one was sealed 365 days ago, the second one a day less.
    maintenance::prune(ctx).await.unwrap();
    let proved = audit::verify(ctx, |_| {}).await.unwrap();
    let end = proved.end;
    assert_eq!(proved, Verified { events: 2, seals: 2, unsealed: 1, pruned: 1, end });
    let left = events(&world).await;
    assert_eq!(left.last().unwrap().action, "audit.pruned");
    assert_eq!(left.last().unwrap().actor, Some(AuditParty::system()));
    maintenance::prune(ctx).await.unwrap();
    assert_eq!(events(&world).await, left, "there is nothing left to prune");

    let kept = World::default();
    let mut ctx = kept.ctx.clone();
    ctx.policy.audit_retention = None;
    kept.registered("ada@example.com").await;
    audit::seal(&ctx).await.unwrap();
    kept.clock.advance(Duration::days(36_500));
    maintenance::prune(&ctx).await.unwrap();
    assert_eq!(events(&kept).await.len(), 1, "for ever");
}

/// An installation over the same store, with this `auth.secret`, and these from before.
fn with_secret(world: &World, secret: u8, previous: &'static [u8]) -> Ctx {
    Ctx { sealer: Arc::new(Secret { secret, previous }), ..world.ctx.clone() }
}

fn forged<T: std::fmt::Debug>(refused: &Result<T, VerifyError>) -> Option<i64> {
    match refused {
        Err(VerifyError::Tampered(Tampering::SealForged { seal })) => Some(*seal),
        _ => None,
    }
}

#[tokio::test]
async fn nothing_is_sealed_on_top_of_a_seal_that_is_nobodys() {
    let world = World::default();
    let server = with_secret(&world, 1, &[]);
    world.registered("ada@example.com").await;
    audit::seal(&with_secret(&world, 9, &[])).await.unwrap();
    assert_eq!(forged(&audit::verify(&server, |_| {}).await), Some(1));
    world.registered("ben@example.com").await;
    let refused = audit::seal(&server).await;
    assert!(matches!(refused, Err(SealError::Forged { seal: 1 })), "{refused:?}");
    let proved = audit::verify(&server, |_| {}).await;
    assert_eq!(forged(&proved), Some(1), "the server has not made it sound");

    // Unless an operator says that the secret is lost.
    assert_eq!(audit::vouch(&server).await.unwrap(), Some(1));
    assert_eq!(audit::seal(&server).await.unwrap(), 2);
    assert_eq!(audit::verify(&server, |_| {}).await.unwrap().seals, 2);
    assert_eq!(audit::vouch(&server).await.unwrap(), None);
}

#[tokio::test]
async fn the_secret_can_be_changed_and_the_former_one_be_forgotten() {
    let world = World::default();
    world.registered("ada@example.com").await;
    audit::seal(&with_secret(&world, 1, &[])).await.unwrap();
    world.registered("ben@example.com").await;
    audit::seal(&with_secret(&world, 2, &[1])).await.unwrap();
    let server = with_secret(&world, 2, &[]);
    assert_eq!(audit::verify(&server, |_| {}).await.unwrap().seals, 2);
    world.registered("cy@example.com").await;
    audit::seal(&server).await.unwrap();
    // Seals whose own secret is forgotten are pruned because of those that came after.
    world.clock.advance(Duration::days(366));
    maintenance::prune(&server).await.unwrap();
    let proved = audit::verify(&server, |_| {}).await.unwrap();
    assert_eq!((proved.seals, proved.pruned, proved.unsealed), (0, 3, 1));
    assert_eq!(audit::seal(&server).await.unwrap(), 1);
    assert_eq!(audit::verify(&server, |_| {}).await.unwrap().seals, 1);
}

#[tokio::test]
async fn a_lost_secret_is_replaced_also_under_a_checkpoint() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let before = with_secret(&world, 1, &[]);
    audit::seal(&before).await.unwrap();
    world.clock.advance(Duration::days(366));
    maintenance::prune(&before).await.unwrap();
    let server = with_secret(&world, 2, &[]);
    let refused = audit::seal(&server).await;
    assert!(matches!(refused, Err(SealError::Forged { seal: 1 })), "{refused:?}");
    assert_eq!(audit::vouch(&server).await.unwrap(), Some(1));
    assert_eq!(audit::seal(&server).await.unwrap(), 2);
    assert_eq!(audit::verify(&server, |_| {}).await.unwrap().pruned, 1);
}

#[tokio::test]
async fn what_an_intruder_sealed_in_the_past_is_not_pruned() {
    let world = World::default();
    world.registered("ada@example.com").await;
    audit::seal(&with_secret(&world, 9, &[])).await.unwrap();
    world.clock.advance(Duration::days(366));
    let server = with_secret(&world, 1, &[]);
    maintenance::prune(&server).await.unwrap();
    assert_eq!(events(&world).await.len(), 1, "no checkpoint vouches for it");
    assert_eq!(forged(&audit::verify(&server, |_| {}).await), Some(1));
}

/// The same digests whatever the secret, and signatures that need it.
struct Secret {
    secret: u8,
    previous: &'static [u8],
}

impl Secret {
    fn sign_by(&self, secret: u8, octets: &[u8]) -> [u8; 32] {
        self.digest(&[&[secret], octets].concat())
    }
}

impl AuditSealer for Secret {
    fn digest(&self, octets: &[u8]) -> [u8; 32] {
        PlainSealer.digest(octets)
    }

    fn sign(&self, octets: &[u8]) -> [u8; 32] {
        self.sign_by(self.secret, octets)
    }

    fn verify(&self, octets: &[u8], signature: &[u8; 32]) -> bool {
        let mut known = self.previous.iter().chain([&self.secret]);
        known.any(|secret| self.sign_by(*secret, octets) == *signature)
    }
}
