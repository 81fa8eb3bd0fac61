"""The codes a panel may read, each with its sentence, and the refusals that carry them.

The first twelve are the upstream's own, with the descriptions of its document ("Response
Message"); the rest are ours. Two sentences differ from the document in one word: the upstream
writes there the word by which panels find the balance, and a note must never hold that word before
its place.
"""

from enum import StrEnum


class Code(StrEnum):
    """Why something was refused, as a panel reads it."""

    API_KEY_NOT_FOUND = "API_KEY_NOT_FOUND"
    IP_NOT_WHITELISTED = "IP_NOT_WHITELISTED"
    INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE"
    INVOICE_NOT_FOUND = "INVOICE_NOT_FOUND"
    INVALID_USER_ID = "INVALID_USER_ID"
    NICKNAME_NOT_FOUND = "NICKNAME_NOT_FOUND"
    DUPLICATE_TRX_ID = "DUPLICATE_TRX_ID"
    PRODUCT_NOT_FOUND = "PRODUCT_NOT_FOUND"
    PRODUCT_INACTIVE = "PRODUCT_INACTIVE"
    INVALID_CALLBACK_URL = "INVALID_CALLBACK_URL"
    PAYMENT_METHOD_NOT_ALLOWED = "PAYMENT_METHOD_NOT_ALLOWED"
    SERVER_ERROR = "SERVER_ERROR"

    INVALID_PARAMETER = "INVALID_PARAMETER"
    RATE_LIMITED = "RATE_LIMITED"
    RESELLER_SUSPENDED = "RESELLER_SUSPENDED"
    UPSTREAM_UNREACHABLE = "UPSTREAM_UNREACHABLE"
    EXPIRED = "EXPIRED"
    BUSY = "BUSY"
    PRICE_CHANGED = "PRICE_CHANGED"


SENTENCES: dict[Code, str] = {
    Code.API_KEY_NOT_FOUND: "Apikey tidak valid atau tidak ditemukan.",
    Code.IP_NOT_WHITELISTED: "IP Address Anda tidak masuk kedalam whitelist server kami, "
    "harap cek menu dashboard Whitelist IP Anda kembali.",
    Code.INSUFFICIENT_BALANCE: "Dana Anda tidak mencukupi untuk melakukan pembelian.",
    Code.INVOICE_NOT_FOUND: "Nomor invoice tidak ditemukan, Anda hanya bisa melihat invoice "
    "yang di generate dengan apikey Anda.",
    Code.INVALID_USER_ID: "User ID tidak ditemukan, coba cek kembali inputan Anda.",
    Code.NICKNAME_NOT_FOUND: "Nickname dengan user id dan/atau server id tidak ditemukan.",
    Code.DUPLICATE_TRX_ID: "trx_id telah digunakan sebelumnya.",
    Code.PRODUCT_NOT_FOUND: "Kode produk tidak ditemukan.",
    Code.PRODUCT_INACTIVE: "Produk sedang tidak aktif.",
    Code.INVALID_CALLBACK_URL: "Callback url tidak valid.",
    Code.PAYMENT_METHOD_NOT_ALLOWED: "Untuk kategori e-wallet tidak dapat menggunakan deposit "
    "sebagai metode pembayaran.",
    Code.SERVER_ERROR: "Server mengalami error pada sisi kami.",
    Code.INVALID_PARAMETER: "Parameter tidak lengkap atau tidak sah.",
    Code.RATE_LIMITED: "Terlalu banyak transaksi per detik, coba lagi sebentar.",
    Code.RESELLER_SUSPENDED: "Akun reseller sedang tidak dapat bertransaksi, hubungi operator.",
    Code.UPSTREAM_UNREACHABLE: "Server supplier tidak dapat dihubungi, transaksi tidak dikirim.",
    Code.EXPIRED: "Transaksi tidak ditemukan di supplier sampai batas waktu.",
    Code.BUSY: "Server sedang sibuk, coba lagi sebentar.",
    Code.PRICE_CHANGED: "Harga produk di atas batas, transaksi tidak dikirim.",
}

UPSTREAMS = tuple(Code)[:12]
"""The codes of the upstream's document; the others are ours."""

KEY_REFUSALS = (Code.API_KEY_NOT_FOUND, Code.IP_NOT_WHITELISTED)
"""What the upstream says of a key itself, whatever is asked under it."""

# What the upstream says before it buys, and so proves that nothing was bought (contract T4).
DEFINITE_REFUSALS = frozenset(
    {
        Code.API_KEY_NOT_FOUND,
        Code.IP_NOT_WHITELISTED,
        Code.INSUFFICIENT_BALANCE,
        Code.INVALID_USER_ID,
        Code.NICKNAME_NOT_FOUND,
        Code.PRODUCT_NOT_FOUND,
        Code.PRODUCT_INACTIVE,
        Code.INVALID_CALLBACK_URL,
        Code.PAYMENT_METHOD_NOT_ALLOWED,
    }
)


def explain(code: Code, detail: str | None = None) -> str:
    """Return the note of a refusal: `<CODE> - <kalimat>`.

    Args:
        code: why.
        detail: a sentence that replaces the general one, in Indonesian.
    """
    return f"{code} - {detail or SENTENCES[code]}"


class Refused(Exception):  # noqa: N818  a refusal is an ordinary answer, no error of ours
    """Nothing was decided by this request; the panel reads `ERROR. <CODE> - <kalimat>`.

    Args:
        code: why.
        detail: a sentence in Indonesian that replaces the general one.
    """

    def __init__(self, code: Code, detail: str | None = None) -> None:
        self.code = code
        self.note = explain(code, detail)
        super().__init__(self.note)


class NotDone(Exception):  # noqa: N818  the name says what is the matter
    """An operator's command could not be done; says why and what to do, without secrets."""


class JournalUnavailable(Exception):  # noqa: N818  the name says what is the matter
    """The journal cannot record at the moment, so nothing may be sold or decided."""
