-- Work to be done later, and what happens again and again.

CREATE TABLE jobs (
    id           BLOB PRIMARY KEY NOT NULL,
    kind         TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('ready', 'running', 'succeeded', 'retrying', 'dead')),
    -- Counts the claims. Whoever changes a running job names the number of their own claim.
    token        INTEGER NOT NULL DEFAULT 0,
    attempts     INTEGER NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND max_attempts),
    max_attempts INTEGER NOT NULL CHECK (max_attempts > 0),
    run_at       INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    -- By the clock that SQLite asks, and no other one.
    leased_until INTEGER CHECK ((leased_until IS NULL) = (state <> 'running')),
    finished_at  INTEGER CHECK ((finished_at IS NULL) = (state NOT IN ('succeeded', 'dead'))),
    -- Gone when the job is finished.
    unique_key   TEXT CHECK (unique_key IS NULL OR state NOT IN ('succeeded', 'dead')),
    last_error   TEXT,
    -- JSON that only the handler reads; gone when the job has succeeded.
    payload      TEXT CHECK ((payload IS NULL) = (state = 'succeeded'))
) STRICT, WITHOUT ROWID;

-- A claim reads these two. They hold what is not finished, and nothing else.
CREATE INDEX jobs_waiting_idx ON jobs (run_at, id) WHERE state IN ('ready', 'retrying');
CREATE INDEX jobs_running_idx ON jobs (leased_until) WHERE state = 'running';
CREATE INDEX jobs_finished_idx ON jobs (finished_at) WHERE finished_at IS NOT NULL;
-- What operators look for among many that went well.
CREATE INDEX jobs_dead_idx ON jobs (id) WHERE state = 'dead';
CREATE UNIQUE INDEX jobs_unique_key_key ON jobs (unique_key) WHERE unique_key IS NOT NULL;

-- The last tick of what happens again and again, so that it happens once, whichever process is first.
CREATE TABLE job_ticks (
    kind TEXT PRIMARY KEY NOT NULL,
    tick INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
