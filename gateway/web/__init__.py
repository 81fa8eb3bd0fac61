"""HTTP that we answer. Reads requests, calls `flow`, renders by `protocol`; decides nothing.

routes      every route, in one list
text        the text dialect
otomax      OtomaX's own dialect
callback    what the upstream calls back
ops         health and metrics
control     the operator's commands, on a socket of their own
wire        the query as it came, one-line answers, and their event
body        the body of a request, with its limits
gate        who asks, and from where
listener    a port, and what a malformed request reads
"""
