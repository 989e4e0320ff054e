"""A run as its user holds it: its result, its events, its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, overload

from playbill.model.diagnostics import list_names
from playbill.model.errors import DefinitionError
from playbill.model.facts import RunStatus
from playbill.model.fields import MAX_SECONDS, is_seconds
from playbill.model.messages import Cancel, Pause, Resume
from playbill.model.same_json import same_json
from playbill.runtime.journals.waiters import Waiters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from playbill.actors.supervisor import SupervisorActor
    from playbill.model.definition import PipelineDefinition
    from playbill.model.events import Event
    from playbill.model.progress import NodeProgress
    from playbill.model.results import NodeExecutionResult, RunResult
    from playbill.runtime.journals.listing import LogLine
    from playbill.runtime.journals.memory import EventReader, MemoryStream


SHOWN_NODES: Final = 10
"""Of each state, when it is told where a run stands."""
DRAWN: Final[Any] = {"ui": True, "nodes": {"__all__": {"position", "ui"}}, "edges": {"__all__": {"ui"}}}
"""What of a definition no run looks at."""


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
        self.definition = definition
        self.trigger_data = trigger_data
        self.actor = actor
        """The supervisor; `actor.actor_ref` is its pykka reference."""
        self._stream = stream
        self._home = home
        self._result: RunResult | None = None
        self._waiters = Waiters()

    @property
    def id(self) -> str:
        """The same as `run_id`, in short."""
        return self.actor.actor_urn

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.actor.actor_urn

    @property
    def status(self) -> RunStatus:
        """Where the run stands."""
        return self.actor.machine.run.status

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
            RuntimeError: it has not ended, and this is not its loop: nobody would wake who waits here.
        """
        while self._result is None:
            self._home.check_loop()
            await self._waiters.wait()
        return self._result

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
        """Stop the run; True if this cancel decided it.

        Args:
            reason: for people, kept with the run.
            grace: seconds that handlers have to clean up; None: the manager's.
            source: who asks.

        Raises:
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
        """Begin nothing more until `resume`; True if this paused it."""
        return bool(await self._ask(Pause()))

    async def resume(self) -> bool:
        """Go on after `pause`; True if this resumed it."""
        return bool(await self._ask(Resume()))

    async def _ask(self, message: object) -> Any:
        self._home.check_process()
        if self.actor.ended:
            return False
        return await self.actor.actor_ref.ask(message, block=False)

    def check_same(self, definition: PipelineDefinition, data: Mapping[str, Any]) -> None:
        """Refuse to be taken for another run of the same id.

        Raises:
            DefinitionError: it has another definition or other trigger data.
        """
        differs: list[str] = []
        if self.definition is not definition and not _same_pipeline(self.definition, definition):
            differs.append("definition")
        if not same_json(self.trigger_data, data):
            differs.append("trigger data")
        if differs:
            text = f"run_id '{self.id}' is taken by a run with another {' and other '.join(differs)}: choose a new id"
            raise DefinitionError.single("run-id-reused", "run_id", text)

    def conclude(self, result: RunResult) -> None:
        """Take the result; for the manager."""
        self._result = result
        self._waiters.wake()

    def __repr__(self) -> str:
        return f"<Run {self.id} {self.status} of {self.definition.name!r}>"


def _same_pipeline(one: PipelineDefinition, other: PipelineDefinition) -> bool:
    """Tell whether two definitions say the same, also in their nodes' configs, where True is not 1."""
    return same_json(one.model_dump(exclude=DRAWN), other.model_dump(exclude=DRAWN))


def standing_of(run: Run) -> str:
    """Tell where a run stands, for people: which of its nodes are in which state; from any thread."""
    nodes: dict[str, list[str]] = {}
    for node, actor in run.actor.nodes.copy().items():
        nodes.setdefault(str(actor.machine.state).replace("_", " "), []).append(node)
    states = [f"{state}: {list_names(names, SHOWN_NODES)}" for state, names in nodes.items()]
    if run.is_paused:
        states.insert(0, "it is paused")
    return "; ".join(states) or f"it is {run.status}"


def check_grace(grace: object) -> float | None:
    """Return a grace that a caller has given.

    Raises:
        ValueError: it is no number of seconds: the run would fail of it, not its caller.
    """
    if grace is None:
        return None
    if is_seconds(grace):
        return grace
    rule = f"0 or more and finite, or None for the manager's, at most {MAX_SECONDS:.0e}"
    raise ValueError(f"grace is a number of seconds, {rule}, not {grace!r:.60}")


def check_text(name: str, text: object) -> str:
    """Return what a caller says for people, which events and results keep.

    Raises:
        ValueError: it is not text.
    """
    if isinstance(text, str):
        return str.__str__(text)
    raise ValueError(f"{name} is text, not {type(text).__name__}: {text!r:.60}")


def check_seq(seq: object) -> None:
    """Refuse what is not the number of an event.

    Raises:
        ValueError: it is not a whole number.
    """
    if not isinstance(seq, int) or isinstance(seq, bool):
        raise ValueError(f"from_seq is a whole number, 1 for the first event, not {seq!r}")  # noqa: TRY004
