"""What is said on the wire, byte for byte, in both directions. Pure: text in, values out, no I/O.

A file a party or a dialect: `text` is what panels say and read, `upstream` what the upstream
answers, `callback` what it calls back and what we deliver, `shown` what commands print as JSON.
`query`, `fields` and `words` hold what the others share: how a query is read, what a field may
hold, and which words a line must not contain.
"""
