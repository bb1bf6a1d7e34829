use std::sync::Arc;

use doorward_domain::{
    Page, PageLimit, PageRequest, RoleName, SearchPrefix, User, UserFilter, UserKey, UserStatus,
    ports::Store,
};
use time::Duration;

use super::samples::{NOW, add_role, begin, email, hash, name, role_name, user, user_id};

/// Names and addresses that lie close together, contain each other and differ in case only.
const PEOPLE: [(&str, &str); 16] = [
    ("ada@example.com", "Ada Lovelace"),
    ("ADA.king@example.com", "Ada King"),
    ("adam@example.com", "Zoe"),
    ("zoe@example.com", "adam"),
    ("ad@example.com", "AD"),
    ("b@example.com", "Ada"),
    ("c@example.com", "Ada"),
    ("ada2@example.com", "Ada"),
    ("adz@example.com", "Straße"),
    ("strasse@example.com", "Strand"),
    ("jose@example.com", "JOSÉ"),
    ("josé@example.com", "Jose"),
    ("a\u{1f600}@example.com", "\u{1f600}da"),
    ("percent%@example.com", "100% _sure_"),
    ("under_score@example.com", "under\\score"),
    ("山田@bücher.example", "山田 太郎"),
];

/// Everybody, every third one disabled, and of every four one with the role `support` beside `user` and
/// one with no role.
async fn add_people(store: &Arc<dyn Store>) -> Vec<User> {
    let support = add_role(store, "support").await;
    let mut work = begin(store).await;
    let mut people = Vec::new();
    for (number, (address, called)) in (1_u128..).zip(PEOPLE) {
        let roles = match number % 4 {
            0 => vec![RoleName::user(), support.clone()],
            1 => vec![],
            _ => vec![RoleName::user()],
        };
        let status =
            if number.is_multiple_of(3) { UserStatus::Disabled } else { UserStatus::Active };
        let new =
            User { status, ..User::new(user_id(number), email(address), name(called), roles, NOW) };
        work.user_insert(&new).await.expect("the user is added");
        work.credential_insert(new.id, &hash("hash-0"), NOW).await.expect("it is added");
        people.push(new);
    }
    work.commit().await.expect("the unit of work commits");
    people
}

async fn ask(
    store: &Arc<dyn Store>,
    filter: &UserFilter,
    limit: u16,
    after: Option<UserKey>,
) -> Page<User, UserKey> {
    let limit = PageLimit::new(limit).expect("a valid limit");
    store.users(filter, &PageRequest { limit, after }).await.expect("the users are read")
}

/// The whole list, read in pages.
async fn all(store: &Arc<dyn Store>, filter: &UserFilter, limit: u16) -> Vec<User> {
    const ENDLESS: usize = 500;
    let (mut users, mut after) = (Vec::new(), None);
    loop {
        let page = ask(store, filter, limit, after).await;
        assert!(page.items.len() <= usize::from(limit));
        assert!(page.next.is_none() || page.items.len() == usize::from(limit));
        users.extend(page.items);
        after = page.next;
        if after.is_none() {
            return users;
        }
        assert!(users.len() < ENDLESS, "the list has no end");
    }
}

/// The list as it is defined.
fn expected(people: &[User], filter: &UserFilter) -> Vec<User> {
    let mut users: Vec<User> = people.iter().filter(|user| filter.fits(user)).cloned().collect();
    users.sort_by_key(|user| filter.key_of(user));
    users
}

fn beginning_with(text: &str) -> UserFilter {
    UserFilter { prefix: SearchPrefix::parse(text).ok(), ..UserFilter::default() }
}

pub async fn a_list_of_users_holds_whom_the_filter_fits_in_order(store: Arc<dyn Store>) {
    let people = add_people(&store).await;
    let prefixes = [
        "a", "ad", "ADA", "ada ", "ada l", "ada.k", "adam", "zoe", "str", "STRASS", "straß", "jos",
        "josé", "😀", "1", "100%", "%", "_", "under_", "under\\", "山", "example", "nobody", "z",
        "\u{fffd}",
    ];
    let mut filters = vec![UserFilter::default()];
    filters.extend(prefixes.map(beginning_with));
    filters.extend(
        ["ADA@EXAMPLE.COM", "山田@xn--bcher-kva.example", "nobody@example.com"]
            .map(|address| UserFilter { email: Some(email(address)), ..UserFilter::default() }),
    );
    filters.push(UserFilter { email: Some(email("ada@example.com")), ..beginning_with("b") });
    let statuses = [None, Some(UserStatus::Active), Some(UserStatus::Disabled)];
    let roles = [None, Some(RoleName::user()), Some(role_name("support")), Some(role_name("none"))];
    for filter in filters {
        for status in statuses {
            for role in &roles {
                let filter = UserFilter { status, role: role.clone(), ..filter.clone() };
                let expected = expected(&people, &filter);
                for limit in [1, 3, 200] {
                    assert_eq!(all(&store, &filter, limit).await, expected, "{limit} {filter:?}");
                }
            }
        }
    }
}

