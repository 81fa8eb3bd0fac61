"""The names of old orders: unique, and scattered, so that an index is hit all over.

What Python asks for and what SQL wrote is the same; so both stand here.
"""

_SCATTER = 2_654_435_761  # odd, so it maps the 32-bit numbers one to one
_BITS_32 = 0xFFFF_FFFF

SQL_NAME = f"printf('old%08x', (i * {_SCATTER}) & {_BITS_32})"
"""The trx_id of the old order with the number `i`, in SQLite."""


def old_name(number: int) -> str:
    """Return the trx_id of an old order."""
    return f"old{number * _SCATTER & _BITS_32:08x}"
