-- What the dashboard's pages keep: hosts that are paused, prices with their history, links that show a reseller its own.

-- Nothing is sent to a host that stands here; what is due for it waits.
CREATE TABLE paused_hosts (
    host   TEXT PRIMARY KEY,
    since  INTEGER NOT NULL,
    who    TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What died, by host: one row when a delivery dies, and none on an order's ordinary way.
CREATE INDEX deliveries_dead_of_host ON deliveries (host) WHERE state = 'dead' AND next_at IS NULL;

-- The catalogue as it was last seen under an upstream key, and each difference to the look before. A `price` of NULL is
-- one that could not be read.
CREATE TABLE products (
    account      TEXT NOT NULL REFERENCES accounts (id),
    product_code TEXT NOT NULL,
    name         TEXT NOT NULL,
    price        INTEGER CHECK (price >= 0),
    status       TEXT NOT NULL,
    PRIMARY KEY (account, product_code)
) STRICT, WITHOUT ROWID;

CREATE TABLE product_changes (
    id           INTEGER PRIMARY KEY,
    account      TEXT NOT NULL REFERENCES accounts (id),
    product_code TEXT NOT NULL,
    at           INTEGER NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('new', 'gone', 'price', 'status')),
    name         TEXT NOT NULL,
    price        INTEGER CHECK (price >= 0),
    price_before INTEGER CHECK (price_before >= 0),
    status       TEXT NOT NULL
) STRICT;

CREATE INDEX product_changes_of_product ON product_changes (account, product_code, id);
CREATE INDEX product_changes_at ON product_changes (at);

-- A link is found by the hash of its token, which nobody but its reseller holds.
CREATE TABLE links (
    id         INTEGER PRIMARY KEY,
    hash       BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    reseller   TEXT NOT NULL REFERENCES resellers (code),
    who        TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ends_at    INTEGER NOT NULL,
    seen_at    INTEGER
) STRICT;

CREATE INDEX links_of_reseller ON links (reseller, id);
