//! What many ask for at the same moment, in one statement for all of them.

use std::{
    collections::{HashMap, HashSet},
    io,
    time::Duration,
};

use doorward_domain::{
    Session, SessionId, User, UserId,
    ports::{Rotation, StoreError},
    session::Generation,
};
use doorward_gather::{Gather, deal};

use crate::{pool::Connections, session, user};

/// How many statements that read are under way at once when the one before is slow.
const FLIGHTS: usize = 4;
/// A statement that reads for longer than this is slow.
const PATIENCE: Duration = Duration::from_millis(20);
/// How many statements that write are under way at once: while one waits for the disk another one can work.
const WRITING_FLIGHTS: usize = 2;
/// How many questions one statement carries at most.
const ABOARD: usize = 256;

/// What was found of those who were asked for. A row that is damaged fails its own question only.
pub(crate) type Found<K, V> = Result<HashMap<K, Result<V, StoreError>>, StoreError>;

/// Questions for what has a key, which may not be there.
type ByKey<K, V> = Gather<K, Result<Option<V>, StoreError>>;

#[derive(Debug)]
pub(crate) struct Gathered {
    users: ByKey<UserId, User>,
    sessions: ByKey<SessionId, (Session, User)>,
    rotations: Gather<Rotation, Result<bool, StoreError>>,
}

impl Gathered {
    pub(crate) fn new(connections: &Connections) -> Self {
        let (of_users, of_sessions, of_rotations) =
            (connections.clone(), connections.clone(), connections.clone());
        Self {
            users: Gather::new(FLIGHTS, PATIENCE, ABOARD, move |ids: Vec<UserId>| {
                let connections = of_users.clone();
                async move { deal(&ids, &user::by_ids(&connections, &ids).await, StoreError::retold) }
            }),
            sessions: Gather::new(FLIGHTS, PATIENCE, ABOARD, move |ids: Vec<SessionId>| {
                let connections = of_sessions.clone();
                async move { deal(&ids, &session::by_ids(&connections, &ids).await, StoreError::retold) }
            }),
            rotations: Gather::new(
                WRITING_FLIGHTS,
                Duration::ZERO,
                ABOARD,
                move |asked: Vec<Rotation>| {
                    let connections = of_rotations.clone();
                    async move { granted(&asked, session::rotate_all(&connections, &asked).await) }
                },
            ),
        }
    }

    pub(crate) async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.users.ask(id).await.unwrap_or_else(broken_off)
    }

    pub(crate) async fn session(
        &self,
        id: SessionId,
    ) -> Result<Option<(Session, User)>, StoreError> {
        self.sessions.ask(id).await.unwrap_or_else(broken_off)
    }

    pub(crate) async fn rotation(&self, rotation: Rotation) -> Result<bool, StoreError> {
        self.rotations.ask(rotation).await.unwrap_or_else(broken_off)
    }
}

/// Tells each whether their session was moved on: of those who asked for the same, the first.
fn granted(
    asked: &[Rotation],
    rotated: Result<Vec<(SessionId, Generation)>, StoreError>,
) -> Vec<Result<bool, StoreError>> {
    match rotated {
        Ok(rotated) => {
            let mut rotated: HashSet<_> = rotated.into_iter().collect();
            asked.iter().map(|asked| Ok(rotated.remove(&(asked.id, asked.from)))).collect()
        }
        Err(error) => asked.iter().map(|_| Err(error.retold())).collect(),
    }
}

fn broken_off<T>() -> Result<T, StoreError> {
    Err(StoreError::Backend(io::Error::other("a statement for many callers broke off").into()))
}
