-- The audit trail.

-- A row never changes but once, when a seal is put on it. No references: an event outlives what it is about.
CREATE TABLE audit_events (
    id           BLOB PRIMARY KEY NOT NULL,
    at           INTEGER NOT NULL,
    action       TEXT NOT NULL,
    actor_kind   TEXT,
    actor_id     TEXT,
    subject_kind TEXT,
    subject_id   TEXT,
    ip           TEXT,
    user_agent   TEXT,
    request_id   TEXT,
    -- The text of a JSON object, every character of which is sealed.
    data         TEXT NOT NULL,
    -- The number of the seal that holds it.
    seal         INTEGER,
    CHECK ((actor_kind IS NULL) = (actor_id IS NULL)),
    CHECK ((subject_kind IS NULL) = (subject_id IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_events_subject_id_id_idx ON audit_events (subject_id, id);
CREATE INDEX audit_events_actor_id_id_idx ON audit_events (actor_id, id);
CREATE INDEX audit_events_action_id_idx ON audit_events (action, id);
CREATE INDEX audit_events_seal_idx ON audit_events (seal) WHERE seal IS NOT NULL;
CREATE INDEX audit_events_unsealed_idx ON audit_events (id) WHERE seal IS NULL;

-- See `doorward_domain::audit::chain`.
CREATE TABLE audit_seals (
    number    INTEGER PRIMARY KEY CHECK (number > 0),
    at        INTEGER NOT NULL,
    -- The id of each event, 16 octets, and its digest, 32 octets.
    events    BLOB NOT NULL CHECK (length(events) % 48 = 0),
    hash      BLOB NOT NULL CHECK (length(hash) = 32),
    signature BLOB NOT NULL CHECK (length(signature) = 32)
) STRICT;

-- What is left of the seals that were pruned: one row, or none.
CREATE TABLE audit_checkpoint (
    single    INTEGER PRIMARY KEY NOT NULL CHECK (single = 1),
    seal      INTEGER NOT NULL CHECK (seal > 0),
    hash      BLOB NOT NULL CHECK (length(hash) = 32),
    -- That seal's own; the next one covers it.
    seal_signature BLOB NOT NULL CHECK (length(seal_signature) = 32),
    -- How many events were pruned so far.
    events    INTEGER NOT NULL CHECK (events >= 0),
    at        INTEGER NOT NULL,
    signature BLOB NOT NULL CHECK (length(signature) = 32)
) STRICT;
