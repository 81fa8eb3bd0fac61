"""The templates: Jinja, everything escaped, a name that is not there is an error.

Each is compiled once, when it is first asked for, in a thread: reading it waits for the disk.
Whatever a template shows of a stranger is made visible first (`redaction.escape`): a control
character or a mark that turns the writing direction acts nowhere.
"""

import asyncio
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.redaction import escape
from gateway.web.dashboard.assets import TYPES, address_of
from gateway.web.dashboard.shapes import LANGUAGES, ZONES
from gateway.web.dashboard.words import is_known

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_FOLDER: Final = Path(__file__).parent / "templates"
_compiled: dict[str, "Template"] = {}


@cache
def environment() -> "Environment":
    """Return what compiles templates; made when the first page is asked for."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    def visible(value: object) -> object:
        return escape(value) if type(value) is str else value

    made = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        auto_reload=False,
        cache_size=-1,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "static": address_of,
        "languages": LANGUAGES,
        "zones": tuple(ZONES),
        "known": is_known,
    }
    return made


async def rendered(name: str, **values: object) -> str:
    """Return a template with these values."""
    template = _compiled.get(name)
    if template is None:
        template = _compiled[name] = await asyncio.to_thread(_load, name)
    return template.render(values)


def _load(name: str) -> "Template":
    for asset in TYPES:
        address_of(asset)
    made = environment()
    made.get_template("base.html")
    made.get_template("macros.html")
    return made.get_template(name)
