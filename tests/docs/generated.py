"""The pages that are made from the program's own tables, so that they can not part.

Pure. `run_pages` writes them, a test compares them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pydantic.fields import FieldInfo

from gateway.app.bounds import LIVE
from gateway.config.keys import SECTIONS
from gateway.config.sentences import KEYS_ID, SECTIONS_ID
from gateway.config.template import toml_value
from gateway.domain.alert import KINDS, Severity
from tests.docs.markdown import DOCS


class _Words(NamedTuple):
    """What stands around the tables in one language."""

    other: str
    configuration: str
    alerts: str
    required: str
    default: str
    live: str
    restart: str
    severities: Mapping[Severity, str]
    severity: str
    name: str
    ends: str
    todo: str


_ID: Final = _Words(
    other="[English](../en/{page}) · [Daftar isi](../README.md)",
    configuration="""\
# Semua kunci konfigurasi

Semua ada di `config.toml`; `otomax-gateway init` menulis filenya lengkap dengan nilai bawaan.
Yang tidak ditulis memakai nilai bawaan. Nama kunci yang tidak dikenal dan kesalahan lain
menghentikan start, semuanya sekaligus dengan nomor baris: `otomax-gateway check-config`.

Setiap kunci juga bisa diisi lewat environment, dan itu menang atas file: `[server] listen`
menjadi `OTOMAX_GATEWAY_SERVER__LISTEN`. Isi daftar dipisah koma.

Setelah mengubah file: `systemctl reload otomax-gateway`, atau `systemctl restart otomax-gateway`
kalau di kuncinya tertulis restart. Reload dengan file yang salah tidak mengubah apa-apa;
kesalahannya ditulis di log (`config.refused`).
""",
    alerts="""\
# Semua peringatan

