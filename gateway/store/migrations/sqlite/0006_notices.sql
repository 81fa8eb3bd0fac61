-- Alerts have a kind. One with `about` is a condition: it stands until it is over (ended_at), and while it stands nothing
-- is raised of its kind about the same. One without happened once, and is open until somebody takes note of it.
ALTER TABLE alerts ADD COLUMN kind TEXT NOT NULL DEFAULT 'contradiction';
ALTER TABLE alerts ADD COLUMN about TEXT;
ALTER TABLE alerts ADD COLUMN ended_at INTEGER;
-- When the operator was last told of it, or was to be, and how often since it was raised.
ALTER TABLE alerts ADD COLUMN told_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alerts ADD COLUMN reminders INTEGER NOT NULL DEFAULT 0;

UPDATE alerts SET told_at = raised_at;
UPDATE alerts SET kind = 'delivery_dead' WHERE text LIKE 'delivery % is dead since %';
UPDATE alerts SET kind = 'clock_set' WHERE order_id IS NULL AND text LIKE 'the clock was set %';
UPDATE alerts SET kind = 'unanswered' WHERE order_id IS NOT NULL
  AND (text LIKE 'what was called back can not be looked up%' OR text LIKE 'whether it was bought after all%');
UPDATE alerts SET kind = 'journal_log_long', about = '', ended_at = acked_at
WHERE order_id IS NULL AND text LIKE 'the journal''s log %';

DROP INDEX alerts_general;
CREATE UNIQUE INDEX alerts_general ON alerts (text) WHERE order_id IS NULL AND about IS NULL AND acked_at IS NULL;
CREATE UNIQUE INDEX alerts_standing ON alerts (kind, about) WHERE about IS NOT NULL AND ended_at IS NULL;

-- The outbox of notices to the operator. A row is written in the transaction that raises or ends its alert. Who claims
-- some moves their date past the time that telling them may take, so that another gateway leaves them alone meanwhile.
CREATE TABLE notices (
    id          INTEGER PRIMARY KEY,
    alert_id    INTEGER NOT NULL REFERENCES alerts (id),
    what        TEXT NOT NULL CHECK (what IN ('raised', 'reminder', 'ended')),
    made_at     INTEGER NOT NULL,
    next_at     INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    told        TEXT NOT NULL DEFAULT '',
    done_at     INTEGER,
    last_result TEXT,
    CHECK ((next_at IS NULL) = (done_at IS NOT NULL))             -- what is due is never forgotten
) STRICT;

CREATE INDEX notices_due ON notices (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX notices_done ON notices (done_at) WHERE done_at IS NOT NULL;

-- The balance under each upstream key as it was seen to change, one row a minute at most; kept for 30 days.
CREATE TABLE saldo_history (
    account TEXT NOT NULL REFERENCES accounts (id),
    at      INTEGER NOT NULL,
    saldo   INTEGER NOT NULL,
    PRIMARY KEY (account, at)
) STRICT, WITHOUT ROWID;
