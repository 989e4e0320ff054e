"""What the program was told before it died, as far as it could say so; the parent's book, over all of its lives."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.soak.kills.plans import End


class Wrong(Exception):
    """The program, or what it left, is not as it must be."""


class Ledger:
    """What was acknowledged, by run: `_word` takes down a line of this word."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """How often each word was said."""
        self.started: set[str] = set()
        self.ends: dict[str, End] = {}
        self.cancelled: set[str] = set()
        self.paused: set[str] = set()
        """Those of which the last word is that they are."""
        self.attributes: dict[str, set[str]] = {}
        """What may be the value of `changed`: the last that was acknowledged, and all that were asked for since."""
        self.shown: dict[str, dict[int, str]] = {}
        """The types of the events that a listener saw, by stream and seq."""
        self.prunable: set[str] = set()
        """Runs that there were when something was pruned, of a kind that is; another may have their ids by now."""

    def read(self, line: str) -> str:
        """Take down a line; return its word.

        Raises:
            Wrong: it tells of what may not be, or contradicts an earlier one.
        """
        word, run_id, *more = json.loads(line)
        self.counts[word] += 1
        take = getattr(self, f"_{word}", None)
        if take is not None:
            take(run_id, *more)
        return str(word)

    def _started(self, run_id: str) -> None:
        self.started.add(run_id)

    def _ended(self, run_id: str, status: str, digest: str, text: str, error: str) -> None:
        found = End(status, digest)
        known = self.ends.setdefault(run_id, found)
        if found != known:
            raise Wrong(f"'{run_id}' had ended {known}, and now {found}: {text}, {error}")
        self.paused.discard(run_id)

    def _cancelled(self, run_id: str) -> None:
        self.cancelled.add(run_id)

    def _paused(self, run_id: str) -> None:
        self.paused.add(run_id)

    def _resuming(self, run_id: str) -> None:
        self.paused.discard(run_id)

    def _setting(self, run_id: str, value: str) -> None:
        self.attributes.setdefault(run_id, {""}).add(value)

    def _set(self, run_id: str, value: str) -> None:
        self.attributes[run_id] = {value}

    def _event(self, stream: str, seq: int, kind: str) -> None:
        if kind == "pipeline_run.recovered":
            self.counts["taken up"] += 1
        known = self.shown.setdefault(stream, {}).setdefault(seq, kind)
        if known != kind and stream not in self.prunable:
            raise Wrong(f"event {seq} of '{stream}' was {known} to a listener, and is {kind} now")

    def _recovered(self, _: str, set_aside: dict[str, Any]) -> None:
        if set_aside:
            raise Wrong(f"set aside: {set_aside}")

    def _pruning(self, _: str) -> None:
        self.prunable |= {name for name in (*self.started, *self.shown) if name.startswith("doomed-")}

    def missing(self, there: Iterable[str]) -> set[str]:
        """Return the runs that must be there and are not."""
        return self.started - self.prunable - set(there)
