"""The subcommand run: a pipeline, its progress, its outputs; Ctrl-C stops it."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import Parameter

from playbill.model.errors import DefinitionError, JournalError
from playbill.model.facts import NodeStatus
from playbill.runtime.cli.exit_codes import OF_RUNS
from playbill.runtime.cli.inspect import Imports
from playbill.runtime.cli.modules import open_definition
from playbill.runtime.cli.progress import progress_of
from playbill.runtime.embedded.private_loop import PrivateLoop
from playbill.runtime.journals.event_file import EventFile
from playbill.runtime.manager import PipelineRunManager

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from playbill.model.definition import PipelineDefinition
    from playbill.model.events import Event
    from playbill.model.results import RunResult
    from playbill.runtime.options import ManagerOptions
    from playbill.runtime.run import Run


def run(  # noqa: PLR0913 (a user names those they want)
    file: Path,
    /,
    *,
    inputs: Annotated[list[str] | None, Parameter(name="--input", negative=())] = None,
    input_json: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    timeout: float | None = None,
    grace: float = 5.0,
    imports: Imports = None,
    events: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
    simulate_agents: Annotated[bool, Parameter(negative=())] = False,
    verbose: Annotated[bool, Parameter(name=["--verbose", "-v"], negative=())] = False,
) -> int:
    """Run a pipeline. Ctrl-C stops it, a second one at once.

    Exits with 0 when it completed, 1 failed, 2 bad definition or usage, 124 timeout, 130 cancelled.

    Args:
        file: a YAML or JSON file.
        inputs: one value of the trigger data as key=value; JSON where it parses as such, else text.
        input_json: a JSON file with the trigger data, - for standard input.
        timeout: seconds for the whole run; without it the pipeline's.
        grace: seconds that stopped handlers have to clean up.
        imports: modules that define node types.
        events: a file for the events of the run, one line of JSON each, as they happen.
        as_json: print the whole result as JSON instead of the outputs.
        simulate_agents: let agents answer something invented: here none are registered.
        verbose: show the traceback of a failure.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    definition = open_definition(file, imports)
    data = trigger_data_of(input_json, inputs or [])
    options: ManagerOptions = {"grace": grace, "simulate_agents": simulate_agents}
    loop = PrivateLoop()
    try:
        with _write_events(events) as write:
            result = loop.run(_run(definition, data, timeout, options, write))
    finally:
        loop.close()
    _print(definition, result, as_json=as_json)
    if verbose and result.error is not None and result.error.traceback:
        sys.stderr.write(f"{result.error.traceback}\n")
    return OF_RUNS[result.status]


async def _run(
    definition: PipelineDefinition,
    data: dict[str, Any],
    timeout_seconds: float | None,
    options: ManagerOptions,
    write: Callable[[Event], None] | None,
) -> RunResult:
    async with PipelineRunManager(**options) as manager:
        started = await manager.start_run(definition, data, timeout_seconds=timeout_seconds)
        _stop_on_signals(started)
        with progress_of(definition) as progress:
            async for event in started.events():
                if write is not None:
                    write(event)
                progress.take(event)
            result = await started.result()
            progress.end(result)
        return result


@contextmanager
def _write_events(events: Path | None) -> Generator[Callable[[Event], None] | None]:
    """Give what writes an event to the file, if there is to be one.

    Raises:
        DefinitionError: the file cannot be written, at first or later on; the run is cancelled.
    """
    if events is None:
        yield None
        return
    try:
        with EventFile(events) as file:
            yield file.write
    except JournalError as error:
        raise DefinitionError.single("events", "--events", f"--events {error}") from error


def _stop_on_signals(started: Run) -> None:
    """Cancel with grace at the first Ctrl-C or SIGTERM, without at the second."""
    asked = False

    def stop() -> None:
        nonlocal asked
        started.request_cancel("interrupted", 0.0 if asked else None)
        asked = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


def trigger_data_of(input_json: str | None, inputs: list[str]) -> dict[str, Any]:
    """Return the trigger data that a command line says; single values win over the file's."""
    return {**_from_json(input_json), **_from_pairs(inputs)}


def _from_pairs(pairs: list[str]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (key and equals):
            raise DefinitionError.single("input", "--input", f"--input takes key=value, not '{pair}'")
        try:
            data[key] = json.loads(text)
        except ValueError:
            data[key] = text
    return data


def _from_json(source: str | None) -> dict[str, Any]:
    if source is None:
        return {}
    try:
        data = json.loads(sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DefinitionError.single("input", "--input-json", f"--input-json {source}: {error}") from error
    if not isinstance(data, dict):
        text = f"--input-json {source}: trigger data is an object, not {type(data).__name__}"
        raise DefinitionError.single("input", "--input-json", text)
    return cast("dict[str, Any]", data)


def _print(definition: PipelineDefinition, result: RunResult, *, as_json: bool) -> None:
    """Print the outputs: the definition's, or else those of the nodes that lead nowhere."""
    if as_json:
        shown: Any = result.as_dict()
    elif definition.outputs:
        shown = result.outputs
    else:
        inner = {edge.from_node for edge in definition.edges}
        ends = {node: end for node, end in result.node_results.items() if node not in inner}
        shown = {node: end.output for node, end in ends.items() if end.status is NodeStatus.COMPLETED}
    if shown:
        sys.stdout.write(f"{json.dumps(shown, indent=2, ensure_ascii=False)}\n")
        sys.stdout.flush()
