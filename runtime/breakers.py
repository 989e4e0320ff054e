"""The circuit breakers of one manager: an actor per key, one policy per key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from playbill.actors.breaker import BreakerActor
from playbill.model.errors import DefinitionError
from playbill.model.machines.breaker_state import CircuitState
from playbill.model.policies import BreakerPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playbill.actors.ports import Ports
    from playbill.actors.shell import Shell
    from playbill.model.definition import PipelineDefinition

DEFAULT: Final = BreakerPolicy()


class Breakers:
    """Breakers by key, made when a pipeline first uses them."""

    def __init__(self, policies: Mapping[str, BreakerPolicy]) -> None:
        self._policies = dict(policies)
        self._owners = dict.fromkeys(policies, "the manager")
        self._actors: dict[str, BreakerActor] = {}

    def of(self, definition: PipelineDefinition, keys: frozenset[str], ports: Ports) -> dict[str, Shell[Any]]:
        """Return the breakers that a pipeline uses; those that nobody has used yet are made with `ports`.

        Raises:
            DefinitionError: it wants another policy for a key than the pipeline that used the key first.
        """
        for key in keys & definition.breakers.keys():
            self._agree(key, definition)
        found: dict[str, Shell[Any]] = {}
        for key in keys:
            self._owners.setdefault(key, f"pipeline '{definition.name}'")
            found[key] = self._actor(key, definition.breakers.get(key, DEFAULT), ports)
        return found

    def get(self, key: str) -> BreakerActor | None:
        """Return the breaker of this key, if anybody used it yet."""
        return self._actors.get(key)

    def states(self) -> dict[str, CircuitState]:
        """Return where each breaker stands."""
        return {key: CircuitState(actor.machine.state) for key, actor in self._actors.items()}

    def close(self) -> None:
        """End all of them."""
        for actor in self._actors.values():
            actor.close()

    def __iter__(self) -> Iterator[BreakerActor]:
        return iter(self._actors.values())

    def _agree(self, key: str, definition: PipelineDefinition) -> None:
        """Refuse a second, different policy, unless the manager's rules anyway."""
        owner = self._owners.get(key)
        if owner is None or owner == "the manager":
            return
        if self._policies[key] != definition.breakers[key]:
            text = (
                f"breaker '{key}' has two policies that differ, one by {owner} and one by pipeline"
                f" '{definition.name}': make them equal, use another key, or give the manager the policy"
            )
            raise DefinitionError.single("two-policies", f"breakers.{key}", text)

    def _actor(self, key: str, policy: BreakerPolicy, ports: Ports) -> BreakerActor:
        actor = self._actors.get(key)
        if actor is None or actor.ended:
            policy = self._policies.setdefault(key, policy)
            actor = self._actors[key] = BreakerActor(ports, key, policy)
        return actor
