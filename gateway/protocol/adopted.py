"""What an order is for, by the upstream's own object of it: for orders that our journal has lost.

Its form is that of the upstream's document ("Get invoice detail"). Pure reading; whether it is the
order that somebody asks for is decided in `domain.restored`.
"""

from typing import NamedTuple

from gateway.domain.evidence import Evidence
from gateway.protocol.fields import is_identifier
from gateway.protocol.strict_json import read_object


class Purchase(NamedTuple):
    """What was bought; each part is None where the upstream does not say it."""

    product_code: str | None
    user_id: str | None
    server_id: str | None

    @property
    def dest(self) -> str:
        """The destination, glued as we send it; empty where it is not known."""
        return f"{self.user_id or ''}{self.server_id or ''}"


def purchase_in(evidence: Evidence) -> Purchase:
    """Return what the upstream's answer to a look-up says that was bought."""
    invoice = read_object((evidence.invoice or "").encode())
    product = None if invoice is None else invoice.get("product")
    code = product.get("code") if isinstance(product, dict) else None
    if not isinstance(code, str) or not is_identifier(code):
        code = None
    return Purchase(code, evidence.user_id, evidence.server_id)
