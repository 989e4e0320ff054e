"""A fault plan: which faults there are, where and how often; the same YAML in a test, a simulation or a manager."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, cast

from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, field_serializer

from playbill.model.breaker_keys import breaker_keys, is_key
from playbill.model.diagnostics import (
    Named,
    Owner,
    details_of,
    did_you_mean,
    list_names,
    problems_of,
    unknown_names,
)
from playbill.model.errors import DefinitionError, Problem
from playbill.model.fields import Settings, Share
from playbill.model.wording import clip
from playbill.runtime.faults.behaviour import Behaviour
from playbill.runtime.faults.kinds import (
    KINDS,
    AnyFault,
    CancelRun,
    ClockSkew,
    Crash,
    Fault,
    Garbage,
    Hang,
    IgnoreCancel,
    JournalFailing,
    JournalFull,
    JournalSlow,
    Late,
    Lost,
    MessageDelay,
    PauseRun,
    Raise,
    Slow,
    TimerLate,
)
from playbill.runtime.faults.properties import PROPERTY_KINDS, DeclaredProperty

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from playbill.model.definition import PipelineDefinition
    from playbill.model.places import Location
    from playbill.runtime.runners.bindings import Bindings

__all__ = ["EVERYTHING", "Behaviours", "FaultPlan", "fault_plan", "owner_of_behaviour"]

F = TypeVar("F", bound=AnyFault)
MAX_SHOWN: Final = 60
"""Characters of what was written in a message."""


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
    """Faults, behaviours, how often our own code's buggify sites are on, and what must hold all the same."""

    faults: tuple[Annotated[Fault, Field(discriminator="fault")], ...] = ()
    behaviours: Behaviours = Field(default_factory=Behaviours)
    buggify: Share = 0.0
    """The share of seeds in which a site is on (FoundationDB: a quarter)."""
    properties: tuple[DeclaredProperty, ...] = ()
    """What must hold of each run; in a simulated world only."""

    def changed(self, *, faults: tuple[Fault, ...] | None = None, buggify: float | None = None) -> FaultPlan:
        """Return a plan with other faults, or another share of buggify sites."""
        return FaultPlan(
            faults=self.faults if faults is None else faults,
            behaviours=self.behaviours,
            buggify=self.buggify if buggify is None else buggify,
            properties=self.properties,
        )

    def joined(self, other: FaultPlan) -> FaultPlan:
        """Return one plan of both; where both declare a behaviour, the other's wins; equal properties are one."""
        mine, its = self.behaviours, other.behaviours
        behaviours = Behaviours(
            nodes={**mine.nodes, **its.nodes},
            types={**mine.types, **its.types},
            default=its.default or mine.default,
        )
        buggify = max(self.buggify, other.buggify)
        properties = (*self.properties, *(rule for rule in other.properties if rule not in self.properties))
        faults = self.faults + other.faults
        return FaultPlan(faults=faults, behaviours=behaviours, buggify=buggify, properties=properties)

    def of(self, kind: type[F]) -> list[F]:
        """Return the faults of a kind, in the plan's order."""
        found = self._sorted.get(kind)
        if found is None:  # every seed asks, and pydantic's isinstance is slow
            found = self._sorted[kind] = [fault for fault in self.faults if isinstance(fault, kind)]
        return cast("list[F]", found)

    @cached_property
    def worked_out(self) -> dict[tuple[type[AnyFault], bool], Any]:
        """What is worked out of its faults once, and not in every seed."""
        return {}

    def stand_ins_of(self, bindings: Bindings) -> dict[str, Behaviour | None]:
        """Return what stands in for the handlers of a definition, by node, as far as somebody has worked it out.

        The last definition's are kept: a study runs it seed after seed.
        """
        known = self._stand_ins.get("last")
        if known is None or known[0] is not bindings:
            known = self._stand_ins["last"] = (bindings, {})
        return known[1]

    @cached_property
    def _stand_ins(self) -> dict[str, tuple[Bindings, dict[str, Behaviour | None]]]:
        return {}

    @cached_property
    def _sorted(self) -> dict[type[AnyFault], Sequence[AnyFault]]:
        return {}

    @field_serializer("faults", mode="wrap")
    def _say_the_kinds(
        self, faults: tuple[Fault, ...], serialize: SerializerFunctionWrapHandler
    ) -> list[dict[str, Any]]:
        """Name each fault's kind also where defaults are left out: without it nobody could read the plan again."""
        return [{"fault": fault.fault, **said} for fault, said in zip(faults, serialize(faults), strict=True)]

    def check(self, definition: PipelineDefinition) -> None:
        """Find names that the pipeline does not have, and properties of one name.

        Raises:
            DefinitionError: a fault, a behaviour or a property speaks of an unknown node, type or breaker, or two
                properties have one name; carries all problems.
        """
        problems = [*unknown_names(self._names(definition)), *self._problems_of_properties(definition)]
        if problems:
            raise DefinitionError("", problems, "fault plan")

    def _names(self, definition: PipelineDefinition) -> Iterator[Named]:
        nodes = {node.id for node in definition.nodes}
        types = {node.type for node in definition.nodes}
        keys = breaker_keys(definition)
        yield from self.behaviours.names(nodes, types)
        known = {"node": nodes, "type": types, "breaker": keys}
        for index, fault in enumerate(self.faults):
            for field, name in fault.names():
                names = known[field]
                if field == "breaker" and is_key(name, keys):
                    names = {*keys, name}
                yield Named(field, names, name, f"faults[{index}].{field}")

    def _problems_of_properties(self, definition: PipelineDefinition) -> Iterator[Problem]:
        nodes, names = {node.id for node in definition.nodes}, set[str]()
        for index, rule in enumerate(self.properties):
            where = f"properties[{index}]"
            yield from rule.problems(where, nodes)
            if rule.name in names:
                text = f"property '{rule.name}': there are two of this name: give each its own"
                yield Problem("duplicate-name", where, text)
            names.add(rule.name)


