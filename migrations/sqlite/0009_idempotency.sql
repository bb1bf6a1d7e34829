-- Requests that may be sent again, with their answers.

CREATE TABLE idempotent_requests (
    -- The caller, the operation and the key.
    name         TEXT PRIMARY KEY NOT NULL,
    -- A MAC of the payload.
    fingerprint  BLOB NOT NULL CHECK (length(fingerprint) = 32),
    -- Whoever keeps an answer names their own claim.
    claim_id     BLOB NOT NULL,
    -- By the clock that SQLite asks, and no other one. Without an answer, the end of the lease; with one,
    -- the moment from which it is told.
    leased_until INTEGER NOT NULL,
    -- Encrypted.
    answer       BLOB,
    claimed_at   INTEGER NOT NULL
) STRICT;

CREATE INDEX idempotent_requests_claimed_at_idx ON idempotent_requests (claimed_at);
