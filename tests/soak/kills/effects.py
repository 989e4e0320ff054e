"""What handlers did, as they noted it, and what of that may not be: twice, under two keys, or not at all."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from playbill.model.events import Event, EventType
from tests.soak.kills.plans import RunPlan

Problems = Iterator[str]
WITHOUT_NOTE: Final = frozenset({"start", "wide", "large", "wait", "longer", "say"})
"""Nodes that playbill does itself, and the command."""


class Effect(NamedTuple):
    """One call of a handler."""

    run_id: str
    node: str
    attempt: int
    key: str


def read_effects(folder: Path) -> list[Effect]:
    """Return the calls of handlers, in their order."""
    path = folder / "effects"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    fields = (line.split("\t") for line in lines)
    return [Effect(run_id, node, int(attempt), key) for run_id, node, attempt, key in fields]


def problems_of_effects(
    effects: Sequence[Effect], wanted: Iterable[RunPlan], kept: Mapping[str, Sequence[Event]]
) -> Problems:
    """Yield what is wrong with them.

    Args:
        effects: the calls.
        wanted: the runs there may be.
        kept: the events of those there are.
    """
    yield from _of_keys(effects)
    begun = Counter((effect.run_id, effect.node) for effect in effects)
    for plan in wanted:
        for node in plan.charges:
            if (calls := begun[plan.run_id, node]) > 1:
                yield f"node '{node}' of '{plan.run_id}' was called {calls} times, and on_crash is fail"
    called = {(effect.run_id, effect.node, effect.attempt) for effect in effects}
    for run_id, events in kept.items():
        for event in events:
            if _tells_of_a_call(event) and (run_id, event.node_id, event.attempt) not in called:
                yield f"attempt {event.attempt} of '{event.node_id}' of '{run_id}' completed, and nobody was called"


def _of_keys(effects: Iterable[Effect]) -> Problems:
    """A node has one key, over all attempts, lives and retries of its run, and no other node has it."""
    keys: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for run_id, node, _, key in effects:
        first = run_id.removesuffix("-again") if run_id.startswith("retried-") else run_id
        keys[first, node].add(key)
    yield from (f"node {name} was called with the keys {found}" for name, found in keys.items() if len(found) > 1)
    owners = Counter(key for found in keys.values() for key in found)
    yield from (f"{count} nodes have the key {key}" for key, count in owners.items() if count > 1)


def _tells_of_a_call(event: Event) -> bool:
    is_own = event.node_id not in WITHOUT_NOTE and event.data.get("reused_from") is None
    return event.type is EventType.PIPELINE_NODE_COMPLETED and is_own
