"""The subcommand recover: goes on with runs whose process has gone, in the foreground, until they have ended.

1. The owner of a journal is asked to go on with its runs, and nobody waits here until they have ended.
2. Ctrl-C and SIGTERM leave the runs as they are, for the next one who recovers them: nothing is cancelled.
3. A run that is paused stays so, and one that is set aside is tried again.
"""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from cyclopts import Parameter

from playbill.model.errors import DefinitionError, JournalError, RunParked
from playbill.model.facts import RunStatus
from playbill.runtime.cli.exit_codes import FINE, FOUND, INTERRUPTED, NOT_ENDED, OF_RUNS
from playbill.runtime.cli.journals import find_run, journals, reading
from playbill.runtime.cli.modules import find_modules, open_catalog
from playbill.runtime.cli.options.host import Resources, Secrets, make_resources
from playbill.runtime.cli.options.imports import Imports
from playbill.runtime.cli.options.journal import JournalOption
from playbill.runtime.cli.options.own import OwnOptions
from playbill.runtime.cli.options.seconds import Seconds
from playbill.runtime.cli.progress import PlainProgress, progress_of
from playbill.runtime.cli.runs.columns import short_id, write_json
from playbill.runtime.cli.runs.following import EndNotKept, follow
from playbill.runtime.cli.terminal.logs import show_logs
from playbill.runtime.cli.terminal.streams import complain, reserve_output
from playbill.runtime.control.client import reach_owner
from playbill.runtime.embedded.private_loop import PrivateLoop
from playbill.runtime.journals.index import ALIVE
from playbill.runtime.journals.listing import RunQuery
from playbill.runtime.journals.sqlite.files.ownership import owner_of
from playbill.runtime.journals.sqlite.files.places import SCHEME
from playbill.runtime.manager import PipelineRunManager
from playbill.runtime.reports.board import Board

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from playbill.model.results import RunResult
    from playbill.runtime.options import ManagerOptions
    from playbill.runtime.recovery.taken_up import TakenUp
    from playbill.runtime.run import Run


def recover(  # noqa: PLR0913 (a user names those they want)
    run_id: Annotated[str | None, Parameter(name="ID")] = None,
    /,
    *,
    every: Annotated[bool, Parameter(name="--all", negative=(), show_default=False)] = False,
    secrets: Secrets = None,
    resources: Resources = None,
    grace: Seconds | None = None,
    imports: Imports = None,
    journal: JournalOption = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), show_default=False)] = False,
    simulate_agents: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    verbose: Annotated[int, Parameter(name=["--verbose", "-v"], negative=(), count=True, show_default=False)] = 0,
) -> int:
    """Go on with runs whose process has gone; what users read of it stands in runtime/cli/__init__.py.

    Args:
        run_id: its id, or the beginning of it, of at least 4 characters.
        every: all unfinished runs of the journals.
        secrets: what ${secrets.NAME} stands for.
        resources: what handlers find in context.resources.
        grace: seconds that handlers have to clean up when they are left; without it 5.
        imports: modules that define node types; a pipeline's own are known.
        journal: where to look.
        as_json: print what has become of each run as JSON; what handlers print goes to standard error.
        simulate_agents: let agents answer something invented where none are registered.
        verbose: show warnings, and what handlers log as info; -vv shows debug, too.
    """
    if (run_id is None) is not every:
        text = "say which: the ID of a run, or --all; `playbill runs` lists them"
        raise DefinitionError.single("recover", "ID", text)
    show_logs(verbose)
    find_modules()
    open_catalog(imports or [])
    own = OwnOptions(secrets, resources, grace, imports, simulate_agents=simulate_agents)
    with reserve_output(wanted=as_json) as output:
        seen = Seen()
        left = [place for place in asyncio.run(_places(run_id, journal)) if not _left_to_owner(place, own, seen)]
        if left:
            loop = PrivateLoop()
            try:
                loop.run(_recover(left, own, seen))
            finally:
                loop.close()
        if seen.is_nothing:
            complain("nothing is to be recovered")
        if as_json:
            write_json(seen.as_dict(), output)
    return seen.code(run_id)


class Unfinished(NamedTuple):
    """A journal with unfinished runs."""

    path: Path
    run_id: str | None
    """Which one is asked for; None: all."""
    is_paused: bool
    """Whether that one is."""


