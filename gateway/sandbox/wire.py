"""What the upstream writes, byte for byte as its document shows: lines, JSON, the callback's URL.

Pure: purchases in, text out. Written from the document alone and not from `gateway.protocol`: the
sandbox is the other party, and a mistake in our own parsers must not be repeated by what they are
tested with.
"""

import hmac
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote, urldefrag

import msgspec
from yarl import URL

from gateway.sandbox.goods import Category, Product
from gateway.sandbox.purchases import Account, Purchase, Status
from gateway.sandbox.refusals import INVALID_CALLBACK_URL, INVALID_USER_ID, RefusedError

GLUED_DIGITS = 12
"""From this length on an all-digit user_id without a server_id is taken for both in one."""

SERVER_DIGITS = 4
"""The document's v3 sample: 1234567891234 is the player 123456789 on the server 1234."""

_SAFE_IN_QUERY = "(),:.-_~!*'"
"""Left alone: what the document's callback leaves alone, and what encodeURIComponent does."""


def split_dest(user_id: str, server_id: str, *, glued: bool) -> tuple[str, str]:
    """The player and the server; `glued` where the route takes both in one (v2 and v3).

    Raises:
        RefusedError: INVALID_USER_ID, for an empty or an unprintable one.
    """
    if not user_id or not (user_id + server_id).isprintable():
        raise RefusedError(INVALID_USER_ID)
    is_number = user_id.isascii() and user_id.isdigit()
    if server_id or not glued or not is_number or len(user_id) < GLUED_DIGITS:
        return user_id, server_id
    return user_id[:-SERVER_DIGITS], user_id[-SERVER_DIGITS:]


def checked_callback_url(callback_url: str) -> str | None:
    """The URL as it came; None for an empty one.

    Raises:
        RefusedError: INVALID_CALLBACK_URL, unless it is http or https with a host.
    """
    if not callback_url:
        return None
    try:
        url = URL(callback_url)
    except ValueError:
        raise RefusedError(INVALID_CALLBACK_URL) from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise RefusedError(INVALID_CALLBACK_URL)
    return callback_url


def order_line(purchase: Purchase) -> str:
    """`R#123424324 S1_1187.123456789|1234, status PENDING. RefId : ML_… . Sisa saldo 12345`.

    Without a server the destination is the user_id alone.
    """
    server = f"|{purchase.server_id}" if purchase.server_id else ""
    return (
        f"R#{purchase.trx_id or ''} {purchase.product_code}.{purchase.user_id}{server}"
        f", {_rest_of_line(purchase)}"
    )


def status_line(purchase: Purchase) -> str:
    """`R#1234243244 APIKUY_XX_… S1_1187.123456789(1234), status SUCCESS. … . Sisa saldo 12343`."""
    return (
        f"R#{purchase.trx_id or ''} {purchase.invoice_number} {purchase.product_code}"
        f".{purchase.user_id}({purchase.server_id}), {_rest_of_line(purchase)}"
    )


def refusal_line(purchase: Purchase, note: str) -> str:
    """The order's line with FAILED and this note, whatever became of the purchase."""
    head, _, _ = order_line(purchase).partition(", status ")
    return f"{head}, status FAILED. {note} . Sisa saldo {purchase.account.balance_rp}"


def user_line(account: Account) -> str:
    """`TopupKuy. topupkuy@topupkuy.id. plan Platinum Member. balance 1234344`."""
    return f"{account.name}. {account.email}. plan {account.plan}. balance {account.balance_rp}"


def status_body(purchase: Purchase) -> dict[str, object]:
    """The JSON of an invoice, of an order's reply too, in the document's order of fields."""
    return _success(_invoice_head(purchase) | _invoice_tail(purchase))


def refusal_body(purchase: Purchase, note: str) -> dict[str, object]:
    """The order's JSON with FAILED and this note, whatever became of the purchase."""
    failed = replace(purchase, status=Status.FAILED)
    said = {"response_note": note}
    return _success(_invoice_head(failed) | said | _invoice_tail(failed))


def callback_body(purchase: Purchase) -> bytes:
    """The document's JSON callback: an invoice with the balance, without spaces, as it is signed.

    `JSON.stringify`, with which the document signs, writes none either.
    """
    balance: dict[str, object] = {"balance": purchase.account.balance_rp}
    return msgspec.json.encode(_invoice_head(purchase) | balance | _invoice_tail(purchase))


def signature(body: bytes, apikey: str) -> str:
    """The `x-signature` of a body: HMAC-SHA256 under the account's apikey, in hexadecimal."""
    return hmac.new(apikey.encode(), body, sha256).hexdigest()


