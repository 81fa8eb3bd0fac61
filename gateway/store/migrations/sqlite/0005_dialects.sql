-- In which dialect an order was placed decides how it is sent and how its reseller is told; it never changes. Which words
-- there are is held by the code: a CHECK over a list costs each order 8 us.
ALTER TABLE orders ADD COLUMN dialect TEXT NOT NULL DEFAULT 'text';
-- Its reseller gave it no trx_id, and is never told the one that we made.
ALTER TABLE orders ADD COLUMN unnamed INTEGER NOT NULL DEFAULT 0 CHECK (unnamed IN (0, 1));
-- The upstream's JSON object of it, as last written.
ALTER TABLE orders ADD COLUMN invoice TEXT;

CREATE TRIGGER orders_keep_dialect BEFORE UPDATE OF dialect, unnamed ON orders
WHEN OLD.dialect IS NOT NEW.dialect OR OLD.unnamed IS NOT NEW.unnamed
BEGIN SELECT RAISE(ABORT, 'what an order is for never changes'); END;

-- Deliveries of JSON orders have a body; it is signed when it is sent.
ALTER TABLE deliveries ADD COLUMN body TEXT;

-- OtomaX's own dialect: sealed, for a sign is checked with them. Without both a reseller does not have that dialect.
ALTER TABLE resellers ADD COLUMN pin BLOB;
ALTER TABLE resellers ADD COLUMN password BLOB;
ALTER TABLE resellers ADD COLUMN allow_pin INTEGER NOT NULL DEFAULT 0 CHECK (allow_pin IN (0, 1));
-- The most that it pays for one order, Rupiah.
ALTER TABLE resellers ADD COLUMN max_price INTEGER CHECK (max_price >= 0);
