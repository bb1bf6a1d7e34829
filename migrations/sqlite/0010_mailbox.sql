-- The development mailbox: mails that would have been sent. It stays empty where there is a mail server.

CREATE TABLE mailbox (
    -- That of the mail, so that one that is sent again is there once.
    id        BLOB PRIMARY KEY NOT NULL,
    recipient TEXT NOT NULL,
    subject   TEXT NOT NULL,
    text      TEXT NOT NULL,
    html      TEXT NOT NULL,
    -- When it arrived.
    at        INTEGER NOT NULL
) STRICT;

CREATE INDEX mailbox_at_idx ON mailbox (at, id);
