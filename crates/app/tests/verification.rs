//! Showing that an address is one's own, and what has to do with mailing it.

use doorward_app::{
    Failure, Receipt,
    account::{self, Register, RegisterError},
    bootstrap, maintenance,
    proof::{Presented, ProofError},
    session::{self, Login, LoginError},
    user::{self, UpdateUser},
    verification,
};
use doorward_domain::{
    Device, DisplayName, Email, JobFilter, JobState, Letter, LetterKind, Mail, PageRequest,
    Password, UserStatus,
    email_proof::CODE_TRIES_MAX,
    ports::{MailError, StoreError},
};
use doorward_testkit::{PASSWORD, World, code_of, token_of};
use secrecy::SecretString;
use time::Duration;

const ADA: &str = "ada@example.com";

fn email(text: &str) -> Email {
    Email::parse(text).expect("a valid address")
}

fn sign_up(address: &str) -> Register {
    Register {
        email: email(address),
        password: Password::parse(PASSWORD).unwrap(),
        name: DisplayName::parse("Ada Lovelace").unwrap(),
    }
}

fn token(mail: &Mail) -> Presented {
    Presented::Token(token_of(mail).into())
}

fn code(address: &str, code: impl Into<SecretString>) -> Presented {
    Presented::Code { email: email(address), code: code.into() }
}

fn letters(mails: &[Mail]) -> Vec<(LetterKind, &str)> {
    mails.iter().map(|mail| (mail.letter.kind(), mail.to.as_given())).collect()
}

async fn verify(world: &World, presented: &Presented) -> Result<(), ProofError> {
    verification::verify(&world.ctx, presented).await
}

async fn login(world: &World, password: &str) -> Result<session::Tokens, LoginError> {
    let password = Password::parse(password).unwrap();
    let command =
        Login { email: email(ADA), password, device: Device::default(), device_token: None };
    session::login(&world.ctx, command).await
}

async fn is_verified(world: &World) -> bool {
    world.ctx.store.user_by_email(&email(ADA)).await.unwrap().unwrap().email_verified
}

async fn jobs_in(world: &World, state: JobState) -> Vec<doorward_domain::Job> {
    let filter = JobFilter { state: Some(state), kind: None };
    world.ctx.store.jobs(&filter, PageRequest::default()).await.unwrap().items
}

#[tokio::test]
async fn whatever_was_not_mailed_is_refused() {
    let world = World::default();
    world.registered(ADA).await;
    let mails = world.mails().await;
    let (sent, right) = (token_of(&mails[0]), code_of(&mails[0]));
    let unknown = "verify_email:019b76da-a87b-774b-8000-00000000ffff";
    for presented in [
        Presented::Token(String::new().into()),
        Presented::Token(unknown.into()),
        Presented::Token(sent.replace("verify_email", "reset_password").into()),
        Presented::Token("a".repeat(100_000).into()),
        code("nobody@example.com", &*right),
        code(ADA, "00000000"),
        code(ADA, ""),
    ] {
        let refused = verify(&world, &presented).await;
        assert!(matches!(refused, Err(ProofError::Invalid)), "{presented:?}");
    }
    assert!(!is_verified(&world).await);
}

