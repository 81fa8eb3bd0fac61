"""Every word of the dashboard, Indonesian and English side by side, one file a page.

A key is `page.what`; its value is the sentence in both languages, so neither can lack one. Values
are put in by name: `{count}`. Templates hold no sentence of their own.
"""

from types import MappingProxyType
from typing import Final

from gateway.web.dashboard.words.alerts import ALERTS
from gateway.web.dashboard.words.common import COMMON
from gateway.web.dashboard.words.deliveries import DELIVERIES
from gateway.web.dashboard.words.exports import EXPORTS
from gateway.web.dashboard.words.office import OFFICE
from gateway.web.dashboard.words.orders import ORDERS
from gateway.web.dashboard.words.overview import OVERVIEW
from gateway.web.dashboard.words.products import PRODUCTS
from gateway.web.dashboard.words.resellers import RESELLERS
from gateway.web.dashboard.words.system import SYSTEM

_PAGES: Final = (
    *(COMMON, OFFICE, ORDERS, OVERVIEW, DELIVERIES, RESELLERS),
    *(PRODUCTS, ALERTS, SYSTEM, EXPORTS),
)
ALL: Final = MappingProxyType({key: both for page in _PAGES for key, both in page.items()})
"""Key to (Indonesian, English)."""

_PLACE: Final = {"id": 0, "en": 1}


def say(key: str, language: str, **values: object) -> str:
    """Return a sentence.

    Args:
        key: its name.
        language: `id` or `en`.
        values: what is put into it.

    Raises:
        KeyError: there is none of this name: a mistake of ours.
    """
    text = ALL[key][_PLACE[language]]
    return text.format(**values) if values else text


def is_known(key: str) -> bool:
    """Whether there is a sentence of this name."""
    return key in ALL
