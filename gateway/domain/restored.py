"""What is true of an order after its journal was brought back from a backup (contract §12, T2).

Orders of the lost time are not in the journal, and the upstream has bought them. So a trx_id that
the journal does not know may be one that was sent already: it is looked up before it is sent.
Where the upstream knows it, that is the order; where it says `INVOICE_NOT_FOUND`, it is new like
any other; where it does not answer, the order is journaled as one whose send is uncertain, and
the rules of such an order (`domain.truth`) decide when, and whether, it is sent.
"""

from msgspec.structs import replace

from gateway.domain.backoff import MS_PER_S
from gateway.domain.order import Order

# A panel repeats an order within hours; the upstream's callbacks that found no order are kept for
# a week, so whatever may still speak of the lost time has done so by then. It costs each new order
# one look-up until then.
LOOK_MS = 7 * 86_400 * MS_PER_S
# Refunds come within a day or so. What was final by then is looked up once, behind everything that
# somebody waits for.
WATCH_AGAIN_MS = 86_400 * MS_PER_S


def maybe_sent(order: Order, sent_before: int, now: int) -> Order:
    """Return a new order as one that the gateway of before may have sent, and that is due now.

    Args:
        order: not journaled yet.
        sent_before: when the journal was brought back, Unix milliseconds: no send of the gateway
            of before ended later.
        now: Unix milliseconds.
    """
    return replace(
        order,
        sends=1,
        sending=False,
        first_sent_at=now,
        send_ended_at=min(sent_before, now),
        due_at=now,
    )


def is_that_purchase(order: Order, product_code: str | None, dest: str) -> bool:
    """Whether what the upstream has under an order's name is what the order asks for (T10).

    Args:
        order: as it is asked for.
        product_code: as the upstream has it, or None where it does not say.
        dest: the parts of the destination as the upstream writes them, glued; empty where it does
            not say.
    """
    same_product = product_code is None or product_code == order.product_code
    return same_product and (not dest or _letters(dest) == _letters(order.dest))


def _letters(dest: str) -> str:
    """Return a destination without what only parts it, such as `|` and brackets."""
    return "".join(character for character in dest if character.isalnum())
