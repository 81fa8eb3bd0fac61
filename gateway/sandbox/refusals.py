"""The upstream's refusals: the twelve codes of its document, with the HTTP status of each.

Data and one exception, nothing else. The order is the order of the document's table, because the
destinations that ask for a refusal (…101 to …112) count along it. The document shows the status of
three codes (404 for API_KEY_NOT_FOUND, INVOICE_NOT_FOUND and PRODUCT_NOT_FOUND); the others carry
what their words mean in HTTP.
"""

from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Refusal:
    """One code of the document's table and the HTTP status that it is answered with."""

    code: str
    status: HTTPStatus

    @property
    def body(self) -> dict[str, object]:
        """The envelope: `{"statusCode": 404, "message": CODE, "error": "Not Found"}`."""
        return {
            "statusCode": self.status.value,
            "message": self.code,
            "error": self.status.phrase,
        }


API_KEY_NOT_FOUND = Refusal("API_KEY_NOT_FOUND", HTTPStatus.NOT_FOUND)
IP_NOT_WHITELISTED = Refusal("IP_NOT_WHITELISTED", HTTPStatus.FORBIDDEN)
INSUFFICIENT_BALANCE = Refusal("INSUFFICIENT_BALANCE", HTTPStatus.BAD_REQUEST)
INVOICE_NOT_FOUND = Refusal("INVOICE_NOT_FOUND", HTTPStatus.NOT_FOUND)
INVALID_USER_ID = Refusal("INVALID_USER_ID", HTTPStatus.BAD_REQUEST)
NICKNAME_NOT_FOUND = Refusal("NICKNAME_NOT_FOUND", HTTPStatus.NOT_FOUND)
DUPLICATE_TRX_ID = Refusal("DUPLICATE_TRX_ID", HTTPStatus.BAD_REQUEST)
PRODUCT_NOT_FOUND = Refusal("PRODUCT_NOT_FOUND", HTTPStatus.NOT_FOUND)
PRODUCT_INACTIVE = Refusal("PRODUCT_INACTIVE", HTTPStatus.BAD_REQUEST)
INVALID_CALLBACK_URL = Refusal("INVALID_CALLBACK_URL", HTTPStatus.BAD_REQUEST)
PAYMENT_METHOD_NOT_ALLOWED = Refusal("PAYMENT_METHOD_NOT_ALLOWED", HTTPStatus.BAD_REQUEST)
SERVER_ERROR = Refusal("SERVER_ERROR", HTTPStatus.INTERNAL_SERVER_ERROR)

REFUSALS = (
    API_KEY_NOT_FOUND,
    IP_NOT_WHITELISTED,
    INSUFFICIENT_BALANCE,
    INVOICE_NOT_FOUND,
    INVALID_USER_ID,
    NICKNAME_NOT_FOUND,
    DUPLICATE_TRX_ID,
    PRODUCT_NOT_FOUND,
    PRODUCT_INACTIVE,
    INVALID_CALLBACK_URL,
    PAYMENT_METHOD_NOT_ALLOWED,
    SERVER_ERROR,
)
"""The document's table, in its order."""


MALFORMED_JSON = Refusal("Unexpected token in JSON", HTTPStatus.BAD_REQUEST)
"""A body that is no JSON object. The document has no code for it: the words are a NestJS server's,
which speaks in the envelope of the document."""

INVALID_TRX_ID = Refusal("trx_id must be a string", HTTPStatus.BAD_REQUEST)
"""In its words, too."""

NO_PRODUCT_CODE = Refusal(PRODUCT_NOT_FOUND.code, HTTPStatus.BAD_REQUEST)
"""A body without a product_code: wrong by its form, where an unknown code is well-formed."""


class RefusedError(Exception):
    """A request that is refused; nothing was bought by it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
