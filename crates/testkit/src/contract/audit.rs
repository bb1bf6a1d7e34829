use std::{collections::HashMap, sync::Arc};

use doorward_domain::{
    AuditAction, AuditEvent, AuditEventId, AuditFilter, AuditParty, Device, Origin, PageLimit,
    PageRequest, Timestamp,
    audit::chain::{ChainLink, Checkpoint, Seal},
    ports::{SealedEvents, Store},
};
use time::Duration;
use uuid::Uuid;

use super::samples::{NOW, at_once, begin, role_name, user_id};
use crate::{CountingEntropy, PlainSealer};

pub async fn an_event_is_read_back_as_written(store: Arc<dyn Store>) {
    let bare = event(1, NOW, AuditAction::LoginFailed);
    let device = Device {
        ip: Some("2001:db8::1".to_owned()),
        user_agent: Some("curl/8.0 (Ünïcode) \"'%\\".to_owned()),
    };
    let origin = Origin { device, request_id: Some("req.1".to_owned()) };
    let whole = AuditEvent { origin, ..event(2, NOW, AuditAction::RoleGranted) }
        .by(AuditParty::console())
        .on(AuditParty::user(user_id(7)))
        .with("roles", "admin \"\u{1}é");
    append(&store, &[bare.clone(), whole.clone()]).await;
    assert_eq!(found(&store, &AuditFilter::default()).await, [whole, bare]);
}

pub async fn an_event_of_a_dropped_unit_of_work_is_not_there(store: Arc<dyn Store>) {
    let mut work = begin(&store).await;
    work.audit_append(&event(1, NOW, AuditAction::LoginFailed)).await.unwrap();
    drop(work);
    assert_eq!(found(&store, &AuditFilter::default()).await, []);
    assert_eq!(store.audit_count_unsealed().await.unwrap(), 0);
}

pub async fn events_are_found_by_everything_that_is_asked_for(store: Arc<dyn Store>) {
    let parties =
        [None, Some(AuditParty::user(user_id(1))), Some(AuditParty::role(&role_name("support")))];
    let actions = [AuditAction::RoleGranted, AuditAction::LoginFailed];
    let entropy = CountingEntropy::default();
    let mut all = Vec::new();
    for (step, at) in (0..4).map(|step| (step, NOW + Duration::microseconds(step * 700))) {
        for actor in &parties {
            for subject in &parties {
                let action = actions[usize::try_from(step % 2).unwrap()];
                let event = AuditEvent::new(action, &Origin::default(), at, &entropy);
                all.push(AuditEvent { actor: actor.clone(), subject: subject.clone(), ..event });
            }
        }
    }
    append(&store, &all).await;
    all.sort_by_key(|event| std::cmp::Reverse(event.id));
    let ids =
        [None, Some(user_id(1).to_string()), Some("support".to_owned()), Some("x".to_owned())];
    let times = [None, Some(NOW), Some(NOW + Duration::microseconds(700))];
    for subject in &ids {
        for actor in &ids {
            for action in [None, Some(actions[0])] {
                for since in times {
                    for until in times {
                        let (subject, actor) = (subject.clone(), actor.clone());
                        let filter = AuditFilter { subject, actor, action, since, until };
                        let expected: Vec<_> =
                            all.iter().filter(|event| filter.fits(event)).cloned().collect();
                        assert_eq!(found(&store, &filter).await, expected, "{filter:?}");
                    }
                }
            }
        }
    }
}

pub async fn a_list_of_events_is_stable_while_they_come(store: Arc<dyn Store>) {
    let numbered = |number| event(number, NOW, AuditAction::LoginFailed);
    append(&store, &[numbered(1), numbered(2), numbered(3)]).await;
    let limit = PageLimit::new(2).unwrap();
    let filter = AuditFilter::default();
    let first = store.audit_events(&filter, PageRequest { limit, after: None }).await.unwrap();
    assert_eq!(first.items, [numbered(3), numbered(2)]);
    append(&store, &[numbered(4)]).await;
    let request = PageRequest { limit, after: first.next };
    let second = store.audit_events(&filter, request).await.unwrap();
    assert_eq!((second.items, second.next), (vec![numbered(1)], None));
}

pub async fn each_event_gets_one_seal(store: Arc<dyn Store>) {
    let events: Vec<_> = (1..=5).map(|n| event(n, NOW, AuditAction::LoginFailed)).collect();
    append(&store, &events[..3]).await;
    let first = seal(&store, ChainLink::default(), &events[..2]).await;
    assert_eq!(store.audit_count_unsealed().await.unwrap(), 1);
    // A smaller id than that of a sealed event: somebody who committed late.
    append(&store, &[event(0, NOW, AuditAction::LoginFailed)]).await;
    let late = [event(0, NOW, AuditAction::LoginFailed), events[2].clone()];
    let second = seal(&store, first.link(), &late).await;
    assert_eq!(store.audit_count_unsealed().await.unwrap(), 0);

    let seals = [first.clone(), second.clone()];
    assert_eq!(store.audit_seals(0, 10).await.unwrap(), seals);
    assert_eq!(store.audit_seals(0, 1).await.unwrap(), seals[..1]);
    assert_eq!(store.audit_seals(1, 1).await.unwrap(), seals[1..]);
    assert_eq!(store.audit_seals(2, 1).await.unwrap(), []);
    let held = HashMap::from([(1, events[..2].to_vec()), (2, late.to_vec())]);
    assert_eq!(held_by(&store, 1, 2).await, held);
    assert_eq!(held_by(&store, 2, 9).await.into_keys().collect::<Vec<_>>(), [2]);
    assert_eq!(store.audit_stray().await.unwrap(), None);
    first.check(ChainLink::default(), &events[..2], &PlainSealer).unwrap();
    second.check(first.link(), &late, &PlainSealer).unwrap();
}

