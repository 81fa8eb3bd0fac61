"""Every word of the dashboard, Indonesian and English side by side, one file a page.

A key is `page.what`; its value is the sentence in both languages, so neither can lack one. Values
are put in by name: `{count}`. Templates hold no sentence of their own.
"""

from types import MappingProxyType
from typing import Final

from gateway.web.dashboard.words.common import COMMON
from gateway.web.dashboard.words.deliveries import DELIVERIES
from gateway.web.dashboard.words.office import OFFICE
from gateway.web.dashboard.words.orders import ORDERS
from gateway.web.dashboard.words.overview import OVERVIEW

ALL: Final = MappingProxyType({**COMMON, **OFFICE, **ORDERS, **OVERVIEW, **DELIVERIES})
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
