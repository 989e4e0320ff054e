"""Shrinks a finding: graph, trigger data, faults and schedule together, as long as the same invariant breaks.

The story stays the same: the text apart from its numbers, and that a fault fired if one had. A user's property speaks
of the whole pipeline: no edge is cut and no node is removed, but for those behind the event where it did not hold.

Source: delta debugging (Zeller, Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002), over the
tape's numbers as in Hypothesis.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from playbill.model.errors import DefinitionError
from playbill.runtime.simulation.checks.properties import Always

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playbill.runtime.simulation.outcomes.seed import Finding
    from playbill.runtime.simulation.study import Study

MAX_RUNS: Final = 1_000
NUMBER: Final = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
NO_LANES: Final[dict[str, list[int]]] = {}


class Shrinker:
    """Makes one finding smaller.

    Args:
        study: what was run.
        finding: what went wrong.
        max_runs: how many tries it has.
    """

    def __init__(self, study: Study, finding: Finding, max_runs: int = MAX_RUNS) -> None:
        self.study = study
        self.finding: Finding = finding
        self.runs = 0
        self._max_runs = max_runs

    def shrink(self) -> tuple[Study, Finding]:
        """Return the smallest study and finding it came to; at least as small as what it was given."""
        size = None
        while size != self._size() and self.runs < self._max_runs:
            size = self._size()
            self._smaller_studies()
            self._smaller_tapes()
        return self.study, self.finding

    def _size(self) -> tuple[int, ...]:
        return _size_of(self.study, self.finding)

    def _try(self, study: Study, lanes: dict[str, list[int]]) -> bool:
        """Keep a smaller one if the same invariant breaks."""
        if self.runs >= self._max_runs:
            return False
        self.runs += 1
        try:
            found = study.tape(lanes).finding
        except DefinitionError:  # what is left is no pipeline
            return False
        if found is None or not _is_the_same(found, self.finding) or _size_of(study, found) >= self._size():
            return False
        self.study, self.finding = study, found
        return True

    # ---- graph, data, faults ----------------------------------------------------------------------------------

    def _smaller_studies(self) -> None:
        again = True
        while again:
            again = any(
                self._try(study, lanes) for study in self._candidates() for lanes in (self.finding.lanes, NO_LANES)
            )

    def _candidates(self) -> Iterator[Study]:
        yield from self._fewer_faults()
        yield from self._less_graph()

    def _fewer_faults(self) -> Iterator[Study]:
        """Leave faults out, and make those that are left certain: then no tape has to say that they happen."""
        study, faults = self.study, self.study.faults
        if faults.buggify:
            yield study.variant(faults=faults.changed(buggify=0.0))
        for place, fault in enumerate(faults.faults):
            before, after = faults.faults[:place], faults.faults[place + 1 :]
            yield study.variant(faults=faults.changed(faults=(*before, *after)))
            for certain in fault.certain():
                yield study.variant(faults=faults.changed(faults=(*before, certain, *after)))

    def _less_graph(self) -> Iterator[Study]:
        study, definition = self.study, self.study.definition
        ours = self.finding.invariant not in _properties_of(study)
        for node in reversed(definition.nodes):
            if not ours and not self._is_behind(node.id):
                continue
            nodes = [other for other in definition.nodes if other.id != node.id]
            edges = [edge for edge in definition.edges if node.id not in {edge.from_node, edge.to_node}]
            if nodes:
                yield study.variant(definition=definition.model_copy(update={"nodes": nodes, "edges": edges}))
        for place in range(len(definition.edges) if ours else 0):
            edges = definition.edges[:place] + definition.edges[place + 1 :]
            yield study.variant(definition=definition.model_copy(update={"edges": edges}))
        for key in study.trigger_data:
            data = {name: value for name, value in study.trigger_data.items() if name != key}
            yield study.variant(trigger_data=data)

    def _is_behind(self, node: str) -> bool:
        """Tell whether nothing comes after a node, and a property that is broken at one event does not name it."""
        study, name = self.study, self.finding.invariant
        broken = [rule for rule in study.faults.properties if rule.name == name]
        local = all(rule.always is not None for rule in broken)
        local &= all(isinstance(rule, Always) for rule in study.properties if rule.name == name)
        named = {node for rule in broken for _, node in rule.nodes()}
        return local and node not in named and all(edge.from_node != node for edge in study.definition.edges)

    # ---- the tape ---------------------------------------------------------------------------------------------

    def _smaller_tapes(self) -> None:
        for lane in list(self.finding.lanes):
            self._replace(lane, [])
            self._cut(lane)
            self._zero(lane)

    def _replace(self, lane: str, values: list[int]) -> bool:
        if self.finding.lanes.get(lane, []) == values:
            return False
        return self._try(self.study, {**self.finding.lanes, lane: values})

    def _cut(self, lane: str) -> None:
        """Drop the end, by halves."""
        step = len(self.finding.lanes.get(lane, ())) // 2
        while step:
            values = self.finding.lanes.get(lane, [])
            if not self._replace(lane, values[: max(0, len(values) - step)]):
                step //= 2

    def _zero(self, lane: str) -> None:
        """Make stretches dull, then single numbers."""
        width = max(1, len(self.finding.lanes.get(lane, ())) // 2)
        while width:
            for start in range(0, len(self.finding.lanes.get(lane, ())), width):
                values = list(self.finding.lanes.get(lane, ()))
                if any(values[start : start + width]):
                    values[start : start + width] = [0] * len(values[start : start + width])
                    self._replace(lane, values)
            width //= 2


def _is_the_same(found: Finding, finding: Finding) -> bool:
    """Tell whether two findings tell the same story."""
    texts = (NUMBER.sub("0", found.text), NUMBER.sub("0", finding.text))
    return found.invariant == finding.invariant and texts[0] == texts[1] and found.fired >= finding.fired


def _properties_of(study: Study) -> set[str]:
    return {rule.name for rule in study.properties} | {rule.name for rule in study.faults.properties}


def _size_of(study: Study, finding: Finding) -> tuple[int, ...]:
    """Return what shrinking makes smaller, the most important first."""
    definition, faults, lanes = study.definition, study.faults, finding.lanes.values()
    return (
        len(definition.nodes) + len(definition.edges),
        len(study.trigger_data),
        len(faults.faults) + bool(faults.buggify),
        sum(fault.probability < 1.0 for fault in faults.faults),
        sum(map(len, lanes)),
        sum(map(sum, lanes)),
    )
