"""Where the browser is: `chromium` on the PATH, or what `$CHROMIUM` names.

Read at the start of every test run, so nothing that takes long to import is imported here.
"""

import os
import shutil
from typing import Final

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def chromium() -> str | None:
    """Return where the browser is, or None."""
    named = os.environ.get("CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, _NAMES)), None)
