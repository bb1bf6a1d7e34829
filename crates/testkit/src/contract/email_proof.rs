use std::sync::Arc;

use doorward_domain::{
    EmailProof, ProofId, ProofPurpose, Timestamp, TokenDigest, User,
    email_proof::{CODE_LIFE, CODE_TRIES_MAX, MAILS_MAX, MAILS_WINDOW},
    ports::{Constraint, ProofInserted, Store, StoreError},
};
use time::Duration;
use uuid::Uuid;

use super::samples::{NOW, add_user, at_once, begin, email, hash, user_id};

const DIGEST: TokenDigest = TokenDigest([7; 32]);

fn proof_id(number: u128) -> ProofId {
    ProofId::from_uuid(Uuid::from_u128(number))
}

fn proof(number: u128, user: &User) -> EmailProof {
    EmailProof {
        id: proof_id(number),
        user_id: user.id,
        purpose: ProofPurpose::ResetPassword,
        address: user.email.clone(),
        token_digest: DIGEST,
        created_at: NOW,
        expires_at: NOW + Duration::HOUR,
        used_at: None,
    }
}

/// Adds proofs in a unit of work of their own, and says what became of each.
async fn insert(store: &Arc<dyn Store>, proofs: &[EmailProof]) -> Vec<ProofInserted> {
    let mut work = begin(store).await;
    let mut outcomes = Vec::new();
    for proof in proofs {
        outcomes.push(work.proof_insert(proof).await.unwrap());
    }
    work.commit().await.unwrap();
    outcomes
}

/// Adds a proof whose mail goes out at once.
async fn mailed(store: &Arc<dyn Store>, proof: &EmailProof) {
    assert_eq!(insert(store, std::slice::from_ref(proof)).await, [ProofInserted::Added]);
    let mut work = begin(store).await;
    assert!(work.proof_mailed(proof.id, &DIGEST, NOW + CODE_LIFE, NOW).await.unwrap());
    work.commit().await.unwrap();
}

async fn use_up(store: &Arc<dyn Store>, number: u128, now: Timestamp) -> bool {
    let mut work = begin(store).await;
    let used = work.proof_use(proof_id(number), now).await.unwrap();
    work.commit().await.unwrap();
    used
}

async fn try_code(store: &Arc<dyn Store>, address: &str, now: Timestamp) -> Vec<EmailProof> {
    let mut work = begin(store).await;
    let purpose = ProofPurpose::ResetPassword;
    let mut tried = work.proofs_try_code(purpose, &email(address), now).await.unwrap();
    work.commit().await.unwrap();
    tried.sort_by_key(|proof| proof.id);
    tried
}

pub async fn a_proof_is_read_back_as_written(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "Ada@example.com").await;
    let proof = proof(10, &ada);
    assert_eq!(insert(&store, std::slice::from_ref(&proof)).await, [ProofInserted::Added]);
    assert_eq!(insert(&store, std::slice::from_ref(&proof)).await, [ProofInserted::Known]);
    let read = store.proof_by_id(proof.id).await.unwrap().unwrap();
    assert_eq!(read.address.as_given(), "Ada@example.com");
    assert_eq!(read, proof);
    assert_eq!(store.proof_by_id(proof_id(11)).await.unwrap(), None);

    let later = TokenDigest([8; 32]);
    let mut work = begin(&store).await;
    assert!(work.proof_mailed(proof.id, &later, NOW + CODE_LIFE, NOW).await.unwrap());
    assert!(!work.proof_mailed(proof_id(11), &later, NOW + CODE_LIFE, NOW).await.unwrap());
    let over = proof.expires_at;
    assert!(!work.proof_mailed(proof.id, &DIGEST, over, over).await.unwrap());
    work.commit().await.unwrap();
    let read = store.proof_by_id(proof.id).await.unwrap().unwrap();
    assert_eq!(read, EmailProof { token_digest: later, ..proof });
}

pub async fn of_many_uses_of_a_proof_one_wins(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    insert(&store, &[proof(10, &ada), proof(11, &ada)]).await;
    let won = at_once(16, |_| {
        let store = Arc::clone(&store);
        async move { use_up(&store, 10, NOW).await }
    })
    .await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let used = store.proof_by_id(proof_id(10)).await.unwrap().unwrap();
    assert_eq!(used.used_at, Some(NOW));
    assert!(!use_up(&store, 11, NOW + Duration::HOUR).await);
    assert!(use_up(&store, 11, NOW + Duration::HOUR - Duration::MICROSECOND).await);
    assert!(!use_up(&store, 12, NOW).await);
}

