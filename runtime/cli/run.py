"""The subcommand run: a pipeline, its progress, its outputs; Ctrl-C stops it."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from cyclopts import Parameter

from playbill.model.errors import DefinitionError, JournalError, RunSetAside
from playbill.model.events import Event
from playbill.runtime.cli.exit_codes import OF_RUNS
from playbill.runtime.cli.modules import open_definition
from playbill.runtime.cli.options.host import Resources, Secrets, make_resources, read_secrets
from playbill.runtime.cli.options.imports import Imports
from playbill.runtime.cli.options.journal import JournalOption, journal_named
from playbill.runtime.cli.options.option_names import with_options
from playbill.runtime.cli.options.seconds import Seconds
from playbill.runtime.cli.options.trace import TraceParent, trace_context_named
from playbill.runtime.cli.options.trigger_data import Inputs, trigger_data_of
from playbill.runtime.cli.progress import progress_of
from playbill.runtime.cli.runs.following import EndNotKept, follow, stop_on_signals
from playbill.runtime.cli.runs.results import print_result
from playbill.runtime.cli.terminal.logs import show_logs
from playbill.runtime.cli.terminal.streams import complain, reserve_output
from playbill.runtime.embedded.private_loop import PrivateLoop
from playbill.runtime.journal_choice import MEMORY
from playbill.runtime.journals.event_file import EventFile
from playbill.runtime.manager import PipelineRunManager

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from playbill.model.definition import PipelineDefinition
    from playbill.model.progress import NodeProgress
    from playbill.model.results import RunResult
    from playbill.runtime.options import ManagerOptions
    from playbill.runtime.run import Run

OPTIONS: Final = (("trigger_data.", "--input "), ("timeout_seconds", "--timeout"), ("grace", "--grace"))
"""How messages begin that name an argument of Python, and how the command line says it."""


def run(  # noqa: PLR0913 (a user names those they want)
    file: Path,
    /,
    *,
    inputs: Inputs = None,
    input_json: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    secrets: Secrets = None,
    resources: Resources = None,
    journal: JournalOption = None,
    run_id: Annotated[str | None, Parameter(name="--id")] = None,
    timeout: Seconds | None = None,
    traceparent: TraceParent = None,
    grace: Seconds = 5.0,
    imports: Imports = None,
    events: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), show_default=False)] = False,
    simulate_agents: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    verbose: Annotated[int, Parameter(name=["--verbose", "-v"], negative=(), count=True, show_default=False)] = 0,
) -> int:
    """Run a pipeline and return its exit code; what users read of it stands in runtime/cli/__init__.py.

    Args:
        file: a YAML or JSON file.
        inputs: values of the trigger data.
        input_json: a JSON file with the trigger data, - for standard input; single values of --input win.
        secrets: what ${secrets.NAME} stands for.
        resources: what handlers find in context.resources.
        journal: where the run is kept.
        run_id: names the run; the same id, pipeline and data again give the run there is.
        timeout: seconds for the whole run, or 5m; without it the pipeline's.
        traceparent: the W3C trace that the run is a part of; without it what TRACEPARENT says.
        grace: seconds that stopped handlers have to clean up.
        imports: modules that define node types.
        events: a file for the events of the run, one line of JSON each, as they happen.
        as_json: print the whole result as JSON instead of the outputs; what handlers print goes to standard error.
        simulate_agents: let agents answer something invented where none are registered.
        verbose: show warnings, a failure's traceback and what handlers log as info; -vv shows debug, too.
    """
    show_logs(verbose)
    with reserve_output(wanted=as_json) as output:
        definition = open_definition(file, imports)
        trace, data = trace_context_named(traceparent), trigger_data_of(definition, input_json, inputs or [])
        requested = RequestedRun(definition, data, run_id, timeout, trace)
        hidden = read_secrets(secrets or [])
        options: ManagerOptions = {"grace": grace, "secrets": hidden, "simulate_agents": simulate_agents}
        loop = PrivateLoop()
        try:
            with _write_events(events) as write:
                result = loop.run(_run(requested, resources or [], options, journal, write))
        except DefinitionError as error:
            raise with_options(error, OPTIONS if input_json is None else OPTIONS[1:]) from None
        finally:
            loop.close()
        if verbose and result.error is not None and result.error.traceback:
            complain(result.error.traceback)
        print_result(definition, result, output, as_json=as_json)
    return OF_RUNS[result.status]


class RequestedRun(NamedTuple):
    """The run that is to be."""

    definition: PipelineDefinition
    data: dict[str, Any]
    run_id: str | None
    timeout_seconds: float | None
    trace_context: Mapping[str, str] | None


async def _run(
    requested: RequestedRun,
    resources: list[str],
    options: ManagerOptions,
    journal: str | None,
    write: Callable[[Event], None] | None,
) -> RunResult:
    options["resources"] = await make_resources(resources)
    manager, path = await _manager(options, journal, requested.run_id)
    started: Run | None = None
    progress = progress_of(requested.definition, manager.stop_policy.grace)
    watch = stop_on_signals(progress.board)
    try:
        async with manager:
            started = await manager.start_run(
                requested.definition,
                requested.data,
                run_id=requested.run_id,
                timeout_seconds=requested.timeout_seconds,
                trace_context=requested.trace_context,
            )
            if path is not None:
                complain(f"{'run':<10}{started.id}{' has ended before: it is not run again' if started.done else ''}")
            watch(started)
            with progress:

                def take(item: Event | NodeProgress) -> None:
                    if write is not None and isinstance(item, Event):
                        write(item)
                    progress.take(item)

                if await follow(started, take):
                    progress.end(await started.result())
        return await started.result()
    except RunSetAside:
        raise
    except JournalError as error:
        way_out = "" if started is None else f"; `playbill recover {started.id}` goes on with it"
        raise EndNotKept(f"{error}{way_out}") from error


async def _manager(
    options: ManagerOptions, journal: str | None, run_id: str | None
) -> tuple[PipelineRunManager, Path | None]:
    """Return a manager, and the file in which it keeps its runs; None: it keeps them in memory."""
    if journal_named(journal) == MEMORY:
        return PipelineRunManager(**options), None
    from playbill.runtime.cli.runs.keeping import open_manager  # noqa: PLC0415 (SQLite, which is slow to import)

    return await open_manager(options, journal, run_id)


@contextmanager
def _write_events(events: Path | None) -> Generator[Callable[[Event], None] | None]:
    """Give what writes an event to the file, if there is to be one.

    Raises:
        DefinitionError: the file cannot be written, at first or later on; the run is cancelled.
    """
    if events is None:
        yield None
        return
    with _as_usage_error():
        file = EventFile(events)

    def write(event: Event) -> None:
        with _as_usage_error():
            file.write(event)

    try:
        yield write
    finally:
        with _as_usage_error():
            file.close()


@contextmanager
def _as_usage_error() -> Generator[None]:
    try:
        yield
    except JournalError as error:
        raise DefinitionError.single("events", "--events", f"--events {error}") from error
