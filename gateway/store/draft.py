"""What would be written, taken down without a connection: for the process that writes it.

The same functions that write into the journal write into a draft, as long as they need not read:
what they know is what was written last (`sqlite_known`). Where they have to read, or do something
that only a connection can, nothing of the draft is used, and they are run upon the connection.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, NoReturn

Row = Sequence[Any]
Statement = tuple[str, list[Row]]
"""SQL, and the rows that it is run with, one after the other; each has to change one row."""


class MustRead(Exception):  # noqa: N818  no error: what is asked can not be done blindly
    """A draft does not do here; a connection is needed."""


class Done(NamedTuple):
    """What a cursor says that changed all rows it was given."""

    rowcount: int


class Draft:
    """Stands for a connection where only rows are written, and takes them down."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []

    def execute(self, *_: object) -> NoReturn:
        """Refuse: this reads, or does more than to write rows.

        Raises:
            MustRead: always.
        """
        raise MustRead

    def executemany(self, sql: str, rows: Iterable[Row]) -> Done:
        """Take down rows; who writes them sees to it that each changes one, or undoes all."""
        self.statements.append((sql, list(rows)))
        return Done(len(self.statements[-1][1]))
