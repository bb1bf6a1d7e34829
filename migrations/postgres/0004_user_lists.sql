-- Finding users, and bringing them in from elsewhere.

-- A migration that waits for a lock makes every later statement wait behind it; it gives up instead.
SET LOCAL lock_timeout = '5s';

ALTER TABLE users
    -- A range of it holds what begins with a text, if it is ordered by code points.
    ALTER COLUMN email_canonical TYPE text COLLATE "C",
    -- The form that is looked up; see `DisplayName::folded`. The default is for instances of the version
    -- before, which may still add users.
    ADD COLUMN name_folded text COLLATE "C" NOT NULL DEFAULT '';

-- Near enough for names that are there already: beyond ASCII it depends on the server's locale.
UPDATE users SET name_folded = lower(name);

CREATE INDEX users_name_folded_id_idx ON users (name_folded, id);
CREATE INDEX users_status_id_idx ON users (status, id);

-- The status of the user once more, so that an index holds those who have a role and a status. Of two
-- indexes, one for each, either can be the wrong one to begin with.
ALTER TABLE user_roles ADD COLUMN status text NOT NULL DEFAULT 'active';
UPDATE user_roles SET status = users.status FROM users WHERE id = user_id;
CREATE INDEX user_roles_role_status_user_id_idx ON user_roles (role, status, user_id);
DROP INDEX user_roles_role_user_id_idx;

-- How far the files have come that are being imported.
CREATE TABLE imports (
    -- SHA-256 of the content of the file.
    digest     bytea PRIMARY KEY CHECK (length(digest) = 32),
    -- So many lines at its beginning were dealt with.
    lines      bigint NOT NULL CHECK (lines >= 0),
    updated_at timestamptz NOT NULL
);
