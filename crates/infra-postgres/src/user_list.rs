//! Lists of users. Each shape of filter has a statement of its own that reads an index in the order of
//! the list and stops when the page is full, so that a page costs the same wherever it is.

use doorward_domain::{
    Page, PageLimit, PageRequest, RoleName, Timestamp, User, UserFilter, UserId, UserKey,
    UserStatus, ports::StoreError, user_list::SearchPrefix,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    error::store_error,
    user::{UserRow, select_users},
};

/// A page of the usual length, and the surplus row.
const USUAL: i64 = 51;

pub(crate) async fn page(
    connection: &mut PgConnection,
    filter: &UserFilter,
    page: &PageRequest<UserKey>,
) -> Result<Page<User, UserKey>, StoreError> {
    let limit = surplus(page.limit);
    if let UserFilter { email: None, prefix: Some(prefix), .. } = filter {
        let found = beginning_with(connection, filter, prefix, page.after.as_ref(), limit).await;
        return found_page(found, page.limit);
    }
    let rows = match (filter, &page.after) {
        (UserFilter { email: Some(email), .. }, _) => {
            select_users!("WHERE email_canonical = $1", email.canonical())
                .fetch_all(connection)
                .await
        }
        (_, Some(UserKey::Newest(after))) => {
            newest(connection, filter, after.as_uuid(), limit).await
        }
        (_, Some(UserKey::Term { .. }) | None) => {
            newest(connection, filter, Uuid::max(), limit).await
        }
    };
    let mut users = users(rows)?;
    if filter.email.is_some() {
        // There is at most one, so what else is asked for can be checked here, and no page follows.
        users.retain(|user| page.after.is_none() && filter.fits(user));
    }
    Ok(Page::from_surplus(users, page.limit, |user| filter.key_of(user)))
}

/// Where each stands is said by the index that was read, not by the name: the two differ for names that
/// the version before has written, and a page that went on elsewhere would leave out or repeat people.
fn found_page(
    found: sqlx::Result<Vec<FoundRow>>,
    limit: PageLimit,
) -> Result<Page<User, UserKey>, StoreError> {
    let found = found.map_err(store_error)?.into_iter().map(FoundRow::read);
    let found = found.collect::<Result<Vec<_>, _>>()?;
    let Page { items, next } = Page::from_surplus(found, limit, |(key, _)| key.clone());
    Ok(Page { items: items.into_iter().map(|(_, user)| user).collect(), next })
}

/// In ascending order of ids.
pub(crate) async fn after(
    connection: &mut PgConnection,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<User>, StoreError> {
    let after = after.map_or(Uuid::nil(), UserId::as_uuid);
    let rows = select_users!("WHERE id > $1 ORDER BY id LIMIT $2", after, i64::from(limit))
        .fetch_all(connection)
        .await;
    users(rows)
}

/// The row more than wanted says whether there is a next page.
fn surplus(limit: PageLimit) -> i64 {
    i64::from(limit.get()) + 1
}

fn users(rows: sqlx::Result<Vec<UserRow>>) -> Result<Vec<User>, StoreError> {
    rows.map_err(store_error)?.into_iter().map(User::try_from).collect()
}

/// The ids are found first, by an index that holds nothing but what is asked for. In one go with the
/// rows, a plan that has to suit every status and role would read the table in order and hope.
async fn newest(
    connection: &mut PgConnection,
    filter: &UserFilter,
    before: Uuid,
    limit: i64,
) -> sqlx::Result<Vec<UserRow>> {
    let role = filter.role.as_ref().map(RoleName::as_str);
    let status = filter.status.map(UserStatus::as_str);
    match (role, status) {
        (None, None) => {
            select_users!("WHERE id < $1 ORDER BY id DESC LIMIT $2", before, limit)
                .fetch_all(connection)
                .await
        }
        (None, Some(status)) => {
            select_users!(
                "WHERE id = ANY(ARRAY(
                     SELECT id FROM users WHERE status = $3 AND id < $1
                     ORDER BY id DESC LIMIT $2
                 ))
                 ORDER BY id DESC",
                before,
                limit,
                status,
            )
            .fetch_all(connection)
            .await
        }
        // The index goes by role and status, so each status is read for itself.
        (Some(role), status) => {
            select_users!(
                "WHERE id = ANY(ARRAY(
                     (SELECT user_id FROM user_roles
                      WHERE role = $3 AND status = 'active' AND user_id < $1
                        AND coalesce($4::text, 'active') = 'active'
                      ORDER BY user_id DESC LIMIT $2)
                     UNION ALL
                     (SELECT user_id FROM user_roles
                      WHERE role = $3 AND status = 'disabled' AND user_id < $1
                        AND coalesce($4::text, 'disabled') = 'disabled'
                      ORDER BY user_id DESC LIMIT $2)
                     ORDER BY user_id DESC LIMIT $2
                 ))
                 ORDER BY id DESC",
                before,
                limit,
                role,
                status,
            )
            .fetch_all(connection)
            .await
        }
    }
}

