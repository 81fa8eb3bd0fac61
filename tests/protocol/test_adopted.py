"""What was bought, read from the upstream's own object: for orders that the journal has lost."""

import json
from typing import Any

import pytest

from gateway.domain.evidence import Evidence, Source, Status
from gateway.protocol.adopted import Purchase, purchase_in


def found(invoice: str | None, user_id: str | None = "1", server_id: str | None = "2") -> Evidence:
    return Evidence(
        source=Source.LOOKUP,
        verdict=Status.SUCCESS,
        invoice=invoice,
        user_id=user_id,
        server_id=server_id,
    )


@pytest.mark.parametrize(
    ("product", "code"),
    [
        ({"code": "S1_1187"}, "S1_1187"),
        ({"code": "S1 1187"}, None),
        ({"code": 1187}, None),
        ({"name": "x"}, None),
        (None, None),
        ("S1_1187", None),
    ],
)
def test_the_product(product: Any, code: str | None) -> None:
    assert purchase_in(found(json.dumps({"product": product}))) == Purchase(code, "1", "2")


@pytest.mark.parametrize("invoice", [None, "", "[]", '{"product": {"code": "A"}, "product": {}}'])
def test_what_is_no_object_names_no_product(invoice: str | None) -> None:
    assert purchase_in(found(invoice)).product_code is None


def test_the_destination_is_glued() -> None:
    assert purchase_in(found(None)).dest == "12"
    assert purchase_in(found(None, "1", None)).dest == "1"
    assert purchase_in(found(None, None, None)).dest == ""
