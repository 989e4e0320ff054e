"""The subcommands retry and fork: a new run with what an old one has, in its owner, here, or for the next manager.

1. The owner of the journal begins it, if there is one.
2. Else it runs here, in the foreground, as `playbill run` does; or `--later` records it, for who recovers it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeAlias

from cyclopts import Parameter

from playbill.model.errors import DefinitionError, JournalError
from playbill.runtime.cli.exit_codes import FINE, OF_RUNS
from playbill.runtime.cli.journals import FoundRun, check_free, find_run, journals
from playbill.runtime.cli.modules import find_modules, open_catalog, open_definition
from playbill.runtime.cli.options.host import Resources, Secrets, make_resources
from playbill.runtime.cli.options.imports import Imports
from playbill.runtime.cli.options.journal import JournalOption
from playbill.runtime.cli.options.option_names import with_options
from playbill.runtime.cli.options.own import OwnOptions
from playbill.runtime.cli.options.seconds import Seconds
from playbill.runtime.cli.options.trigger_data import Inputs, trigger_data_of
from playbill.runtime.cli.progress import progress_of
from playbill.runtime.cli.runs.columns import write_json
from playbill.runtime.cli.runs.following import EndNotKept, follow, stop_on_signals
from playbill.runtime.cli.runs.results import print_result
from playbill.runtime.cli.runs.stored import read_run
from playbill.runtime.cli.terminal.logs import show_logs
from playbill.runtime.cli.terminal.streams import complain, reserve_output
from playbill.runtime.control.client import reach_owner
from playbill.runtime.control.offline import control
from playbill.runtime.embedded.private_loop import PrivateLoop
from playbill.runtime.journals.sqlite.files.ownership import owner_of
from playbill.runtime.journals.sqlite.files.places import SCHEME
from playbill.runtime.manager import PipelineRunManager

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from playbill.runtime.options import ManagerOptions
    from playbill.runtime.run import Run

RunId: TypeAlias = Annotated[str, Parameter(name="ID")]
NewId: TypeAlias = Annotated[str | None, Parameter(name="--id")]
AsJson: TypeAlias = Annotated[bool, Parameter(name="--json", negative=(), show_default=False)]
Simulates: TypeAlias = Annotated[bool, Parameter(negative=(), show_default=False)]
Later: TypeAlias = Annotated[bool, Parameter(negative=(), show_default=False)]
Verbose: TypeAlias = Annotated[int, Parameter(name=["--verbose", "-v"], negative=(), count=True, show_default=False)]
OPTIONS: Final = (
    ("trigger_data.", "--input "),
    ("timeout_seconds", "--timeout"),
    ("grace", "--grace"),
    ("new_id", "--id"),
)
"""How messages begin that name an argument of Python, and how the command line says it."""


class Rerun(NamedTuple):
    """A new run that is to begin with what an old one has."""

    found: FoundRun
    command: str
    asked: Mapping[str, Any]
    """What the command's model takes, besides the old run."""


class RunsHere(NamedTuple):
    """What it runs in, if it runs here."""

    own: OwnOptions
    as_json: bool
    verbose: int


def retry(  # noqa: PLR0913 (a user names those they want)
    run_id: RunId,
    /,
    *,
    new_id: NewId = None,
    timeout: Seconds | None = None,
    later: Later = False,
    secrets: Secrets = None,
    resources: Resources = None,
    grace: Seconds | None = None,
    imports: Imports = None,
    journal: JournalOption = None,
    as_json: AsJson = False,
    simulate_agents: Simulates = False,
    verbose: Verbose = 0,
) -> int:
    """Begin a retry of a run; what users read of it stands in runtime/cli/__init__.py.

    Args:
        run_id: its id, or the beginning of it, of at least 4 characters.
        new_id: names the new run; the same id again gives the retry there is.
        timeout: seconds for the new run, or 5m; without it the old one's.
        later: only record it; whoever recovers the journal goes on with it.
        secrets: what ${secrets.NAME} stands for.
        resources: what handlers find in context.resources.
        grace: seconds that stopped handlers have to clean up, where a node or the old run does not say.
        imports: modules that define node types; a pipeline's own are known.
        journal: where to look.
        as_json: print the whole result as JSON instead of the outputs.
        simulate_agents: let agents answer something invented where none are registered.
        verbose: show warnings, a failure's traceback and what handlers log as info; -vv shows debug, too.
    """
    found = asyncio.run(find_run(journals(journal), run_id, changes=True))
    rerun = Rerun(found, "retry", {"new_id": new_id, "timeout_seconds": timeout})
    own = OwnOptions(secrets, resources, grace, imports, simulate_agents=simulate_agents)
    if not later:
        find_modules()
        open_catalog(imports or [])
    return _begin(rerun, RunsHere(own, as_json, verbose), later=later)


