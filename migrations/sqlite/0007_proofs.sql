-- Proofs that somebody reads the mail of an address.

CREATE TABLE email_proofs (
    -- The id of the job that mails it.
    id                BLOB PRIMARY KEY NOT NULL,
    -- A proof outlives its user, though it is of no use then: mails to an address are counted, and
    -- signing up and deleting the account again must not begin the count anew.
    user_id           BLOB REFERENCES users ON DELETE SET NULL,
    purpose           TEXT NOT NULL CHECK (purpose IN
        ('verify_email', 'reset_password', 'confirm_email_change', 'cancel_email_change')),
    address           TEXT NOT NULL,
    -- See `Email::canonical`.
    address_canonical TEXT NOT NULL,
    -- SHA-256 of the token that was mailed last. The code is not kept in any form.
    token_digest      BLOB NOT NULL CHECK (length(token_digest) = 32),
    created_at        INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL,
    -- NULL until a mail was sent.
    code_expires_at   INTEGER,
    code_tries        INTEGER NOT NULL DEFAULT 0 CHECK (code_tries BETWEEN 0 AND 5),
    used_at           INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX email_proofs_purpose_address_idx
    ON email_proofs (purpose, address_canonical, created_at);
CREATE INDEX email_proofs_user_id_idx ON email_proofs (user_id, purpose);
CREATE INDEX email_proofs_expires_at_idx ON email_proofs (expires_at);
