"""What each key of the configuration does, in Indonesian, for who reads no English.

Beside `keys`, which says the same in English and holds the defaults: a sentence or two for each
key and section, in the words of the trade. Only that may live here. `docs/id/configuration.md` is
made of it (`make guide`), and a test sees that no key is without its sentence.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SECTIONS_ID: Final[Mapping[str, str]] = MappingProxyType(
    {
        "server": "Alamat tempat panel dan supplier menghubungi gateway.",
        "admin": "Tempat operator melihat keadaan gateway.",
        "upstream": "Supplier: Toss Games, atau situs lain dengan software yang sama.",
        "storage": "Tempat jurnal disimpan.",
        "secrets": "Pembuka segel kunci-kunci di jurnal.",
        "recheck": "Cek status ke supplier untuk trx yang pending atau belum pasti.",
        "delivery": "Callback ke panel reseller.",
        "limits": "Batas untuk satu reseller.",
        "catalog": "Daftar produk.",
        "alert": "Kapan operator diberi tahu kalau ada yang tidak beres, dan lewat apa.",
        "log": "Apa yang ditulis ke log (stderr).",
    }
)
"""A sentence for each section."""

KEYS_ID: Final[Mapping[str, str]] = MappingProxyType(
    {
        "server.listen": "HOST:PORT untuk panel dan callback. Bawaannya hanya bisa dibuka dari"
        " server ini sendiri, karena di depannya ada proxy TLS.",
        "server.public_url": "Wajib diisi. Alamat gateway ini dilihat dari supplier; callback"
        " masuk ke sini. Kalau salah, setiap trx harus menunggu cek status.",
        "server.reply_timeout_s": "Detik. Panel pasti dijawab dalam waktu ini. Buat lebih kecil"
        " dari batas tunggu panel. Yang belum selesai dijawab PENDING dan tetap berjalan;"
        " yang masih antre ke supplier dijawab PENDING setelah 2 detik.",
        "server.trusted_proxies": "IP atau jaringan proxy Anda sendiri. Hanya dari sini"
        " X-Forwarded-For dipercaya. Kalau kosong padahal ada proxy, semua panel terlihat"
        " datang dari IP proxy.",
        "server.max_connections": "Jumlah koneksi yang terbuka, kira-kira 20 KiB memori per"
        " koneksi. Kalau penuh, koneksi yang belum berkata apa-apa ditutup lebih dulu.",
        "server.max_connections_per_address": "Jumlah koneksi dari satu IP; lebih dari itu"
        " ditutup. Proxy di trusted_proxies dan server ini sendiri tidak dibatasi.",
        "admin.listen": "HOST:PORT untuk operator: /metrics, /healthz, /readyz, dan dashboard."
        " Jangan dibuka ke internet.",
        "upstream.base_url": "Alamat API supplier. Untuk situs lain dengan software yang sama,"
        " ganti ini dan callback_ips.",
        "upstream.timeout_s": "Detik untuk satu panggilan ke supplier. Sengaja panjang: menyerah"
        " terlalu cepat membuat trx jadi tidak pasti. Trx tidak dikirim ulang hanya karena"
        " ini.",
        "upstream.unreachable_s": "Detik mencoba trx yang terbukti belum terkirim (nama tidak"
        " ketemu, koneksi gagal). Setelah itu FAILED UPSTREAM_UNREACHABLE dan panel bisa"
        " pindah supplier.",
        "upstream.max_in_flight": "Jumlah trx yang sedang berada di supplier pada saat yang"
        " sama. Kalau penuh, trx antre bergiliran antar-reseller, dan panel dijawab PENDING"
        " setelah 2 detik.",
        "upstream.callback_ips": "IP asal callback supplier, menurut dokumen supplier. Dari IP"
        " lain ditolak 403. Daftar kosong berarti IP tidak dicek, hanya token.",
        "storage.url": "Jurnal: sqlite:///FILE, dengan empat garis miring kalau dari akar"
        " (sqlite:////var/lib/…); nama relatif dihitung dari folder config.toml. Atau"
        " postgresql://USER:SANDI@HOST/NAMA.",
        "storage.pool": "Jumlah koneksi ke PostgreSQL paling banyak. Kalau semua terpakai selama"
        " 5 detik, trx dijawab 503.",
        "storage.lease_s": "Detik. Selama ini gateway di PostgreSQL memegang apa yang sudah"
        " dimulainya, dihitung dari tanda hidupnya yang terakhir; sesudah itu gateway lain"
        " mengambil alih. Harus lebih dari dua kali upstream.timeout_s. SQLite hanya punya satu"
        " gateway.",
        "storage.checkpoints": "false menyerahkan log jurnal (-wal) ke Litestream. Tanpa"
        " program itu lognya membesar terus. Biarkan true kalau tidak memakai Litestream.",
        "secrets.key_file": "File kunci pembuka segel, mode 0600, di folder config.toml kalau"
        " relatif. Simpan salinannya di tempat lain: tanpa file ini semua kunci reseller"
        " hilang.",
        "recheck.schedule_s": "Jeda (detik) sebelum setiap cek status trx yang pending; yang"
        " terakhir diulang terus. Rapat di awal karena pelanggan sedang menunggu.",
        "recheck.settle_s": "Detik setelah pengiriman yang tidak pasti; selama itu trx tidak"
        " dikirim lagi, sebab supplier mungkin masih membelinya. Jangan diperkecil: bisa trx"
        " dobel.",
        "recheck.expire_s": "Detik sejak pengiriman pertama; sesudah itu tidak ada pengiriman"
        " lagi (paling banyak tiga). Kalau tiga kali cek tidak ditemukan: FAILED EXPIRED.",
        "delivery.schedule_s": "Jeda (detik) sebelum setiap percobaan callback, total kira-kira"
        " 76 jam, jadi panel boleh mati selama akhir pekan. Setelah habis: dead, dengan"
        " peringatan.",
        "delivery.timeout_s": "Detik untuk satu percobaan callback.",
        "delivery.per_host": "Jumlah callback ke satu host pada saat yang sama; sisanya antre."
        " Host yang lambat tidak menahan host lain.",
        "delivery.allow_private": "true mengizinkan callback ke alamat lokal dan pribadi. Hanya"
        " untuk percobaan: alamat callback ditulis oleh orang lain.",
        "limits.orders_per_s": "Trx baru per detik per reseller; 0 tanpa batas. Lebih dari itu"
        " dijawab ERROR RATE_LIMITED: tidak dicatat, tidak dikirim, panel boleh mengulang.",
        "limits.max_open_orders": "Jumlah trx yang belum final untuk semua reseller. Kalau"
        " penuh, trx baru dijawab ERROR BUSY sampai ada yang selesai.",
        "catalog.ttl_s": "Detik daftar produk dipakai tanpa bertanya lagi ke supplier. Lebih"
        " lama: harga bisa basi. Lebih singkat: lebih banyak panggilan.",
        "catalog.unknown_price": "send atau refuse: apa yang dilakukan dengan trx ber-max_price"
        " kalau harganya tidak diketahui. send tetap mengirim; refuse menggagalkan dengan"
        " PRICE_CHANGED.",
        "catalog.history_every_s": "Detik antara dua kali melihat daftar harga supplier, untuk"
        " riwayat harga di dashboard. 0 mematikan.",
        "alert.orders_open_s": "Detik; trx yang pending lebih lama dari ini jadi peringatan. 0"
        " mematikan.",
        "alert.upstream_silent_s": "Detik tanpa satu pun jawaban supplier (dan paling sedikit"
        " tiga panggilan gagal) sampai jadi peringatan. 0 mematikan.",
        "alert.delivery_late_s": "Detik seorang reseller tidak menerima callback sampai jadi"
        " peringatan. Callbacknya sendiri terus dicoba. 0 mematikan.",
        "alert.saldo_below": "Rupiah; kunci supplier dengan saldo di bawah ini jadi peringatan."
        " Isi dengan penjualan selama Anda butuh untuk top up. 0 mematikan.",
        "alert.saldo_hours": "Jam; saldo yang diperkirakan habis dalam sekian jam, menurut"
        " penjualan hari terakhir, jadi peringatan. 0 mematikan.",
        "alert.disk_free_mib": "MiB; sisa disk jurnal di bawah ini jadi peringatan. Disk penuh"
        " menghentikan semua penjualan. 0 mematikan.",
        "alert.backup_s": "Detik; cadangan terakhir yang lebih tua dari ini jadi peringatan. 0"
        " mematikan.",
        "alert.remind_s": "Detik; jeda pengingat untuk peringatan yang masih terbuka dan belum"
        " ditandai dengan alert ack. 0 tanpa pengingat.",
        "alert.reminders": "Jumlah pengingat paling banyak untuk satu peringatan.",
        "alert.name": "Nama gateway ini di pesan, kalau Anda punya lebih dari satu.",
        "alert.telegram_chat": "Chat Telegram yang diberi tahu: nomornya atau @nama; kosong"
        " berarti tidak. Botnya harus ada di chat itu.",
        "alert.telegram_token": "Token bot dari BotFather. Lebih aman di telegram_token_file"
        " atau di environment.",
        "alert.telegram_token_file": "File berisi token itu saja; menang atas telegram_token.",
        "alert.telegram_url": "Alamat Bot API, atau proxy Anda sendiri kalau diblokir.",
        "alert.webhook_url": "Alamat yang dikirimi setiap pesan sebagai JSON; kosong berarti"
        " tidak. Boleh alamat lokal. Tidak pernah ditampilkan.",
        "alert.webhook_secret": "Penanda tangan kiriman itu: x-signature adalah HMAC-SHA256"
        " (hex) dari isinya. Kosong: tanpa tanda tangan.",
        "alert.webhook_secret_file": "File berisi rahasia itu saja; menang atas webhook_secret.",
        "alert.timeout_s": "Detik untuk satu pesan; yang gagal dicoba lagi paling sedikit sehari.",
        "log.format": "auto, console atau json. auto: berwarna di terminal, selain itu satu"
        " objek JSON per baris.",
        "log.level": "debug, info, warning atau error: tingkat terendah yang ditulis.",
    }
)
"""What each key does, by `section.key`, unit first."""