/// A user and what of them was found.
struct FoundRow {
    term: String,
    id: Uuid,
    email: String,
    email_verified: bool,
    name: String,
    roles: Vec<String>,
    status: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    last_login_at: Option<Timestamp>,
}

impl FoundRow {
    fn read(self) -> Result<(UserKey, User), StoreError> {
        let key = UserKey::Term { term: self.term, id: UserId::from_uuid(self.id) };
        let user = UserRow {
            id: self.id,
            email: self.email,
            email_verified: self.email_verified,
            name: self.name,
            roles: self.roles,
            status: self.status,
            created_at: self.created_at,
            updated_at: self.updated_at,
            last_login_at: self.last_login_at,
        };
        Ok((key, user.try_into()?))
    }
}

/// Reads two indexes, that of the names and that of the addresses, and merges them. Who is found by
/// the name is left out among the addresses, so that nobody comes twice; and because the addresses are
/// read no further than the names that were read go, nobody is left out on more than one page.
///
/// `$most` is at least `$5`, the surplus row included.
macro_rules! select_found {
    ($most:literal, $filter:literal $(, $parameter:expr)+ $(,)?) => {
        sqlx::query_as!(
            FoundRow,
            r#"
            SELECT term AS "term!", id, email, email_verified, name, status, created_at, updated_at,
                   last_login_at,
                   ARRAY(SELECT role FROM user_roles
                         WHERE user_id = users.id) AS "roles!"
            FROM users
            JOIN (
                WITH names AS (
                    SELECT name_folded AS term, id FROM users
                    WHERE (name_folded, id) > ($3, $4) AND name_folded < $2
                    "# + $filter + r#"
                    ORDER BY name_folded, id
                    LIMIT "# + $most + r#"
                ), addresses AS (
                    SELECT email_canonical AS term, id FROM users
                    WHERE (email_canonical, id) > ($3, $4)
                      AND email_canonical <= (
                              SELECT CASE WHEN count(*) = "# + $most + r#" THEN max(term) ELSE $2 END
                              FROM names)
                      AND NOT (name_folded >= $1 AND name_folded < $2)
                    "# + $filter + r#"
                    ORDER BY email_canonical, id
                    LIMIT "# + $most + r#"
                )
                SELECT term, id AS found_id FROM names UNION ALL SELECT term, id FROM addresses
                ORDER BY term, found_id
                LIMIT $5
            ) AS found ON found_id = id
            ORDER BY term, id
            "#
            $(, $parameter)+
        )
    };
}

async fn beginning_with(
    connection: &mut PgConnection,
    filter: &UserFilter,
    prefix: &SearchPrefix,
    after: Option<&UserKey>,
    limit: i64,
) -> sqlx::Result<Vec<FoundRow>> {
    // One bound at each end: of two, a database may take the one that is farther away.
    let (term, id) = match after {
        Some(UserKey::Term { term, id }) if term.as_str() >= prefix.first() => {
            (term.as_str(), id.as_uuid())
        }
        _ => (prefix.first(), Uuid::nil()),
    };
    let (first, end) = (prefix.first(), prefix.end());
    let role = filter.role.as_ref().map(RoleName::as_str);
    let status = filter.status.map(UserStatus::as_str);
    if (role, status) == (None, None) && limit <= USUAL {
        // With the length written out, a plan for any values is estimated to be as cheap as one that is made
        // for these, so the planner keeps it. To make one each time would take longer than to find the page.
        return select_found!("51", "", first, end, term, id, limit).fetch_all(connection).await;
    }
    select_found!(
        "$5",
        "AND ($6::text IS NULL OR status = $6)
         AND ($7::text IS NULL OR EXISTS (
                 SELECT FROM user_roles WHERE user_id = users.id AND role = $7))",
        first,
        end,
        term,
        id,
        limit,
        status,
        role,
    )
    .fetch_all(connection)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_the_usual_length_is_the_usual_case() {
        assert_eq!(surplus(PageLimit::default()), USUAL);
    }
}
