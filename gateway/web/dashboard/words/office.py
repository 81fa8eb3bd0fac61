"""Words of the pages about those who work here: log-in, sessions, audit log."""

from typing import Final

OFFICE: Final[dict[str, tuple[str, str]]] = {
    "login.title": ("Masuk", "Log in"),
    "login.name": ("Nama", "Name"),
    "login.password": ("Kata sandi", "Password"),
    "login.submit": ("Masuk", "Log in"),
    "login.wrong": ("Nama atau kata sandi salah.", "Wrong name or password."),
    "login.too_many": (
        "Terlalu banyak percobaan masuk sekaligus. Tunggu sebentar, lalu coba lagi.",
        "Too many log-ins at once. Wait a moment and try again.",
    ),
    "login.nobody": (
        "Belum ada yang boleh masuk. Buat akun pertama di mesin gateway dengan perintah ini:",
        "Nobody may log in yet. Make the first account on the gateway's machine with:",
    ),
    "login.example": ("budi", "budi"),
    "sessions.title": ("Sesi", "Sessions"),
    "sessions.intro": (
        "Peramban yang sedang masuk. Sesi yang diakhiri langsung berhenti.",
        "Browsers that are logged in. A session that is ended stops at once.",
    ),
    "sessions.who": ("Siapa", "Who"),
    "sessions.begun": ("Masuk", "Logged in"),
    "sessions.seen": ("Terakhir terlihat", "Last seen"),
    "sessions.address": ("Alamat IP", "IP address"),
    "sessions.agent": ("Peramban", "Browser"),
    "sessions.this": ("sesi ini", "this session"),
    "sessions.end": ("Akhiri", "End"),
    "sessions.end_of": ("Akhiri sesi {id} milik {name}", "End session {id} of {name}"),
    "sessions.ago": ("{span} lalu", "{span} ago"),
    "audit.title": ("Log audit", "Audit log"),
    "audit.intro": (
        "Siapa mengubah apa, yang terbaru di atas. Rahasia tidak pernah dicatat.",
        "Who changed what, newest first. Secrets are never kept.",
    ),
    "audit.at": ("Waktu", "Time"),
    "audit.who": ("Siapa", "Who"),
    "audit.command": ("Perintah", "Command"),
    "audit.about": ("Tentang", "About"),
    "audit.details": ("Rincian", "Details"),
    "audit.outcome": ("Hasil", "Outcome"),
    "audit.done": ("berhasil", "done"),
    "audit.search": ("Cari", "Search"),
    "audit.reset": ("Semua", "Everything"),
}
