-- How often secrets were guessed.

-- See `doorward_domain::guess`. There are rows for addresses without an account as well, so no references.
CREATE TABLE guess_counters (
    -- A keyed digest: what somebody typed, and where they sat, is nobody's business.
    key          BLOB PRIMARY KEY NOT NULL CHECK (length(key) = 32),
    since        INTEGER NOT NULL,
    failures     INTEGER NOT NULL CHECK (failures >= 0),
    guesses      INTEGER NOT NULL CHECK (guesses >= 0),
    locked_until INTEGER,
    -- From when on the row means nothing any more.
    over_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX guess_counters_over_at_idx ON guess_counters (over_at);
