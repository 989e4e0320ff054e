"""For sync programs: run one pipeline to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.model.results import RunResult
    from playbill.runtime.definitions.files import Given
    from playbill.runtime.options import ManagerOptions, RunId, StartOptions
    from playbill.runtime.run import Run

__all__ = ["run"]


def run(
    definition: Given,
    trigger_data: Mapping[str, Any] | None = None,
    *,
    run_id: RunId | None = None,
    timeout_seconds: float | None = None,
    trace_context: Mapping[str, str] | None = None,
    **options: Unpack[ManagerOptions],
) -> RunResult:
    """Run a pipeline to its end, in a program without an event loop.

    It returns within timeout + grace + kill bound, whatever the handlers do; what could not be stopped is named in
    `result.orphans`.

    Args:
        definition: the pipeline, the mapping it is written as, or the path of its file.
        trigger_data: what it is started with.
        run_id: names the run, a text or a UUID.
        timeout_seconds: for the whole run; None: the definition's.
        trace_context: as PipelineRunManager.start_run's.
        options: those of PipelineRunManager (resources, types, grace, journal...). Of the runs in a journal only this
            one is touched: the same id gives the run there is, or goes on with it.

    Raises:
        DefinitionError: the definition or the data is wrong.
        KeyboardInterrupt: Ctrl-C was pressed, and the run has ended: cancelled, with grace; by a second one without.
        RuntimeError: an event loop runs in this thread already.
    """
    # Slow: a program that has this name and does not call it yet should start as if it had not.
    from playbill.runtime.definitions.files import load  # noqa: PLC0415
    from playbill.runtime.embedded.private_loop import PrivateLoop  # noqa: PLC0415
    from playbill.runtime.manager import PipelineRunManager  # noqa: PLC0415

    definition = load(definition)
    wanted: StartOptions = {"run_id": run_id, "timeout_seconds": timeout_seconds, "trace_context": trace_context}
    graces: list[float | None] = []
    runs: list[Run] = []

    async def work() -> RunResult:
        options.setdefault("recover", False)  # those of others that are in the journal are not ours to take up
        async with PipelineRunManager(**options) as manager:
            runs.append(await manager.start_run(definition, trigger_data, **wanted))
            for grace in graces:
                stop(grace)
            return await runs[0].result()

    def stop(grace: float | None) -> None:
        for started in runs:
            started.request_cancel("interrupted", grace)
        if not runs:
            graces.append(grace)

    loop = PrivateLoop()
    try:
        return loop.run(work(), stop)
    finally:
        loop.close()
