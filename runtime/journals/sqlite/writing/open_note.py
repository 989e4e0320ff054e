"""The note that a journal is open, by which its next owner knows whether this one has crashed; pure, rows in and out.

1. An owner notes that it has the journal open with the first group that it keeps. No handler begins before one is
   kept, so none can end the process unnoticed; and to open a journal costs no commit.
2. Who closes in order takes the note away.
3. Who finds a note as it opens the journal knows that the owner before has crashed. It keeps the moment at which it
   found that, with its first group or as it closes; the last three are kept.

WARNING: an owner that crashes before it has kept anything is not noticed. A copy of a journal that is open has its
note, too: whoever opens that finds a crash.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from playbill.runtime.journals.listing import micros, moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["CRASHES", "OPEN", "OpenNote"]

OPEN: Final = "open"
"""The row of the note."""
CRASHES: Final = "crashes"
"""The row of the moments of crashes, a list of microseconds as JSON."""
KEPT: Final = 3
"""Crashes that are remembered: the last ones."""


class OpenNote:
    """What one owner notes of itself, and what it found.

    Args:
        found: what the journal's writers have left: name -> value.
        token: this owner's own.
        now: when it opens the journal.
    """

    def __init__(self, found: Mapping[str, str], token: str, now: datetime) -> None:
        before = [moment(at) for at in json.loads(found.get(CRASHES, "[]"))]
        self._found_crash = OPEN in found
        self.crashes: tuple[datetime, ...] = tuple([*before, now][-KEPT:]) if self._found_crash else tuple(before)
        """When owners before were found to have crashed, the oldest first; at most the last three."""
        self._value = json.dumps({"token": token, "since": micros(now)})
        self._stands = False

    def opening(self) -> dict[str, str]:
        """Return the rows that are to be kept with a group: none once they are."""
        return {} if self._stands else {OPEN: self._value, **self._crash_row()}

    def opened(self) -> None:
        """Hear that these are kept."""
        self._stands = True

    def closing(self) -> dict[str, str | None]:
        """Return the rows that are to be kept as it closes in order; None: that row goes."""
        if self._stands:
            return {OPEN: None}
        return {OPEN: None, **self._crash_row()} if self._found_crash else {}

    def _crash_row(self) -> dict[str, str]:
        return {CRASHES: json.dumps([micros(at) for at in self.crashes])} if self._found_crash else {}

    def __repr__(self) -> str:
        return f"<OpenNote {'kept' if self._stands else 'not kept'} crashes={len(self.crashes)}>"
