-- As SQLite has it in its form 6.
ALTER TABLE orders ADD COLUMN begun integer NOT NULL DEFAULT 0;
UPDATE orders SET begun = sends, fence = ((fence >> 40) + 1) << 40 WHERE due_at IS NOT NULL AND final_at IS NULL;
