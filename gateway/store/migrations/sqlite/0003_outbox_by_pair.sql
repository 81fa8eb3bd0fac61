-- What is pending for one reseller at one host, so that a look at what is due can step from pair to pair, and passes
-- a dead host's hundred thousand rows in one step.
CREATE INDEX deliveries_of_pair ON deliveries (reseller, host, next_at) WHERE next_at IS NOT NULL;
