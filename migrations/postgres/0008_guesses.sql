-- How often secrets were guessed.

-- A migration that waits for a lock makes every later statement wait behind it; it gives up instead.
SET LOCAL lock_timeout = '5s';

-- See `doorward_domain::guess`. There are rows for addresses without an account as well, so no references.
CREATE TABLE guess_counters (
    -- A keyed digest: what somebody typed, and where they sat, is nobody's business.
    key          bytea PRIMARY KEY CHECK (length(key) = 32),
    since        timestamptz NOT NULL,
    failures     bigint NOT NULL CHECK (failures >= 0),
    guesses      bigint NOT NULL CHECK (guesses >= 0),
    locked_until timestamptz,
    -- From when on the row means nothing any more.
    over_at      timestamptz NOT NULL
);

CREATE INDEX guess_counters_over_at_idx ON guess_counters (over_at);