def user_body(account: Account) -> dict[str, object]:
    """The JSON of an account, in the document's order of fields."""
    return _success(
        {
            "user_name": account.name,
            "user_email": account.email,
            "user_phone": "628xxxxx",
            "user_balance": account.balance_rp,
            "user_created_at": _timestamp(account.opened_at),
            "user_updated_at": _timestamp(account.opened_at),
            "role_name": account.plan,
            "role_code": account.plan.partition(" ")[0].lower(),
        }
    )


def products_body(products: Iterable[Product]) -> dict[str, object]:
    """The JSON list of products; here `is_active` is a boolean, as the document shows it."""
    return _success(
        [
            _product_head(product)
            | {"product_price": product.price_rp, "is_active": product.is_active}
            | _product_tail(product)
            for product in products
        ]
    )


def product_body(product: Product) -> dict[str, object]:
    """The JSON of one product; here `is_active` is 1 or 0, as the document shows it."""
    detail = {
        "product_logo": None,
        "product_price": product.price_rp,
        "is_active": int(product.is_active),
    }
    return _success(_product_head(product) | detail | _product_tail(product))


def categories_body(categories: Iterable[Category]) -> dict[str, object]:
    """The JSON list of categories."""
    return _success(
        [
            {
                "category_id": category.category_id,
                "category_type": category.type,
                "category_title": category.title,
                "category_subtitle": category.listed_subtitle,
                "category_banner": None,
                "category_photo": category.photo,
                "category_slug": category.slug,
                "is_active": int(category.is_active),
                "is_server": int(category.is_server),
                "is_popular": int(category.is_popular),
                "is_hotsale": int(category.is_hotsale),
                "category_order": category.order,
            }
            for category in categories
        ]
    )


def callback_target(purchase: Purchase, callback_url: str) -> URL:
    """The URL of an Otomax callback as the document shows it, with the purchase as it is now.

    The `#` of `msg=R#…` stands raw in the document, so everything behind it is a fragment, which
    no HTTP client sends: the receiver sees `msg=R`. That is kept as it is, because receivers have
    to live with it.
    """
    base = str(URL(urldefrag(callback_url).url))
    query = "&".join(
        (
            f"invoice_number={_quoted(purchase.invoice_number)}",
            f"trx_id={_quoted(purchase.trx_id or '')}",
            f"status={purchase.status.value}",
            f"product_price={purchase.price_rp}",
            f"sn={_quoted(purchase.note)}",
            f"msg=R#{_quoted(status_line(purchase).removeprefix('R#'))}",
        )
    )
    return URL(f"{base}{'&' if '?' in base else '?'}{query}", encoded=True)


def _invoice_head(purchase: Purchase) -> dict[str, object]:
    product = purchase.order.product
    nicknamed = purchase.status in {Status.SUCCESS, Status.PARTIAL_SUCCESS}
    return {
        "invoice_number": purchase.invoice_number,
        "trx_id": purchase.trx_id,
        "response_note": purchase.note,
        "category": {
            "title": product.category.title,
            "subtitle": product.category.subtitle,
            "type": product.category.type,
        },
        "product": {"name": product.name, "code": product.code, "price": product.price_rp},
        "user_input": {
            "user_id": purchase.user_id,
            "server_id": purchase.server_id or None,
            "nickname": "Nickname" if nicknamed else None,
        },
    }


def _invoice_tail(purchase: Purchase) -> dict[str, object]:
    return {
        "amount": purchase.price_rp,
        "status": purchase.status.value,
        "voucher": None,
        "created_at": _timestamp(purchase.created_at),
    }


def _product_head(product: Product) -> dict[str, object]:
    return {
        "product_id": product.product_id,
        "product_name": product.name,
        "product_code": product.code,
    }


def _product_tail(product: Product) -> dict[str, object]:
    return {
        "category_type": product.category.type,
        "category_title": product.category.title,
        "category_subtitle": product.category.subtitle,
    }


def _rest_of_line(purchase: Purchase) -> str:
    balance_rp = purchase.account.balance_rp
    return f"status {purchase.status.value}. {purchase.note} . Sisa saldo {balance_rp}"


def _success(data: object) -> dict[str, object]:
    return {"statusCode": 200, "message": "success", "data": data}


def _quoted(text: str) -> str:
    return quote(text, safe=_SAFE_IN_QUERY)


def _timestamp(epoch_s: float) -> str:
    """`2023-03-22T23:38:05.000Z`, as the document writes times."""
    at = datetime.fromtimestamp(epoch_s, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
