"""One run as a file: its row, its definition, its events and its log lines, one a line of JSON; nobody has to own it.

1. The first line says what the file is, and has the row and the definition; the last one says how many lines there
   are: a file that was cut is refused, whole.
2. What is read is looked at as a journal's is: events of older playbills are led to today's, and all fold.
"""

from __future__ import annotations

import json
import os
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from playbill.model.attributes import check_attributes
from playbill.model.errors import DefinitionError, JournalError
from playbill.model.events import BOUNDS, TERMINAL, EventType
from playbill.model.runstate import folded
from playbill.model.stored_form import definition_hash, definition_of
from playbill.runtime.journals.codec import event_from_mapping, event_to_json
from playbill.runtime.journals.index import RunRow
from playbill.runtime.journals.listing import LogLine, micros
from playbill.runtime.journals.sqlite.rows import row_of_event
from playbill.runtime.options import run_id_to_start

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from playbill.model.definition import PipelineDefinition
    from playbill.model.events import Event
    from playbill.model.runstate import RunState
    from playbill.runtime.journals.sides import ReadingSide

__all__ = ["RunFile", "read_run_file", "run_file_lines", "write_run_file"]

FORMAT: Final = 1
"""Of the files that are written; the only one that is read, too."""
PAGE: Final = 1000


class RunFile(NamedTuple):
    """What a file says of a run."""

    row: RunRow
    definition: str
    """The stored form as JSON."""
    events: Sequence[Event]
    state: RunState
    """What they fold to."""
    logs: Sequence[LogLine]


async def run_file_lines(row: RunRow, reading: ReadingSide) -> list[str]:
    """Return the lines of the file of a run; of one that is under way, as far as it is.

    Args:
        row: the run.
        reading: reads the journal that has it.

    Raises:
        JournalError: the journal cannot be read, or lacks its definition.
    """
    definition = None if row.definition is None else await reading.definition(row.definition)
    if definition is None:
        raise JournalError(f"run '{row.run_id}' is not exported: its definition is not in the journal")
    lines = [_dumped({"playbill_run": FORMAT, "row": msgspec.to_builtins(row), "definition": json.loads(definition)})]
    while page := await reading.events(row.run_id, len(lines), PAGE):
        lines += map(event_to_json, page)
    lines += [_dumped({"log": msgspec.to_builtins(line)}) for line in await reading.logs(row.run_id)]
    return [*lines, _dumped({"lines": len(lines)})]


