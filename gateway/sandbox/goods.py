"""The goods of the sandbox's shop: categories and products, as the upstream's document shows them.

Data only; who buys what of it at which price is decided in `catalog`. What the document shows has
its names, codes, prices and ids. The rest is there so that a list is a list: an inactive product
and an e-wallet, which are refused as the document says, among others that are sold.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Category:
    """One category; `prefix` opens the invoices of what is bought in it.

    The document gives Mobile Legends a subtitle in its list of categories and none beside its
    products: `listed_subtitle` is the one in the list, `subtitle` the one everywhere else.
    """

    category_id: str
    title: str
    slug: str
    order: int
    listed_subtitle: str | None = None
    subtitle: str | None = None
    type: str = "game"
    photo: str | None = None
    prefix: str = "XX"
    is_active: bool = True
    is_server: bool = False
    is_popular: bool = False
    is_hotsale: bool = False

    @property
    def sells_for_saldo(self) -> bool:
        """Whether the balance pays for it; the document excepts the category e-wallet."""
        return self.type != E_WALLET


@dataclass(frozen=True, slots=True)
class Product:
    """One product; `price_rp` in whole Rupiah. One that is in no list has no `product_id`."""

    code: str
    name: str
    price_rp: int
    category: Category
    product_id: str = ""
    is_active: bool = True


E_WALLET = "e-wallet"

UNLISTED = Category("", "Sandbox", "sandbox", 0)
"""Where every well-formed code belongs that is in no list."""

_MOBILE_LEGENDS = Category(
    "dca1a711-b6e2-4158-98da-014eb5caf458",
    "Mobile Legends",
    "mobile-legends",
    1,
    listed_subtitle="Montoon",
    photo=(
        "http://res.cloudinary.com/dk2yxqi3y/image/upload/v1700591984/logo/tnxifn7hdnpuz5ufgvzd.webp"
    ),
    prefix="ML",
    is_server=True,
    is_popular=True,
)
_NIKKE = Category(
    "2c40cfa9-f25f-4bbd-aef3-90963488916c",
    "Goddess of Victory: Nikke",
    "goddess-of-victory-nikke",
    2,
    listed_subtitle="Level Infinite",
    subtitle="Level Infinite",
    prefix="NK",
)
_FREE_FIRE = Category(
    "16dd5f5d-fcf4-4293-beac-cb183c23ba51",
    "Free Fire",
    "free-fire",
    3,
    listed_subtitle="Garena",
    subtitle="Garena",
    prefix="FF",
    is_popular=True,
    is_hotsale=True,
)
_GENSHIN = Category(
    "d0d1eadc-4e10-45d1-9238-0a47ef988093",
    "Genshin Impact",
    "genshin-impact",
    4,
    listed_subtitle="HoYoverse",
    subtitle="HoYoverse",
    prefix="GI",
    is_server=True,
)
_GOPAY = Category(
    "5e6bfdda-d4e5-47c5-9a18-0d432690435e", "GoPay", "gopay", 5, type=E_WALLET, prefix="GP"
)

CATEGORIES = (_MOBILE_LEGENDS, _NIKKE, _FREE_FIRE, _GENSHIN, _GOPAY)

PRODUCTS = (
    Product(
        "S1_1187",
        "5 (5+0) Diamonds",
        1511,
        _MOBILE_LEGENDS,
        "8f14a161-f2f6-4dff-a360-013465002314",
    ),
    Product(
        "S4_ML86",
        "86 Diamonds",
        18624,
        _MOBILE_LEGENDS,
        "d8ccc4ea-e19d-4255-a7d0-f85d6fad0d77",
    ),
    Product(
        "S4_ML172",
        "172 Diamonds",
        37248,
        _MOBILE_LEGENDS,
        "56f8df5f-60db-4948-aee5-bc364699f2bb",
    ),
    Product(
        "S4_MLWDP",
        "Weekly Diamond Pass",
        28150,
        _MOBILE_LEGENDS,
        "ecfde6b8-05b3-4d40-b47b-5d517fc82f94",
        is_active=False,
    ),
    Product("S1_10835", "60 + 1 Gems", 11327, _NIKKE, "00116691-900f-4753-a5d2-62f11a43469d"),
    Product("S2_FF70", "70 Diamonds", 9120, _FREE_FIRE, "543a88e5-ae7e-4ad9-a2d0-3c458fef000f"),
    Product("S2_FF140", "140 Diamonds", 18240, _FREE_FIRE, "89131d6b-b56d-44d1-bbd1-5e31afba544e"),
    Product(
        "S3_GI60", "60 Genesis Crystals", 13350, _GENSHIN, "d29ff88a-36cd-4a67-a3ff-becf8fdb2044"
    ),
    Product("S5_GP10", "GoPay 10.000", 10850, _GOPAY, "35b3bd03-ab6b-4b74-991d-edcec11ba701"),
)
