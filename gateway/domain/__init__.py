"""What is true of orders. Pure: no await, no clock, no randomness, no I/O."""