@dataclass
class Seen:
    """What has become of the runs."""

    results: list[RunResult] = field(default_factory=list["RunResult"])
    set_aside: list[str] = field(default_factory=list[str])
    paused: list[str] = field(default_factory=list[str])
    left: list[str] = field(default_factory=list[str])
    """Those with which the owners of their journals go on."""
    asked: bool = False
    """Whether the owner of the one that is asked for was."""
    failed: bool = False
    """Whether an owner could not do it."""
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once somebody has asked to leave the runs."""

    @property
    def is_nothing(self) -> bool:
        """Whether there was nothing to do."""
        told = self.results or self.set_aside or self.paused or self.left
        return not (told or self.asked or self.failed or self.interrupted.is_set())

    def as_dict(self) -> dict[str, Any]:
        """Return it as a mapping that JSON can say."""
        ended = [result.as_dict() for result in self.results]
        return {"ended": ended, "set_aside": self.set_aside, "paused": self.paused, "goes_on": self.left}

    def code(self, run_id: str | None) -> int:
        """Return the exit code: that of the one run that was asked for, or whether all have completed."""
        if self.interrupted.is_set():
            return INTERRUPTED
        if run_id is not None and self.results:
            return OF_RUNS[self.results[0].status]
        if run_id is not None and self.paused:
            return NOT_ENDED
        is_fine = not (self.set_aside or self.failed) and all(
            result.status is RunStatus.COMPLETED for result in self.results
        )
        return FINE if is_fine else FOUND


async def _places(run_id: str | None, journal: str | None) -> list[Unfinished]:
    """Return where there is something to do.

    Raises:
        DefinitionError: there is no such run, or it has ended.
    """
    if run_id is None:
        return [Unfinished(path, None, is_paused=False) for path in journals(journal) if await _has_unfinished(path)]
    path, row = await find_run(journals(journal), run_id, changes=True)
    if row.status not in ALIVE:
        text = f"run '{row.run_id}' has ended ({row.status}): `playbill result {row.run_id}` tells how"
        raise DefinitionError.single("recover", "ID", text)
    return [Unfinished(path, row.run_id, is_paused=row.status is RunStatus.PAUSED)]


async def _has_unfinished(path: Path) -> bool:
    async with reading(path) as reader:
        return bool((await reader.runs(RunQuery(statuses=ALIVE, limit=1))).runs)


def _left_to_owner(place: Unfinished, own: OwnOptions, seen: Seen) -> bool:
    """Ask the owner of a journal to go on with its runs, or leave it alone; False: nobody owns it.

    Raises:
        DefinitionError: it would not know of options that were given for the run.
        JournalError: it cannot do it; says why.
    """
    path, run_id, _ = place
    owner, reached = owner_of(path), reach_owner(path)
    if reached is None:
        if owner is not None and run_id is None:
            complain(f"{path} is left alone: it is in use by {owner}, which nobody can ask")
            return True
        return False  # whoever owns it is named by the lock
    with reached:
        if run_id is None and own.names:
            text = f"it is in use by {owner}, which has its own {', '.join(own.names)}: leave that out to ask it"
            complain(f"{path} is left alone: {text}")
            return True
        own.refuse(path)
        try:
            answer = reached.call("recover", run=run_id)
        except JournalError as error:  # other journals may have runs, too
            if run_id is not None:
                raise
            complain(f"{path} is left alone: {error}")
            seen.failed = True
        else:
            _take_answer(place, answer, str(owner or "the owner of the journal"), seen)
    return True


def _take_answer(place: Unfinished, answer: Any, owner: str, seen: Seen) -> None:
    """Tell what the owner of a journal does with its runs."""
    seen.asked = seen.asked or place.run_id is not None
    begun = [] if place.is_paused else list(answer.runs)
    seen.left += begun
    for run_id in begun:
        complain(f"run '{run_id}' goes on in {owner}: `playbill events {run_id} --follow` shows it")
    _tell_set_aside(answer.set_aside, seen)
    if place.run_id is None:
        return
    if place.is_paused and not answer.set_aside:
        _tell_paused(place.run_id, seen)
    elif not (answer.runs or answer.set_aside):
        complain(f"run '{place.run_id}' is at work in {owner} already")


def _tell_set_aside(reasons: Mapping[str, str], seen: Seen) -> None:
    for run_id, reason in reasons.items():
        complain(f"run '{run_id}' is set aside: {reason}")
        seen.set_aside.append(run_id)


def _tell_paused(run_id: str, seen: Seen) -> None:
    complain(f"run '{run_id}' is paused, and stays so: `playbill resume {run_id}`")
    seen.paused.append(run_id)


async def _recover(places: Sequence[Unfinished], own: OwnOptions, seen: Seen) -> None:
    options: ManagerOptions = {**own.options, "resources": await make_resources(own.resources), "on_exit": "park"}
    _leave_on_signals(seen.interrupted)
    for path, run_id, _ in places:
        if not seen.interrupted.is_set():
            await _recover_in(path, run_id, options, seen)


def _leave_on_signals(asked: asyncio.Event) -> None:
    """Leave the runs at the first Ctrl-C or SIGTERM; a second Ctrl-C is raised wherever the program is."""
    loop = asyncio.get_running_loop()

    def leave() -> None:
        asked.set()
        loop.remove_signal_handler(signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, leave)


async def _recover_in(path: Path, run_id: str | None, options: ManagerOptions, seen: Seen) -> None:
    """Go on with one run of a journal, or with all.

    Raises:
        DefinitionError: the journal cannot be opened.
        RunSetAside: the run that was asked for cannot go on.
        EndNotKept: the journal fails.
    """
    made: ManagerOptions = {**options, "journal": f"{SCHEME}{path}", "recover": run_id is None}
    manager = PipelineRunManager(**made)
    try:
        await manager.list_runs(limit=1)
    except JournalError as error:
        raise DefinitionError.single("journal", "--journal", str(error)) from error
    runs: list[Run] = []
    try:
        async with manager:
            if run_id is not None:
                await manager.recover(run_id)  # however often it crashed: somebody wants it to go on
                runs = [await manager.open_run(run_id)]
            else:
                runs = await _taken(manager, seen)
            await _follow_all(manager, runs, seen)
    except RunParked:
        return
    except JournalError as error:
        if not runs:
            raise
        raise EndNotKept(f"{error}; `playbill recover --all` goes on with what has not ended") from error


async def _taken(manager: PipelineRunManager, seen: Seen) -> list[Run]:
    """Wait until all are taken up, or somebody wants to leave; return those that go on."""
    taking: asyncio.Future[TakenUp] = asyncio.ensure_future(manager.recovered())
    leaving: asyncio.Future[Any] = asyncio.ensure_future(seen.interrupted.wait())
    await asyncio.wait({taking, leaving}, return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if not taking.done():
        taking.cancel()
        return []
    taken = taking.result()
    _tell_set_aside(taken.set_aside, seen)
    return [await manager.open_run(run_id) for run_id in taken.runs]


async def _follow_all(manager: PipelineRunManager, runs: list[Run], seen: Seen) -> None:
    """Show what happens to runs until all have ended that are not paused, or somebody wants to leave."""
    for run in runs:
        if run.is_paused:
            _tell_paused(run.id, seen)
    awake = [run for run in runs if not run.is_paused]
    alone = len(runs) == 1
    grace = manager.stop_policy.grace
    following: asyncio.Future[Any] = asyncio.gather(*(_follow_one(run, grace, seen, alone=alone) for run in awake))
    leaving: asyncio.Future[Any] = asyncio.ensure_future(seen.interrupted.wait())
    try:
        await asyncio.wait({following, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if following.done():
            following.result()
    finally:
        following.cancel()
        leaving.cancel()
        await asyncio.gather(following, leaving, return_exceptions=True)
    if seen.interrupted.is_set() and any(not run.done for run in awake):
        complain("left, and not ended: `playbill recover` goes on with them")


async def _follow_one(run: Run, grace: float, seen: Seen, *, alone: bool) -> None:
    complain(f"{'run':<10}{run.id}")
    beside_others = PlainProgress(Board(run.definition, grace), f"{short_id(run.id)}  ")
    with progress_of(run.definition, grace) if alone else beside_others as progress:
        if await follow(run, progress.take):
            result = await run.result()
            seen.results.append(result)
            progress.end(result)
