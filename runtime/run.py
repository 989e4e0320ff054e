"""A run as its user holds it: its result, its events, its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

from playbill.actors.answers import NotKept
from playbill.actors.futures import ActorDeadError
from playbill.model.errors import RunParked
from playbill.model.facts import RunStatus
from playbill.model.messages import Cancel, Pause, Resume
from playbill.runtime.arguments import check_grace, check_seq, check_text
from playbill.runtime.journals.waiters import Waiters
from playbill.runtime.same_run import check_same_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from playbill.actors.supervisor import SupervisorActor
    from playbill.model.attributes import Scalar
    from playbill.model.definition import PipelineDefinition
    from playbill.model.errors import JournalError
    from playbill.model.events import Event
    from playbill.model.facts import Origin
    from playbill.model.progress import NodeProgress
    from playbill.model.results import NodeExecutionResult, RunResult
    from playbill.runtime.journals.listing import LogLine
    from playbill.runtime.journals.memory import MemoryStream
    from playbill.runtime.journals.readers import EventReader


class Whereabouts(Protocol):
    """Where a run lives: an event loop, in a process."""

    def check_loop(self) -> None:
        """Refuse callers on other loops."""

    def check_process(self) -> None:
        """Refuse callers in forked processes."""


class Run:
    """One run of a pipeline; made by a manager, used on the manager's loop."""

    def __init__(
        self,
        definition: PipelineDefinition,
        trigger_data: Mapping[str, Any],
        actor: SupervisorActor,
        stream: MemoryStream,
        home: Whereabouts,
    ) -> None:
        self.actor = actor
        """The supervisor; `actor.actor_ref` is its pykka reference."""
        self._keep(definition, trigger_data, stream, home)

    def _keep(
        self,
        definition: PipelineDefinition,
        trigger_data: Mapping[str, Any],
        stream: MemoryStream,
        home: Whereabouts,
    ) -> None:
        self.definition = definition
        self.trigger_data = trigger_data
        self._stream = stream
        self._home = home
        self._result: RunResult | None = None
        self._given_up: JournalError | None = None
        self._waiters = Waiters()

    @property
    def id(self) -> str:
        """The same as `run_id`, in short."""
        return self.run_id

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.actor.actor_urn

    @property
    def origin(self) -> Origin | None:
        """The run of which it is a retry or a fork; None: it is neither."""
        events = self._stream.events
        return events[0].data.get("origin") if events else None

    @property
    def trace_context(self) -> Mapping[str, str] | None:
        """The W3C trace context that it was started with: `traceparent`, perhaps `tracestate`; None: with none."""
        return self.actor.facts.trace

    @property
    def kept_events(self) -> Sequence[Event]:
        """Its events so far, for who begins another run with them."""
        return tuple(self._stream.events)

    @property
    def status(self) -> RunStatus:
        """Where the run stands."""
        return self.actor.status

    @property
    def done(self) -> bool:
        """Whether the run has ended."""
        return self._result is not None

    @property
    def outcome(self) -> RunResult | None:
        """How it has ended; None: it has not."""
        return self._result

    @property
    def node_results(self) -> dict[str, NodeExecutionResult]:
        """How the nodes that were reached stand, by id."""
        return dict(self.actor.machine.run.nodes)

    async def result(self) -> RunResult:
        """Wait for the end; never raises for a failed run (see `RunResult.raise_for_status`).

        Raises:
            JournalError: its end is not kept: its manager is closed, or its journal is another's; names the run.
            RuntimeError: it has not ended, and this is not its loop: nobody would wake who waits here.
        """
        while self._result is None:
            self.check_kept()
            self._home.check_loop()
            await self._waiters.wait()
        return self._result

    def check_kept(self) -> None:
        """Refuse who waits for an end that the journal will not keep any more.

        Raises:
            JournalError: its manager was closed before, or its journal was lost.
        """
        if self._given_up is not None:
            raise self._given_up.with_traceback(None)

    async def stopped(self) -> None:
        """Wait until nothing of it is at work any more, whether or not its journal has its end; for the manager."""
        while not self.actor.is_stopped:
            self.actor.on_stopped = self._waiters.wake
            await self._waiters.wait()

    def give_up(self, reason: str) -> None:
        """Wait no more until the journal has its end: who waits for its result gets a JournalError; for the manager.

        Args:
            reason: why nobody waits any more; the error gives it.
        """
        if self._result is None and self._given_up is None:
            self._given_up = self.actor.give_up(reason)
            self._waiters.wake()

    def park(self) -> None:
        """Have who waits for its result know that it goes on elsewhere; for the manager."""
        if self._result is None:
            self.actor.give_up("it is parked")
            self._given_up = RunParked(self.id)
            self._waiters.wake()

    def fence(self, error: JournalError) -> None:
        """Have who waits for its result know that nothing of it is kept any more; for the manager."""
        self._given_up = NotKept(f"run '{self.id}' was stopped", str(error))
        self._waiters.wake()

    async def rest(self) -> None:
        """Wait until it has ended or is paused; for the manager."""
        news = self._stream.read(len(self._stream.events) + 1)
        while not self.is_paused and await anext(news, None) is not None:
            pass
        if not self.is_paused:
            await self.result()

    @property
    def is_paused(self) -> bool:
        """Whether somebody has paused it, and nobody resumed it."""
        return self.status is RunStatus.PAUSED

    @overload
    def events(self, from_seq: int = 1, *, progress: Literal[False] = False) -> EventReader: ...

    @overload
    def events(self, from_seq: int = 1, *, progress: bool) -> AsyncIterator[Event | NodeProgress]: ...

    def events(
        self, from_seq: int = 1, *, progress: bool = False
    ) -> EventReader | AsyncIterator[Event | NodeProgress]:
        """Iterate over the run's events from `from_seq` on, waiting for new ones until it has ended.

        A wait that is cut short, as by a timeout, loses nothing: the next one goes on where it was.

        Args:
            from_seq: the first event; they count from 1.
            progress: whether a NodeProgress comes, too, when a handler says something with its heartbeat. It has no
                seq and is in no journal; of each node a slow listener sees the latest.

        Raises:
            RuntimeError: this process is a fork of the one where the run is.
            ValueError: from_seq is not a whole number.
        """
        self._home.check_process()
        check_seq(from_seq)
        return self._stream.read_progress(from_seq) if progress else self._stream.read(from_seq)

    async def logs(self, node_id: str | None = None, attempt: int | None = None) -> Sequence[LogLine]:
        """Return what its attempts have said: what they logged by `context.log`, and what their processes wrote.

        Args:
            node_id: of this node; None: of all.
            attempt: of the attempts of this number; None: of all.

        Returns:
            By node, attempt and line. Of each attempt at most 1,000 lines or 256 KiB; the last is `cut` if there were
            more.

        Raises:
            RuntimeError: this process is a fork of the one where the run is.
            JournalError: the journal cannot be read.
        """
        self._home.check_process()
        return await self._stream.reading.logs(self.id, node_id, attempt)

    async def cancel(self, reason: str = "", grace: float | None = None, source: str = "user") -> bool:
        """Stop the run, at once; True, as soon as the journal has it, if this cancel decided it.

        Args:
            reason: for people, kept with the run.
            grace: seconds that handlers have to clean up; None: the manager's.
            source: who asks.

        Raises:
            JournalError: the run is being stopped, and the journal has failed to keep that for 5 s.
            ValueError: the grace is no number of seconds, or reason or source is not text.
        """
        said, who = check_text("reason", reason), check_text("source", source)
        return bool(await self._ask(Cancel(who, said, check_grace(grace))))

    def request_cancel(self, reason: str = "", grace: float | None = None) -> None:
        """Ask for a stop without waiting for the answer; also from other threads.

        Raises:
            ValueError: the grace is no number of seconds, or the reason is not text.
        """
        message = Cancel("user", check_text("reason", reason), check_grace(grace))
        self._home.check_process()
        if not self.actor.ended:
            self.actor.actor_ref.tell(message)

    async def pause(self) -> bool:
        """Begin nothing more until `resume`; True, as soon as the journal has it, if this paused it.

        Raises:
            JournalError: it is paused, and the journal has failed to keep that for 5 s.
        """
        return bool(await self._ask(Pause()))

    async def resume(self) -> bool:
        """Go on after `pause`; True, as soon as the journal has it, if this resumed it.

        Raises:
            JournalError: it goes on, and the journal has failed to keep that for 5 s.
        """
        return bool(await self._ask(Resume()))

    async def set_attributes(self, attributes: Mapping[str, Scalar]) -> None:
        """Set attributes of the run, once the journal has them; as PipelineRunManager.set_attributes."""
        self._home.check_process()
        await self._stream.set_attributes(self.id, attributes)

    async def _ask(self, message: object) -> Any:
        self._home.check_process()
        if self.actor.ended:
            return False
        try:
            return await self.actor.actor_ref.ask(message, block=False)
        except ActorDeadError:  # it has ended while the message was on its way
            return False

    def check_same(self, definition: PipelineDefinition, data: Mapping[str, Any]) -> None:
        """Refuse to be taken for another run of the same id.

        Args:
            definition: that of the other.
            data: what that is started with.

        Raises:
            DefinitionError: it has another definition or other trigger data.
        """
        check_same_run(self.id, self.definition, self.trigger_data, (definition, data, None))

    def conclude(self, result: RunResult) -> None:
        """Take the result; for the manager."""
        self._result = result
        self._waiters.wake()

    def __repr__(self) -> str:
        return f"<Run {self.id} {self.status} of {self.definition.name!r}>"
