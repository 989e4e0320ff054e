"""What a plan says must hold of each run: properties in CEL over its events, checked as they are read.

They are judged in a simulated world only (runtime/simulation/checks/declared.py).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Self, cast

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from playbill.model.cel_tokens import compared_strings, node_references
from playbill.model.diagnostics import did_you_mean, list_names
from playbill.model.errors import NodeConfigError, Problem
from playbill.model.events import EventType
from playbill.model.expressions import Expression, as_bool, compile_expression
from playbill.model.fields import Seconds, Settings, Text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["PROPERTY_KINDS", "DeclaredProperty", "expression_of"]

PROPERTY_KINDS: Final = ("always", "eventually", "leads_to", "sometimes")
ROOTS: Final = ("event", "nodes", "trigger")
"""The names that an expression may use."""
EVENT_FIELDS: Final = ("type", "node", "attempt", "time", "data")
"""What `event` has."""


@lru_cache(maxsize=4096)
def expression_of(text: str) -> Expression:
    """Compile an expression over `event`, `nodes` and `trigger`; each text once.

    Raises:
        ExpressionError: it cannot be compiled, or names something unknown.
    """
    return compile_expression(text, ROOTS)


def _compiles(text: str) -> str:
    expression = expression_of(text)
    for name in sorted(node_references(text, "event") - set(EVENT_FIELDS)):
        hint = f"{did_you_mean(name, EVENT_FIELDS)}; it has: {list_names(EVENT_FIELDS)}"
        raise ValueError(f"an event has no '{name}'{hint}")
    for name in sorted(compared_strings(text, "event", "type")):
        _is_type(name)
    if not expression.names:
        try:
            as_bool(text, expression.evaluate({}), "expression")
        except NodeConfigError as error:
            raise ValueError(str(error)) from error
    return text


def _is_type(name: object) -> str:
    if name not in {*EventType}:
        hint = f"{did_you_mean(str(name), EventType)}; types are: {list_names(EventType, 40)}"
        raise ValueError(f"unknown type of event {name!r:.60}{hint}")
    return str(name)


def _as_types(written: Any) -> Any:
    names = [written] if isinstance(written, str) else written
    if not isinstance(names, list | tuple) or not names:
        raise ValueError(f"takes a type of event or a list of them, not {written!r:.60}; left out it is all of them")
    return tuple(EventType(_is_type(name)) for name in cast("list[object]", names))


Cel = Annotated[str, AfterValidator(_compiles)]


class DeclaredProperty(Settings):
    """A property of a plan: its kind names it, `that` is what must hold."""

    always: Text | None = None
    """Its name, if `that` holds at every event."""
    eventually: Text | None = None
    """Its name, if `that` holds at one event at least, in every seed."""
    leads_to: Text | None = None
    """Its name, if after each event of which `that` is true one comes of which `to` is."""
    sometimes: Text | None = None
    """Its name, if `that` holds in one seed at least."""
    that: Cel
    to: Cel | None = None
    """Of leads_to: what comes after."""
    within: Seconds | None = None
    """Of leads_to: within so many virtual seconds; None: some day."""
    on: Annotated[tuple[EventType, ...], BeforeValidator(_as_types)] = Field(default=())
    """The types of events it is evaluated at; empty: all."""
    node: Text | None = None
    """Evaluated at the events of this node only; None: at all."""

    @model_validator(mode="before")
    @classmethod
    def _is_a_mapping(cls, written: object) -> object:
        if isinstance(written, dict | DeclaredProperty):
            return cast("object", written)
        text = f"a property is a mapping such as {{always: NAME, that: CEL}}, not {written!r:.60}"
        raise ValueError(text)

    @model_validator(mode="after")
    def _has_one_kind(self) -> Self:
        kinds = [kind for kind in PROPERTY_KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            known, those = list_names(PROPERTY_KINDS), " and ".join(f"'{kind}'" for kind in kinds) or "none"
            raise ValueError(f"a property has one of {known}, with its name; this one has {those}")
        if self.leads_to is not None and self.to is None:
            raise ValueError("leads_to needs `to` beside `that`: what comes after it")
        if self.leads_to is None and (self.to is not None or self.within is not None):
            field = "within" if self.to is None else "to"
            raise ValueError(f"`{field}` goes with leads_to only, not with {kinds[0]}")
        if self.leads_to is not None and self.node is not None:
            raise ValueError("`node` does not go with leads_to, which is of two events: compare event.node in `that`")
        return self

    @property
    def kind(self) -> str:
        """One of PROPERTY_KINDS."""
        return next(kind for kind in PROPERTY_KINDS if getattr(self, kind) is not None)

    @property
    def name(self) -> str:
        """What it is called where it does not hold."""
        return str(getattr(self, self.kind))

    def nodes(self) -> Iterator[tuple[str, str]]:
        """Yield the field and the id of each node that it names, in expressions, too."""
        if self.node is not None:
            yield "node", self.node
        for field in ("that", "to"):
            text = getattr(self, field) or ""
            for node in sorted(node_references(text, "nodes") | compared_strings(text, "event", "node")):
                yield field, node

    def problems(self, where: str, nodes: Collection[str]) -> Iterator[Problem]:
        """Give a problem for each node that the pipeline does not have."""
        for field, node in self.nodes():
            if node not in nodes:
                hint = f"{did_you_mean(node, nodes)}; there are: {list_names(sorted(nodes), 30)}"
                text = f"property '{self.name}': {field}: unknown node '{node}'{hint}"
                yield Problem("unknown-node", f"{where}.{field}", text)
