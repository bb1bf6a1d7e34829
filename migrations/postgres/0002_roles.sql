-- Roles with permissions, and what instances must hear of.

SET LOCAL lock_timeout = '5s';

CREATE TABLE roles (
    name        text PRIMARY KEY,
    description text NOT NULL,
    -- In order, without repetition. The role admin needs none: it permits everything.
    permissions text[] NOT NULL
);

INSERT INTO roles (name, description, permissions) VALUES
    ('admin', 'Everything', '{}'),
    ('user', 'Everybody who signed up', '{}');
-- Those that somebody gave by hand stay, and permit nothing.
INSERT INTO roles (name, description, permissions)
SELECT DISTINCT role, '', '{}'::text[] FROM user_roles
ON CONFLICT (name) DO NOTHING;

ALTER TABLE user_roles
    ADD CONSTRAINT user_roles_role_fkey FOREIGN KEY (role) REFERENCES roles ON DELETE CASCADE;

-- Who has a role; and how many administrators there are.
CREATE INDEX user_roles_role_user_id_idx ON user_roles (role, user_id);

-- What instances keep in memory and must forget: sessions that ended before their access tokens did,
-- users whose roles or status changed, and (without a subject) that a role did. Small: a row is kept
-- until every instance has read it. No reference, because a change outlives what it is about.
CREATE TABLE changes (
    -- Only to name a row: servers that publish all tables refuse to delete from one without a key.
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('session', 'user', 'roles')),
    subject     uuid CHECK ((subject IS NULL) = (kind = 'roles')),
    -- An access token that names the session is refused until then; anything else is forgotten then.
    until       timestamptz NOT NULL,
    -- The order of a sequence is not the order of commits, so a reader that remembers the highest
    -- number it saw would miss a slow transaction. Readers go on from the oldest transaction that
    -- was still running when they read last.
    recorded_in xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE INDEX changes_recorded_in_idx ON changes (recorded_in);

INSERT INTO changes (kind, subject, until) SELECT 'session', session_id, until FROM revocations;
DROP TABLE revocations;
