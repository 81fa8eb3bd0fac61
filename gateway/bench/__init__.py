"""The measured promises (contract §13): the gateway beside a yardstick, in one and the same run.

The gateway is the very command that operators run, as a process of its own; so is each yardstick.
Load, upstream and panels are one further process, the counterparty, written on bare protocols so
that it is never what is measured. This package starts and ends them, counts, and judges; it knows
the product by its command, its HTTP and its configuration only, but for `steps`, which times inner
functions one by one.
"""
