"""The configuration. Only `app` and `cli` read it; everything else is given what it needs.

keys      every key with its default and its reason
values    what a value may be
lines     on which line of the file a key stands
loader    reads file and environment, collects all mistakes
template  the example file, made from the keys
"""

from gateway.config.keys import Settings
from gateway.config.loader import ConfigError, config_file, load_settings

__all__ = ["ConfigError", "Settings", "config_file", "load_settings"]
