-- The audit trail.

-- A migration that waits for a lock makes every later statement wait behind it; it gives up instead.
SET LOCAL lock_timeout = '5s';

-- A row never changes but once, when a seal is put on it. No references: an event outlives what it is about.
CREATE TABLE audit_events (
    id           uuid PRIMARY KEY,
    at           timestamptz NOT NULL,
    action       text NOT NULL,
    actor_kind   text,
    actor_id     text,
    subject_kind text,
    subject_id   text,
    ip           text,
    user_agent   text,
    request_id   text,
    -- The text of a JSON object. Not jsonb, because every character of it is sealed.
    data         text NOT NULL,
    -- The number of the seal that holds it. Who adds events gives them no number, because the order in
    -- which numbers are given is not that of commits; the next seal takes whatever has none.
    seal         bigint,
    CHECK ((actor_kind IS NULL) = (actor_id IS NULL)),
    CHECK ((subject_kind IS NULL) = (subject_id IS NULL))
);

CREATE INDEX audit_events_subject_id_id_idx ON audit_events (subject_id, id);
CREATE INDEX audit_events_actor_id_id_idx ON audit_events (actor_id, id);
CREATE INDEX audit_events_action_id_idx ON audit_events (action, id);
CREATE INDEX audit_events_seal_idx ON audit_events (seal) WHERE seal IS NOT NULL;
CREATE INDEX audit_events_unsealed_idx ON audit_events (id) WHERE seal IS NULL;

-- See `doorward_domain::audit::chain`.
CREATE TABLE audit_seals (
    number    bigint PRIMARY KEY CHECK (number > 0),
    at        timestamptz NOT NULL,
    -- The id of each event, 16 octets, and its digest, 32 octets.
    events    bytea NOT NULL CHECK (length(events) % 48 = 0),
    hash      bytea NOT NULL CHECK (length(hash) = 32),
    signature bytea NOT NULL CHECK (length(signature) = 32)
);

-- What is left of the seals that were pruned: one row, or none.
CREATE TABLE audit_checkpoint (
    single    boolean PRIMARY KEY DEFAULT true CHECK (single),
    seal      bigint NOT NULL CHECK (seal > 0),
    hash      bytea NOT NULL CHECK (length(hash) = 32),
    -- That seal's own; the next one covers it.
    seal_signature bytea NOT NULL CHECK (length(seal_signature) = 32),
    -- How many events were pruned so far.
    events    bigint NOT NULL CHECK (events >= 0),
    at        timestamptz NOT NULL,
    signature bytea NOT NULL CHECK (length(signature) = 32)
);
