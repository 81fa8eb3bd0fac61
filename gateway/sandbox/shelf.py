"""The shop's shelf: the account's balance, the products and the categories, as each is asked for.

Synchronous, and nothing is bought here. What there is stands in `catalog`.
"""

from gateway.sandbox import wire
from gateway.sandbox.answers import json, text
from gateway.sandbox.asking import apikey_in_header, apikey_in_query, json_body
from gateway.sandbox.exchange import Answer, Asked
from gateway.sandbox.ledger import Ledger


class Shelf:
    """Answers whoever has an account in the books `ledger`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def user_line(self, asked: Asked) -> Answer:
        """Name and balance as text."""
        return text(wire.user_line(self._ledger.account(apikey_in_query(asked))))

    def user(self, asked: Asked) -> Answer:
        """Name and balance as JSON."""
        return json(wire.user_body(self._ledger.account(apikey_in_header(asked))))

    def categories(self, asked: Asked) -> Answer:
        """Every category."""
        self._known(asked)
        return json(wire.categories_body(self._ledger.catalog.categories()))

    def products(self, asked: Asked) -> Answer:
        """Every product, or those of the category_id in the query or in a JSON body."""
        self._known(asked)
        wanted = asked.query.get("category_id") or json_body(asked).get("category_id")
        category_id = wanted if isinstance(wanted, str) and wanted else None
        return json(wire.products_body(self._ledger.catalog.products(category_id)))

    def product(self, asked: Asked) -> Answer:
        """One product, by its product_code or its product_id."""
        self._known(asked)
        catalog, code = self._ledger.catalog, asked.query.get("product_code")
        found = catalog.by_code(code) if code else catalog.by_id(asked.query.get("product_id", ""))
        return json(wire.product_body(found))

    def _known(self, asked: Asked) -> None:
        """Raise RefusedError unless the apikey is one of an account."""
        self._ledger.account(apikey_in_header(asked))
