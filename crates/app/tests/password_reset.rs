//! Choosing another password by mail.

use doorward_app::{
    Ctx, Receipt, access,
    email_change::{self, ChangeEmail},
    password::{self, ChangePassword},
    password_reset::{self, ResetPassword, ResetPasswordError},
    proof::Presented,
    session::{self, Login, LoginError},
    user::{self, UpdateUser},
};
use doorward_domain::{
    Device, DisplayName, Email, LetterKind, Mail, Password, User, UserId, UserStatus,
    ports::ImportedUser,
};
use doorward_testkit::{PASSWORD, World, code_of, token_of};
use secrecy::ExposeSecret;
use time::Duration;

const ADA: &str = "ada@example.com";
const NEW: &str = "an entirely different passphrase";

fn email(text: &str) -> Email {
    Email::parse(text).expect("a valid address")
}

fn typed(text: &str) -> Password {
    Password::parse(text).expect("a valid password")
}

fn by_token(mail: &Mail, new: &str) -> ResetPassword {
    ResetPassword { presented: Presented::Token(token_of(mail).into()), new: typed(new) }
}

fn by_code(code: &str, new: &str) -> ResetPassword {
    let presented = Presented::Code { email: email(ADA), code: code.into() };
    ResetPassword { presented, new: typed(new) }
}

async fn login(ctx: &Ctx, password: &str) -> Result<session::Tokens, LoginError> {
    let (email, device) = (email(ADA), Device::default());
    session::login(ctx, Login { email, password: typed(password), device, device_token: None })
        .await
}

/// A person who signed up, and the mail by which they can choose another password.
async fn asked() -> (World, User, Mail) {
    let world = World::default();
    let ada = world.registered(ADA).await;
    world.mails().await;
    let mail = ask(&world).await.remove(0);
    (world, ada, mail)
}

async fn ask(world: &World) -> Vec<Mail> {
    password_reset::request(&world.ctx, &email(ADA)).await.unwrap();
    let mails = world.mails().await;
    assert!(mails.iter().all(|it| it.letter.kind() == LetterKind::ResetPassword), "{mails:?}");
    mails
}

/// Otherwise one could sign up with a stranger's address, and a few words in place of a name, and have them
/// mailed.
#[tokio::test]
async fn a_mail_to_an_address_that_nobody_has_confirmed_bears_no_name() {
    let (world, ada, mail) = asked().await;
    assert_eq!(mail.name, None);
    password_reset::confirm(&world.ctx, by_token(&mail, NEW)).await.unwrap();
    // By now its mail was read.
    let mails = [world.mails().await, ask(&world).await].concat();
    assert_eq!(mails.len(), 2);
    assert!(mails.iter().all(|mail| mail.name.as_ref() == Some(&ada.name)), "{mails:?}");
}

#[tokio::test]
async fn a_password_that_is_refused_uses_nothing_up_and_hashes_nothing() {
    let (world, _, mail) = asked().await;
    let hashed = world.hasher.calls();
    let no_proof = Presented::Token("no proof at all".into());
    for command in [
        by_token(&mail, "short"),
        by_token(&mail, "ada@example.com"),
        by_code(&code_of(&mail), "short"),
        ResetPassword { presented: no_proof, new: typed("short") },
    ] {
        let refused = password_reset::confirm(&world.ctx, command).await;
        assert!(matches!(refused, Err(ResetPasswordError::Password(_))), "{refused:?}");
    }
    assert_eq!(world.hasher.calls(), hashed);
    password_reset::confirm(&world.ctx, by_token(&mail, NEW)).await.unwrap();
}

#[tokio::test]
async fn what_proves_nothing_is_refused_before_any_hashing() {
    let (world, _, mail) = asked().await;
    let hashed = world.hasher.calls();
    let unknown =
        Presented::Code { email: email("nobody@example.com"), code: code_of(&mail).into() };
    for command in [
        by_code("00000000", NEW),
        ResetPassword { presented: Presented::Token("x".into()), new: typed(NEW) },
        ResetPassword { presented: unknown, new: typed(NEW) },
    ] {
        let refused = password_reset::confirm(&world.ctx, command).await;
        assert!(matches!(refused, Err(ResetPasswordError::Invalid)), "{refused:?}");
    }
    world.clock.advance(Duration::HOUR);
    let refused = password_reset::confirm(&world.ctx, by_token(&mail, NEW)).await;
    assert!(matches!(refused, Err(ResetPasswordError::Invalid)), "{refused:?}");
    assert_eq!(world.hasher.calls(), hashed);
    login(&world.ctx, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_reset_sets_the_password_ends_all_sessions_and_verifies_the_address() {
    let (world, ada, mail) = asked().await;
    let other = ask(&world).await.remove(0);
    let (tokens, _) = world.signed_in(ADA).await;
    password_reset::confirm(&world.ctx, by_token(&mail, NEW)).await.unwrap();

    access::authenticate(&world.ctx, tokens.access_token.expose_secret()).unwrap_err();
    session::refresh(&world.ctx, tokens.refresh_token.expose_secret()).await.unwrap_err();
    assert!(matches!(login(&world.ctx, PASSWORD).await, Err(LoginError::InvalidCredentials)));
    login(&world.ctx, NEW).await.unwrap();
    assert!(world.ctx.store.user_by_id(ada.id).await.unwrap().unwrap().email_verified);
    let notices = world.mails().await;
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].letter.kind(), LetterKind::PasswordChanged);

    for used in [by_token(&mail, PASSWORD), by_token(&other, PASSWORD)] {
        let refused = password_reset::confirm(&world.ctx, used).await;
        assert!(matches!(refused, Err(ResetPasswordError::Invalid)), "{refused:?}");
    }
    login(&world.ctx, NEW).await.unwrap();
    world.assert_consistent().await;
}

