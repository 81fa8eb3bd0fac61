"""What every journal does with deliveries by host, and with hosts that are paused."""

import pytest
from msgspec.structs import replace

from gateway.domain.delivery import Delivery, DeliveryState
from gateway.store import Entry, FoundDeliveries, HostRow, PausedHost, Store
from tests.store.journals import T0, change_delivery, message, place, tell

pytestmark = pytest.mark.timeout(30)


async def told(
    store: Store, trx_id: str, host: str, state: DeliveryState, reseller: str = "toko"
) -> int:
    """A delivery to a host that came to a state."""
    placed = await place(store, trx_id, reseller=reseller)
    number = await tell(store, placed, message(host=host), T0)
    if state is DeliveryState.DUE:
        return number

    def done(before: Delivery) -> Delivery:
        return replace(
            before, state=state, next_at=None, done_at=T0 + 7, last_result=f"was {state}"
        )

    await change_delivery(store, number, done, Entry(T0, "told", "x"))
    return number


async def test_hosts_are_listed_those_that_fail_first(store: Store) -> None:
    for n, host in enumerate(("ok.test:80", "due.test:80", "dead.test:80", "dead.test:80")):
        state = DeliveryState(host.partition(".")[0].replace("ok", "delivered"))
        await told(store, f"A{n}", host, state, reseller="warung" if n == 3 else "toko")
    paused = PausedHost(host="old.test:80", since=T0, who="budi", reason="moves")
    assert await store.pause_host(paused)
    assert await store.hosts(9) == [
        HostRow(host="dead.test:80", dead=2, last_result="was dead"),
        HostRow(host="due.test:80", due=1, next_at=T0),
        HostRow(host="ok.test:80", last_result="was delivered", delivered_at=T0 + 7),
        HostRow(host="old.test:80", paused=paused),
    ]
    assert [row.host for row in await store.hosts(2)] == ["dead.test:80", "due.test:80"]


async def test_what_waits_says_what_came_of_its_last_attempt(store: Store) -> None:
    number = await told(store, "A1", "p.test:80", DeliveryState.DUE)
    await change_delivery(
        store,
        number,
        lambda before: replace(before, attempts=1, next_at=T0 + 50, last_result="HTTP 500"),
        Entry(T0, "not_told", "x"),
    )
    await told(store, "A2", "p.test:80", DeliveryState.DUE)
    (row,) = await store.hosts(9)
    assert row == HostRow(host="p.test:80", due=2, next_at=T0, last_result="HTTP 500")


async def every(store: Store, host: str | None, state: DeliveryState | None) -> list[int]:
    """Everything that is found, page by page of two."""
    found, before, pages = [], None, 0
    while pages == 0 or before is not None:
        page = await store.find_deliveries(host, state, before, 2)
        assert len(page.deliveries) <= 2
        found += [delivery.id for delivery in page.deliveries]
        before, pages = page.next_id, pages + 1
    return found


async def test_a_hosts_deliveries_are_found_in_any_state(store: Store) -> None:
    states = [*DeliveryState, *DeliveryState]
    mine = [
        await told(store, f"A{n}", "p.test:80", state, "toko" if n % 3 else "warung")
        for n, state in enumerate(states)
    ]
    other = await told(store, "B", "q.test:80", DeliveryState.DEAD)
    assert await every(store, "p.test:80", None) == mine[::-1]
    assert await every(store, None, None) == [other, *mine[::-1]]
    for n, state in enumerate(DeliveryState):
        assert await every(store, "p.test:80", state) == [mine[n + 4], mine[n]]
    assert await every(store, None, DeliveryState.DEAD) == [other, mine[6], mine[2]]
    assert await store.find_deliveries("x.test:80", None, None, 5) == FoundDeliveries()


async def test_a_host_is_paused_once_and_resumed(store: Store) -> None:
    paused = PausedHost(host="p.test:80", since=T0, who="budi", reason="moves")
    assert await store.paused_hosts() == []
    assert await store.pause_host(paused)
    assert not await store.pause_host(replace(paused, who="wati"))
    assert await store.paused_hosts() == [paused]
    assert await store.resume_host("p.test:80")
    assert not await store.resume_host("p.test:80")
    assert await store.paused_hosts() == []
