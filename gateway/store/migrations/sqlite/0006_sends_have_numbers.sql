-- How many sends of an order were ever begun, also those that never left: the number of the last one, by which a reply
-- tells to which of them it belongs. It only grows. Of what is final nobody asks for it.
ALTER TABLE orders ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;
UPDATE orders SET begun = sends WHERE due_at IS NOT NULL AND final_at IS NULL;
