"""What the journal says of an order's steps and of alerts, in Indonesian.

The journal keeps one language, English, so that what it holds does not depend on who looks on.
Here is each of its sentences with its translation; what is none of them is shown as it is.
"""

import re
from typing import Final

_SOURCES: Final = {
    "reply": "balasan supplier",
    "callback": "callback supplier",
    "lookup": "cek status",
}
_SAID: Final = r"(?P<source>reply|callback|lookup)"
_SENTENCES: Final = (
    (r"send (?P<n>\d+) to the upstream begins", "kiriman ke-{n} ke supplier dimulai"),
    (_SAID + r" said (?P<a>\w+): applied", "{source} menyatakan {a}: diterapkan"),
    (_SAID + r" said (?P<a>\w+): to be looked up", "{source} menyatakan {a}: dicek dulu"),
    (_SAID + r" said (?P<a>\w+): changes nothing", "{source} menyatakan {a}: tidak ada perubahan"),
    (_SAID + r": no proof of anything \((?P<a>.*)\)", "{source}: belum ada bukti ({a})"),
    (
        r"somebody says that it changed: to be looked up",
        "ada kabar statusnya berubah: dicek dulu ke supplier",
    ),
    (r"the operator decided (?P<a>\w+)", "operator memutuskan {a}"),
    (r"never sent \((?P<a>.*)\): failed", "tidak pernah terkirim ({a}): gagal"),
    (r"never sent: (?P<a>.*)", "tidak pernah dikirim: {a}"),
    (
        r"this send never left \((?P<a>.*)\); an earlier one may have arrived",
        "kiriman ini tidak pernah keluar ({a}); kiriman sebelumnya mungkin sudah sampai",
    ),
    (r"lookup: not found, stays final", "cek status: tidak ditemukan, tetap final"),
    (r"lookup: not found, too early to tell", "cek status: tidak ditemukan, terlalu dini"),
    (
        r"lookup: not found; the next start sends it again",
        "cek status: tidak ditemukan; dikirim ulang saat gateway mulai lagi",
    ),
    (
        r"lookup: not found, so it is sent again \(send (?P<a>\d+) of (?P<n>\d+)\)",
        "cek status: tidak ditemukan, jadi dikirim ulang (kiriman {a} dari {n})",
    ),
    (
        r"lookup: not found three times in a row: expired",
        "cek status: tiga kali berturut-turut tidak ditemukan: kedaluwarsa",
    ),
    (r"lookup: not found \((?P<n>\d+)\)", "cek status: tidak ditemukan ({n})"),
    (
        r"delivery (?P<n>\d+) is sent again by the operator",
        "kiriman {n} dikirim ulang oleh operator",
    ),
    (
        r"sent again by the operator, with all that is (?P<a>\w+) since (?P<n>.*)",
        "dikirim ulang oleh operator, bersama semua yang {a} sejak {n}",
    ),
    (r"delivery (?P<n>\d+) of (?P<a>\w+) is dead since .*", "kiriman {n} ({a}) gagal total"),
    (
        _SAID + r" said (?P<a>\w+) while the order is (?P<n>\w+)(?: with another SN: (?P<sn>.*))?",
        "{source} menyatakan {a} padahal transaksi ini {n}{sn}",
    ),
    (
        r"what was called back is not confirmed: the look-up says (?P<a>.*)",
        "callback tidak terbukti: cek status menyatakan {a}",
    ),
    (
        r"what was called back can not be looked up: the upstream does not answer",
        "callback tidak bisa dicek: supplier tidak menjawab",
    ),
    (
        r"whether it was bought after all is not known: the upstream did not answer",
        "belum diketahui apakah sebenarnya terbeli: supplier tidak menjawab",
    ),
)
_COMPILED: Final = tuple((re.compile(english), said) for english, said in _SENTENCES)


def in_indonesian(text: str) -> str:
    """Return a sentence of the journal in Indonesian; another text as it is."""
    for english, said in _COMPILED:
        found = english.fullmatch(text)
        if found is not None:
            given = found.groupdict()
            if "source" in given:
                given["source"] = _SOURCES[given["source"]]
            if "sn" in given:
                given["sn"] = "" if given["sn"] is None else f" dengan SN lain: {given['sn']}"
            return said.format(**given)
    return text
