"""Words that every page has: the frame, states, errors, what was done."""

from typing import Final

COMMON: Final[dict[str, tuple[str, str]]] = {
    "brand": ("Gateway H2H", "H2H gateway"),
    "skip": ("Langsung ke isi", "Skip to content"),
    "nav": ("Menu utama", "Main menu"),
    "nav.overview": ("Ringkasan", "Overview"),
    "nav.orders": ("Transaksi", "Orders"),
    "nav.audit": ("Log audit", "Audit log"),
    "nav.sessions": ("Sesi", "Sessions"),
    "frame.role.operator": ("operator", "operator"),
    "frame.role.viewer": ("hanya melihat", "view only"),
    "frame.logout": ("Keluar", "Log out"),
    "frame.language": ("Bahasa", "Language"),
    "frame.zone": ("Zona waktu", "Time zone"),
    "frame.live": ("Langsung", "Live"),
    "frame.not_live": ("Tidak langsung", "Not live"),
    "frame.reload": ("Muat ulang", "Reload"),
    "language.id": ("Bahasa Indonesia", "Bahasa Indonesia"),
    "language.en": ("English", "English"),
    "list.paging": ("Halaman", "Pages"),
    "list.older": ("Lebih lama", "Older"),
    "list.newest": ("Terbaru", "Newest"),
    "list.nothing": ("Belum ada apa-apa di sini.", "There is nothing here yet."),
    "list.count": ("{count} baris", "{count} rows"),
    "error.title": ("Tidak bisa", "Not done"),
    "error.back": ("Kembali", "Back"),
    "error.form": ("Formulir itu tidak bisa dibaca.", "That form can not be read."),
    "error.origin": (
        "Perubahan hanya diterima dari halaman ini sendiri. Muat ulang halaman, lalu coba lagi.",
        "A change is taken from these pages alone. Reload the page and try again.",
    ),
    "error.viewer": (
        "Akun ini hanya boleh melihat. Minta operator untuk melakukan perubahan.",
        "This account may look only. Ask an operator to make the change.",
    ),
    "error.journal": (
        "Jurnal sedang tidak bisa dibaca atau ditulis. Gateway berhenti menjual sampai pulih.",
        "The journal can not be read or written at the moment. Nothing is sold until it can.",
    ),
    "error.missing": ("Halaman itu tidak ada.", "There is no such page."),
    "done.revoked": ("Sesi sudah diakhiri.", "The session has ended."),
}
