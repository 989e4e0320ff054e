"""A run as sync code holds it, and events as a plain iterator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, overload

from playbill.model.wording import describe_seconds
from playbill.runtime.embedded.standing import standing_of
from playbill.runtime.options import check_wait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence

    from playbill.model.attributes import Scalar
    from playbill.model.definition import PipelineDefinition
    from playbill.model.events import Event
    from playbill.model.facts import Origin, RunStatus
    from playbill.model.progress import NodeProgress
    from playbill.model.results import NodeExecutionResult, RunResult
    from playbill.runtime.journals.listing import LogLine
    from playbill.runtime.journals.readers import EventReader
    from playbill.runtime.run import Run

T = TypeVar("T")


class Caller(Protocol):
    """What runs work on a loop in another thread, and waits for it."""

    def check(self) -> object:
        """Refuse who cannot be answered."""

    def call(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run `work` and wait for it."""
        ...


class BlockingRun:
    """A run as sync code holds it, from any thread; how it ended can be read when its manager has closed."""

    def __init__(self, manager: Caller, run: Run) -> None:
        self._manager = manager
        self._run = run

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._run.run_id

    @property
    def id(self) -> str:
        """The same as `run_id`, in short."""
        return self._run.run_id

    @property
    def definition(self) -> PipelineDefinition:
        """What it runs."""
        return self._run.definition

    @property
    def trigger_data(self) -> Mapping[str, Any]:
        """What it was started with."""
        return self._run.trigger_data

    @property
    def origin(self) -> Origin | None:
        """The run of which it is a retry or a fork; None: it is neither."""
        return self._run.origin

    @property
    def trace_context(self) -> Mapping[str, str] | None:
        """The W3C trace context that it was started with; None: with none. As Run.trace_context."""
        return self._run.trace_context

    @property
    def status(self) -> RunStatus:
        """Where the run stands."""
        return self._run.status

    @property
    def done(self) -> bool:
        """Whether the run has ended."""
        return self._run.done

    @property
    def is_paused(self) -> bool:
        """Whether somebody has paused it, and nobody resumed it."""
        return self._run.is_paused

    @property
    def outcome(self) -> RunResult | None:
        """How it has ended; None: it has not."""
        return self._run.outcome

    @property
    def node_results(self) -> dict[str, NodeExecutionResult]:
        """How the nodes that were reached stand, by id."""
        return self._run.node_results

    def result(self, timeout: float | None = None) -> RunResult:
        """Wait for the end.

        Raises:
            JournalError: its manager is closed, and the journal has not kept its end.
            TimeoutError: it has not ended after `timeout` seconds, and goes on; the text says where it stands.
            ValueError: the timeout is no number of seconds.
        """
        check_wait(timeout)
        if (ended := self._run.outcome) is not None:
            return ended
        self._run.check_kept()
        try:
            return self._manager.call(self._run.result(), timeout)
        except TimeoutError:
            seconds = describe_seconds(timeout or 0)
            text = f"run '{self.run_id}' has not ended after {seconds} and goes on: {standing_of(self._run)}"
            raise TimeoutError(text) from None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, at most `timeout` seconds; True if it has ended.

        Raises:
            JournalError: as `result`.
            ValueError: the timeout is no number of seconds.
        """
        try:
            self.result(timeout)
        except TimeoutError:
            return False
        return True

    def logs(self, node_id: str | None = None, attempt: int | None = None) -> Sequence[LogLine]:
        """Return what its attempts have said, by node, attempt and line. As Run.logs."""
        return self._manager.call(self._run.logs(node_id, attempt))

    def cancel(self, reason: str = "", grace: float | None = None, source: str = "user") -> bool:
        """Stop the run; True if this cancel decided it. As Run.cancel."""
        return self._manager.call(self._run.cancel(reason, grace, source))

    def request_cancel(self, reason: str = "", grace: float | None = None) -> None:
        """Ask for a stop without waiting for the answer.

        Raises:
            ValueError: the grace is no number of seconds, or the reason is not text.
        """
        self._run.request_cancel(reason, grace)

    def pause(self) -> bool:
        """Begin nothing more until `resume`; True if this paused it. As Run.pause."""
        return self._manager.call(self._run.pause())

    def resume(self) -> bool:
        """Go on after `pause`; True if this resumed it. As Run.resume."""
        return self._manager.call(self._run.resume())

    def set_attributes(self, attributes: Mapping[str, Scalar]) -> None:
        """Set attributes of the run; its others stay. As Run.set_attributes."""
        self._manager.call(self._run.set_attributes(attributes))

    @overload
    def events(self, from_seq: int = 1, *, progress: Literal[False] = False) -> Iterator[Event]: ...

    @overload
    def events(self, from_seq: int = 1, *, progress: bool) -> Iterator[Event | NodeProgress]: ...

    def events(self, from_seq: int = 1, *, progress: bool = False) -> Iterator[Event | NodeProgress]:
        """Iterate over the run's events from `from_seq` on, waiting for new ones until it has ended.

        Args:
            from_seq: the first event; they count from 1.
            progress: whether a NodeProgress comes, too, when a handler says something with its heartbeat.

        Raises:
            ValueError: from_seq is not a whole number.
            RuntimeError: its manager is closed, or in another process.
        """
        self._manager.check()
        return self._with_progress(from_seq) if progress else followed(self._manager, self._run.events(from_seq))

    def _with_progress(self, from_seq: int) -> Iterator[Event | NodeProgress]:
        """Iterate on the loop alone: what handlers say comes and goes there."""

        async def listening() -> AsyncIterator[Event | NodeProgress]:
            return self._run.events(from_seq, progress=True)

        source = self._manager.call(listening())

        async def following() -> Event | NodeProgress | None:
            return await anext(source, None)

        while (item := self._manager.call(following())) is not None:
            yield item

    def __repr__(self) -> str:
        return f"<Blocking{self._run!r}>"


def followed(caller: Caller, reader: EventReader) -> Iterator[Event]:
    """Iterate over events: those that are there are taken at once, and others waited for on the loop."""

    async def following() -> Event | None:
        return await anext(reader, None)

    while not reader.is_over:
        event = reader.take()
        if event is None:
            try:
                event = caller.call(following())
            except RuntimeError:
                if (event := reader.take()) is None and not reader.is_over:  # it ended as the loop did
                    raise
        if event is not None:
            yield event
