"""The subcommands show and result: one run at a glance, and what it has given."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from cyclopts import Parameter
from rich.text import Text

from playbill.model.facts import RunStatus
from playbill.runtime.cli.exit_codes import FINE, NOT_ENDED, OF_RUNS
from playbill.runtime.cli.options.journal import JournalOption
from playbill.runtime.cli.progress import summary
from playbill.runtime.cli.runs.columns import (
    console,
    describe_duration,
    describe_moment,
    look_of,
    plain,
    way_out,
    write_json,
)
from playbill.runtime.cli.runs.results import print_result
from playbill.runtime.cli.runs.stored import Standing, read_run
from playbill.runtime.cli.terminal.streams import complain
from playbill.runtime.journals.index import ALIVE
from playbill.runtime.recovery.stored_run import result_of
from playbill.runtime.reports.board import Board
from playbill.runtime.reports.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playbill.runtime.cli.runs.stored import ReadRun

RunId: TypeAlias = Annotated[str, Parameter(name="ID")]
AsJson: TypeAlias = Annotated[bool, Parameter(name="--json", negative=(), show_default=False)]


def show(run_id: RunId, /, *, journal: JournalOption = None, as_json: AsJson = False) -> int:
    """Show a run at a glance; what users read of it stands in runtime/cli/__init__.py.

    Args:
        run_id: its id, or the beginning of it, of at least 4 characters.
        journal: where to look.
        as_json: print JSON, with all that is known of it.
    """
    run = read_run(run_id, journal)
    if as_json:
        write_json(_as_dict(run))
        return FINE
    screen, board = console(), _board(run)
    _, symbol, colour = look_of(str(run.row.status), run.standing)
    head, *why = _head(run, board)
    screen.print(Text(f"{symbol} {run.row.run_id}  {head}", f"bold {colour}"))
    for line in why:
        screen.print(Text(line, colour))
    for name, said in _facts(run):
        screen.print(Text(f"{name:<11}", "bright_black") + Text(printable(said, _encoding())))
    if board.lines:
        screen.print()
    for node in board.table(board.lines.values(), screen.width):
        screen.print(node, soft_wrap=True)
    return FINE


def result(run_id: RunId, /, *, journal: JournalOption = None, as_json: AsJson = False) -> int:
    """Print what a run has given; what users read of it stands in runtime/cli/__init__.py.

    Args:
        run_id: its id, or the beginning of it, of at least 4 characters.
        journal: where to look.
        as_json: print the whole result as JSON instead of the outputs.
    """
    run = read_run(run_id, journal)
    row = run.row
    if row.status in ALIVE:
        complain(f"run '{row.run_id}' has not ended: {_whereabouts(run)}")
        return NOT_ENDED
    ended = result_of(run.definition, row.run_id, run.state)
    complain(summary(_board(run), ended))
    print_result(run.definition, ended, sys.stdout, as_json=as_json)
    return OF_RUNS[ended.status]


def _board(run: ReadRun) -> Board:
    """Return the board of a run as it was last drawn; of one that was left, the time stands still."""
    board = Board(run.definition, encoding=_encoding())
    for event in run.events:
        board.take(event)
    if run.standing is not Standing.HELD:
        board.clock = lambda: run.state.at
    return board


def _head(run: ReadRun, board: Board) -> list[str]:
    if run.row.status not in ALIVE:
        return summary(board, result_of(run.definition, run.row.run_id, run.state)).splitlines()
    since = describe_duration(run.row, run.standing)
    status, *_ = look_of(str(run.row.status), run.standing)
    head = f"{status}{f' for {since}' if since else ''}: {board.summary()}"
    return [head, *([] if run.row.suspended_reason is not None else [_whereabouts(run)])]


def _whereabouts(run: ReadRun) -> str:
    """Tell who is at a run that has not ended, and what may be done."""
    run_id = printable(run.row.run_id, _encoding())
    if run.row.suspended_reason is not None:
        reason = printable(run.row.suspended_reason, _encoding())
        return f"it is set aside: {reason}; `playbill recover {run_id}` tries it again"
    if run.row.status is RunStatus.PAUSED:
        return "it is paused" + ("" if run.owner is None else f" in {run.owner}")
    if run.standing is not Standing.HELD:
        return way_out(run.row.run_id, run.standing)
    return f"it is in {run.owner}; `playbill events {run_id} --follow` shows it"


def _facts(run: ReadRun) -> Iterator[tuple[str, str]]:
    row = run.row
    yield "pipeline", f"{row.pipeline} {row.version}".rstrip()
    yield "began", describe_moment(row.started_at or row.created_at)
    if row.ended_at is not None:
        yield "ended", describe_moment(row.ended_at)
    recovered = sum(event.type == "pipeline_run.recovered" for event in run.events)
    if recovered:
        yield "recovered", "once" if recovered == 1 else f"{recovered} times"
    if row.suspended_reason is not None:
        yield "set aside", f"since {describe_moment(row.suspended_at)}: {row.suspended_reason}"
    if row.wake_at is not None:
        yield "waits", f"until {describe_moment(row.wake_at)}"
    origin = run.events[0].data.get("origin")
    if origin is not None:
        yield "origin", f"{origin.how} of {origin.run}{f' at {origin.node}' if origin.node else ''}"
    if row.parent is not None:
        yield "parent", row.parent
    for name, value in row.attributes.items():
        yield "attribute", f"{name}={value if isinstance(value, str) else json.dumps(value)}"
    yield "journal", str(run.path)


def _as_dict(run: ReadRun) -> dict[str, Any]:
    state = run.state
    known = result_of(run.definition, run.row.run_id, state).as_dict()
    return {
        **plain(run.row),
        "left": run.standing is not Standing.HELD,
        "later": run.standing is Standing.LATER,
        "journal": str(run.path),
        "owner": None if run.owner is None else str(run.owner),
        "trigger_data": state.trigger_data,
        **{name: known[name] for name in ("node_results", "error", "cause", "orphans")},
    }


def _encoding() -> str:
    return sys.stdout.encoding or "utf-8"
