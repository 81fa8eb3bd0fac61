"""What a reseller types into its panel: addresses, sample replies, expressions (contract §11).

One sheet a kind of panel. The samples come from the very functions that answer, and the
expressions are those of `protocol.expressions`, so a sheet can not promise what is not said. Pure:
who prints it, and how it looks, is decided elsewhere.
"""

from typing import Final

import msgspec

from gateway.domain.errors import Code, explain
from gateway.domain.evidence import Status
from gateway.domain.order import Dialect, Order
from gateway.domain.reseller import Profile
from gateway.protocol import otomax, text
from gateway.protocol.deliveries import message_for
from gateway.protocol.expressions import NATIVE, TEXT, TEXT_USER
from gateway.protocol.json_api import order_success, refusal
from gateway.protocol.otomax import parse_trx_request
from gateway.protocol.text import parse_order_request

KEY: Final = "APIKEY"  # stands for the reseller's key, which is told once and never again
KINDS: Final = ("text", "otomax", "report", "program")

_AT: Final = 1_680_405_885_000  # Unix milliseconds
_SALDO: Final = 1_250_000
# The upstream's own object, from its document ("Get invoice detail by trx_id").
_INVOICE: Final = (
    '{"invoice_number":"APIKUY_ML_1680405885_1234","trx_id":"toko-T1001",'
    '"response_note":"Budi - 123456789(1234) . RefId: ML_1680405885_1234",'
    '"category":{"title":"Mobile Legends","subtitle":null,"type":"game"},'
    '"product":{"name":"5 (5+0) Diamonds","code":"S1_1187","price":1511},'
    '"user_input":{"user_id":"123456789","server_id":"1234","nickname":"Budi"},'
    '"amount":1511,"status":"SUCCESS","voucher":null,"created_at":"2023-04-02T03:24:45.000Z"}'
)
_TRX_ID, _PRODUCT = "T1001", "S1_1187"
_SN: Final = "Budi - 123456789(1234) . RefId: ML_1680405885_1234"
# What a reseller reads behind each status word; the upstream's own form, from its document.
_NOTES: Final = {
    Status.SUCCESS: _SN,
    Status.PARTIAL_SUCCESS: _SN,
    Status.PENDING: "RefId : ML_1680405885_1234",
    Status.PAID: "RefId : ML_1680405885_1234",
    Status.FAILED: explain(Code.INVALID_USER_ID),
    Status.REFUNDED: "",
}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Whose sheet it is, and where the gateway is reached.

    Attributes:
        code: the reseller's.
        url: the gateway's public address, without a slash at the end.
        addresses: from where the gateway calls the panel; empty where that is not known.
        allow_ips: from where the panel may ask; empty: from anywhere.
        callback_url: where deliveries go when an order names no address, or None.
        delivery: their form.
        native: it has OtomaX's own dialect.
        allow_pin: and may show pin and password in it.
    """

    code: str
    url: str
    addresses: tuple[str, ...] = ()
    allow_ips: tuple[str, ...] = ()
    callback_url: str | None = None
    delivery: Profile = "toss"
    native: bool = False
    allow_pin: bool = False


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """What is typed into one kind of panel.

    Attributes:
        kind: one of KINDS.
        title: what kind of panel that is.
        settings: names as panels call them, and what is typed there.
        samples: status word and reply.
        expressions: what is found, and by which regular expression; empty for programs.
        callbacks: status word and what the panel is called with.
        notes: sentences.
    """

    kind: str
    title: str
    settings: dict[str, str]
    samples: dict[str, str]
    callbacks: dict[str, str]
    expressions: dict[str, str] = {}
    notes: tuple[str, ...] = ()


def sheets(place: Place) -> list[Sheet]:
    """Return a sheet for each kind of panel."""
    return [_text(place), _otomax(place), _report(place), _program(place)]


def _text(place: Place) -> Sheet:
    return Sheet(
        kind="text",
        title="OtomaX sebagai supplier HTTP",
        settings={
            **_text_urls(place),
            **_callback_settings(place),
        },
        samples=_text_samples(),
        callbacks=_callbacks(place, Dialect.TEXT, "toss"),
        expressions={**TEXT, "saldo (cek saldo)": TEXT_USER},
        notes=(
            "ERROR tidak pernah final: ulangi dengan trxid yang sama, jangan digagalkan.",
            "trxid yang sudah dipakai dijawab dengan status transaksinya, tidak dibeli lagi.",
            "Parameter tambahan boleh: server_id, callback_url, max_price (Rupiah).",
        ),
    )


def _text_urls(place: Place) -> dict[str, str]:
    order = f"{place.url}/v3/otomax/order?apikey={KEY}"
    return {
        "URL transaksi": f"{order}&product_code=[kodeproduk]&user_id=[tujuan]&trx_id=[trxid]",
        "URL cek status": f"{place.url}/v1/otomax/status/[trxid]?apikey={KEY}",
        "URL cek saldo": f"{place.url}/v1/otomax/user?apikey={KEY}",
    }


def _callback_settings(place: Place) -> dict[str, str]:
    return {
        "URL callback panel": place.callback_url or "belum diatur: minta operator mengisinya",
        "Bentuk callback": place.delivery,
        "IP gateway (izinkan di panel)": ", ".join(place.addresses) or "tanyakan operator",
        "IP panel (diizinkan gateway)": ", ".join(place.allow_ips) or "semua",
    }


def _otomax(place: Place) -> Sheet:
    shown = "&pin=[pin]&password=[password]" if place.allow_pin else "&sign=[sign]"
    about = f"memberID={place.code.upper()}"
    trx = f"{place.url}/trx?{about}&product=[kodeproduk]&dest=[tujuan]&refID=[trxid]"
    notes = (
        (
            "sign = base64url tanpa = dari SHA-1 biner atas "
            "OtomaX|memberID|product|dest|refID|pin|password."
        ),
        "check=1 hanya menanyakan status, tidak pernah membeli. qty hanya boleh 1.",
        "ERROR tidak pernah final: ulangi dengan refID yang sama, jangan digagalkan.",
    )
    unset = "Belum aktif: operator harus mengisi --pin dan --password untuk reseller ini."
    return Sheet(
        kind="otomax",
        title="OtomaX sebagai server OtomaX (protokol asli)",
        settings={
            "URL transaksi": f"{trx}{shown}",
            "URL cek status": f"{trx}&check=1{shown}",
            "URL cek saldo": f"{place.url}/balance?{about}{shown}",
            "memberID": place.code.upper(),
            "PIN dan password": "dari operator",
            **_callback_settings(place),
        },
        samples=_native_samples(),
        callbacks=_callbacks(place, Dialect.OTOMAX, "otomax"),
        expressions=dict(NATIVE),
        notes=notes if place.native else (unset, *notes),
    )


def _report(place: Place) -> Sheet:
    return Sheet(
        kind="report",
        title="Panel dengan callback gaya report (IRS dan sejenisnya)",
        settings={**_text_urls(place), **_callback_settings(place)},
        samples=_text_samples(),
        callbacks=_callbacks(place, Dialect.TEXT, "report"),
        expressions={**TEXT, **{f"{name} (msg callback)": NATIVE[name] for name in NATIVE}},
        notes=(
            "statuscode 1 adalah sukses, 2 adalah gagal atau dana dikembalikan.",
            "clientid adalah trxid panel, serverid nomor transaksi di gateway.",
            "Bentuk ini aktif kalau operator mengatur --delivery report.",
        ),
    )


def _program(place: Place) -> Sheet:
    samples = {
        status.value: order_success(sample(status, Dialect.JSON)).body.decode()
        for status in Status
    }
    samples["ERROR"] = refusal(Code.RATE_LIMITED).body.decode()
    return Sheet(
        kind="program",
        title="Program sendiri (JSON API)",
        settings={
            "Header": f"Authorization: {KEY}",
            "Transaksi": f"POST {place.url}/v2/order",
            "Isi": '{"product_code":"S1_1187","user_id":"123456789","server_id":"1234",'
            '"trx_id":"T1001","callback_url":"https://…"}',
            "Cek status": f"GET {place.url}/v1/status/trx-id/T1001",
            "Cek saldo": f"GET {place.url}/v1/user",
            "Daftar produk": f"GET {place.url}/v1/products",
            **_callback_settings(place),
        },
        samples=samples,
        callbacks=_callbacks(place, Dialect.JSON, "toss"),
        notes=(
            (
                "Callback: POST JSON dengan header x-signature, yaitu HMAC-SHA256 (hex) dari isi "
                "mentah dengan kunci reseller ini."
            ),
            "trx_id yang sama di /v2/order menanyakan status, tidak dibeli lagi.",
            (
                "Jawaban error selain penolakan supplier tidak memutuskan apa-apa: cek status "
                "dengan trx_id yang sama."
            ),
        ),
    )


def sample(status: Status, dialect: Dialect = Dialect.TEXT) -> Order:
    """Return an order as it may stand in the journal, in this status."""
    return Order(
        id=1001,
        reseller="toko",
        trx_id=_TRX_ID,
        product_code=_PRODUCT,
        dest="1234567891234",
        user_id="123456789",
        server_id="1234",
        status=status,
        note=_NOTES[status],
        invoice_number="APIKUY_ML_1680405885_1234",
        product_price=1511,
        callback_url="https://panel.example/callback",
        named=True,
        placed_at=_AT,
        final_at=_AT if status.is_final else None,
        dialect=dialect,
        invoice=_INVOICE if dialect is Dialect.JSON else None,
    )


def _text_samples() -> dict[str, str]:
    samples = {status.value: text.order_answer(sample(status), _SALDO) for status in Status}
    asked = parse_order_request(
        f"product_code={_PRODUCT}&user_id=123456789&server_id=1234&trx_id={_TRX_ID}"
    )
    samples["ERROR"] = text.error_answer(asked, explain(Code.RATE_LIMITED))
    return samples


def _native_samples() -> dict[str, str]:
    samples = {status.value: otomax.order_answer(sample(status), _SALDO) for status in Status}
    asked = parse_trx_request(
        f"memberID=TOKO&product={_PRODUCT}&dest=1234567891234&refID={_TRX_ID}"
    )
    samples["ERROR"] = otomax.error_answer(asked, explain(Code.RATE_LIMITED))
    return samples


def _callbacks(place: Place, dialect: Dialect, profile: Profile) -> dict[str, str]:
    """Return what a panel is called with for each final status."""
    told = {}
    for status in Status:
        order = sample(status, dialect)
        if place.callback_url is not None:
            order = msgspec.structs.replace(order, callback_url=place.callback_url)
        message = message_for(order, profile, _SALDO) if status.is_final else None
        if message is not None:
            body = "" if message.body is None else f" {message.body}"
            told[status.value] = f"{message.method} {message.url}{body}"
    return told
