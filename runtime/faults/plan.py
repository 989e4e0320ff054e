"""A fault plan: which faults there are, where and how often; the same YAML in a test, a simulation or a manager."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field, model_validator

from playbill.model.diagnostics import Named, unknown_names, validated
from playbill.model.errors import DefinitionError
from playbill.model.fields import Count, Number, Seconds, Settings, Share
from playbill.runtime.faults.behaviour import Behaviour, Duration, Ending

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from playbill.model.definition import PipelineDefinition

__all__ = ["EVERYTHING", "Fault", "FaultPlan", "fault_plan"]

HANDLER: Final = frozenset({"raise", "hang", "slow", "ignore_cancel", "garbage", "late", "lost"})
"""Faults of attempts: `node`, `type` and `attempts` choose which."""
MAIL: Final = frozenset({"timer_late", "message_delay"})
"""Faults of timers and messages: `message` names the class of what is told."""
JOURNAL: Final = frozenset({"journal_slow", "journal_failing", "journal_full"})
TIMED: Final = frozenset({"breaker", "cancel", "pause", "clock_skew"})
"""Faults that happen once, `at` so many seconds after the manager is there."""

Kind = Literal[
    "raise", "hang", "slow", "ignore_cancel", "garbage", "late", "lost",
    "crash", "journal_slow", "journal_failing", "journal_full",
    "timer_late", "message_delay", "clock_skew", "breaker", "cancel", "pause",
]  # fmt: skip


class Fault(Settings):
    """One fault.

    raise: the handler fails with `error`. hang: it never ends. slow: it begins `seconds` later. ignore_cancel: it
    goes on when it is asked to end (and when it is killed, with `kill: true`). garbage: it returns what is no output.
    late: it ends, but only `seconds` after it was asked to and killed. lost: its worker dies. crash: the runtime dies
    as an event is recorded (`event` or any). journal_slow, _failing, _full: an event is kept `seconds` later; the
    latter two tell the run so. timer_late: a timer fires `seconds` late. message_delay: a message (`message` or any)
    takes `seconds`. clock_skew: UTC jumps by `seconds`. breaker: `breaker` is forced to `state` for `seconds`.
    cancel: the oldest run is cancelled. pause: it is paused for `seconds`.
    """

    fault: Kind
    probability: Share = 1.0
    """How likely each occasion is."""
    node: str | None = None
    type: str | None = None
    attempts: tuple[Count, ...] = ()
    """Which attempts of a node; empty: all."""
    after: Seconds = 0.0
    """Not before so many seconds."""
    until: Seconds | None = None
    at: Seconds | None = None
    times: Count | None = None
    """At most so often."""
    seconds: Number = 1.0
    error: str = "ConnectionError"
    message: str | None = None
    retryable: bool = True
    kill: bool = False
    event: str | None = None
    breaker: str | None = None
    state: Literal["forced_open", "disabled", "metrics_only", "closed"] = "forced_open"
    grace: Seconds | None = None

    @model_validator(mode="after")
    def _fits(self) -> Fault:
        if self.seconds < 0 and self.fault != "clock_skew":
            raise ValueError(f"seconds is 0 or more, not {self.seconds:g}")
        if self.until is not None and self.until <= self.after:
            raise ValueError(f"until ({self.until:g}) comes after `after` ({self.after:g})")
        if self.fault == "breaker" and self.breaker is None:
            raise ValueError("a breaker fault names its `breaker`, the key (by default a node type)")
        if self.fault not in HANDLER and (self.node or self.type or self.attempts):
            raise ValueError(f"node, type and attempts choose attempts; a {self.fault} fault has none")
        return self

    @cached_property
    def is_everywhere(self) -> bool:
        """Whether it may happen at any occasion of its kind."""
        chosen = (self.node, self.type, self.event, self.message if self.fault in MAIL else None, self.until)
        return not self.after and not self.attempts and all(choice is None for choice in chosen)

    @cached_property
    def failing(self) -> Behaviour:
        """What an attempt does that fails by this fault."""
        text = "injected" if self.message is None else self.message
        error = Ending(error=self.error, message=text, retryable=self.retryable)
        return Behaviour(outcomes=(error,), duration=Duration(constant=0.0))

    def touches(self, subject: str, kind: str, attempt: int, seconds: float) -> bool:
        """Tell whether it may happen at this occasion.

        Args:
            subject: the name of the node, the event or the message.
            kind: the node's type.
            attempt: its number.
            seconds: since the manager was there.
        """
        if seconds < self.after or (self.until is not None and seconds >= self.until):
            return False
        if self.fault in HANDLER:
            fits = (self.type is None or self.type == kind) and (not self.attempts or attempt in self.attempts)
            return fits and (self.node is None or self.node == subject)
        wanted = self.message if self.fault in MAIL else self.event
        return wanted is None or wanted == subject


class Behaviours(Settings):
    """Which node behaves how: its own word first, then its type's, then the default."""

    nodes: dict[str, Behaviour] = Field(default_factory=dict)
    types: dict[str, Behaviour] = Field(default_factory=dict)
    default: Behaviour | None = None
    """Of handlers that cannot run simulated and are not named."""

    def of(self, node: str, kind: str) -> Behaviour | None:
        """Return what was declared for a node."""
        return self.nodes.get(node) or self.types.get(kind)

    def names(self, nodes: Collection[str], types: Collection[str]) -> Iterator[Named]:
        """Tell which of the nodes and types of a pipeline they speak of."""
        yield from (Named("node", nodes, name, f"behaviours.nodes.{name}") for name in self.nodes)
        yield from (Named("type", types, name, f"behaviours.types.{name}") for name in self.types)


