-- How long a signing key has to stay published after it signs no more.

-- A migration that waits for a lock makes every later statement wait behind it; it gives up instead.
SET LOCAL lock_timeout = '5s';

-- The longest life of the tokens that the key signs. What is there already, and what instances of the
-- version before may still add, gets the longest life that the settings allow.
ALTER TABLE signing_keys
    ADD COLUMN token_life_seconds bigint NOT NULL DEFAULT 86400 CHECK (token_life_seconds > 0);
