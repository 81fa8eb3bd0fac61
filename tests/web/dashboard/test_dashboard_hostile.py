"""What strangers write stands on every page as text, and no page stands where strangers are."""

from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from tests.support import FakeUpstream, House, OpenHouse, answers, product, says
from tests.support.browser import PASSWORD, Browser
from tests.web.dashboard.test_dashboard_door import routes, target

TEXT = "\"'><zz onzz=1>`"
SOLD = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi " + TEXT + " . Sisa saldo 5"
_ASKED = (
    *("q", "trx_id", "host", "state", "reseller", "who", "about", "before", "kind", "done"),
    *("lang", "zone", "width", "from", "to", "since", "page", "product", "dest"),
)


class Reader(HTMLParser):
    """Reads a page as a browser does; keeps every tag that no page of ours has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.foreign: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what acts."""
        if tag == "zz" or any(name.startswith("on") for name, _ in attrs):
            self.foreign.append(self.get_starttag_text() or tag)


@pytest.fixture
async def house(open_house: OpenHouse, upstream: FakeUpstream) -> House:
    """A gateway to which everybody says the same."""
    upstream.order = says(SOLD)
    house = await open_house(upstream.url, delivery={"schedule_s": [0], "timeout_s": 0.2})
    do = house.gateway.desk.do
    await do("reseller.set", {"code": "toko", "name": TEXT})
    await do("delivery.pause", {"host": "127.0.0.1:9", "reason": TEXT})
    await house.order("T1", user_id=f"1{TEXT}", callback_url=f"http://127.0.0.1:9/{TEXT}")
    for price in (5, 10):
        listed = dict.fromkeys(("product_code", "product_name", "category_title"), TEXT)
        upstream.lists["/v1/products"] = answers(
            [{**listed, "product_price": price}, product("S1_1187", 6)]
        )
        house.clock.skip(3600)
        await house.gateway.price_watch.step()
    return house


async def test_no_page_lets_a_strangers_text_act(house: House, operator: Browser) -> None:
    said = {"Origin": house.admin_url, "User-Agent": TEXT}
    await operator.post("/login", {"name": "operator", "password": PASSWORD}, headers=said)
    paths = [target(route) for route in routes(house) if route.method == "GET"]
    for path in ("/live", "/login"):
        paths.remove(path)
    everything = "?" + "&".join(f"{name}={quote(TEXT)}" for name in _ASKED)
    paths += [path + everything for path in paths]
    paths += [
        f"/{place}/{quote(TEXT, safe='')}" for place in ("orders", "resellers", "products/of")
    ]
    shown = 0
    for path in [*paths, "/deliveries/list?host=127.0.0.1:9"]:
        page = await operator.get(path, follow=False)
        assert page.status < 500, path
        if not page.headers["Content-Type"].startswith("text/html"):
            continue  # a browser reads no tags in it
        assert Reader(page.text).foreign == [], path
        shown += "&lt;zz onzz=1&gt;" in page.text
    assert shown > 12, "it stands on many pages"


async def test_no_resellers_page_lets_it_act(house: House) -> None:
    made = await house.gateway.desk.do("link.make", {"code": "toko", "days": 1})
    path = "/lihat/" + made["url"].rpartition("/")[2]
    for query in ("", "?q=T1", f"?q={quote(TEXT)}&lang={quote(TEXT)}&zone={quote(TEXT)}"):
        page = await house.get(path + query)
        assert page.status == 200
        assert Reader(page.text).foreign == []


async def test_the_public_listener_serves_no_page_of_the_operators(house: House) -> None:
    for route in routes(house):
        assert (await house.get(target(route), method=route.method)).status == 404, route
    for path in ("/metrics", "/static/style.css", "//orders", "/lihat/../orders", "/lihat/..%2f"):
        assert (await house.get(path)).status == 404, path
