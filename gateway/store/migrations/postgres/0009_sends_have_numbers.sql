-- As SQLite has it in its form 6; and what gateways need that share a journal, which SQLite's never do.
ALTER TABLE orders ADD COLUMN begun integer NOT NULL DEFAULT 0;
UPDATE orders SET begun = sends, fence = ((fence >> 40) + 1) << 40 WHERE due_at IS NOT NULL AND final_at IS NULL;

-- Who made the send that is under way, and what the upstream's reply told of the balance: an equal request at another
-- gateway is told the same.
ALTER TABLE orders ADD COLUMN node bigint;
ALTER TABLE orders ADD COLUMN told_saldo bigint;
CREATE INDEX orders_sending ON orders (node) WHERE sending AND final_at IS NULL;

-- One row a process that has the journal open and works. Its number only grows, so who comes back is another.
CREATE TABLE nodes (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    process  text COLLATE "C" NOT NULL,
    lease_ms bigint NOT NULL,
    seen_at  bigint NOT NULL,
    beats    bigint NOT NULL DEFAULT 0,
    clear_at bigint NOT NULL
);

-- What a node is doing that is no change of an order: an attempt to tell a reseller (by its order), a look-up, a kept
-- callback. `fence` only grows.
CREATE SEQUENCE claims_fence;
CREATE TABLE claims (
    kind  text COLLATE "C" NOT NULL,
    id    bigint NOT NULL,
    node  bigint NOT NULL,
    until bigint NOT NULL,
    fence bigint NOT NULL DEFAULT nextval('claims_fence'),
    PRIMARY KEY (kind, id)
);

-- What all nodes look at with every beat: whether resellers changed, whether dates were moved.
CREATE TABLE changed (
    resellers bigint NOT NULL,
    clock     bigint NOT NULL
);
INSERT INTO changed VALUES (0, 0);