def write_run_file(path: Path, lines: Iterable[str]) -> None:
    """Write the lines of a run to a new file, whole or not at all; nobody else may read it.

    Raises:
        JournalError: it is there already, or cannot be written.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    if path.exists():
        raise JournalError(f"{path} is there already: choose another name")
    try:
        with part.open("x", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.writelines(f"{line}\n" for line in lines)
        part.rename(path)
    except OSError as error:
        if not isinstance(error, FileExistsError):
            part.unlink(missing_ok=True)
        raise JournalError(f"{path} cannot be written: {error.strerror or error}") from error


def _dumped(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def read_run_file(path: Path) -> RunFile:
    """Read a run from a file.

    Raises:
        DefinitionError: it cannot be read, or is not such a file; names the file and the line.
    """
    lines = list(_lines(path))
    first, last = lines[0][1] if lines else {}, lines[-1][1] if lines else {}
    if first.get("playbill_run") != FORMAT:
        said = "it was written by a newer playbill: upgrade this one" if "playbill_run" in first else "it is not one"
        raise _wrong(path, 1, f"this is not the file of a run that `playbill export` wrote: {said}")
    if last.get("lines") != len(lines) - 1:
        raise _wrong(path, len(lines), "the file was cut: its end is missing; export the run again")
    events = [event_from_mapping(line, where) for where, line in lines[1:-1] if "log" not in line]
    try:
        row = _row_of(msgspec.convert(first["row"], RunRow))
        logs = [_checked_log(msgspec.convert(line["log"], LogLine)) for _, line in lines[1:-1] if "log" in line]
        _check_nodes(_checked_definition(first["definition"], row), events)
        state = _checked_state(row, events)
    except (ArithmeticError, LookupError, TypeError, ValueError, JournalError, msgspec.ValidationError) as error:
        raise _wrong(path, 1, f"this run is damaged: {error}") from error
    return RunFile(row, _dumped(first["definition"]), events, state, logs)


def _row_of(said: RunRow) -> RunRow:
    """Return what of a row is true wherever the run is; all else its events tell.

    Raises:
        ValueError: a text or a moment is none that a journal takes.
    """
    run_id_to_start(said.run_id)
    check_attributes(said.attributes)
    for text in (said.run_id, said.pipeline, said.version, said.origin or ""):
        text.encode()
    micros(said.created_at.astimezone(UTC) if said.created_at.tzinfo else said.created_at)
    return RunRow(
        run_id=said.run_id,
        pipeline=said.pipeline,
        created_at=said.created_at,
        version=said.version,
        definition=said.definition,
        origin=said.origin,
        attributes=said.attributes,
    )


def _checked_log(line: LogLine) -> LogLine:
    """Return a log line that a journal takes.

    Raises:
        ValueError: it is none.
    """
    for text in (line.node_id, line.level):
        text.encode()
    micros(line.at)
    return line


def _check_nodes(definition: PipelineDefinition, events: Sequence[Event]) -> None:
    """Refuse events of nodes or edges that the run's definition does not have.

    Raises:
        JournalError: there are some.
    """
    edges: dict[str, set[int]] = {node.id: set() for node in definition.nodes}
    for index, edge in enumerate(definition.edges):
        edges[edge.from_node].add(index)
    for event in events:
        row_of_event(event)
        event.at.astimezone(UTC)  # OverflowError: the calendar has no such moment
        if event.node_id is None:
            continue
        if event.node_id not in edges:
            raise JournalError(f"event {event.seq} is of node '{event.node_id}', which its definition does not have")
        if not edges[event.node_id].issuperset(event.data.get("live", ())):
            raise JournalError(f"event {event.seq} has live edges that node '{event.node_id}' does not have")


def _checked_definition(stored: dict[str, Any], row: RunRow) -> PipelineDefinition:
    """Return the definition that a stored form says.

    Raises:
        DefinitionError: it is none.
        JournalError: it is not the one that the run had.
    """
    definition = definition_of(stored)
    if definition_hash(stored) != row.definition:
        raise JournalError("its definition is another one than the run had")
    return definition


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place and the mapping of each line."""
    number = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                said = json.loads(line)
                if not isinstance(said, dict):
                    raise _wrong(path, number, f"a line of such a file is an object of JSON, not {line[:40]!r}")
                yield f"{path}:{number}", said
    except OSError as error:
        text = f"{path} cannot be read: {error.strerror or error}"
        raise DefinitionError.single("unreadable", str(path), text) from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, DefinitionError):
            raise
        raise _wrong(path, number, f"this line is not JSON: {error}") from error


def _checked_state(row: RunRow, events: Sequence[Event]) -> RunState:
    """Return what the events of a run fold to.

    Raises:
        JournalError: they are not.
    """
    if not events or events[0].type is not EventType.PIPELINE_RUN_STARTED:
        raise JournalError("its first event is not there")
    if [event.seq for event in events] != list(range(1, len(events) + 1)):
        raise JournalError("its events are not numbered 1, 2, 3...")
    if any(event.stream != row.run_id for event in events):
        raise JournalError("it has events of another run")
    if any(event.type in TERMINAL for event in events[:-1]):
        raise JournalError("it goes on after its end")
    if missing := [name for name in BOUNDS if name not in events[0].data]:
        raise JournalError(f"its first event lacks {', '.join(missing)}")
    return folded(events)


def _wrong(path: Path, line: int, text: str) -> DefinitionError:
    return DefinitionError.single("not-a-run", f"{path}:{line}", f"{path}:{line}: {text}")