#[tokio::test]
async fn signing_up_mails_one_proof_that_works_once() {
    let world = World::default();
    let ada = world.registered("Ada@example.com").await;
    let mails = world.mails().await;
    assert_eq!(letters(&mails), [(LetterKind::VerifyEmail, "Ada@example.com")]);
    let Letter::VerifyEmail(proof) = &mails[0].letter else { panic!("{:?}", mails[0]) };
    assert_eq!((proof.link_lives, proof.code_lives), (Duration::DAY, Duration::minutes(10)));
    assert_eq!(mails[0].at, ada.created_at);

    verify(&world, &token(&mails[0])).await.unwrap();
    assert!(is_verified(&world).await);
    assert_eq!(letters(&world.mails().await), [(LetterKind::Welcome, "Ada@example.com")]);
    for presented in [token(&mails[0]), code(ADA, code_of(&mails[0]))] {
        assert!(matches!(verify(&world, &presented).await, Err(ProofError::Invalid)));
    }
    assert_eq!(letters(&world.mails().await), []);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_code_verifies_the_address_in_whatever_form() {
    let world = World::default();
    world.registered(ADA).await;
    let mails = world.mails().await;
    verify(&world, &code("ADA@example.com", code_of(&mails[0]))).await.unwrap();
    assert!(is_verified(&world).await);
    assert!(matches!(verify(&world, &token(&mails[0])).await, Err(ProofError::Invalid)));
}

#[tokio::test]
async fn after_so_many_wrong_codes_the_right_one_is_refused_and_the_link_still_works() {
    let world = World::default();
    world.registered(ADA).await;
    let mails = world.mails().await;
    for _ in 0..CODE_TRIES_MAX {
        verify(&world, &code(ADA, "x")).await.unwrap_err();
    }
    verify(&world, &code(ADA, code_of(&mails[0]))).await.unwrap_err();
    verify(&world, &token(&mails[0])).await.unwrap();
}

#[tokio::test]
async fn a_code_is_over_before_its_link_and_both_are_over_at_their_end() {
    let world = World::default();
    world.registered(ADA).await;
    let mails = world.mails().await;
    world.clock.advance(Duration::minutes(10));
    verify(&world, &code(ADA, code_of(&mails[0]))).await.unwrap_err();
    world.clock.advance(Duration::DAY - Duration::minutes(10));
    verify(&world, &token(&mails[0])).await.unwrap_err();
    assert!(!is_verified(&world).await);
}

#[tokio::test]
async fn asking_again_leaves_the_same_for_every_address_and_mails_only_who_needs_it() {
    let world = World::default();
    world.registered(ADA).await;
    world.registered("verified@example.com").await;
    let mails = world.mails().await;
    verify(&world, &token(&mails[1])).await.unwrap();
    world.mails().await;
    for address in ["ADA@example.com", "verified@example.com", "nobody@example.com"] {
        let before = jobs_in(&world, JobState::Ready).await.len();
        verification::request(&world.ctx, &email(address)).await.unwrap();
        assert_eq!(jobs_in(&world, JobState::Ready).await.len(), before + 1, "{address}");
    }
    // To the address as it is stored, whatever was typed.
    assert_eq!(letters(&world.mails().await), [(LetterKind::VerifyEmail, ADA)]);
}

#[tokio::test]
async fn three_mails_an_hour_go_to_an_address_that_of_the_sign_up_included() {
    let world = World::default();
    world.registered(ADA).await;
    for _ in 0..5 {
        verification::request(&world.ctx, &email(ADA)).await.unwrap();
    }
    let mails = world.mails().await;
    assert_eq!(letters(&mails), [(LetterKind::VerifyEmail, ADA); 3]);
    // Each of them works, until one was used.
    verify(&world, &code(ADA, code_of(&mails[1]))).await.unwrap();
    verify(&world, &token(&mails[2])).await.unwrap_err();
}

#[tokio::test]
async fn an_hour_later_there_is_another_mail_though_old_proofs_were_pruned() {
    let mut world = World::default();
    world.ctx.policy.proofs.verification = Duration::MINUTE;
    let ada = world.registered(ADA).await.email;
    let ask = || verification::request(&world.ctx, &ada);
    ask().await.unwrap();
    ask().await.unwrap();
    assert_eq!(world.mails().await.len(), 3);
    for (wait, expected) in [(Duration::minutes(59), 0), (Duration::MINUTE, 1)] {
        world.clock.advance(wait);
        maintenance::prune(&world.ctx).await.unwrap();
        ask().await.unwrap();
        assert_eq!(world.mails().await.len(), expected, "after {wait}");
    }
}

#[tokio::test]
async fn a_mail_that_may_have_arrived_is_sent_again_as_it_was() {
    let world = World::default();
    world.registered(ADA).await;
    world.mailer.refuse(MailError::Temporary("no word from ada@example.com".into()));
    assert_eq!(letters(&world.mails().await), []);
    let waiting = jobs_in(&world, JobState::Retrying).await;
    let error = waiting[0].last_error.as_ref().unwrap().as_str();
    assert_eq!(error, "the mail server cannot take the mail now: no word from …");

    world.clock.advance(Duration::minutes(15));
    let mails = world.mails().await;
    assert_eq!(mails[0].id, waiting[0].id.as_uuid());
    let Letter::VerifyEmail(proof) = &mails[0].letter else { panic!("{:?}", mails[0]) };
    // The link has lived for a while; the code begins anew.
    assert_eq!(proof.link_lives, Duration::DAY - Duration::minutes(15));
    assert_eq!(proof.code_lives, Duration::minutes(10));
    world.clock.advance(Duration::minutes(9));
    verify(&world, &code(ADA, code_of(&mails[0]))).await.unwrap();
}

#[tokio::test]
async fn what_is_over_or_of_no_use_is_not_mailed_any_more() {
    let world = World::default();
    world.registered(ADA).await;
    world.mailer.refuse(MailError::Temporary("down".into()));
    assert_eq!(letters(&world.mails().await), []);
    world.clock.advance(Duration::DAY);
    assert_eq!(letters(&world.mails().await), []);
    assert_eq!(jobs_in(&world, JobState::Retrying).await, []);
    assert_eq!(jobs_in(&world, JobState::Dead).await, []);
}

#[tokio::test]
async fn a_mail_is_there_within_a_minute_of_the_end_of_an_outage_however_long_that_was() {
    let world = World::default();
    world.registered(ADA).await;
    for _ in 0..100 {
        world.mailer.refuse(MailError::Temporary("down".into()));
        assert_eq!(letters(&world.mails().await), []);
        world.clock.advance(Duration::seconds(45));
    }
    assert_eq!(letters(&world.mails().await), [(LetterKind::VerifyEmail, ADA)]);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_again_and_again_is_a_dead_job_that_says_why() {
    let world = World::default();
    world.registered(ADA).await;
    for _ in 0..4 {
        assert_eq!(jobs_in(&world, JobState::Dead).await, []);
        world.mailer.refuse(MailError::Refused("550 no such mailbox".into()));
        assert_eq!(letters(&world.mails().await), []);
        world.clock.advance(Duration::minutes(20));
    }
    let dead = jobs_in(&world, JobState::Dead).await;
    let error = dead[0].last_error.as_ref().unwrap().as_str();
    assert_eq!(error, "the mail server refused the mail: 550 no such mailbox");
}

#[tokio::test]
async fn nobody_signs_in_unverified_where_that_is_required_and_only_who_knows_the_password_is_told()
{
    let mut world = World::default();
    world.ctx.policy.require_verified_email = true;
    world.registered(ADA).await;
    let wrong = login(&world, "wrong").await;
    assert!(matches!(wrong, Err(LoginError::InvalidCredentials)));
    assert!(matches!(login(&world, PASSWORD).await, Err(LoginError::EmailNotVerified)));
    let mails = world.mails().await;
    verify(&world, &token(&mails[0])).await.unwrap();
    login(&world, PASSWORD).await.unwrap();
    // Whoever makes an administrator at the console vouches for the address.
    let admin = bootstrap::create_admin(&world.ctx, sign_up("admin@example.com")).await.unwrap();
    assert!(admin.email_verified);
    world.signed_in("admin@example.com").await;
    assert_eq!(letters(&world.mails().await), [(LetterKind::Welcome, ADA)]);
}

#[tokio::test]
async fn a_disabled_account_gets_no_mail_when_somebody_asks() {
    let world = World::default();
    let ada = world.registered(ADA).await;
    world.mails().await;
    let admin = world.admin("admin@example.com").await;
    let by = doorward_app::grant::permit(&world.ctx, admin).await.unwrap();
    let command = UpdateUser { name: None, status: Some(UserStatus::Disabled) };
    user::update(&world.ctx, &by, ada.id, command).await.unwrap();
    verification::request(&world.ctx, &email(ADA)).await.unwrap();
    assert_eq!(letters(&world.mails().await), []);
}

#[tokio::test]
async fn who_has_an_account_is_told_by_mail_alone_where_that_is_concealed() {
    let mut world = World::default();
    world.registered(ADA).await;
    world.mails().await;
    let refused = account::register(&world.ctx, sign_up("ADA@example.com"), Receipt::none()).await;
    assert!(matches!(refused, Err(RegisterError::EmailTaken)));
    assert_eq!(letters(&world.mails().await), [], "they were told in the answer");

    world.ctx.policy.conceal_existing = true;
    for address in ["ADA@example.com", "new@example.com", "ADA@example.com", "ADA@example.com"] {
        let now = |_| std::future::ready(());
        account::register_concealed(&world.ctx, sign_up(address), Receipt::none(), now)
            .await
            .unwrap();
    }
    // Three mails went to the address with that of its own sign-up.
    assert_eq!(
        letters(&world.mails().await),
        [
            (LetterKind::AlreadySignedUp, ADA),
            (LetterKind::VerifyEmail, "new@example.com"),
            (LetterKind::AlreadySignedUp, ADA),
        ]
    );
}

#[tokio::test]
async fn a_store_that_fails_is_told_as_such() {
    let mut world = World::default();
    let mut store = doorward_testkit::mock::MockStore::new();
    store.expect_proofs_with_code().returning(|_, _, _| Ok(Vec::new()));
    store.expect_guess_counters().returning(|keys| Ok(vec![None; keys.len()]));
    store.expect_begin().returning(|| Err(StoreError::Busy("full".into())));
    world.ctx.store = std::sync::Arc::new(store);
    let failed = verify(&world, &code(ADA, "12345678")).await;
    assert!(matches!(failed, Err(ProofError::Failed(Failure::Store(StoreError::Busy(_))))));
    verification::request(&world.ctx, &email(ADA)).await.unwrap_err();
}
