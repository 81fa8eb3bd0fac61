-- The journal, first form. Times are Unix milliseconds, amounts whole Rupiah.
-- What the state table of domain/order.py promises is held here once more, so that no code can write an order
-- that could be lost, and nothing can turn a final order back.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- A key at the upstream. An order is looked up and sent under the one that it was first sent under, whatever
-- key its reseller has later: the upstream shows an invoice only to the key that bought it.
CREATE TABLE accounts (
    id     TEXT PRIMARY KEY,
    sealed BLOB NOT NULL,
    saldo  INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE resellers (
    code           TEXT PRIMARY KEY
                   CHECK (length(code) BETWEEN 1 AND 12 AND code NOT GLOB '*[^a-z0-9]*'),
    name           TEXT NOT NULL,
    account        TEXT REFERENCES accounts (id),
    callback_url   TEXT,
    callback_hosts TEXT NOT NULL CHECK (json_valid(callback_hosts)),
    allow_ips      TEXT NOT NULL CHECK (json_valid(allow_ips)),
    delivery       TEXT NOT NULL CHECK (delivery IN ('toss', 'otomax', 'report')),
    suspended      INTEGER NOT NULL CHECK (suspended IN (0, 1)),
    created_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A key is looked up by its hash; the sealed copy signs. While a key is rotated a reseller has two.
CREATE TABLE reseller_keys (
    hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
    reseller   TEXT NOT NULL REFERENCES resellers (code),
    sealed     BLOB NOT NULL,
    hint       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ends_at    INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
    id             INTEGER PRIMARY KEY,
    reseller       TEXT NOT NULL REFERENCES resellers (code),
    trx_id         TEXT NOT NULL CHECK (length(trx_id) BETWEEN 1 AND 64),
    product_code   TEXT NOT NULL,
    dest           TEXT NOT NULL,
    user_id        TEXT NOT NULL,
    server_id      TEXT,
    said_dest      TEXT,
    account        TEXT REFERENCES accounts (id),
    callback_url   TEXT,
    callback_names TEXT NOT NULL,
    status         TEXT NOT NULL
                   CHECK (status IN ('PENDING', 'PAID', 'SUCCESS', 'PARTIAL_SUCCESS', 'FAILED', 'REFUNDED')),
    note           TEXT NOT NULL,
    invoice_number TEXT,
    product_price  INTEGER CHECK (product_price >= 0),
    sends          INTEGER NOT NULL CHECK (sends BETWEEN 0 AND 3),
    sending        INTEGER NOT NULL CHECK (sending IN (0, 1)),
    first_sent_at  INTEGER,
    send_ended_at  INTEGER,
    named          INTEGER NOT NULL CHECK (named IN (0, 1)),
    lookups        INTEGER NOT NULL CHECK (lookups >= 0),
    misses         INTEGER NOT NULL CHECK (misses >= 0),
    looked_up_at   INTEGER,
    ask_since      INTEGER,
    due_at         INTEGER,
    placed_at      INTEGER NOT NULL,
    final_at       INTEGER,
    UNIQUE (reseller, trx_id),
    CHECK ((final_at IS NULL) = (status IN ('PENDING', 'PAID'))),
    CHECK (final_at IS NOT NULL OR due_at IS NOT NULL),           -- an open order is never forgotten
    CHECK (final_at IS NOT NULL OR sends >= 1),                   -- the send is durable before its first byte
    CHECK (sending = 0 OR sends >= 1),
    CHECK (ask_since IS NULL OR due_at IS NOT NULL),              -- nor is a look-up that is owed
    CHECK (sends = 0 OR (first_sent_at IS NOT NULL AND account IS NOT NULL)),
    CHECK (sending = 1 OR sends = 0 OR send_ended_at IS NOT NULL),
    CHECK (status IN ('PENDING', 'FAILED') OR named = 1)          -- only the upstream's word sells
) STRICT;

CREATE INDEX orders_due ON orders (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX orders_open ON orders (placed_at) WHERE final_at IS NULL;
CREATE INDEX orders_invoice ON orders (invoice_number) WHERE invoice_number IS NOT NULL;

CREATE TRIGGER orders_stay_final BEFORE UPDATE OF status, final_at ON orders
WHEN OLD.final_at IS NOT NULL AND NEW.final_at IS NULL
BEGIN SELECT RAISE(ABORT, 'a final order is never opened again'); END;

CREATE TRIGGER orders_keep_identity BEFORE UPDATE OF reseller, trx_id, product_code, dest, account ON orders
WHEN OLD.reseller IS NOT NEW.reseller OR OLD.trx_id IS NOT NEW.trx_id
  OR OLD.product_code IS NOT NEW.product_code OR OLD.dest IS NOT NEW.dest
  OR OLD.account IS NOT NEW.account
BEGIN SELECT RAISE(ABORT, 'what an order is for never changes'); END;

CREATE TRIGGER orders_are_kept BEFORE DELETE ON orders
BEGIN SELECT RAISE(ABORT, 'a trx_id is used for ever'); END;

-- What happened to an order, in its order.
CREATE TABLE timeline (
    order_id INTEGER NOT NULL REFERENCES orders (id),
    n        INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    text     TEXT NOT NULL,
    PRIMARY KEY (order_id, n)
) STRICT, WITHOUT ROWID;

-- The outbox. A row is written in the transaction that settles its order, and its request never changes.
CREATE TABLE deliveries (
    id          INTEGER PRIMARY KEY,
    order_id    INTEGER NOT NULL REFERENCES orders (id),
    reseller    TEXT NOT NULL,
    status      TEXT NOT NULL,
    method      TEXT NOT NULL CHECK (method IN ('GET', 'POST')),
    url         TEXT NOT NULL,
    host        TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('due', 'delivered', 'dead', 'superseded')),
    attempts    INTEGER NOT NULL CHECK (attempts >= 0),
    next_at     INTEGER,
    created_at  INTEGER NOT NULL,
    done_at     INTEGER,
    last_result TEXT,
    CHECK ((state = 'due') = (next_at IS NOT NULL))               -- what is due is never forgotten
) STRICT;

CREATE INDEX deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_of_order ON deliveries (order_id);
CREATE INDEX deliveries_dead ON deliveries (id) WHERE state = 'dead';

-- Genuine callbacks whose order is not known (yet).
CREATE TABLE waiting_callbacks (
    id              INTEGER PRIMARY KEY,
    upstream_trx_id TEXT NOT NULL,
    query           TEXT NOT NULL,
    received_at     INTEGER NOT NULL,
    next_at         INTEGER NOT NULL,
    UNIQUE (upstream_trx_id, query)
) STRICT;

CREATE INDEX waiting_callbacks_due ON waiting_callbacks (next_at);

-- What an operator must know. The same thing about the same order is raised once.
CREATE TABLE alerts (
    id        INTEGER PRIMARY KEY,
    order_id  INTEGER REFERENCES orders (id),
    text      TEXT NOT NULL,
    raised_at INTEGER NOT NULL,
    acked_at  INTEGER,
    UNIQUE (order_id, text)
) STRICT;
