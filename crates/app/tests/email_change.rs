//! Giving an account another address.

use doorward_app::{
    Actor, Receipt, access,
    account::{self, RegisterError},
    email_change::{self, ChangeEmail, ChangeEmailError, SettleChangeError},
    password::{self, ChangePassword},
    password_reset::{self, ResetPassword},
    proof::Presented,
    session,
};
use doorward_domain::{DisplayName, Email, LetterKind, Mail, Password, UserId};
use doorward_testkit::{PASSWORD, World, token_of};
use secrecy::ExposeSecret;
use time::Duration;

const OLD: &str = "ada@example.com";
const NEW: &str = "ada@example.org";

fn email(text: &str) -> Email {
    Email::parse(text).expect("a valid address")
}

async fn request(
    world: &World,
    actor: &Actor,
    new: &str,
    password: &str,
) -> Result<(), ChangeEmailError> {
    let command = ChangeEmail { new: email(new), password: Password::parse(password).unwrap() };
    email_change::request(&world.ctx, actor, command, Receipt::none()).await
}

/// The mails of a change: the one to the new address, if it got one, and the one to the present one.
async fn asked(world: &World, actor: &Actor, new: &str) -> (Option<Mail>, Mail) {
    request(world, actor, new, PASSWORD).await.unwrap();
    let mails = world.mails().await;
    let find = |kind| mails.iter().find(|mail| mail.letter.kind() == kind).cloned();
    let notice = find(LetterKind::EmailChangeRequested).expect("the present address is told");
    (find(LetterKind::ConfirmEmailChange), notice)
}

async fn confirm(world: &World, mail: &Mail) -> Result<(), SettleChangeError> {
    email_change::confirm(&world.ctx, &Presented::Token(token_of(mail).into())).await
}

async fn cancel(world: &World, mail: &Mail) -> Result<(), SettleChangeError> {
    email_change::cancel(&world.ctx, token_of(mail).into()).await
}

async fn address(world: &World, id: UserId) -> String {
    world.ctx.store.user_by_id(id).await.unwrap().unwrap().email.as_given().to_owned()
}

async fn signed_up(world: &World, address: &str) -> Actor {
    world.registered(address).await;
    let (_, actor) = world.signed_in(address).await;
    world.mails().await;
    actor
}

#[tokio::test]
async fn a_wrong_password_asks_nothing() {
    let world = World::default();
    let ada = signed_up(&world, OLD).await;
    let refused = request(&world, &ada, NEW, "wrong").await;
    assert!(matches!(refused, Err(ChangeEmailError::WrongPassword)));
    assert!(world.mails().await.is_empty());
}

#[tokio::test]
async fn a_right_password_is_no_wrong_guess_although_enough_mails_went_out() {
    let world = World::default();
    let ada = signed_up(&world, OLD).await;
    for mails in [2, 2, 2, 0, 0] {
        for _ in 0..4 {
            let refused = request(&world, &ada, NEW, "wrong").await;
            assert!(matches!(refused, Err(ChangeEmailError::WrongPassword)), "{refused:?}");
        }
        request(&world, &ada, NEW, PASSWORD).await.unwrap();
        assert_eq!(world.mails().await.len(), mails);
    }
}

