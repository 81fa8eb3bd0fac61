"""Words of *Kiriman*."""

from typing import Final

DELIVERIES: Final[dict[str, tuple[str, str]]] = {
    "nav.deliveries": ("Kiriman", "Deliveries"),
    "state.due": ("Menunggu", "Waiting"),
    "state.delivered": ("Diterima", "Taken"),
    "state.dead": ("Gagal total", "Dead"),
    "state.superseded": ("Diganti status baru", "Superseded"),
    "host.paused": ("dijeda", "paused"),
    "host.silent": ("tidak menjawab", "silent"),
    "host.dead": ("ada yang gagal total", "some are dead"),
    "host.waits": ("menunggu", "waiting"),
    "host.fine": ("lancar", "fine"),
    "host.paused_by": (
        "Dijeda oleh {who} sejak {time}. Kiriman menunggu, tidak ada yang hilang.",
        "Paused by {who} since {time}. Deliveries wait; none is lost.",
    ),
    "host.silent_since": (
        "Tidak menjawab sejak {time}. Gateway mencoba lagi sendiri, paling lambat tiap menit.",
        "Silent since {time}. It is tried again by itself, once a minute at least.",
    ),
    "host.pause": ("Jeda host ini", "Pause this host"),
    "host.pause_means": (
        "Selama dijeda, tidak ada yang dikirim ke host ini dan jatah percobaan tidak terpakai, juga"
        " setelah gateway dimulai ulang.",
        "While it is paused nothing is sent to it and no attempt is used up, also after the gateway"
        " has started anew.",
    ),
    "host.reason": ("Alasan (boleh kosong)", "Reason (may be empty)"),
    "host.resume": ("Lanjutkan", "Resume"),
    "deliveries.title": ("Kiriman", "Deliveries"),
    "deliveries.all": ("Semua kiriman", "All deliveries"),
    "deliveries.intro": (
        "Siapa sudah diberi tahu, per host. Yang bermasalah di atas.",
        "Who was told, by host. Those that fail come first.",
    ),
    "deliveries.host": ("Host", "Host"),
    "deliveries.how": ("Keadaan", "State"),
    "deliveries.result": ("Hasil terakhir", "Last result"),
    "deliveries.silent": ("Tidak menjawab selama", "Silent for"),
    "deliveries.delivered_at": ("Terakhir diterima", "Last taken"),
    "deliveries.state": ("Status kiriman", "State"),
    "deliveries.any": ("Semua", "All"),
    "deliveries.number": ("No.", "No."),
    "deliveries.made": ("Dibuat", "Made"),
    "deliveries.order": ("Transaksi", "Order"),
    "deliveries.told": ("Isi", "Told"),
    "deliveries.attempts": ("Percobaan", "Attempts"),
    "deliveries.next": ("Berikutnya", "Next"),
    "deliveries.resend": ("Kirim ulang", "Resend"),
    "deliveries.resend_of": ("Kirim ulang kiriman {id}", "Resend delivery {id}"),
    "deliveries.resend_all": ("Kirim ulang sejak suatu waktu", "Resend all since a time"),
    "deliveries.since": ("Sejak", "Since"),
    "deliveries.count": ("Hitung dulu", "Count first"),
    "deliveries.no_time": (
        "Waktu itu tidak bisa dibaca. Contoh: 2026-11-26T08:00.",
        "That time can not be read. Example: 2026-11-26T08:00.",
    ),
    "deliveries.every_host": ("semua host", "every host"),
    "deliveries.meant": (
        "Kiriman berstatus {state} ke {host} sejak {time}.",
        "Deliveries that are {state}, to {host}, since {time}.",
    ),
    "deliveries.will_resend": ("{count} kiriman", "{count} deliveries"),
    "deliveries.skipped": (
        "{count} dilewati: transaksinya punya status yang lebih baru.",
        "{count} are skipped: their orders have a newer status.",
    ),
    "deliveries.do_resend": ("Kirim ulang {count} kiriman", "Resend {count} deliveries"),
    "deliveries.further": (
        "Belum semua kiriman diperiksa.",
        "Not all deliveries were looked at yet.",
    ),
    "deliveries.look_further": ("Cari lebih lama", "Look further"),
    "done.resent": ("Kiriman dijadwalkan ulang.", "The delivery is due now."),
    "done.resent_all": ("Kiriman dijadwalkan ulang.", "The deliveries are due now."),
    "done.paused": ("Host dijeda.", "The host is paused."),
    "done.resumed": ("Host dilanjutkan.", "The host is told again."),
}
