-- Users, their credentials and sessions, and the keys that sign their tokens.

-- A migration that waits for a lock makes every later statement wait behind it; it gives up instead.
SET LOCAL lock_timeout = '5s';

CREATE TABLE users (
    id              uuid PRIMARY KEY,
    -- As its owner wrote it: shown, and sent to.
    email           text NOT NULL,
    -- The form that is looked up and unique; see `Email::canonical`.
    email_canonical text NOT NULL CONSTRAINT users_email_canonical_key UNIQUE,
    email_verified  boolean NOT NULL,
    name            text NOT NULL,
    status          text NOT NULL CHECK (status IN ('active', 'disabled')),
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    last_login_at   timestamptz
);

CREATE TABLE user_roles (
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    role    text NOT NULL,
    PRIMARY KEY (user_id, role)
);

CREATE TABLE credentials (
    user_id       uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    -- PHC string format.
    password_hash text NOT NULL,
    -- Counts the passwords of this user; see `Credential::version`.
    version       bigint NOT NULL CHECK (version >= 0),
    updated_at    timestamptz NOT NULL
);

CREATE TABLE sessions (
    id               uuid PRIMARY KEY,
    user_id          uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    generation       bigint NOT NULL CHECK (generation >= 0),
    rotated_at       timestamptz NOT NULL,
    created_at       timestamptz NOT NULL,
    last_used_at     timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    revoked_at       timestamptz,
    revocation_cause text,
    ip               text,
    user_agent       text,
    CHECK ((revoked_at IS NULL) = (revocation_cause IS NULL))
)
-- Every refresh updates its row. None of the indexed columns changes then, so with room on the page
-- the update touches no index (HOT). That is why there is no index on expires_at.
WITH (fillfactor = 80);

CREATE INDEX sessions_user_id_id_idx ON sessions (user_id, id);

-- The sessions that ended before their access tokens did. Small: a row lives as long as an access
-- token. No reference to sessions, because a revocation outlives a deleted user.
CREATE TABLE revocations (
    session_id  uuid PRIMARY KEY,
    until       timestamptz NOT NULL,
    -- The order of a sequence is not the order of commits, so a reader that remembers the highest
    -- number it saw would miss a slow transaction. Readers go on from the oldest transaction that
    -- was still running when they read last.
    recorded_in xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE INDEX revocations_recorded_in_idx ON revocations (recorded_in);

CREATE TABLE signing_keys (
    kid                text PRIMARY KEY,
    generation         bigint NOT NULL CONSTRAINT signing_keys_generation_key UNIQUE,
    algorithm          text NOT NULL CHECK (algorithm IN ('EdDSA', 'ES256', 'RS256')),
    -- Encrypted with a key derived from auth.secret.
    sealed_private_key bytea NOT NULL,
    created_at         timestamptz NOT NULL,
    activates_at       timestamptz NOT NULL
);