def fault_plan(data: Mapping[str, Any]) -> FaultPlan:
    """Return the plan that a mapping says.

    Raises:
        DefinitionError: it has an unknown fault or field, or a wrong value; carries all problems.
    """
    try:
        return FaultPlan.model_validate(data)
    except ValidationError as error:
        raise DefinitionError("", list(_problems(error, data)), "fault plan") from None


def _problems(error: ValidationError, data: Mapping[str, Any]) -> Iterator[Problem]:
    """Give one problem for each complaint; a fault is read again by its kind's class, whose fields are named."""
    read: set[int] = set()
    for detail, problem in zip(details_of(error), problems_of(error, FaultPlan, owner=_owner_in(data)), strict=True):
        match detail["loc"]:
            case ("faults", int(index), *_) if isinstance(data["faults"], list | tuple):
                if index not in read:
                    read.add(index)
                    yield from _problems_of_fault(index, cast("Sequence[Any]", data["faults"])[index])
            case _:
                yield problem


def _problems_of_fault(index: int, written: Any) -> list[Problem]:
    where, subject = f"faults[{index}]", f"fault {index + 1}"
    if not isinstance(written, dict):
        text = f"{subject}: a fault is a mapping such as {{fault: hang}}, not {clip(repr(written), MAX_SHOWN)}"
        return [Problem("invalid-value", where, text)]
    fields = cast("dict[str, Any]", written)
    if "fault" not in fields:
        text = f"{subject}: field 'fault' is missing; kinds are: {list_names(KINDS, 30)}"
        return [Problem("missing-field", where, text)]
    name = str(fields["fault"])
    if name not in KINDS:
        hint = f"{did_you_mean(name, KINDS)}; kinds are: {list_names(KINDS, 30)}"
        text = f"{subject}: fault: unknown kind {name!r:.60}{hint}"
        return [Problem("unknown-fault", f"{where}.fault", text)]
    try:
        KINDS[name].model_validate(fields)
    except ValidationError as error:
        return problems_of(error, KINDS[name], prefix=where, owner=lambda _: (subject, 0))
    return []


def _owner_in(data: Mapping[str, Any]) -> Owner:
    """Return what names whose property or behaviour a location of a written plan belongs to."""

    def owner(location: Location) -> tuple[str, int]:
        match location:
            case ("properties", int(index), *_) if isinstance(data["properties"], list | tuple):
                return _describe_property(index, cast("Sequence[Any]", data["properties"])[index]), 2
            case _:
                return owner_of_behaviour(location)

    return owner


def _describe_property(index: int, written: Any) -> str:
    fields = cast("dict[str, Any]", written) if isinstance(written, dict) else {}
    name = next((fields[kind] for kind in PROPERTY_KINDS if fields.get(kind)), None)
    return f"property {index + 1}" if name is None else f"property '{name!s:.60}'"


def owner_of_behaviour(location: Location) -> tuple[str, int]:
    """Name whose behaviour a location belongs to, and how many of its parts that covers (see `problems_of`)."""
    match location:
        case ("behaviours", "nodes" | "types" as kind, str(name), *_):
            return f"behaviour of {kind[:-1]} '{name}'", 3
        case _:
            return "", 0


EVERYTHING: Final = FaultPlan(
    faults=(
        Raise(probability=0.08),
        Raise(probability=0.02, error="ValueError", retryable=False),
        Hang(probability=0.02),
        Slow(probability=0.05, seconds=3.0),
        IgnoreCancel(probability=0.05),
        IgnoreCancel(probability=0.02, kill=True),
        Garbage(probability=0.01),
        Late(probability=0.03, seconds=20.0),
        Lost(probability=0.02),
        Crash(probability=0.002),
        JournalSlow(probability=0.05, seconds=0.5),
        JournalFailing(probability=0.01, seconds=2.0),
        JournalFull(probability=0.002, seconds=30.0),
        TimerLate(probability=0.05, seconds=0.5),
        MessageDelay(probability=0.01, seconds=0.2),
        ClockSkew(probability=0.2, seconds=-3600.0, at=1.0),
        CancelRun(probability=0.1, at=2.0, grace=1.0),
        PauseRun(probability=0.1, at=1.5, seconds=5.0),
    ),
    buggify=0.25,
)
"""What `--faults all` means: every kind now and then, but `breaker`, which needs a key, and `actor_fails`, for which
no pipeline can answer.
"""
