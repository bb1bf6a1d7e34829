-- Users, their credentials and sessions, and the keys that sign their tokens.
--
-- Ids are the 16 octets of a UUID. Times are whole microseconds since 1970-01-01T00:00:00Z, so that
-- they compare exactly.

CREATE TABLE users (
    id              BLOB PRIMARY KEY NOT NULL,
    -- As its owner wrote it: shown, and sent to.
    email           TEXT NOT NULL,
    -- The form that is looked up and unique; see `Email::canonical`.
    email_canonical TEXT NOT NULL UNIQUE,
    email_verified  INTEGER NOT NULL CHECK (email_verified IN (0, 1)),
    name            TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('active', 'disabled')),
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    last_login_at   INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE user_roles (
    user_id BLOB NOT NULL REFERENCES users ON DELETE CASCADE,
    role    TEXT NOT NULL,
    PRIMARY KEY (user_id, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE credentials (
    user_id       BLOB PRIMARY KEY NOT NULL REFERENCES users ON DELETE CASCADE,
    -- PHC string format.
    password_hash TEXT NOT NULL,
    -- Counts the passwords of this user; see `Credential::version`.
    version       INTEGER NOT NULL CHECK (version >= 0),
    updated_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id               BLOB PRIMARY KEY NOT NULL,
    user_id          BLOB NOT NULL REFERENCES users ON DELETE CASCADE,
    generation       INTEGER NOT NULL CHECK (generation >= 0),
    rotated_at       INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    last_used_at     INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    revoked_at       INTEGER,
    revocation_cause TEXT,
    ip               TEXT,
    user_agent       TEXT,
    CHECK ((revoked_at IS NULL) = (revocation_cause IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_user_id_id_idx ON sessions (user_id, id);

-- The sessions that ended before their access tokens did. Small: a row lives as long as an access
-- token. No reference to sessions, because a revocation outlives a deleted user.
CREATE TABLE revocations (
    -- SQLite has one writer at a time, so the order of this number is the order of commits.
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id BLOB NOT NULL UNIQUE,
    until      INTEGER NOT NULL
) STRICT;

CREATE TABLE signing_keys (
    kid                TEXT PRIMARY KEY NOT NULL,
    generation         INTEGER NOT NULL UNIQUE,
    algorithm          TEXT NOT NULL CHECK (algorithm IN ('EdDSA', 'ES256', 'RS256')),
    -- Encrypted with a key derived from auth.secret.
    sealed_private_key BLOB NOT NULL,
    created_at         INTEGER NOT NULL,
    activates_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
