"""Keeps what attempts say: dates it by the clock, and lets the journal have it while the run is there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from playbill.runtime.journals.listing import LogLine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.journals.progress import Speaker

__all__ = ["LineKeeper"]

logger = logging.getLogger("playbill")


class Closable(Protocol):
    """A stream, as far as lines go by it."""

    closed: bool
    """Whether its run has ended."""


class TakesLines(Protocol):
    """A journal, as far as it keeps lines."""

    @property
    def streams(self) -> Mapping[str, Closable]:
        """Those of the runs it knows, by run."""
        ...

    def log(self, run_id: str, line: LogLine) -> None:
        """Keep a line, as far as its attempt's quota goes."""


class LineKeeper:
    """What stands between all attempts of one manager and its journal.

    Args:
        journal: keeps the lines.
        clock: says when they were said.
    """

    def __init__(self, journal: TakesLines, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    def line(self, who: Speaker, level: str, text: str, *, cut: bool = False) -> LogLine:
        """Make a line of what is said now, from any thread; the journal counts its number."""
        at = self._clock.now().utc
        return LogLine(node_id=who.node_id, attempt=who.attempt, number=0, at=at, level=level, text=text, cut=cut)

    def keep(self, run_id: str, line: LogLine) -> None:
        """Let the journal have a line, on its loop; of a run that has ended or is forgotten, nothing."""
        stream = self._journal.streams.get(run_id)
        if stream is None or stream.closed:
            logger.debug("a line of node '%s' comes after the end of run '%s', and is not kept", line.node_id, run_id)
            return
        try:
            self._journal.log(run_id, line)
        except Exception:
            logger.exception("a line of node '%s' in run '%s' is not kept", line.node_id, run_id)

    def __repr__(self) -> str:
        return f"<LineKeeper of {len(self._journal.streams)} streams>"
