-- No question may walk the journal, however many old orders it holds, and each index costs every order its time: an
-- index over all orders some 4 us of an order's 45 in SQLite, one over a few of them nothing where it does not apply.

-- What is open is found in orders_due, for it always has a date.
DROP INDEX orders_open;

-- A reseller's orders, newest first.
CREATE INDEX orders_of_reseller ON orders (reseller);

-- The few that ended otherwise than most: of everybody, and of one reseller. Said with <>, which costs a successful
-- order nothing; `status IN (…)` would make SQLite build a little table with each write, some 18 us an order.
CREATE INDEX orders_unsold ON orders (status) WHERE final_at IS NOT NULL AND status <> 'SUCCESS';
CREATE INDEX orders_unsold_of_reseller ON orders (reseller, status) WHERE final_at IS NOT NULL AND status <> 'SUCCESS';

-- The same for what was never delivered: dead, or superseded.
DROP INDEX deliveries_dead;
CREATE INDEX deliveries_undelivered ON deliveries (state) WHERE state <> 'delivered' AND next_at IS NULL;

-- Moving old timelines out of the journal: which orders were looked at and could not be moved yet. Up to where all were
-- looked at is in meta ('archived').
CREATE TABLE archive_later (
    order_id INTEGER PRIMARY KEY REFERENCES orders (id)
) STRICT;
