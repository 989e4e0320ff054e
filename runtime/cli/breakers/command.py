"""The command `playbill breakers` with its own subcommands, named as those of cli/__init__.py are."""

from __future__ import annotations

from typing import Final

from cyclopts import App

from playbill.runtime.cli import BREAKER_COMMANDS, flowing
from playbill.runtime.cli.breakers.listing import list_circuits

__all__ = ["breakers"]

breakers: Final = App(name="breakers", help_format="plaintext")
"""The command; what users read of it stands in runtime/cli/__init__.py."""
breakers.default(list_circuits)
for place, text in BREAKER_COMMANDS.items():
    breakers.command(f"playbill.runtime.cli.{place}", help=flowing(text))