#[tokio::test]
async fn the_address_changes_when_the_new_one_was_confirmed_and_not_before() {
    let world = World::default();
    let ada = signed_up(&world, OLD).await;
    let (question, notice) = asked(&world, &ada, "Ada@Example.org").await;
    let question = question.unwrap();
    assert_eq!(question.to.as_given(), "Ada@Example.org");
    assert_eq!(notice.to.as_given(), OLD);
    assert_eq!(address(&world, ada.user_id()).await, OLD);
    // Neither token does the other's work.
    confirm(&world, &notice).await.unwrap_err();
    cancel(&world, &question).await.unwrap_err();

    confirm(&world, &question).await.unwrap();
    let user = world.ctx.store.user_by_id(ada.user_id()).await.unwrap().unwrap();
    assert_eq!((user.email.as_given(), user.email_verified), ("Ada@Example.org", true));
    confirm(&world, &question).await.unwrap_err();
    world.signed_in(NEW).await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn what_was_mailed_to_the_old_address_opens_nothing_when_it_is_the_old_one() {
    let world = World::default();
    let ada = signed_up(&world, OLD).await;
    password_reset::request(&world.ctx, &email(OLD)).await.unwrap();
    let reset = world.mails().await.remove(0);
    let (question, _) = asked(&world, &ada, NEW).await;
    confirm(&world, &question.unwrap()).await.unwrap();
    let presented = Presented::Token(token_of(&reset).into());
    let new = Password::parse("an entirely different passphrase").unwrap();
    let command = ResetPassword { presented, new };
    password_reset::confirm(&world.ctx, command).await.unwrap_err();
}

#[tokio::test]
async fn an_address_that_somebody_has_gets_no_mail_and_nobody_is_told() {
    let world = World::default();
    signed_up(&world, NEW).await;
    let ada = signed_up(&world, OLD).await;
    let (question, _) = asked(&world, &ada, NEW).await;
    assert!(question.is_none());
}

#[tokio::test]
async fn an_address_that_was_taken_meanwhile_is_a_conflict_that_uses_nothing_up() {
    let world = World::default();
    let ada = signed_up(&world, OLD).await;
    let (question, _) = asked(&world, &ada, NEW).await;
    let question = question.unwrap();
    let other = world.registered(NEW).await;
    let taken = confirm(&world, &question).await;
    assert!(matches!(taken, Err(SettleChangeError::EmailTaken)));
    let mut work = world.ctx.store.begin().await.unwrap();
    work.user_delete(other.id).await.unwrap();
    work.commit().await.unwrap();
    confirm(&world, &question).await.unwrap();
}

#[tokio::test]
async fn asking_again_replaces_what_was_asked_for_before() {
    let world = World::default();
    let ada = signed_up(&world, OLD).await;
    let (first, _) = asked(&world, &ada, NEW).await;
    let (second, _) = asked(&world, &ada, "ada@example.net").await;
    confirm(&world, &first.unwrap()).await.unwrap_err();
    confirm(&world, &second.unwrap()).await.unwrap();
    assert_eq!(address(&world, ada.user_id()).await, "ada@example.net");
}

#[tokio::test]
async fn so_many_changes_are_asked_for_in_an_hour_and_no_more() {
    let world = World::default();
    let ada = signed_up(&world, OLD).await;
    let mut last = None;
    for _ in 0..3 {
        last = asked(&world, &ada, NEW).await.0;
    }
    request(&world, &ada, "ada@example.net", PASSWORD).await.unwrap();
    assert!(world.mails().await.is_empty());
    // What was asked for before still stands.
    confirm(&world, &last.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_change_is_stopped_before_it_was_confirmed() {
    let world = World::default();
    let ada = signed_up(&world, OLD).await;
    let (tokens, _) = world.signed_in(OLD).await;
    let (question, notice) = asked(&world, &ada, NEW).await;
    cancel(&world, &notice).await.unwrap();
    confirm(&world, &question.unwrap()).await.unwrap_err();
    cancel(&world, &notice).await.unwrap_err();
    assert_eq!(address(&world, ada.user_id()).await, OLD);
    access::authenticate(&world.ctx, tokens.access_token.expose_secret()).unwrap();
}

#[tokio::test]
async fn a_change_is_stopped_before_its_question_was_mailed() {
    let world = World::default();
    let ada = signed_up(&world, OLD).await;
    let down = doorward_domain::ports::MailError::Temporary("down".into());
    world.mailer.refuse(down);
    request(&world, &ada, NEW, PASSWORD).await.unwrap();
    let mails = world.mails().await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].letter.kind(), LetterKind::EmailChangeRequested);
    cancel(&world, &mails[0]).await.unwrap();
    world.clock.advance(Duration::MINUTE);
    assert!(world.mails().await.is_empty());
}

#[tokio::test]
async fn a_change_is_undone_for_a_day_and_signs_everybody_out() {
    let world = World::default();
    let ada = signed_up(&world, OLD).await;
    let (question, notice) = asked(&world, &ada, NEW).await;
    confirm(&world, &question.unwrap()).await.unwrap();
    let (tokens, _) = world.signed_in(NEW).await;
    world.clock.advance(Duration::hours(23));
    cancel(&world, &notice).await.unwrap();
    let ada = world.ctx.store.user_by_id(ada.user_id()).await.unwrap().unwrap();
    assert_eq!((ada.email.as_given(), ada.email_verified), (OLD, false));
    session::refresh(&world.ctx, tokens.refresh_token.expose_secret()).await.unwrap_err();
    world.assert_consistent().await;
}

#[tokio::test]
async fn of_several_changes_the_holder_of_the_oldest_address_has_the_last_word() {
    let world = World::default();
    let ada = signed_up(&world, OLD).await;
    let (question, owner) = asked(&world, &ada, NEW).await;
    confirm(&world, &question.unwrap()).await.unwrap();
    world.clock.advance(Duration::SECOND);
    let (question, thief) = asked(&world, &ada, "eve@example.com").await;
    confirm(&world, &question.unwrap()).await.unwrap();

    cancel(&world, &thief).await.unwrap();
    assert_eq!(address(&world, ada.user_id()).await, NEW);
    cancel(&world, &owner).await.unwrap();
    assert_eq!(address(&world, ada.user_id()).await, OLD);
}

#[tokio::test]
async fn the_owners_word_makes_that_of_who_came_later_void() {
    let world = World::default();
    let ada = signed_up(&world, OLD).await;
    let (question, owner) = asked(&world, &ada, NEW).await;
    confirm(&world, &question.unwrap()).await.unwrap();
    world.clock.advance(Duration::SECOND);
    let (question, thief) = asked(&world, &ada, "eve@example.com").await;
    confirm(&world, &question.unwrap()).await.unwrap();

    cancel(&world, &owner).await.unwrap();
    cancel(&world, &thief).await.unwrap_err();
    assert_eq!(address(&world, ada.user_id()).await, OLD);
}

#[tokio::test]
async fn nobody_else_gets_an_address_that_its_owner_may_take_back() {
    let world = World::default();
    let ada = signed_up(&world, OLD).await;
    let bob = signed_up(&world, "bob@example.com").await;
    let (question, notice) = asked(&world, &ada, NEW).await;
    confirm(&world, &question.unwrap()).await.unwrap();

    let thief = account::Register {
        email: Email::parse("ADA@example.com").unwrap(),
        password: Password::parse(PASSWORD).unwrap(),
        name: DisplayName::parse("Eve").unwrap(),
    };
    let refused = account::register(&world.ctx, thief.clone(), Receipt::none()).await;
    assert!(matches!(refused, Err(RegisterError::EmailTaken)), "{refused:?}");
    world.clock.advance(Duration::SECOND);
    let (question, _) = asked(&world, &bob, OLD).await;
    let refused = confirm(&world, &question.unwrap()).await;
    assert!(matches!(refused, Err(SettleChangeError::EmailTaken)), "{refused:?}");
    cancel(&world, &notice).await.unwrap();
    assert_eq!(address(&world, ada.user_id()).await, OLD);

    // When it cannot be taken back any more, it is free.
    world.clock.advance(Duration::HOUR);
    let (question, _) = asked(&world, &ada, NEW).await;
    confirm(&world, &question.unwrap()).await.unwrap();
    world.clock.advance(Duration::DAY);
    account::register(&world.ctx, thief, Receipt::none()).await.unwrap();
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_change_that_was_asked_for_before_the_password_was_changed_is_void() {
    let world = World::default();
    let ada = signed_up(&world, OLD).await;
    let (question, _) = asked(&world, &ada, NEW).await;
    let command = ChangePassword {
        current: Password::parse(PASSWORD).unwrap(),
        new: Password::parse("four other words in a row").unwrap(),
    };
    password::change(&world.ctx, &ada, command).await.unwrap();
    confirm(&world, &question.unwrap()).await.unwrap_err();
    assert_eq!(address(&world, ada.user_id()).await, OLD);
}