#[tokio::test]
async fn who_has_no_device_token_is_let_in_by_a_reset_whatever_strangers_guessed() {
    let (mut world, _, mail) = asked().await;
    world.ctx.policy.lockout_max = Duration::SECOND;
    for _ in 0..100 {
        let refused = login(&world.ctx, "wrong").await;
        assert!(matches!(refused, Err(LoginError::InvalidCredentials)), "{refused:?}");
        world.clock.advance(Duration::SECOND);
    }
    let refused = login(&world.ctx, PASSWORD).await;
    assert!(matches!(refused, Err(LoginError::TooManyAttempts { .. })), "{refused:?}");
    password_reset::confirm(&world.ctx, by_token(&mail, NEW)).await.unwrap();
    login(&world.ctx, NEW).await.unwrap();
}

#[tokio::test]
async fn a_code_does_it_too_and_only_once() {
    let (world, _, mail) = asked().await;
    let code = code_of(&mail);
    password_reset::confirm(&world.ctx, by_code(&code, NEW)).await.unwrap();
    password_reset::confirm(&world.ctx, by_code(&code, PASSWORD)).await.unwrap_err();
    login(&world.ctx, NEW).await.unwrap();
}

#[tokio::test]
async fn a_password_that_is_changed_meanwhile_makes_the_mail_void() {
    let (world, _, mail) = asked().await;
    let (_, actor) = world.signed_in(ADA).await;
    let command = ChangePassword { current: typed(PASSWORD), new: typed(NEW) };
    password::change(&world.ctx, &actor, command).await.unwrap();
    let refused = password_reset::confirm(&world.ctx, by_token(&mail, PASSWORD)).await;
    assert!(matches!(refused, Err(ResetPasswordError::Invalid)), "{refused:?}");
    login(&world.ctx, NEW).await.unwrap();
}

#[tokio::test]
async fn a_disabled_account_stays_disabled_and_gets_no_mail() {
    let (world, ada, mail) = asked().await;
    let admin = world.admin("admin@example.com").await;
    let by = doorward_app::grant::permit(&world.ctx, admin).await.unwrap();
    let command = UpdateUser { name: None, status: Some(UserStatus::Disabled) };
    user::update(&world.ctx, &by, ada.id, command).await.unwrap();
    assert!(ask(&world).await.is_empty());
    password_reset::confirm(&world.ctx, by_token(&mail, NEW)).await.unwrap();
    assert!(matches!(login(&world.ctx, NEW).await, Err(LoginError::AccountDisabled)));
}

#[tokio::test]
async fn who_never_had_a_password_here_gets_one() {
    let world = World::default();
    let (now, name) = (world.ctx.clock.now(), DisplayName::parse("Ada Lovelace").unwrap());
    let id = UserId::new(now, world.ctx.entropy.as_ref());
    let user = User::new(id, email(ADA), name, vec![], now);
    let mut work = world.ctx.store.begin().await.unwrap();
    work.users_import(&[ImportedUser { user, password_hash: None }]).await.unwrap();
    work.commit().await.unwrap();
    let mail = ask(&world).await.remove(0);
    password_reset::confirm(&world.ctx, by_token(&mail, NEW)).await.unwrap();
    login(&world.ctx, NEW).await.unwrap();
}

#[tokio::test]
async fn an_address_that_nobody_has_gets_no_mail_and_no_more_than_three_go_to_one() {
    let world = World::default();
    password_reset::request(&world.ctx, &email("nobody@example.com")).await.unwrap();
    assert!(world.mails().await.is_empty());
    world.registered(ADA).await;
    world.mails().await;
    let sent = [ask(&world).await, ask(&world).await, ask(&world).await, ask(&world).await];
    assert_eq!(sent.map(|mails| mails.len()), [1, 1, 1, 0]);
}

#[tokio::test]
async fn a_reset_stops_a_change_of_address_that_was_asked_for() {
    let (world, ada, mail) = asked().await;
    let (_, actor) = world.signed_in(ADA).await;
    let command = ChangeEmail { new: email("eve@example.com"), password: typed(PASSWORD) };
    email_change::request(&world.ctx, &actor, command, Receipt::none()).await.unwrap();
    let change = world.mails().await;
    let confirm = change.iter().find(|it| it.letter.kind() == LetterKind::ConfirmEmailChange);
    let confirm = Presented::Token(token_of(confirm.unwrap()).into());
    password_reset::confirm(&world.ctx, by_token(&mail, NEW)).await.unwrap();
    email_change::confirm(&world.ctx, &confirm).await.unwrap_err();
    assert_eq!(world.ctx.store.user_by_id(ada.id).await.unwrap().unwrap().email, email(ADA));
}
