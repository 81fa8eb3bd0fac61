"""No page shows a secret: of the reseller, the upstream, an order, or who is logged in."""

from tests.support import FakeUpstream, House, Panel, eventually, says
from tests.support.browser import PASSWORD, Browser
from tests.web.dashboard.test_dashboard_door import routes, target
from tests.web.dashboard.test_dashboard_orders import SOLD
from tests.web.native import NATIVE, PIN


async def test_no_page_shows_a_secret(
    house: House, operator: Browser, viewer: Browser, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = says(SOLD)
    key = await house.add("kios", callback_url=f"{panel.url}/cb?token=hidden-token", **NATIVE)
    await house.order(reseller="kios")
    await eventually(lambda: panel.targets)
    fresh = await house.gateway.desk.do("reseller.rotate_key", {"code": "kios"})
    (token,) = [c.value for c in operator.client.cookie_jar if c.key == "otomax_session"]
    callback = house.token("kios-T1").partition(".")[0]
    secrets = {key, fresh["key"], "upstream-key-of-kios", PIN, NATIVE["password"], callback}
    house.secrets.add(fresh["key"])
    paths = [target(route) for route in routes(house) if route.method == "GET"]
    paths.remove("/live")
    # Where the address is changed, and where the reseller reads it, it stands whole.
    its_own = {"/resellers/kios/change", "/resellers/kios/panel"}
    paths += {path.replace("/toko", "/kios") for path in paths} - its_own - {*paths}
    for path in paths:
        page = await operator.get(path)
        shown = page.text + repr(page.headers) + str(page.url)
        for secret in (*secrets, token, PASSWORD, "hidden-token", "$argon2"):
            assert secret not in shown, (path, secret)
    sheet = await operator.get("/resellers/kios/panel")
    assert "hidden-token" in sheet.text
    for path in ("/resellers/kios", "/resellers/kios/panel", "/resellers/kios/change"):
        assert "hidden-token" not in (await viewer.get(path)).text, path
