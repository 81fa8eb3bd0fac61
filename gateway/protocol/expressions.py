r"""The regular expressions that a panel reads our lines by: data, and the same in every sheet.

Written in what Python, PCRE and .NET understand alike. Each finds its own status and no other,
whatever a player calls himself: in the text dialect no destination holds a comma, so the first one
stands before the status; in OtomaX's own dialect the words SUKSES, GAGAL and Saldo stand nowhere
but in their place (rule 6 of contract §4). The first group is what is wanted. None begins or ends
with a space, for who copies one from a sheet loses that.
"""

from types import MappingProxyType
from typing import Final

_TEXT: Final = r"^R#([A-Za-z0-9._-]+) [^,]*, status "
_NATIVE: Final = r"^R#([A-Za-z0-9._-]+) "
# An order that is on its way; what a player wrote stands before it, and never these words.
_ON_ITS_WAY: Final = r" akan diproses(?:\. Saldo -?[0-9]+)?$"
_UNDECIDED: Final = r"(?:(?!SUKSES|GAGAL)[^\r\n])*"

TEXT: Final = MappingProxyType(
    {
        "sukses": _TEXT + r"(?:PARTIAL_)?SUCCESS\.",
        "gagal": _TEXT + r"(?:FAILED|REFUNDED)\.",
        "pending": _TEXT + r"(?:PENDING|PAID)\.",
        "ulang": _TEXT + r"ERROR\.",
        "sn": r"^R#[A-Za-z0-9._-]+ [^,]*, status (?:PARTIAL_)?SUCCESS\. "
        r"(.*?)(?: \. Sisa saldo -?[0-9]+)?$",
        "saldo": r"\. Sisa saldo (-?[0-9]+)$",
    }
)
"""For the answers to orders and to status requests, and for `msg` of a `toss` delivery."""

TEXT_USER: Final = r"\. balance (-?[0-9]+)$"
"""For the saldo in the answer of `/v1/otomax/user`."""

NATIVE: Final = MappingProxyType(
    {
        "sukses": _NATIVE + r"[^\r\n]* SUKSES(?: SEBAGIAN)?\. SN:",
        "gagal": _NATIVE + r"[^\r\n]* GAGAL\.",
        "pending": _NATIVE + _UNDECIDED + _ON_ITS_WAY,
        "ulang": rf"{_NATIVE}(?![^\r\n]*{_ON_ITS_WAY}){_UNDECIDED} ERROR\. [A-Z_]+ -",
        "sn": r"^R#[A-Za-z0-9._-]+ [^\r\n]*? SUKSES(?: SEBAGIAN)?\. SN: "
        r"(.*?)(?:\. Saldo -?[0-9]+)?$",
        "saldo": r"(?:^|\. )Saldo (-?[0-9]+)$",
    }
)
"""For the answers of `/trx` and `/balance`, and for `message` and `msg` of other deliveries."""

MEANINGS: Final = MappingProxyType(
    {
        "sukses": "transaksi berhasil, juga sebagian",
        "gagal": "transaksi gagal, atau dananya dikembalikan",
        "pending": "sedang diproses, tunggu callback atau cek status",
        "ulang": "belum diputuskan apa-apa: ulangi dengan trxid yang sama, jangan digagalkan",
        "sn": "SN ada di grup pertama",
        "saldo": "saldo ada di grup pertama",
    }
)
"""What each finds, in the words of the operator."""
