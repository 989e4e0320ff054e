"""The option `--journal`, which many commands take, and what stands for it where it is not said."""

from __future__ import annotations

import os
from typing import Annotated, Final, TypeAlias

from cyclopts import Parameter

__all__ = ["FOLDER", "JournalOption", "journal_named"]

FOLDER: Final = ".playbill"
"""Of the working folder, where `playbill run` keeps its runs."""
VARIABLE: Final = "PLAYBILL_JOURNAL"
JOURNAL_HELP: Final = (
    "the journal: sqlite:///runs.db, or the path of its file; without it what PLAYBILL_JOURNAL says, "
    "else .playbill/ in this folder."
)
JournalOption: TypeAlias = Annotated[str | None, Parameter(name="--journal", help=JOURNAL_HELP)]


def journal_named(option: str | None) -> str | None:
    """Return the journal that the command line names, or else the environment; None: neither does."""
    return option or os.environ.get(VARIABLE) or None
