"""The subcommands events and logs: what has happened to a run, and what its handlers said; also as it happens."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from cyclopts import Parameter
from rich.text import Text

from playbill.model.diagnostics import did_you_mean, list_names
from playbill.model.errors import DefinitionError
from playbill.model.events import EventType
from playbill.model.wording import describe_seconds
from playbill.runtime.cli.exit_codes import FINE, NOT_ENDED
from playbill.runtime.cli.journals import find_run, journals, reading
from playbill.runtime.cli.options.journal import JournalOption
from playbill.runtime.cli.runs.columns import console, plain, way_out
from playbill.runtime.cli.runs.stored import ImpatientHistory, Standing, standing_of_row
from playbill.runtime.cli.terminal.streams import complain
from playbill.runtime.journals.codec import event_to_json
from playbill.runtime.journals.index import ENDED
from playbill.runtime.journals.sqlite.files.ownership import owner_of
from playbill.runtime.reports.board import LOOKS, STATES, note_of
from playbill.runtime.reports.printable import printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rich.console import Console

    from playbill.model.events import Event
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.journals.listing import LogLine
    from playbill.runtime.journals.sqlite.reading.reader import SqliteReader

PAGE: Final = 500
POLL_SECONDS: Final = 0.2
LOOK_SECONDS: Final = 1.0
"""Between two looks whether anybody is still at the run."""
LEVELS: Final = {
    "warning": "yellow",
    "error": "red",
    "critical": "bold red",
    "stderr": "yellow",
    "debug": "bright_black",
}

RunId: TypeAlias = Annotated[str, Parameter(name="ID")]
Follow: TypeAlias = Annotated[bool, Parameter(name=["--follow", "-f"], negative=(), show_default=False)]
AsJson: TypeAlias = Annotated[bool, Parameter(name="--json", negative=(), show_default=False)]


def events(
    run_id: RunId,
    /,
    *,
    follow: Follow = False,
    from_seq: Annotated[int, Parameter(name="--from")] = 1,
    journal: JournalOption = None,
    as_json: AsJson = False,
) -> int:
    """Print the events of a run, a line each; what users read of it stands in runtime/cli/__init__.py.

    Args:
        run_id: its id, or the beginning of it, of at least 4 characters.
        follow: go on with those that come until the run has ended.
        from_seq: the number of the first one.
        journal: where to look.
        as_json: print each as JSON, as `playbill run --events` writes them.
    """
    if from_seq < 1:
        raise DefinitionError.single("from", "--from", f"--from is {from_seq}, and events count from 1")
    tail = EventTail(from_seq, as_json=as_json)
    return asyncio.run(_tail(run_id, journal, tail, follow=follow))


def logs(
    run_id: RunId,
    node: Annotated[str | None, Parameter(name="NODE")] = None,
    /,
    *,
    attempt: int | None = None,
    follow: Follow = False,
    journal: JournalOption = None,
    as_json: AsJson = False,
) -> int:
    """Print what a run's handlers have said; what users read of it stands in runtime/cli/__init__.py.

    Args:
        run_id: its id, or the beginning of it, of at least 4 characters.
        node: only this node.
        attempt: only the attempts of this number.
        follow: go on with what comes until the run has ended.
        journal: where to look.
        as_json: print each line as JSON.
    """
    return asyncio.run(_tail(run_id, journal, LogTail(node, attempt, as_json=as_json), follow=follow))


class EventTail:
    """The events of a run that were not printed yet.

    Args:
        from_seq: the number of the first one.
        as_json: whether they are printed as JSON.
    """

    def __init__(self, from_seq: int, *, as_json: bool) -> None:
        self._next = from_seq
        self._as_json = as_json

    async def check(self, _reader: SqliteReader, _row: RunRow) -> None:
        """Do nothing: all there is to ask for is a number."""

    async def read(self, reader: SqliteReader, run_id: str) -> AsyncIterator[str | Text]:
        """Yield the lines of those that have come."""
        while True:
            page = await reader.events(run_id, self._next, PAGE)
            for event in page:
                self._next = event.seq + 1
                yield event_to_json(event) if self._as_json else _event_line(event)
            if len(page) < PAGE:
                return


def _event_line(event: Event) -> Text:
    at = event.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
    kind = str(event.type).removeprefix("pipeline_")
    colour = LOOKS[STATES[event.type]][1] if event.type in STATES else "bold"
    node = "" if event.node_id is None else f"{event.node_id}{f'#{event.attempt}' if event.attempt else ''}"
    line = Text(f"{event.seq:>5}  {at}  ", "bright_black", no_wrap=True, overflow="ellipsis")
    line.append(kind, colour).append(f"  {_printable(node)}".rstrip())
    if note := note_of_run(event) or note_of(event):
        line.append(f"  {_printable(note)}", "bright_black")
    return line


def note_of_run(event: Event) -> str:
    """Return what an event of a whole run has to say beyond its type, of those that only durable runs have."""
    if event.type is EventType.PIPELINE_RUN_CLOCK_STEPPED:
        seconds = event.data["seconds"]
        how = "ahead" if seconds > 0 else "back"
        return f"the clock went {describe_seconds(abs(seconds))} {how}: it was set, or the machine slept"
    if event.type is EventType.PIPELINE_RUN_RECOVERED and event.data["attempts"]:
        return f"attempts lost: {list_names(event.data['attempts'])}"
    if event.type is EventType.PIPELINE_RUN_PAUSED and "unowned" in event.data:
        return "while nobody had it at work"
    return ""


class LogTail:
    """The log lines of a run that were not printed yet, in the order of their times.

    Args:
        node: of this node; None: of all.
        attempt: of the attempts of this number; None: of all.
        as_json: whether they are printed as JSON.
    """

    def __init__(self, node: str | None, attempt: int | None, *, as_json: bool) -> None:
        self._node = node
        self._attempt = attempt
        self._as_json = as_json
        self._printed: dict[tuple[str, int], int] = {}
        """Of each attempt: the number of the last line."""

    async def check(self, reader: SqliteReader, row: RunRow) -> None:
        """Refuse a node that the run's pipeline does not have.

        Raises:
            DefinitionError: it is one; names those there are.
        """
        if self._node is None:
            return
        history = ImpatientHistory(reader, lambda: None)
        definition = await history.definition(row, (await reader.events(row.run_id, 1, 1))[0].data)
        nodes = [node.id for node in definition.nodes]
        if self._node not in nodes:
            hint = did_you_mean(self._node, nodes) or f"; its nodes are: {list_names(nodes)}"
            text = f"run '{row.run_id}' has no node '{self._node}'{hint}"
            raise DefinitionError.single("node", "NODE", text)

    async def read(self, reader: SqliteReader, run_id: str) -> AsyncIterator[str | Text]:
        """Yield those that have come."""
        for line in sorted(await reader.logs(run_id, self._node, self._attempt), key=attrgetter("at")):
            attempt = (line.node_id, line.attempt)
            if line.number > self._printed.get(attempt, 0):
                self._printed[attempt] = line.number
                yield json.dumps(plain(line)) if self._as_json else _log_line(line)


def _log_line(line: LogLine) -> Text:
    said = Text(f"{line.at.astimezone():%H:%M:%S} ", "bright_black")
    said.append(_printable(f"{line.node_id}#{line.attempt}"), "bold")
    if line.level not in {"info", "stdout"}:
        said.append(f" {line.level}:", LEVELS.get(line.level, ""))
    said.append(f" {_printable(line.text.expandtabs())}")
    return said.append(" (cut here)", "yellow") if line.cut else said


async def _tail(run_id: str, journal: str | None, tail: EventTail | LogTail, *, follow: bool) -> int:
    path, row = await find_run(journals(journal), run_id)
    screen, looked = console(), 0.0
    async with reading(path) as reader:
        await tail.check(reader, row)
        while True:
            now = await reader.run(row.run_id)  # first: of a run that has ended by then, all can be read
            async for line in tail.read(reader, row.run_id):
                _write(screen, line)
            sys.stdout.flush()
            if not follow or now is None or now.status in ENDED:
                return FINE
            if time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                if why := await _why_left(reader, now, path):
                    complain(why)
                    return NOT_ENDED
            await asyncio.sleep(POLL_SECONDS)


async def _why_left(reader: SqliteReader, row: RunRow, path: Path) -> str:
    """Tell why nothing more will come of a run, if it will not."""
    if row.suspended_reason is not None:
        return f"run '{row.run_id}' is set aside: {row.suspended_reason}"
    standing = await standing_of_row(reader, row, owner_of(path))
    if standing is not Standing.HELD:
        return f"run '{row.run_id}' has not ended, and {way_out(row.run_id, standing)}"
    return ""


def _write(screen: Console, line: str | Text) -> None:
    if isinstance(line, str):
        sys.stdout.write(f"{line}\n")
    else:
        screen.print(line, soft_wrap=not line.no_wrap, no_wrap=line.no_wrap, overflow=line.overflow, crop=True)


def _printable(text: str) -> str:
    return printable(text, sys.stdout.encoding or "utf-8")
