"""For sync programs: keep a manager in a thread of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from playbill.runtime.arguments import check_grace
from playbill.runtime.embedded.blocking_run import BlockingRun, followed
from playbill.runtime.embedded.loop_thread import LoopThread
from playbill.runtime.manager import PipelineRunManager
from playbill.runtime.options import check_options

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType

    from playbill.model.attributes import Scalar
    from playbill.model.definition import PipelineDefinition
    from playbill.model.events import Event
    from playbill.model.machines.circuit_state import CircuitState
    from playbill.runtime.definitions.files import Given
    from playbill.runtime.journals.listing import RunPage, RunQueryOptions
    from playbill.runtime.options import ManagerOptions, RunId
    from playbill.runtime.recovery.changes import ForkOptions, RetryOptions
    from playbill.runtime.recovery.taken_up import TakenUp

T = TypeVar("T")


class BlockingManager:
    """A PipelineRunManager on an event loop in a thread of its own, for sync programs and many threads.

    Args:
        options: those of PipelineRunManager.
    """

    def __init__(self, **options: Unpack[ManagerOptions]) -> None:
        check_options(options)
        if (types := options.get("types")) is not None:
            options["types"] = tuple(types)  # they are read each time it is entered
        PipelineRunManager(**options)  # what is wrong is said here, and not in the thread
        self._options = options
        self._home: LoopThread | None = None
        """Where its manager lives; None: it was not entered yet."""

    def __enter__(self) -> Self:
        if self._home is not None and self._home.is_open:
            raise RuntimeError("this BlockingManager is entered already: make one for each `with`, or share this one")
        self._home = LoopThread(self._options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._home is not None:
            self._home.leave(kind, error, trace)

    def start_run(
        self,
        definition: Given,
        trigger_data: Mapping[str, Any] | None = None,
        *,
        run_id: RunId | None = None,
        timeout_seconds: float | None = None,
        attributes: Mapping[str, Scalar] | None = None,
        trace_context: Mapping[str, str] | None = None,
    ) -> BlockingRun:
        """Start a run and return it at once; as PipelineRunManager.start_run."""
        start = self._running.start_run(
            definition,
            trigger_data,
            run_id=run_id,
            timeout_seconds=timeout_seconds,
            attributes=attributes,
            trace_context=trace_context,
        )
        return BlockingRun(self, self.call(start))

    def prepare(self, definition: Given) -> PipelineDefinition:
        """Validate and plan a definition now rather than with its first run; as PipelineRunManager.prepare."""
        manager = self._running
        return self._on_loop(lambda: manager.prepare(definition))

    @property
    def active_runs(self) -> list[BlockingRun]:
        """The runs that have not ended, in the order of their starts."""
        return [BlockingRun(self, run) for run in self._running.active_runs]

    @property
    def passive_runs(self) -> list[str]:
        """The ids of runs that wait out of memory, as PipelineRunManager has them."""
        return self._running.passive_runs

    def get_run(self, run_id: RunId) -> BlockingRun:
        """Return an active or a remembered run.

        Raises:
            UnknownRun: there is none of this id.
            DefinitionError: the id is neither text nor a UUID.
        """
        return BlockingRun(self, self._running.get_run(run_id))

    def open_run(self, run_id: RunId) -> BlockingRun:
        """Return a run that is known, or that the journal has; as PipelineRunManager.open_run."""
        return BlockingRun(self, self.call(self._running.open_run(run_id)))

    def retry_run(self, run_id: RunId, **changes: Unpack[RetryOptions]) -> BlockingRun:
        """Begin a retry of a run that failed, timed out or was cancelled; as PipelineRunManager.retry_run."""
        return BlockingRun(self, self.call(self._running.retry_run(run_id, **changes)))

    def fork_run(self, run_id: RunId, node: str, **changes: Unpack[ForkOptions]) -> BlockingRun:
        """Begin a run that runs a node of an old one, and all after it, again; as PipelineRunManager.fork_run."""
        return BlockingRun(self, self.call(self._running.fork_run(run_id, node, **changes)))

    def export_run(self, run_id: RunId, path: str | os.PathLike[str]) -> None:
        """Write a run of the journal to a new file; as PipelineRunManager.export_run."""
        self.call(self._running.export_run(run_id, path))

    def import_run(self, path: str | os.PathLike[str], *, new_id: RunId | None = None) -> str:
        """Keep a run that `export_run` wrote; as PipelineRunManager.import_run."""
        return self.call(self._running.import_run(path, new_id=new_id))

    def list_runs(self, **asked: Unpack[RunQueryOptions]) -> RunPage:
        """List runs, the newest first; as PipelineRunManager.list_runs."""
        return self.call(self._running.list_runs(**asked))

    @property
    def is_paused(self) -> bool:
        """Whether it begins nothing until `resume_all`; as PipelineRunManager.is_paused."""
        return self._running.is_paused

    def resume_all(self) -> None:
        """Begin what `start_paused` has held back; as PipelineRunManager.resume_all."""
        self._on_loop(self._running.resume_all)

    def recovered(self) -> TakenUp:
        """Wait until all unfinished runs of the journal were looked at; as PipelineRunManager.recovered."""
        return self.call(self._running.recovered())

    def recover(self, run_id: RunId | None = None) -> TakenUp:
        """Take up unfinished runs that are not at work here; as PipelineRunManager.recover."""
        return self.call(self._running.recover(run_id))

    def is_running(self, run_id: RunId) -> bool:
        """Tell whether a run of this id, a text or a UUID, is active."""
        return self._running.is_running(run_id)

    def cancel_run(self, run_id: RunId, reason: str = "", grace: float | None = None) -> bool:
        """Stop a run; True if this cancel decided it."""
        return self.call(self._running.cancel_run(run_id, reason, grace))

    def cancel_all(self, reason: str = "", grace: float | None = None) -> int:
        """Stop all active runs; return how many of them these cancels decided."""
        return self.call(self._running.cancel_all(reason, grace))

    def pause_run(self, run_id: RunId) -> bool:
        """Let a run begin nothing more; True if this paused it."""
        return self.call(self._running.pause_run(run_id))

    def resume_run(self, run_id: RunId) -> bool:
        """Let a paused run go on; True if this resumed it."""
        return self.call(self._running.resume_run(run_id))

    def set_attributes(self, run_id: RunId, attributes: Mapping[str, Scalar]) -> None:
        """Set attributes of a run; as PipelineRunManager.set_attributes."""
        self.call(self._running.set_attributes(run_id, attributes))

    def prune(self, before: datetime, statuses: Sequence[str] = ()) -> int:
        """Forget runs that had ended by then; as PipelineRunManager.prune."""
        return self.call(self._running.prune(before, statuses))

    # ---- what all runs share ----------------------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        """Iterate over the events of all runs and breakers from now on, until the manager closes."""
        manager = self._running
        return followed(self, self._on_loop(manager.events))

    @property
    def circuits(self) -> dict[str, CircuitState]:
        """Where each circuit stands, by key; as PipelineRunManager.circuits."""
        manager = self._running
        return self._on_loop(lambda: manager.circuits)

    def force_circuit(self, key: str, state: CircuitState | str) -> None:
        """Set a circuit by hand; as PipelineRunManager.force_circuit."""
        self.call(self._running.force_circuit(key, state))

    @property
    def dead_letters(self) -> int:
        """How many messages came too late for anybody."""
        return self._running.dead_letters

    @property
    def orphans(self) -> int:
        """How many attempts could not be stopped and have not ended yet."""
        return self._running.orphans

    # ---- its own life -----------------------------------------------------------------------------------------

    def close(self, grace: float | None = None) -> None:
        """Cancel live runs and let everything go, before the end of the `with`; one that is closed stays so.

        Raises:
            ValueError: the grace is no number of seconds.
        """
        check_grace(grace)
        if self._home is not None and self._home.is_open:
            self.call(self._running.close(grace))

    @property
    def is_over(self) -> bool:
        """Whether it was closed, or is another process's: this one is a fork."""
        return self._home is not None and (not self._home.is_open or self._home.manager.is_over)

    @property
    def _running(self) -> PipelineRunManager:
        return self.check().manager

    def check(self) -> LoopThread:
        """Return where its manager lives.

        Raises:
            RuntimeError: it was not entered, is closed, or lives in another process.
        """
        if self._home is None:
            raise RuntimeError("use a BlockingManager inside `with`")
        self._home.check()
        return self._home

    def _on_loop(self, look: Callable[[], T]) -> T:
        """Look at what only the loop's thread may touch."""

        async def looking() -> T:
            return look()

        return self.call(looking())

    def call(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run `work` on the manager's loop and wait for it.

        Raises:
            RuntimeError: outside `with`, also when it is left meanwhile; in a forked process; or on the manager's own
                thread, where it would wait for itself.
            TimeoutError: it took longer than `timeout` seconds.
        """
        try:
            home = self.check()
        except RuntimeError:
            work.close()
            raise
        return home.call(work, timeout)
