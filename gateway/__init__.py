"""otomax-gateway: stands between OtomaX panels and one upstream, and keeps the truth about orders."""

__version__ = "0.1.0"
