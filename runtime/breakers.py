"""The circuit breakers of one manager: an actor for each node type or name, one policy for each key.

Keys are a node type, `type/target` for one of its circuits, or a name that a node gives by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from playbill.actors.breaker import BreakerActor
from playbill.model.breaker_past import BreakerPast
from playbill.model.errors import DefinitionError
from playbill.model.events import BREAKERS
from playbill.model.machines.circuit_state import CircuitState
from playbill.model.messages import Follow, Remember
from playbill.model.policies import BreakerPolicy
from playbill.model.targets import default_failures, split_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from playbill.actors.ports import Ports
    from playbill.actors.shell import Shell
    from playbill.model.definition import PipelineDefinition
    from playbill.model.events import Event
    from playbill.model.facts import Now

DEFAULT: Final = BreakerPolicy()
FROM_BEFORE: Final = "a run from before"
"""Whose policies bind nobody: those of a pipeline that is started now may be others."""


class Breakers:
    """Breakers by key, made when a pipeline first uses them."""

    def __init__(self, policies: Mapping[str, BreakerPolicy]) -> None:
        self._policies = dict(policies)
        self._owners = dict.fromkeys(policies, "the manager")
        self._actors: dict[str, BreakerActor] = {}
        self._unused: set[str] = set()
        """The keys of those that have come back, and that no pipeline has used since."""

    def come_back(self, streams: Mapping[str, Iterable[Event]], ports: Ports, now: Now) -> None:
        """Make those again that had circuits open or set by hand when their process ended.

        Args:
            streams: by the names of streams, the events that tell so, in order.
            ports: for their actors.
            now: the time.
        """
        for stream, events in streams.items():
            key, past = stream.removeprefix(BREAKERS), BreakerPast(events)
            if past.standing:
                actor = self._actors[key] = self._made(key, self._policies.get(key, DEFAULT), ports)
                actor.receive(Remember(past), now)
                self._unused.add(key)

    def of(
        self, definition: PipelineDefinition, keys: frozenset[str], ports: Ports, *, agree: bool = True
    ) -> dict[str, Shell[Any]]:
        """Return the breakers that a pipeline uses; those that nobody has used yet are made with `ports`.

        `agree` False: it is of a run from before, which takes the policies that others have by now.

        Raises:
            DefinitionError: it wants another policy for a key than the pipeline that used the key first.
        """
        if agree:
            for key in definition.breakers:
                self._agree(key, definition)
        owner = f"pipeline '{definition.name}'" if agree else FROM_BEFORE
        for key, policy in definition.breakers.items():
            self._owners.setdefault(key, owner)
            self._policies.setdefault(key, policy)
        found: dict[str, Shell[Any]] = {}
        for key in keys:
            self._owners.setdefault(key, owner)
            actor = self._actors.get(key)
            if actor is None or actor.ended:
                actor = self._actors[key] = self._made(key, self._policies.setdefault(key, DEFAULT), ports)
            elif key in self._unused:
                actor.post(Follow(self._policies.setdefault(key, DEFAULT), self._targets(key)))
            elif definition.breakers:  # only these can be new to it
                actor.machine.know(self._targets(key))
            self._unused.discard(key)
            found[key] = actor
        return found

    def find(self, key: str) -> tuple[BreakerActor, str | None] | None:
        """Return the breaker a key is about, if anybody used it yet, and which target; None: all of them."""
        if (actor := self._actors.get(key)) is not None:
            return actor, None
        parts = split_key(key, self._actors)
        return None if parts is None else (self._actors[parts[0]], parts[1])

    def states(self) -> dict[str, CircuitState]:
        """Return where each circuit stands that anybody needs, by key."""
        return {
            circuit.key: CircuitState(circuit.state)
            for actor in self._actors.values()
            for circuit in actor.machine.circuits.values()
        }

    def __iter__(self) -> Iterator[BreakerActor]:
        return iter(self._actors.values())

    def _agree(self, key: str, definition: PipelineDefinition) -> None:
        """Refuse a second, different policy, unless the manager's rules anyway."""
        owner = self._owners.get(key)
        if owner is None or owner in {"the manager", FROM_BEFORE}:
            return
        if self._policies.get(key, DEFAULT) != definition.breakers[key]:
            text = (
                f"breaker '{key}' has two policies that differ, one by {owner} and one by pipeline"
                f" '{definition.name}': make them equal, use another key, or give the manager the policy"
            )
            raise DefinitionError.single("two-policies", f"breakers.{key}", text)

    def _made(self, key: str, policy: BreakerPolicy, ports: Ports) -> BreakerActor:
        return BreakerActor(ports, key, policy, self._targets(key), failures=default_failures(key))

    def _targets(self, key: str) -> dict[str, BreakerPolicy]:
        """Return the policies that targets of a breaker have of their own."""
        split = ((split_key(name, (key,)), policy) for name, policy in self._policies.items())
        return {parts[1]: policy for parts, policy in split if parts is not None}
