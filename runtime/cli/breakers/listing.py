"""What `playbill breakers` lists: the circuits that the events of journals say are open, or set by hand.

It reads files alone. What is open by the events may be tried again by now: when its time is over, its owner lets the
next attempt probe, and so does the next owner, where there is none.
"""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from cyclopts import Parameter
from rich.text import Text

from playbill.model.breaker_past import BreakerPast, CircuitPast
from playbill.model.events import BREAKERS, EventType
from playbill.model.wording import describe_seconds
from playbill.runtime.cli.exit_codes import FINE
from playbill.runtime.cli.journals import journals
from playbill.runtime.cli.options.journal import JournalOption
from playbill.runtime.cli.runs.columns import columns, console, describe_moment, write_json
from playbill.runtime.cli.terminal.streams import complain
from playbill.runtime.journals.sqlite.files.connections import connect, open_reader
from playbill.runtime.journals.sqlite.files.errors import explained
from playbill.runtime.journals.sqlite.files.headers import check_header
from playbill.runtime.journals.sqlite.schema.migrations import check_schema
from playbill.runtime.journals.sqlite.writing.positions import breaker_events
from playbill.runtime.reports.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from playbill.model.events import Event

WIDE: Final = 100
"""Columns from which on times are shown whole."""
LEAST_KEY: Final = 12
"""Characters that are always shown of a key."""
LOOKS: Final = {
    "open": ("✘", "red"),
    "half_open": ("◌", "yellow"),
    "forced_open": ("■", "red"),
    "disabled": ("○", "yellow"),
    "metrics_only": ("○", "yellow"),
    "closed": ("✔", "green"),
}
"""A circuit's state as a symbol and a colour."""


class ListedCircuit(NamedTuple):
    """A circuit that is not as a new one would be."""

    path: Path
    key: str
    past: CircuitPast
    since: datetime | None
    """When it opened, or was set by hand."""

    @property
    def state(self) -> str:
        """Its state: an open one that probes is half-open."""
        return "half_open" if self.past.state == "open" and not self.past.seconds else self.past.state

    @property
    def until(self) -> datetime | None:
        """Until when it is open; None: nobody knows, or until somebody resets it."""
        if self.state != "open" or self.past.since is None:
            return None
        return self.past.since + timedelta(seconds=self.past.seconds)

    def as_dict(self) -> dict[str, Any]:
        """Return it as a mapping that JSON can say."""
        times = {"since": self.since, "until": self.until}
        return {
            "key": self.key,
            "state": self.state,
            **{name: at and at.isoformat() for name, at in times.items()},
            "openings": self.past.openings,
            "last_failure": self.past.failure or None,
            "journal": str(self.path),
        }


def list_circuits(
    *,
    journal: JournalOption = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), show_default=False)] = False,
) -> int:
    """List circuits; what users read of it stands in runtime/cli/__init__.py.

    Args:
        journal: where to look.
        as_json: print JSON.
    """
    found = [circuit for path in journals(journal) for circuit in _circuits(path)]
    if as_json:
        write_json({"circuits": [circuit.as_dict() for circuit in found]})
    elif found:
        _show(found)
    else:
        complain("no circuit is open or set by hand")
    return FINE


def _circuits(path: Path) -> Iterator[ListedCircuit]:
    """Yield the circuits of a journal, whoever owns and writes it.

    Raises:
        JournalError: it cannot be read.
    """
    check_header(path)
    try:
        with closing(open_reader(path, connect)) as connection:
            check_schema(connection, str(path))
            streams = breaker_events(connection)
    except Exception as error:  # of SQLite, or ours
        raise explained(error, path, "read") from error
    for stream, events in sorted(streams.items()):
        name = stream.removeprefix(BREAKERS)
        for target, past in BreakerPast(events).standing.items():
            since = past.since or _set_at(events, target, past)
            yield ListedCircuit(path, f"{name}/{target}" if target else name, past, since)


def _set_at(events: Sequence[Event], target: str, past: CircuitPast) -> datetime | None:
    """Return when a circuit was set by hand as it stands; None: that is forgotten."""
    of_it = ("", target)
    told = [
        event.at
        for event in events
        if event.type is EventType.BREAKER_FORCED
        and event.data.get("target", "") in of_it
        and event.data["state"] == past.state
    ]
    return told[-1] if told else None


def _show(found: Sequence[ListedCircuit]) -> None:
    screen = console()
    table = [_cells(circuit, is_wide=screen.width >= WIDE) for circuit in found]
    for circuit, line in zip(found, columns(table, screen.width, {1: LEAST_KEY}), strict=True):
        screen.print(line, no_wrap=True, overflow="ellipsis", crop=True)
        if circuit.past.failure:
            note = Text(f"  {_printable(circuit.past.failure)}", "bright_black")
            screen.print(note, no_wrap=True, overflow="ellipsis", crop=True)


def _cells(circuit: ListedCircuit, *, is_wide: bool) -> list[Text]:
    symbol, colour = LOOKS[circuit.state]
    return [
        Text(f"{symbol} {circuit.state}", colour),
        Text(_printable(circuit.key), "bold"),
        Text(f"since {describe_moment(circuit.since, short=not is_wide) or 'unknown'}", "bright_black"),
        Text(_until(circuit, is_wide=is_wide), "bright_black"),
    ]


def _until(circuit: ListedCircuit, *, is_wide: bool) -> str:
    if circuit.state == "half_open":
        return "probes"
    if circuit.until is None:
        return "until it is reset"
    left = (circuit.until - datetime.now(UTC)).total_seconds()
    if left <= 0:
        return "over: the next probes"
    said = f" ({describe_seconds(left)} left)" if is_wide else ""
    return f"until {describe_moment(circuit.until, short=not is_wide)}{said}"


def _printable(text: str) -> str:
    return printable(text, sys.stdout.encoding or "utf-8")
