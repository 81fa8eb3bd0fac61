"""Orders and deliveries as commands print them: plain data, times readable, nothing left out."""

import json

import pytest

from gateway.domain.alert import Alert
from gateway.domain.delivery import Delivery, DeliveryState, Message
from gateway.domain.order import Order
from gateway.protocol.shown import shown_alert, shown_delivery, shown_order, when
from tests.protocol.wire import T0, order, sold

MESSAGE = Message(status="SUCCESS", method="GET", url="http://p.test/?x", host="p.test:80")


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (None, None),
        (0, "1970-01-01T00:00:00.000+00:00"),
        (T0, "2023-11-14T22:13:20.000+00:00"),
        (T0 + 7, "2023-11-14T22:13:20.007+00:00"),
    ],
)
def test_a_time_is_told_to_the_millisecond_in_utc(at: int | None, said: str | None) -> None:
    assert when(at) == said


def test_an_order_is_shown_whole_with_the_names_of_the_contract() -> None:
    shown = shown_order(sold())
    assert set(shown) == {"upstream_trx_id", *Order.__struct_fields__}
    assert shown["upstream_trx_id"] == "toko-1234243244"
    assert (shown["status"], shown["invoice_number"]) == ("SUCCESS", "APIKUY_XX_1679528285_4321")
    assert shown["placed_at"] == shown["final_at"] == when(T0)
    assert (shown["due_at"], shown["send_ended_at"]) == (None, None)
    assert json.loads(json.dumps(shown)) == shown


@pytest.mark.parametrize(
    "name",
    ["first_sent_at", "send_ended_at", "ask_since", "looked_up_at", "due_at", "placed_at"],
)
def test_every_time_of_an_order_is_readable(name: str) -> None:
    assert shown_order(order(**{name: T0}))[name] == "2023-11-14T22:13:20.000+00:00"


def test_a_delivery_is_shown_with_its_message_laid_open() -> None:
    delivery = Delivery(
        id=3,
        order_id=1,
        reseller="toko",
        message=MESSAGE,
        state=DeliveryState.DUE,
        attempts=2,
        next_at=T0,
        created_at=T0 - 1000,
        last_result="HTTP 500",
    )
    shown = shown_delivery(delivery)
    assert "message" not in shown
    assert (shown["status"], shown["state"]) == ("SUCCESS", "due")
    assert (shown["method"], shown["url"], shown["host"]) == (
        "GET",
        "http://p.test/?x",
        "p.test:80",
    )
    assert (shown["next_at"], shown["created_at"]) == (when(T0), when(T0 - 1000))
    assert (shown["done_at"], shown["last_result"], shown["attempts"]) == (None, "HTTP 500", 2)
    assert json.loads(json.dumps(shown)) == shown


@pytest.mark.parametrize("order_name", ["toko-1", None])
@pytest.mark.parametrize("acked_at", [None, T0 + 1])
def test_an_alert_is_shown_with_its_times(order_name: str | None, acked_at: int | None) -> None:
    alert = Alert(id=7, order=order_name, text="x", raised_at=T0, acked_at=acked_at)
    assert shown_alert(alert) == {
        "id": 7,
        "order": order_name,
        "text": "x",
        "raised_at": when(T0),
        "acked_at": when(acked_at),
        "ended_at": None,
        "kind": "contradiction",
        "severity": "critical",
        "about": None,
    }