pub async fn so_many_proofs_are_made_for_an_address_and_no_more(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "Ada@example.com").await;
    let outcomes = at_once(12, |number| {
        let (store, proof) = (Arc::clone(&store), proof(10 + number as u128, &ada));
        async move { insert(&store, &[proof]).await[0] }
    })
    .await;
    let added = outcomes.iter().filter(|outcome| **outcome == ProofInserted::Added);
    assert_eq!(added.count(), MAILS_MAX as usize);

    // Another purpose or another address has a count of its own, and time gives new ones.
    let (purpose, address) = (ProofPurpose::VerifyEmail, email("ada@example.org"));
    let created_at = NOW + MAILS_WINDOW;
    let others = [
        EmailProof { purpose, ..proof(30, &ada) },
        EmailProof { address, ..proof(31, &ada) },
        EmailProof { created_at: created_at - Duration::MICROSECOND, ..proof(32, &ada) },
        EmailProof { created_at, ..proof(33, &ada) },
    ];
    let (added, refused) = (ProofInserted::Added, ProofInserted::TooMany);
    assert_eq!(insert(&store, &others).await, [added, added, refused, added]);
}

pub async fn mails_to_an_address_count_after_its_user_is_gone(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    insert(&store, &[proof(10, &ada), proof(11, &ada), proof(12, &ada)]).await;
    mailed(&store, &EmailProof { purpose: ProofPurpose::VerifyEmail, ..proof(13, &ada) }).await;
    let mut work = begin(&store).await;
    assert!(work.user_delete(ada.id).await.unwrap());
    work.commit().await.unwrap();

    assert_eq!(store.proof_by_id(proof_id(10)).await.unwrap(), None);
    assert!(!use_up(&store, 10, NOW).await);
    assert_eq!(try_code(&store, "ada@example.com", NOW).await, []);
    let again = add_user(&store, 2, "ADA@example.com").await;
    assert_eq!(insert(&store, &[proof(20, &again)]).await, [ProofInserted::TooMany]);
}

pub async fn a_code_is_tried_so_often_and_no_more(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "Ada@example.com").await;
    let proof = proof(10, &ada);
    mailed(&store, &proof).await;
    assert_eq!(try_code(&store, "bob@example.com", NOW).await, []);
    let tried = at_once(16, |_| {
        let store = Arc::clone(&store);
        async move { try_code(&store, "ada@EXAMPLE.com", NOW).await.len() }
    })
    .await;
    assert_eq!(tried.iter().sum::<usize>(), CODE_TRIES_MAX as usize);
    // The token still works.
    assert!(use_up(&store, 10, NOW).await);
}

pub async fn a_code_works_when_its_mail_went_out_and_for_its_time(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    let other = EmailProof { purpose: ProofPurpose::VerifyEmail, ..proof(13, &ada) };
    insert(&store, &[proof(10, &ada)]).await;
    mailed(&store, &other).await;
    assert_eq!(try_code(&store, "ada@example.com", NOW).await, []);
    mailed(&store, &proof(11, &ada)).await;
    mailed(&store, &proof(12, &ada)).await;
    let last = NOW + CODE_LIFE - Duration::MICROSECOND;
    let tried = try_code(&store, "ada@example.com", last).await;
    assert_eq!(tried, [proof(11, &ada), proof(12, &ada)]);
    assert_eq!(try_code(&store, "ada@example.com", NOW + CODE_LIFE).await, []);
    assert!(use_up(&store, 11, NOW).await);
    assert_eq!(try_code(&store, "ada@example.com", last).await, [proof(12, &ada)]);
    // Used or not, its reader knows the code.
    let with_code = async |address: &str, at| {
        let (purpose, address) = (ProofPurpose::ResetPassword, email(address));
        let mut found = store.proofs_with_code(purpose, &address, at).await.unwrap();
        found.sort_unstable();
        found
    };
    assert_eq!(with_code("ADA@example.com", last).await, [proof(11, &ada).id, proof(12, &ada).id]);
    assert_eq!(with_code("ada@example.com", NOW + CODE_LIFE).await, []);
    assert_eq!(with_code("bob@example.com", NOW).await, []);
}

pub async fn an_address_is_reserved_for_who_may_take_it_back(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    let bob = add_user(&store, 2, "bob@example.com").await;
    let cancel =
        |number| EmailProof { purpose: ProofPurpose::CancelEmailChange, ..proof(number, &ada) };
    let reserved = async |except: &User, at| {
        let mut work = begin(&store).await;
        work.proofs_reserve(&email("ADA@example.com"), except.id, at).await.unwrap()
    };
    insert(&store, &[cancel(10)]).await;
    assert!(!reserved(&bob, NOW).await, "she still has it");
    let mut work = begin(&store).await;
    work.user_set_email(ada.id, &email("ada@example.org"), NOW).await.unwrap();
    work.commit().await.unwrap();
    assert!(reserved(&bob, NOW).await);
    assert!(!reserved(&ada, NOW).await);
    assert!(!reserved(&bob, NOW + Duration::HOUR).await, "the proof is over");
    assert!(use_up(&store, 10, NOW).await);
    assert!(!reserved(&bob, NOW).await, "she did so");
    insert(&store, &[proof(11, &ada)]).await;
    assert!(!reserved(&bob, NOW).await, "a proof of another purpose");
}

