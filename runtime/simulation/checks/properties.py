"""What users say must hold: always, eventually, leads_to, sometimes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from playbill.model.errors import NodeConfigError
from playbill.model.wording import clip

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from playbill.model.events import Event

    Predicate = Callable[[Event], Any]

__all__ = [
    "UNJUDGED",
    "Always",
    "Eventually",
    "LeadsTo",
    "Observed",
    "Property",
    "Sometimes",
    "describe_raised",
    "held_of",
    "judged_of",
]

LONGEST: Final = 200
"""Characters of an expression in a text."""
UNJUDGED: Final = "cannot be judged"
"""How the text of a violation begins whose property could not be asked."""


class Observed(Protocol):
    """What a property needs of the world it looks at."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Its event loop, whose `time()` is the virtual time in seconds."""
        ...

    def report(self, invariant: str, text: str) -> None:
        """Keep a violation: what does not hold, and what broke it; the first one ends the seed."""


class Property(Protocol):
    """Something that is asked at each event and at the end of a seed."""

    name: str

    def fresh(self) -> Property:
        """Return it as it is before a seed."""
        ...

    def see(self, event: Event, world: Observed) -> None:
        """Look at an event."""

    def end(self, world: Observed) -> None:
        """Look back at the end."""


def describe_raised(error: Exception, event: Event) -> str:
    """Say that a predicate raised; of CEL the error tells what and why."""
    said = str(error) if isinstance(error, NodeConfigError) else f"its predicate raised {error!r}"
    return f"{UNJUDGED} at {event.type} of {event.node_id or event.stream}: {said}"


class Always:
    """Holds at every event: `Always("never above 100", lambda event: ...)`; `expression` says `holds` in words."""

    def __init__(self, name: str, holds: Predicate, *, expression: str = "") -> None:
        self.name = name
        self._holds = holds
        self._expression = expression

    @property
    def judged(self) -> bool:
        """Whether an event came that it looks at; a function of yours looks at all."""
        return bool(getattr(self._holds, "judged", True))

    def fresh(self) -> Always:
        """Return it: it remembers nothing."""
        return self

    def see(self, event: Event, world: Observed) -> None:
        """Look at an event."""
        if not self._holds(event):
            where = f"does not hold at {event.type} of {event.node_id or event.stream}"
            world.report(self.name, f"{where}{self._details(event, world)}")

    def _details(self, event: Event, world: Observed) -> str:
        if not self._expression:
            return ""
        attempt = "" if event.attempt is None else f"#{event.attempt}"
        return f"{attempt}, at {world.loop.time():g} s: {clip(' '.join(self._expression.split()), LONGEST)}"

    def end(self, world: Observed) -> None:
        """Complain about nothing more: each event was judged as it came."""


class Eventually:
    """Holds at one event at least, in every seed."""

    def __init__(self, name: str, holds: Predicate) -> None:
        self.name = name
        self._holds = holds
        self._held = False

    def fresh(self) -> Eventually:
        """Return one that has not held."""
        return type(self)(self.name, self._holds)

    def see(self, event: Event, world: Observed) -> None:
        """Look at an event."""
        self._held = self._held or bool(self._holds(event))

    def end(self, world: Observed) -> None:
        """Complain if it never held."""
        if not self._held:
            world.report(self.name, "never held")


class Sometimes(Eventually):
    """Holds in one seed at least; an exploration names those that never did."""

    @property
    def held(self) -> bool:
        """Whether it held in this seed."""
        return self._held

    def end(self, world: Observed) -> None:
        """Complain about no single seed."""


class LeadsTo:
    """After each event of `cause` comes one of `effect`, within so many virtual seconds if given."""

    def __init__(self, name: str, cause: Predicate, effect: Predicate, within: float | None = None) -> None:
        self.name = name
        self._cause = cause
        self._effect = effect
        self._within = within
        self._since: float | None = None
        self.judged = False
        """Whether an event came that something shall follow."""

    def fresh(self) -> LeadsTo:
        """Return one that waits for nothing."""
        return type(self)(self.name, self._cause, self._effect, self._within)

    def see(self, event: Event, world: Observed) -> None:
        """Look at an event."""
        now = world.loop.time()
        if self._since is not None and self._effect(event):
            if self._within is not None and now - self._since > self._within:
                world.report(self.name, f"took {now - self._since:g} s, at most {self._within:g} are allowed")
            self._since = None
        if self._since is None and self._cause(event):
            self._since, self.judged = now, True

    def end(self, world: Observed) -> None:
        """Complain if the effect never came."""
        if self._since is not None:
            world.report(self.name, f"what should follow the event at {self._since:g} s never came")


def held_of(rules: Iterable[Property]) -> set[str]:
    """Return the names of those that shall hold in some seed and held in this one."""
    return {rule.name for rule in rules if isinstance(rule, Sometimes) and rule.held}


def judged_of(rules: Iterable[Property]) -> set[str]:
    """Return the names of those of certain events only that were asked of one."""
    return {rule.name for rule in rules if isinstance(rule, Always | LeadsTo) and rule.judged}