/// More people than fit on a page of the usual length, found by their names, by their addresses, or by both.
pub async fn a_search_that_finds_many_gives_each_once_and_in_order(store: Arc<dyn Store>) {
    let mut work = begin(&store).await;
    let mut people = Vec::new();
    for number in 1..=130_u128 {
        let (address, called) = match number % 3 {
            0 => (format!("ada{number:03}@example.com"), format!("Zoe {number}")),
            // Each name is somebody else's as well.
            1 => (format!("zoe{number:03}@example.com"), format!("Ada{:03}", number / 6)),
            _ => (format!("ada{number:03}@example.net"), format!("Ada{number:03}@example.com")),
        };
        let new =
            User::new(user_id(number), email(&address), name(&called), vec![RoleName::user()], NOW);
        work.user_insert(&new).await.expect("the user is added");
        people.push(new);
    }
    work.commit().await.expect("the unit of work commits");
    for filter in [beginning_with("ada"), beginning_with("z")] {
        let expected = expected(&people, &filter);
        assert!(expected.len() > 80, "{}", expected.len());
        for limit in [7, 49, 50, 51, 52] {
            assert_eq!(all(&store, &filter, limit).await, expected, "{limit} {filter:?}");
        }
    }
}

pub async fn a_list_of_users_is_stable_while_they_come_and_go(store: Arc<dyn Store>) {
    let people = add_people(&store).await;
    for filter in [UserFilter::default(), beginning_with("a")] {
        let listed = expected(&people, &filter);
        let first = ask(&store, &filter, 2, None).await;
        assert_eq!(first.items, listed[..2]);

        // A newer one stands before all others in one list, and in the other at the name's place.
        let newcomer = user(1000, "newcomer@example.com");
        let mut work = begin(&store).await;
        work.user_insert(&newcomer).await.unwrap();
        work.user_rename(newcomer.id, &name("A"), NOW + Duration::HOUR).await.unwrap();
        work.commit().await.unwrap();
        let second = ask(&store, &filter, 2, first.next.clone()).await;
        assert_eq!(second.items, listed[2..4]);

        // That one is gone again, and the list goes on all the same.
        let mut work = begin(&store).await;
        assert!(work.user_delete(newcomer.id).await.unwrap());
        work.commit().await.unwrap();
        let second = ask(&store, &filter, 2, first.next).await;
        assert_eq!(second.items, listed[2..4]);
    }
}

pub async fn a_list_of_users_goes_on_after_one_who_is_gone(store: Arc<dyn Store>) {
    let people = add_people(&store).await;
    for filter in [beginning_with("a"), UserFilter::default()] {
        let listed = expected(&people, &filter);
        let first = ask(&store, &filter, 1, None).await;
        let gone = first.items[0].id;
        let mut work = begin(&store).await;
        work.user_delete(gone).await.unwrap();
        work.commit().await.unwrap();
        let rest = ask(&store, &filter, 200, first.next).await;
        assert_eq!(rest.items, listed[1..]);
        let mut work = begin(&store).await;
        work.user_insert(&first.items[0]).await.unwrap();
        work.credential_insert(gone, &hash("hash-0"), NOW).await.unwrap();
        work.commit().await.unwrap();
    }
}

pub async fn a_key_of_another_list_begins_the_list_anew(store: Arc<dyn Store>) {
    let people = add_people(&store).await;
    let (newest, prefix) = (UserFilter::default(), beginning_with("a"));
    for (filter, other) in [(&newest, &prefix), (&prefix, &newest)] {
        let key = other.key_of(&people[3]);
        assert_eq!(ask(&store, filter, 200, Some(key)).await.items, expected(&people, filter));
    }
}

pub async fn a_renamed_user_is_found_by_the_new_name_only(store: Arc<dyn Store>) {
    add_people(&store).await;
    let mut work = begin(&store).await;
    work.user_rename(user_id(16), &name("Ömer"), NOW).await.unwrap();
    work.commit().await.unwrap();
    let found = all(&store, &beginning_with("ÖM"), 10).await;
    assert_eq!(found.iter().map(|user| user.id).collect::<Vec<_>>(), [user_id(16)]);
    assert_eq!(all(&store, &beginning_with("山田 "), 10).await, []);
}

pub async fn all_users_are_read_in_order_of_id(store: Arc<dyn Store>) {
    assert_eq!(store.users_after(None, 10).await.unwrap(), []);
    let people = add_people(&store).await;
    let first = store.users_after(None, 10).await.unwrap();
    assert_eq!(first, people[..10]);
    let rest = store.users_after(Some(first[9].id), 10).await.unwrap();
    assert_eq!(rest, people[10..]);
    assert_eq!(store.users_after(Some(rest[5].id), 10).await.unwrap(), []);
}