`otomax-gateway alert list` menampilkan yang terbuka; setelah dibaca dan ditangani,
`otomax-gateway alert ack NOMOR`. Kalau Telegram atau webhook diisi di
[`[alert]`](configuration.md#alert), setiap peringatan dikirim satu kali, lalu pengingat selama
masih terbuka dan belum ditandai, dan kabar kalau sudah selesai. Coba dulu dengan
`otomax-gateway alert test`.

Angka-angka batasnya ada di [`[alert]`](configuration.md#alert). Langkah yang lebih panjang, per
gejala: [Ada masalah](trouble.md).

## Telegram

1. Di Telegram, bicara dengan @BotFather: `/newbot`. Ia memberi token.
2. Masukkan bot ke grup Anda, lalu kirim satu pesan di grup itu.
3. Simpan token, satu baris, di file sendiri: `/etc/otomax-gateway/telegram.token`, milik user
   `otomax-gateway`, mode 0600.
4. Nomor grup: buka `https://api.telegram.org/bot<token>/getUpdates`, cari `chat`, `id`; nomor
   grup berawal dengan `-`.

```toml
[alert]
telegram_chat = "-1001234567890"
telegram_token_file = "telegram.token"
```

Lalu `systemctl reload otomax-gateway` dan `otomax-gateway alert test`: jawabannya menyebut apa
yang salah. `HTTP 401: Unauthorized` berarti token salah, `chat not found` berarti bot belum ada di
grup.

Webhook dan Prometheus: [alerts.md](../alerts.md).

""",
    required="wajib diisi",
    default="bawaan",
    live="berlaku setelah reload",
    restart="berlaku setelah restart",
    severities={Severity.CRITICAL: "**kritis, sekarang juga**", Severity.WARNING: "hari ini juga"},
    severity="Kapan ditangani",
    name="Namanya di `--json` dan metrik",
    ends="Selesainya",
    todo="Yang dilakukan",
)
_EN: Final = _Words(
    other="[Bahasa Indonesia](../id/{page}) · [Contents](../README.md)",
    configuration="""\
# Every configuration key

All of it stands in `config.toml`; `otomax-gateway init` writes the file with every default. What
is not given has its default. Unknown keys and every other mistake stop the start, all at once and
with their lines: `otomax-gateway check-config`.

Each key may also come from the environment, which beats the file: `[server] listen` is
`OTOMAX_GATEWAY_SERVER__LISTEN`. Lists have commas between their values.

After a change: `systemctl reload otomax-gateway`, or `systemctl restart otomax-gateway` where the
key says so. A reload of a file with mistakes changes nothing; the log says which
(`config.refused`).
""",
    alerts="""\
# Every alert

`otomax-gateway alert list` shows what is open; when it is read and dealt with,
`otomax-gateway alert ack NUMBER`. Where Telegram or a webhook is set in
[`[alert]`](configuration.md#alert), each alert is sent once, then a reminder while it is open
and nobody took note of it, and a word when it is over. Try it with `otomax-gateway alert test`.

The thresholds are in [`[alert]`](configuration.md#alert). Longer ways, by symptom:
[Trouble](trouble.md).

## Telegram

1. In Telegram, talk to @BotFather: `/newbot`. It gives a token.
2. Take the bot into your group, and write one message there.
3. Keep the token, one line, in a file of its own: `/etc/otomax-gateway/telegram.token`, owned by
   the user `otomax-gateway`, mode 0600.
4. The group's number: open `https://api.telegram.org/bot<token>/getUpdates`, look for `chat`,
   `id`; a group's begins with `-`.

```toml
[alert]
telegram_chat = "-1001234567890"
telegram_token_file = "telegram.token"
```

Then `systemctl reload otomax-gateway` and `otomax-gateway alert test`: it says what is wrong.
`HTTP 401: Unauthorized` is a wrong token, `chat not found` a bot that is not in the group.

Webhook and Prometheus: [alerts.md](../alerts.md).

""",
    required="required",
    default="default",
    live="taken over by a reload",
    restart="needs a restart",
    severities={Severity.CRITICAL: "**critical: now**", Severity.WARNING: "within the day"},
    severity="How soon",
    name="Its name in `--json` and metrics",
    ends="How it ends",
    todo="What to do",
)
_MADE: Final = "<!-- Made by `make guide` from the program's own tables: change it there. -->\n"


def generated() -> dict[Path, str]:
    """Return every page that is made, with its text."""
    made = {}
    for language, words in (("id", _ID), ("en", _EN)):
        folder = DOCS / language
        made[folder / "configuration.md"] = _configuration(language, words)
        made[folder / "alerts.md"] = _alerts(language, words)
    return made


def _page(name: str, words: _Words, head: str, parts: list[str]) -> str:
    title, _, rest = head.partition("\n\n")
    other = words.other.format(page=name)
    return "\n".join([f"{title}\n\n{other}\n\n{_MADE}\n{rest}", *parts]) + "\n"


def _configuration(language: str, words: _Words) -> str:
    parts = []
    for section, model in SECTIONS.items():
        said = SECTIONS_ID[section] if language == "id" else (model.__doc__ or "").strip()
        parts += [f"## [{section}]", "", said, ""]
        for key, field in model.model_fields.items():
            parts += _key(section, key, field, words)
            is_id = language == "id"
            parts += [KEYS_ID[f"{section}.{key}"] if is_id else field.description or "", ""]
    return _page("configuration.md", words, words.configuration, parts[:-1])


def _key(section: str, key: str, field: FieldInfo, words: _Words) -> list[str]:
    default = words.required
    if not field.is_required():
        default = f"{words.default} `{toml_value(field.default)}`"
    when = words.live if f"{section}.{key}" in LIVE else words.restart
    variable = f"OTOMAX_GATEWAY_{section}__{key}".upper()
    return [f"### {section}.{key}", "", f"{default} · {when} · `{variable}`", ""]


def _alerts(language: str, words: _Words) -> str:
    parts = []
    for kind, sort in KINDS.items():
        said = {name: getattr(getattr(sort, name), language) for name in ("title", "ends", "todo")}
        parts += [f"## {said['title']}", ""]
        parts += [f"- {words.severity}: {words.severities[sort.severity]}."]
        parts += [f"- {words.todo}: {said['todo']}", f"- {words.ends}: {said['ends']}"]
        parts += [f"- {words.name}: `{kind}`", ""]
    return _page("alerts.md", words, words.alerts, parts[:-1])
