"""Words of *Produk*."""

from typing import Final

PRODUCTS: Final[dict[str, tuple[str, str]]] = {
    "products.title": ("Produk", "Products"),
    "products.prices_of": ("Harga untuk reseller", "Prices for"),
    "products.search": ("Kode, nama atau kategori", "Code, name or category"),
    "products.state": ("Keadaan", "State"),
    "products.category": ("Kategori", "Category"),
    "products.nobody": (
        "Belum ada reseller aktif dengan kunci supplier.",
        "No active reseller has an upstream key yet.",
    ),
    "products.down": (
        "Supplier tidak memberi daftar produk. Coba lagi sebentar.",
        "The upstream gives no list of products. Try again in a moment.",
    ),
    "products.heard": ("daftar supplier dari {time}", "the upstream's list of {time}"),
    "products.not_listed": (
        "Produk ini tidak ada di daftar supplier saat ini.",
        "This product is not on the upstream's list at the moment.",
    ),
    "products.changes": ("Perubahan produk", "Changes of products"),
    "products.changes_intro": (
        "Harga naik dan turun, produk baru, hilang, atau dimatikan. Disimpan setengah tahun.",
        "Prices up and down, products that are new, gone or switched off; kept for half a year.",
    ),
    "products.what": ("Perubahan", "Change"),
    "products.price_before": ("Harga lama", "Price before"),
    "products.difference": ("Selisih", "Difference"),
    "products.history": ("Riwayat harga", "History of the price"),
    "products.chart": ("Grafik harga {code}", "Chart of the price of {code}"),
    "products.no_history": (
        "Belum ada perubahan yang tercatat.",
        "No change was seen yet.",
    ),
    "product.active": ("aktif", "active"),
    "product.inactive": ("tidak aktif", "inactive"),
    "change.new": ("baru", "new"),
    "change.gone": ("hilang", "gone"),
    "change.price": ("harga", "price"),
    "change.status": ("keadaan", "state"),
    "list.before": ("Sebelumnya", "Previous"),
    "list.after": ("Berikutnya", "Next"),
}
