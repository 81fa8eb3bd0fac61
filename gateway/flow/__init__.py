"""An order's way, a module a step, one direction; knows no HTTP.

    intake       accept an order, or say what became of it
    submission   send what was begun, once
    recheck      look up what is open or uncertain
    inbox        take in what the upstream calls back
    settlement   the one door for evidence
    relay        deliver what is due
    account      what the upstream says of a reseller's account
    directory    who may order
    worker       bells and tasks that all of them need
    desk         what the operator may do; with resellers in a room of their own

Nothing here decides about an order's status: that is `domain.order`, inside a transaction.
"""