class FaultPlan(Settings):
    """Faults, behaviours, and how often our own code's buggify sites are on."""

    faults: tuple[Fault, ...] = ()
    behaviours: Behaviours = Field(default_factory=Behaviours)
    buggify: Share = 0.0
    """The share of seeds in which a site is on (FoundationDB: a quarter)."""

    def changed(self, *, faults: tuple[Fault, ...] | None = None, buggify: float | None = None) -> FaultPlan:
        """Return a plan with other faults, or another share of buggify sites."""
        return FaultPlan(
            faults=self.faults if faults is None else faults,
            behaviours=self.behaviours,
            buggify=self.buggify if buggify is None else buggify,
        )

    def joined(self, other: FaultPlan) -> FaultPlan:
        """Return one plan of both; where both declare a behaviour, the other's wins."""
        mine, its = self.behaviours, other.behaviours
        behaviours = Behaviours(
            nodes={**mine.nodes, **its.nodes},
            types={**mine.types, **its.types},
            default=its.default or mine.default,
        )
        buggify = max(self.buggify, other.buggify)
        return FaultPlan(faults=self.faults + other.faults, behaviours=behaviours, buggify=buggify)

    @cached_property
    def by_kind(self) -> Mapping[str, list[Fault]]:
        """The faults by the kind of occasion they wait for."""
        found: defaultdict[str, list[Fault]] = defaultdict(list)
        for fault in self.faults:
            kinds = {"handler": HANDLER, "journal": JOURNAL, "timed": TIMED}
            found[next((kind for kind, names in kinds.items() if fault.fault in names), fault.fault)].append(fault)
        return found

    def check(self, definition: PipelineDefinition) -> None:
        """Find names that the pipeline does not have.

        Raises:
            DefinitionError: a fault or a behaviour speaks of an unknown node, type or breaker; carries them all.
        """
        if problems := unknown_names(self._names(definition)):
            raise DefinitionError("", problems, "fault plan")

    def _names(self, definition: PipelineDefinition) -> Iterator[Named]:
        nodes = {node.id for node in definition.nodes}
        types = {node.type for node in definition.nodes}
        keys = types | {node.breaker for node in definition.nodes if node.breaker}
        yield from self.behaviours.names(nodes, types)
        for index, fault in enumerate(self.faults):
            where = f"faults[{index}]"
            for kind, known, name in (
                ("node", nodes, fault.node), ("type", types, fault.type), ("breaker", keys, fault.breaker),
            ):  # fmt: skip
                if name is not None:
                    yield Named(kind, known, name, f"{where}.{kind}")


def fault_plan(data: Mapping[str, Any]) -> FaultPlan:
    """Return the plan that a mapping says.

    Raises:
        DefinitionError: it has an unknown fault or field, or a wrong value; carries all problems.
    """
    return validated(FaultPlan, data, "fault plan", owner=_owner)


def _owner(location: tuple[int | str, ...]) -> tuple[str, int]:
    match location:
        case ("faults", int(index), *_):
            return f"fault {index + 1}", 2
        case ("behaviours", "nodes" | "types" as kind, str(name), *_):
            return f"behaviour of {kind[:-1]} '{name}'", 3
        case _:
            return "", 0


EVERYTHING: Final = FaultPlan(
    faults=(
        Fault(fault="raise", probability=0.08),
        Fault(fault="raise", probability=0.02, error="ValueError", retryable=False),
        Fault(fault="hang", probability=0.02),
        Fault(fault="slow", probability=0.05, seconds=3.0),
        Fault(fault="ignore_cancel", probability=0.05),
        Fault(fault="ignore_cancel", probability=0.02, kill=True),
        Fault(fault="garbage", probability=0.01),
        Fault(fault="late", probability=0.03, seconds=20.0),
        Fault(fault="lost", probability=0.02),
        Fault(fault="crash", probability=0.002),
        Fault(fault="journal_slow", probability=0.05, seconds=0.5),
        Fault(fault="journal_failing", probability=0.01, seconds=2.0),
        Fault(fault="journal_full", probability=0.002, seconds=30.0),
        Fault(fault="timer_late", probability=0.05, seconds=0.5),
        Fault(fault="message_delay", probability=0.01, seconds=0.2),
        Fault(fault="clock_skew", probability=0.2, seconds=-3600.0, at=1.0),
        Fault(fault="cancel", probability=0.1, at=2.0, grace=1.0),
        Fault(fault="pause", probability=0.1, at=1.5, seconds=5.0),
    ),
    buggify=0.25,
)
"""Every fault, now and then: what `--faults all` means."""
