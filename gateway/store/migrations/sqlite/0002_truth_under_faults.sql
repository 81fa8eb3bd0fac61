-- What failed is watched for a day, so an order that is final may have a date without a doubt. Who is waited for comes
-- before who is merely watched, so each has an index of its own; both stay small.
DROP INDEX orders_due;
CREATE INDEX orders_due ON orders (due_at) WHERE due_at IS NOT NULL AND (final_at IS NULL OR ask_since IS NOT NULL);
CREATE INDEX orders_watched ON orders (due_at) WHERE due_at IS NOT NULL AND final_at IS NOT NULL AND ask_since IS NULL;

-- In which form a callback came that is kept: text (with its order's token), json (signed), or hint (neither).
ALTER TABLE waiting_callbacks ADD COLUMN form TEXT NOT NULL DEFAULT 'text' CHECK (form IN ('text', 'json', 'hint'));

CREATE INDEX alerts_open ON alerts (id) WHERE acked_at IS NULL;
-- What is about no order is raised once, until somebody has taken note of it.
CREATE UNIQUE INDEX alerts_general ON alerts (text) WHERE order_id IS NULL AND acked_at IS NULL;

-- The watch of what failed within the last day begins now.
UPDATE orders SET due_at = 1000 * CAST(strftime('%s', 'now') AS INTEGER)
WHERE status = 'FAILED' AND first_sent_at IS NOT NULL AND due_at IS NULL
  AND final_at > 1000 * (CAST(strftime('%s', 'now') AS INTEGER) - 86400);
