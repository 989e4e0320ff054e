"""The command `playbill breakers` with its own subcommands, named as those of cli/__init__.py are.

It is made anew each time it is asked for, as the app around it is: an app remembers how wide its terminal was.
"""

from __future__ import annotations

from cyclopts import App

from playbill.runtime.cli import BREAKER_COMMANDS, flowing
from playbill.runtime.cli.breakers.listing import list_circuits

__all__ = ["breakers"]


def __getattr__(name: str) -> App:
    if name != "breakers":
        raise AttributeError(name)
    made = App(name=name, help_format="plaintext")
    made.default(list_circuits)
    for place, text in BREAKER_COMMANDS.items():
        made.command(f"playbill.runtime.cli.{place}", help=flowing(text))
    return made


breakers: App
"""The command; what users read of it stands in runtime/cli/__init__.py."""