pub async fn proofs_are_made_void_by_user_purpose_and_time(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    let bob = add_user(&store, 2, "bob@example.com").await;
    let before = EmailProof { created_at: NOW - Duration::SECOND, ..proof(10, &ada) };
    let other = EmailProof { purpose: ProofPurpose::VerifyEmail, ..proof(12, &ada) };
    insert(&store, &[before, proof(11, &ada), other, proof(20, &bob)]).await;
    let mut work = begin(&store).await;
    let purpose = ProofPurpose::ResetPassword;
    assert_eq!(work.proofs_void(ada.id, purpose, NOW, NOW).await.unwrap(), 1);
    assert_eq!(work.proofs_void(ada.id, purpose, NOW, NOW).await.unwrap(), 0);
    work.commit().await.unwrap();
    let mut left = Vec::new();
    for number in [10, 11, 12, 20] {
        left.push(use_up(&store, number, NOW).await);
    }
    assert_eq!(left, [true, false, true, true]);
}

pub async fn proofs_are_pruned_when_they_expired_long_enough_ago(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    insert(&store, &[proof(10, &ada), proof(11, &ada), proof(12, &ada)]).await;
    let prune = |before, limit| {
        let store = Arc::clone(&store);
        async move {
            let mut work = begin(&store).await;
            let count = work.proofs_prune(before, limit).await.unwrap();
            work.commit().await.unwrap();
            count
        }
    };
    let end = NOW + Duration::HOUR;
    assert_eq!(prune(end, 10).await, 0);
    assert_eq!(prune(end + Duration::MICROSECOND, 2).await, 2);
    assert_eq!(prune(end + Duration::MICROSECOND, 2).await, 1);
}

pub async fn an_address_is_verified_and_replaced(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    add_user(&store, 2, "bob@example.com").await;
    let found = store.user_by_email(&email("ADA@example.com")).await.unwrap();
    assert_eq!(found, Some(ada.clone()));
    assert_eq!(store.user_by_email(&email("eve@example.com")).await.unwrap(), None);

    let later = NOW + Duration::SECOND;
    let mut work = begin(&store).await;
    assert!(work.user_verify_email(ada.id, later).await.unwrap());
    assert!(!work.user_verify_email(user_id(9), later).await.unwrap());
    let taken = work.user_set_email(ada.id, &email("BOB@example.com"), later).await;
    assert!(matches!(taken, Err(StoreError::Conflict(Constraint::UserEmail))));
    let nobody = work.user_set_email(user_id(9), &email("eve@example.com"), later).await;
    assert_eq!(nobody.unwrap(), None);
    work.commit().await.unwrap();
    let verified = doorward_domain::User { email_verified: true, updated_at: later, ..ada };
    assert_eq!(store.user_by_id(verified.id).await.unwrap(), Some(verified.clone()));

    // Another form of the own address is no conflict with oneself.
    for address in ["ADA@example.com", "ada@example.org"] {
        let mut work = begin(&store).await;
        let changed = work.user_set_email(verified.id, &email(address), later).await.unwrap();
        let changed = changed.map(|user| (user.email.as_given().to_owned(), user.email_verified));
        assert_eq!(changed, Some((address.to_owned(), false)));
        work.commit().await.unwrap();
    }
    assert_eq!(store.user_by_email(&email("ada@example.com")).await.unwrap(), None);
    add_user(&store, 3, "ada@example.com").await;
}

pub async fn of_many_who_take_one_address_one_gets_it(store: Arc<dyn Store>) {
    for number in 1..=8 {
        add_user(&store, number, &format!("ada{number}@example.com")).await;
    }
    let got = at_once(8, |number| {
        let store = Arc::clone(&store);
        async move {
            let mut work = begin(&store).await;
            let id = user_id(number as u128 + 1);
            work.user_lock(id).await.unwrap();
            let changed = work.user_set_email(id, &email("ada@example.com"), NOW).await;
            // The unit of work is usable whatever the outcome.
            work.user_verify_email(id, NOW).await.unwrap();
            work.commit().await.unwrap();
            changed.is_ok()
        }
    })
    .await;
    assert_eq!(got.iter().filter(|got| **got).count(), 1);
}

pub async fn a_password_is_put_whatever_was_there(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    let bob = super::samples::user(2, "bob@example.com");
    let mut work = begin(&store).await;
    work.user_insert(&bob).await.unwrap();
    work.credential_put(ada.id, &hash("hash-1"), NOW).await.unwrap();
    work.credential_put(bob.id, &hash("hash-2"), NOW).await.unwrap();
    work.commit().await.unwrap();
    let (_, credential) = store.credential_by_user(ada.id).await.unwrap().unwrap();
    assert_eq!((credential.hash, credential.version), (hash("hash-1"), 1));
    let (_, credential) = store.credential_by_user(bob.id).await.unwrap().unwrap();
    assert_eq!((credential.hash, credential.version), (hash("hash-2"), 0));
}