def fork(  # noqa: PLR0913 (a user names those they want)
    run_id: RunId,
    node: Annotated[str, Parameter(name="NODE")],
    /,
    *,
    inputs: Inputs = None,
    input_json: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    definition: Path | None = None,
    new_id: NewId = None,
    timeout: Seconds | None = None,
    later: Later = False,
    secrets: Secrets = None,
    resources: Resources = None,
    grace: Seconds | None = None,
    imports: Imports = None,
    journal: JournalOption = None,
    as_json: AsJson = False,
    simulate_agents: Simulates = False,
    verbose: Verbose = 0,
) -> int:
    """Begin a fork of a run; what users read of it stands in runtime/cli/__init__.py.

    Args:
        run_id: its id, or the beginning of it, of at least 4 characters.
        node: the first node that runs again.
        inputs: other values of the trigger data.
        input_json: a JSON file with the whole trigger data, - for standard input; single values of --input win.
        definition: the file of another pipeline, in which all before the node does the same.
        new_id: names the new run; the same id again gives the fork there is.
        timeout: seconds for the new run, or 5m; without it the other pipeline's, or the old run's.
        later: only record it; whoever recovers the journal goes on with it.
        secrets: what ${secrets.NAME} stands for.
        resources: what handlers find in context.resources.
        grace: seconds that stopped handlers have to clean up, where a node or the old run does not say.
        imports: modules that define node types; a pipeline's own are known.
        journal: where to look.
        as_json: print the whole result as JSON instead of the outputs.
        simulate_agents: let agents answer something invented where none are registered.
        verbose: show warnings, a failure's traceback and what handlers log as info; -vv shows debug, too.
    """
    old = read_run(run_id, journal, changes=True)
    find_modules(definition)
    open_catalog(imports or [])
    other = old.definition if definition is None else open_definition(definition, imports)
    data = None
    if inputs or input_json is not None:
        kept = {} if input_json is not None else dict(old.state.trigger_data)
        data = {**kept, **trigger_data_of(other, input_json, inputs or [])}
    asked = {
        "node": node,
        "trigger_data": data,
        "definition": None if definition is None else str(definition.resolve()),
        "new_id": new_id,
        "timeout_seconds": timeout,
    }
    own = OwnOptions(secrets, resources, grace, imports, simulate_agents=simulate_agents)
    return _begin(Rerun(FoundRun(old.path, old.row), "fork", asked), RunsHere(own, as_json, verbose), later=later)


def _begin(rerun: Rerun, here: RunsHere, *, later: bool = False) -> int:
    """Begin a run where it can be; in the foreground until it has ended."""
    if (new_id := rerun.asked["new_id"]) is not None:
        asyncio.run(check_free(new_id, rerun.found.path))
    owner = reach_owner(rerun.found.path)
    if owner is not None:
        owner.close()
        here.own.refuse(rerun.found.path)
    if owner is not None or later:
        return _leave_to_others(rerun, as_json=here.as_json, later=owner is None)
    show_logs(here.verbose)
    with reserve_output(wanted=here.as_json) as output:
        loop = PrivateLoop()
        try:
            run = loop.run(_run(rerun, here))
        except DefinitionError as error:
            raise with_options(error, OPTIONS) from None
        finally:
            loop.close()
        return _print(run, output, here)


def _leave_to_others(rerun: Rerun, *, as_json: bool, later: bool) -> int:
    try:
        run = control(rerun.found.path, rerun.command, run=rerun.found.row.run_id, **rerun.asked).run
    except DefinitionError as error:
        raise with_options(error, OPTIONS) from None
    if later:
        complain(f"recorded: `playbill recover {run}` goes on with it, or the next manager of its journal")
    else:
        where = owner_of(rerun.found.path) or "the owner of the journal"
        complain(f"it is at work in {where}: `playbill events {run} --follow` shows it; should that end before,")
        complain(f"`playbill recover {run}` goes on with it")
    if as_json:
        write_json({"run": run})
    else:
        sys.stdout.write(f"{run}\n")
    return FINE


async def _run(rerun: Rerun, here: RunsHere) -> Run:
    """Begin it in a manager of its own, and show what happens until it has ended."""
    resources = await make_resources(here.own.resources)
    options: ManagerOptions = {
        **here.own.options,
        "resources": resources,
        "journal": f"{SCHEME}{rerun.found.path}",
        "recover": False,
        "on_exit": "park",
    }
    manager = PipelineRunManager(**options)
    run: Run | None = None
    try:
        async with manager:
            begin = manager.retry_run if rerun.command == "retry" else manager.fork_run
            asked = dict(rerun.asked)
            places = [asked.pop("node")] if rerun.command == "fork" else []
            run = await begin(rerun.found.row.run_id, *places, **asked)
            complain(f"{'run':<10}{run.id}{' has ended before: it is not run again' if run.done else ''}")
            progress = progress_of(run.definition, manager.stop_policy.grace)
            stop_on_signals(progress.board)(run)
            with progress:
                if await follow(run, progress.take):
                    progress.end(await run.result())
        await run.result()
    except JournalError as error:
        if run is None:
            raise
        raise EndNotKept(f"{error}; `playbill recover {run.id}` goes on with it") from error
    return run


def _print(run: Run, output: TextIO, here: RunsHere) -> int:
    result = run.outcome
    if result is None:
        raise AssertionError("a run that was waited for has ended")
    if here.verbose and result.error is not None and result.error.traceback:
        complain(result.error.traceback)
    print_result(run.definition, result, output, as_json=here.as_json)
    return OF_RUNS[result.status]