pub async fn of_many_who_seal_each_event_is_sealed_by_one(store: Arc<dyn Store>) {
    let sealed = at_once(4, |task| {
        let store = Arc::clone(&store);
        async move {
            for number in 0..10 {
                let number = task as u128 * 100 + number;
                append(&store, &[event(number, NOW, AuditAction::LoginFailed)]).await;
                let mut work = begin(&store).await;
                let Some(end) = work.audit_chain_hold().await.unwrap() else { continue };
                let events = work.audit_unsealed(3).await.unwrap();
                if !events.is_empty() {
                    work.audit_seal(&Seal::make(end, &events, NOW, &PlainSealer)).await.unwrap();
                    work.commit().await.unwrap();
                }
            }
        }
    })
    .await;
    assert_eq!(sealed.len(), 4);
    let (mut end, mut count) = (ChainLink::default(), 0);
    for seal in store.audit_seals(0, 100).await.unwrap() {
        let events = held_by(&store, seal.number, seal.number).await.remove(&seal.number).unwrap();
        seal.check(end, &events, &PlainSealer).unwrap();
        count += events.len() as u64;
        end = seal.link();
    }
    assert!(count > 0);
    assert_eq!(count + store.audit_count_unsealed().await.unwrap(), 40);
}

pub async fn pruning_takes_whole_seals_and_leaves_a_checkpoint(store: Arc<dyn Store>) {
    let events: Vec<_> = (1..=4).map(|n| event(n, NOW, AuditAction::LoginFailed)).collect();
    append(&store, &events).await;
    assert_eq!(store.audit_checkpoint().await.unwrap(), None);
    let first = seal(&store, ChainLink::default(), &events[..1]).await;
    let second = seal(&store, first.link(), &events[1..3]).await;
    for (last, left) in [(&first, &events[1..]), (&second, &events[3..])] {
        let checkpoint = Checkpoint::make(last.link(), 7, NOW, &PlainSealer);
        let mut work = begin(&store).await;
        work.audit_chain_hold().await.unwrap().expect("nobody else holds the chain");
        assert!(work.audit_prune(&checkpoint).await.unwrap());
        assert!(!work.audit_prune(&checkpoint).await.unwrap(), "it was there");
        work.commit().await.unwrap();
        let mut found = found(&store, &AuditFilter::default()).await;
        found.reverse();
        assert_eq!(found, left);
        assert_eq!(store.audit_checkpoint().await.unwrap(), Some(checkpoint));
        assert_eq!(store.audit_stray().await.unwrap(), None);
    }
    assert_eq!(store.audit_seals(0, 1).await.unwrap(), []);
    // The chain goes on where it was cut off.
    let mut work = begin(&store).await;
    assert_eq!(work.audit_chain_hold().await.unwrap(), Some(second.link()));
}

fn event(number: u128, at: Timestamp, action: AuditAction) -> AuditEvent {
    let id = AuditEventId::from_uuid(Uuid::from_u128(number));
    AuditEvent {
        id,
        ..AuditEvent::new(action, &Origin::default(), at, &CountingEntropy::default())
    }
}

async fn append(store: &Arc<dyn Store>, events: &[AuditEvent]) {
    let mut work = begin(store).await;
    for event in events {
        work.audit_append(event).await.expect("the event is added");
    }
    work.commit().await.expect("the unit of work commits");
}

async fn seal(store: &Arc<dyn Store>, end: ChainLink, events: &[AuditEvent]) -> Seal {
    let mut work = begin(store).await;
    assert_eq!(work.audit_chain_hold().await.unwrap(), Some(end));
    let limit = u32::try_from(events.len()).expect("few events");
    assert_eq!(work.audit_unsealed(limit).await.unwrap(), events);
    let seal = Seal::make(end, events, NOW, &PlainSealer);
    work.audit_seal(&seal).await.expect("the seal is put on");
    work.commit().await.expect("the unit of work commits");
    seal
}

async fn found(store: &Arc<dyn Store>, filter: &AuditFilter) -> Vec<AuditEvent> {
    let limit = PageLimit::new(200).expect("the largest page");
    let page = store.audit_events(filter, PageRequest { limit, after: None }).await.unwrap();
    assert_eq!(page.next, None);
    page.items
}

async fn held_by(store: &Arc<dyn Store>, first: i64, last: i64) -> SealedEvents {
    let mut held = store.audit_events_of_seals(first, last).await.expect("the events can be read");
    for events in held.values_mut() {
        events.sort_by_key(|event| event.id);
    }
    held
}
