"""otomax-gateway: between OtomaX panels and one upstream, keeping the truth about orders."""

__version__ = "0.1.0"
