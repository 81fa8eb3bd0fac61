"""config.example.toml, made from the keys themselves, so that text and defaults cannot part.

Only the rendering may live here. The file at the top of the repository is this text, held equal
by a test; an installed wheel has no such file, and `init` writes the text from here.
"""

import textwrap
from typing import Final

from gateway.config.keys import SECTIONS
from gateway.config.values import Network

WIDTH: Final = 92  # comments stay readable in a terminal of 100 columns
HEAD: Final = """\
# otomax-gateway: the whole configuration. A key that is commented out shows its default.
# Each key is also a variable of the environment, which beats this file: [server] listen is
# OTOMAX_GATEWAY_SERVER__LISTEN, lists with commas between the values. Unknown keys are mistakes.
#
# `otomax-gateway check-config` names every mistake with its line; --online calls the upstream.
"""


def render_template() -> str:
    """Write the example: every key with its default, its unit and its reason.

    Returns:
        TOML in which only `server.public_url` is left to be filled in.
    """
    parts = [HEAD]
    for name, section in SECTIONS.items():
        parts.append(f"\n\n# {section.__doc__}\n[{name}]\n")
        for key, field in section.model_fields.items():
            reason = textwrap.fill(
                field.description or "",
                WIDTH,
                initial_indent="# ",
                subsequent_indent="# ",
                break_on_hyphens=False,
            )
            if field.is_required():
                parts.append(f'\n{reason}\n{key} = ""\n')
            else:
                parts.append(f"\n{reason}\n# {key} = {toml_value(field.default)}\n")
    return "".join(parts)


def toml_value(value: object) -> str:
    """Write a default as TOML; whole numbers of seconds without their `.0`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.15g}"
    if isinstance(value, tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, Network):
        one_address = value.num_addresses == 1
        return f'"{value.network_address if one_address else value}"'
    return f'"{value}"'
