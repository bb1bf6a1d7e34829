-- Roles with permissions, and what instances must hear of.

CREATE TABLE roles (
    name        TEXT PRIMARY KEY NOT NULL,
    description TEXT NOT NULL,
    -- In order, without repetition, separated by blanks. The role admin needs none: it permits
    -- everything.
    permissions TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO roles (name, description, permissions) VALUES
    ('admin', 'Everything', ''),
    ('user', 'Everybody who signed up', '');
-- Those that somebody gave by hand stay, and permit nothing.
INSERT INTO roles (name, description, permissions)
SELECT DISTINCT role, '', '' FROM user_roles WHERE role NOT IN ('admin', 'user');

-- SQLite adds a foreign key only to a new table.
CREATE TABLE user_roles_new (
    user_id BLOB NOT NULL REFERENCES users ON DELETE CASCADE,
    role    TEXT NOT NULL REFERENCES roles ON DELETE CASCADE,
    PRIMARY KEY (user_id, role)
) STRICT, WITHOUT ROWID;
INSERT INTO user_roles_new SELECT user_id, role FROM user_roles;
DROP TABLE user_roles;
ALTER TABLE user_roles_new RENAME TO user_roles;

-- Who has a role; and how many administrators there are.
CREATE INDEX user_roles_role_user_id_idx ON user_roles (role, user_id);

-- What instances keep in memory and must forget: sessions that ended before their access tokens did,
-- users whose roles or status changed, and (without a subject) that a role did. Small: a row is kept
-- until every instance has read it. No reference, because a change outlives what it is about.
CREATE TABLE changes (
    -- SQLite has one writer at a time, so the order of this number is the order of commits.
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT NOT NULL CHECK (kind IN ('session', 'user', 'roles')),
    subject BLOB CHECK ((subject IS NULL) = (kind = 'roles')),
    -- An access token that names the session is refused until then; anything else is forgotten then.
    until   INTEGER NOT NULL
) STRICT;

INSERT INTO changes (kind, subject, until)
SELECT 'session', session_id, until FROM revocations ORDER BY seq;
DROP TABLE revocations;
