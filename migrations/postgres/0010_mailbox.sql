-- The development mailbox: mails that would have been sent. It stays empty where there is a mail server.

-- A migration that waits for a lock makes every later statement wait behind it; it gives up instead.
SET LOCAL lock_timeout = '5s';

CREATE TABLE mailbox (
    -- That of the mail, so that one that is sent again is there once.
    id        uuid PRIMARY KEY,
    recipient text NOT NULL,
    subject   text NOT NULL,
    text      text NOT NULL,
    html      text NOT NULL,
    -- When it arrived.
    at        timestamptz NOT NULL
);

CREATE INDEX mailbox_at_idx ON mailbox (at, id);
