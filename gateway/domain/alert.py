"""What an operator must know, and take note of: every kind of it, in one table.

Values alone: who sees one raises it, and `flow.watch` says when most of them are over. Names,
sentences and what to do stand here once; the notices, the command line, the pages and the guide
read them from here.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

import msgspec


class Severity(StrEnum):
    """How soon somebody has to look."""

    WARNING = "warning"  # within the day
    CRITICAL = "critical"  # now: money or orders are at stake


class Kind(StrEnum):
    """What an alert is about."""

    CONTRADICTION = "contradiction"
    UNANSWERED = "unanswered"
    ORDERS_LATE = "orders_late"
    DELIVERY_DEAD = "delivery_dead"
    DELIVERIES_LATE = "deliveries_late"
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    KEY_REFUSED = "key_refused"
    CALLBACKS_REFUSED = "callbacks_refused"
    SALDO_LOW = "saldo_low"
    JOURNAL_UNWRITABLE = "journal_unwritable"
    JOURNAL_LOG_LONG = "journal_log_long"
    DISK_LOW = "disk_low"
    CLOCK_SET = "clock_set"
    BACKUP_OLD = "backup_old"
    JOURNAL_RESTORED = "journal_restored"


class Said(NamedTuple):
    """A sentence, in Indonesian and in English."""

    id: str
    en: str


class Sort(NamedTuple):
    """What is true of every alert of a kind.

    Attributes:
        severity: how soon somebody has to look.
        title: what is the matter.
        ends: how it ends.
        todo: what to do about it.
    """

    severity: Severity
    title: Said
    ends: Said
    todo: Said


_ACKED = Said("Selesai setelah Anda menandainya.", "Ends when you take note of it.")

KINDS = MappingProxyType(
    {
        Kind.CONTRADICTION: Sort(
            Severity.CRITICAL,
            Said("Supplier berkata lain dari jurnal", "The upstream contradicts the journal"),
            _ACKED,
            Said(
                "Buka ordernya (order show), bandingkan dengan dashboard supplier, lalu cocokkan"
                " dengan reseller. Koreksi yang pasti sudah dikirim ke panel.",
                "Open the order (order show), compare it with the upstream's dashboard, then"
                " settle with the reseller. What is certain was already sent to the panel.",
            ),
        ),
        Kind.UNANSWERED: Sort(
            Severity.WARNING,
            Said("Keraguan tidak terjawab supplier", "The upstream does not settle a doubt"),
            _ACKED,
            Said(
                "Cek ordernya di dashboard supplier, lalu jalankan order recheck.",
                "Look at the order in the upstream's dashboard, then run order recheck.",
            ),
        ),
        Kind.ORDERS_LATE: Sort(
            Severity.WARNING,
            Said("Order terlalu lama pending", "Orders are open for too long"),
            Said(
                "Selesai sendiri saat tidak ada lagi order yang terlalu lama.",
                "Ends by itself when no order is open for so long any more.",
            ),
            Said(
                "Lihat order list --status PENDING, tanyakan ke supplier. Jangan gagalkan sebelum"
                " supplier memastikan; order settle bila sudah pasti.",
                "See order list --status PENDING and ask the upstream. Fail none before the"
                " upstream is sure; order settle when it is.",
            ),
        ),
        Kind.DELIVERY_DEAD: Sort(
            Severity.CRITICAL,
            Said("Callback ke panel gagal total", "A delivery is dead"),
            Said(
                "Selesai sendiri saat panel menerima kiriman ulang.",
                "Ends by itself when the panel takes the message after all.",
            ),
            Said(
                "Hubungi reseller: panel atau alamat callback-nya mati. Setelah hidup, jalankan"
                " delivery resend --since.",
                "Call the reseller: its panel or callback address is down. When it is up again,"
                " run delivery resend --since.",
            ),
        ),
        Kind.DELIVERIES_LATE: Sort(
            Severity.WARNING,
            Said("Callback ke reseller tertunda", "Deliveries to a reseller are late"),
            Said(
                "Selesai sendiri saat kiriman yang tertunda sudah diterima.",
                "Ends by itself when what waits was taken.",
            ),
            Said(
                "Hubungi reseller: panelnya tidak menjawab. Kiriman terus dicoba sendiri;"
                " delivery list --state due menunjukkan sebabnya.",
                "Call the reseller: its panel does not answer. Deliveries are tried again by"
                " themselves; delivery list --state due shows why they fail.",
            ),
        ),
        Kind.UPSTREAM_UNREACHABLE: Sort(
            Severity.CRITICAL,
            Said("Supplier tidak dapat dihubungi", "The upstream can not be reached"),
            Said(
                "Selesai sendiri pada jawaban supplier berikutnya.",
                "Ends by itself with the upstream's next answer.",
            ),
            Said(
                "Cek internet server (check-config --online) dan kabar dari supplier. Order yang"
                " belum terkirim gagal dengan aman, yang ragu tetap PENDING.",
                "Check this machine's network (check-config --online) and the upstream's news."
                " Orders that were not sent fail safely, doubtful ones stay PENDING.",
            ),
        ),
        Kind.KEY_REFUSED: Sort(
            Severity.CRITICAL,
            Said("Kunci supplier ditolak", "The upstream refuses a key"),
            Said(
                "Selesai sendiri saat kunci itu diterima lagi, atau tidak dipakai lagi.",
                "Ends by itself when the key is taken again, or nobody buys under it any more.",
            ),
            Said(
                "API_KEY_NOT_FOUND: pasang kunci yang benar dengan reseller set --upstream-key."
                " IP_NOT_WHITELISTED: daftarkan IP server ini di dashboard supplier.",
                "API_KEY_NOT_FOUND: set the right key with reseller set --upstream-key."
                " IP_NOT_WHITELISTED: allow this machine's address in the upstream's dashboard.",
            ),
        ),
        Kind.CALLBACKS_REFUSED: Sort(
            Severity.CRITICAL,
            Said("Callback supplier ditolak", "The upstream's callbacks are refused"),
            Said(
                "Selesai sendiri saat callback berikutnya diterima.",
                "Ends by itself when the next callback is taken.",
            ),
            Said(
                "Supplier memanggil dari alamat baru, atau proxy menyembunyikannya. Pastikan ke"
                " supplier, lalu isi upstream.callback_ips (atau server.trusted_proxies) dan"
                " reload. Sementara ini order selesai lewat cek status, lebih lambat.",
                "The upstream calls from another address, or a proxy hides it. Make sure, then set"
                " upstream.callback_ips (or server.trusted_proxies) and reload. Until then orders"
                " are settled by look-ups, later.",
            ),
        ),
        Kind.SALDO_LOW: Sort(
            Severity.WARNING,
            Said("Saldo supplier menipis", "The saldo at the upstream is low"),
            Said("Selesai sendiri setelah saldo diisi.", "Ends by itself when it was topped up."),
            Said(
                "Isi saldo di dashboard supplier. Saat habis, order gagal INSUFFICIENT_BALANCE.",
                "Top up in the upstream's dashboard. When it is empty, orders fail with"
                " INSUFFICIENT_BALANCE.",
            ),
        ),
        Kind.JOURNAL_UNWRITABLE: Sort(
            Severity.CRITICAL,
            Said("Jurnal tidak bisa ditulis", "The journal can not be written"),
            Said("Selesai sendiri saat jurnal bisa ditulis lagi.", "Ends by itself when it can."),
            Said(
                "Cek disk server (df -h, dmesg). Selama ini semua order dijawab 503, tidak ada"
                " yang hilang.",
                "Check the disk (df -h, dmesg). Until then every order is answered 503; nothing is"
                " lost.",
            ),
        ),
        Kind.JOURNAL_LOG_LONG: Sort(
            Severity.WARNING,
            Said("Log jurnal membengkak", "The journal's log grows"),
            Said(
                "Selesai sendiri saat log (-wal) pendek lagi.",
                "Ends by itself when the log (-wal) is short again.",
            ),
            Said(
                "Cari program lain yang membuka file jurnal (lsof), dan cek sisa disk.",
                "Look for another program that holds the journal open (lsof), and for room on the"
                " disk.",
            ),
        ),
        Kind.DISK_LOW: Sort(
            Severity.CRITICAL,
            Said("Disk hampir penuh", "The disk is nearly full"),
            Said(
                "Selesai sendiri saat ruang disk cukup lagi.",
                "Ends by itself when there is room again.",
            ),
            Said(
                "Kosongkan disk: hapus backup dan log lama, pindahkan order lama dengan archive."
                " Disk penuh menghentikan penjualan.",
                "Make room: remove old backups and logs, move old orders with archive. A full disk"
                " stops all selling.",
            ),
        ),
        Kind.CLOCK_SET: Sort(
            Severity.WARNING,
            Said("Jam server berubah", "The clock was set"),
            _ACKED,
            Said(
                "Pastikan NTP jalan (timedatectl). Jadwal sudah digeser sendiri.",
                "See that NTP runs (timedatectl). What was planned has been moved already.",
            ),
        ),
        Kind.JOURNAL_RESTORED: Sort(
            Severity.CRITICAL,
            Said("Jurnal dikembalikan dari backup", "The journal was restored from a backup"),
            _ACKED,
            Said(
                "Order setelah backup itu hanya diketahui supplier. Gateway menanyakannya dulu"
                " sebelum membeli; jalankan reconcile untuk hari itu, cocokkan dengan reseller.",
                "Orders after that backup are known to the upstream alone. The gateway asks before"
                " it buys; run reconcile for that day, and settle with the resellers.",
            ),
        ),
        Kind.BACKUP_OLD: Sort(
            Severity.WARNING,
            Said("Backup terakhir sudah lama", "The last good backup is old"),
            Said("Selesai sendiri setelah backup berhasil.", "Ends by itself with a good backup."),
            Said(
                "Jalankan otomax-gateway backup, lalu cek timer-nya (systemctl list-timers).",
                "Run otomax-gateway backup, then look at its timer (systemctl list-timers).",
            ),
        ),
    }
)
"""The one table: every kind with its severity, how it ends, and what to do."""


class What(StrEnum):
    """What an operator is told of an alert."""

    RAISED = "raised"
    REMINDER = "reminder"
    ENDED = "ended"


class Alarm(msgspec.Struct, frozen=True, gc=False):
    """What is to be raised.

    Attributes:
        at: Unix milliseconds.
        kind: what it is about.
        text: what is the matter, with its figures, without secrets.
        about: whom or what a condition is true of, "" where there is only one of it: while one
            stands, nothing is raised of the same kind about the same. None for what happened once.
    """

    at: int
    kind: Kind
    text: str
    about: str | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """What was raised.

    Attributes:
        id: its number.
        kind: what it is about.
        order: the order's upstream_trx_id, or None where it is about none.
        text: what is the matter.
        raised_at: Unix milliseconds.
        acked_at: when an operator took note of it, or it ended, or None.
        about: as in `Alarm`.
        ended_at: when it was over by itself, or None.
    """

    id: int
    kind: Kind = Kind.CONTRADICTION
    order: str | None
    text: str
    raised_at: int
    acked_at: int | None = None
    about: str | None = None
    ended_at: int | None = None
