"""An order's way, a module a step, one direction; knows no HTTP.

    intake       accept an order, or say what became of it
    submission   send what was begun, once
    recheck      look up what is open or uncertain
    inbox        take in what the upstream calls back
    settlement   the one door for evidence
    relay        deliver what is due
    account      what the upstream says of a reseller's account
    directory    who may order
    restoring    after a restore: ask first, sell then
    safekeeping  backups of the journal
    reconciling  a day's orders against the upstream's word
    timekeeper   notice that the clock was set
    worker       bells and tasks that all of them need
    desk         what the operator may do; with orders and resellers in rooms of their own

Nothing here decides about an order's status: that is `domain.truth`, inside a transaction.
"""
