-- Requests that may be sent again, with their answers.

-- A migration that waits for a lock makes every later statement wait behind it; it gives up instead.
SET LOCAL lock_timeout = '5s';

CREATE TABLE idempotent_requests (
    -- The caller, the operation and the key.
    name         text PRIMARY KEY,
    -- A MAC of the payload.
    fingerprint  bytea NOT NULL CHECK (length(fingerprint) = 32),
    -- Whoever keeps an answer names their own claim.
    claim_id     uuid NOT NULL,
    -- By the clock of this server, and no other one. Without an answer, the end of the lease; with one,
    -- the moment from which it is told.
    leased_until timestamptz NOT NULL,
    -- Encrypted.
    answer       bytea,
    claimed_at   timestamptz NOT NULL
);

CREATE INDEX idempotent_requests_claimed_at_idx ON idempotent_requests (claimed_at);
