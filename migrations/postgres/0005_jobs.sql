-- Work to be done later, and what happens again and again.

-- A migration that waits for a lock makes every later statement wait behind it; it gives up instead.
SET LOCAL lock_timeout = '5s';

CREATE TABLE jobs (
    id           uuid PRIMARY KEY,
    kind         text NOT NULL,
    state        text NOT NULL CHECK (state IN ('ready', 'running', 'succeeded', 'retrying', 'dead')),
    -- Counts the claims. Whoever changes a running job names the number of their own claim.
    token        bigint NOT NULL DEFAULT 0,
    attempts     integer NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND max_attempts),
    max_attempts integer NOT NULL CHECK (max_attempts > 0),
    run_at       timestamptz NOT NULL,
    created_at   timestamptz NOT NULL,
    -- By the clock of this server, and no other one.
    leased_until timestamptz CHECK ((leased_until IS NULL) = (state <> 'running')),
    finished_at  timestamptz CHECK ((finished_at IS NULL) = (state NOT IN ('succeeded', 'dead'))),
    -- Gone when the job is finished.
    unique_key   text CHECK (unique_key IS NULL OR state NOT IN ('succeeded', 'dead')),
    last_error   text,
    -- JSON that only the handler reads; gone when the job has succeeded.
    payload      text CHECK ((payload IS NULL) = (state = 'succeeded'))
)
-- Each job dies several deaths as a row: what is left of them is cleared away soon, and without pauses,
-- or a claim has to step over it.
WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 5000
);

-- A claim reads these two. They hold what is not finished, and nothing else.
CREATE INDEX jobs_waiting_idx ON jobs (run_at, id) WHERE state IN ('ready', 'retrying');
CREATE INDEX jobs_running_idx ON jobs (leased_until) WHERE state = 'running';
CREATE INDEX jobs_finished_idx ON jobs (finished_at) WHERE finished_at IS NOT NULL;
-- What operators look for among many that went well.
CREATE INDEX jobs_dead_idx ON jobs (id) WHERE state = 'dead';
CREATE UNIQUE INDEX jobs_unique_key_key ON jobs (unique_key) WHERE unique_key IS NOT NULL;

-- The last tick of what happens again and again, so that it happens once, whichever instance is first.
CREATE TABLE job_ticks (
    kind text PRIMARY KEY,
    tick timestamptz NOT NULL
);
