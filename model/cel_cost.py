"""What evaluating a CEL expression would cost, told before the library, which nobody can interrupt, is asked.

The library copies: each item a macro visits, each part a path selects, with every `+` all that was added up, and at
every visit of a map or filter all that it has built. So the work is counted in values, nested ones included:

1. Converting what is named: CONVERT for each value, CONVERT_ENTRY for each entry of a mapping.
2. A mention costs all its values; a `+` all that its expression names.
3. A macro does what its body does as often as its collection has items, at most as the largest that can be reached.
   A map copies the results of all its visits at each of them, a filter all items.
4. A macro over a part of an outer macro's variable visits no more than there is in all of it.
5. `matches` compiles its pattern at each call, and reads the text once for each of the pattern's positions.

Weak spot: it counts the worst that could happen, so of an `&&` both sides, whether the second is evaluated or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from playbill.model.cel_shape import all_paths, spans_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from playbill.model.cel_paths import Keys
    from playbill.model.cel_patterns import PatternCost
    from playbill.model.cel_shape import Macro, Span

__all__ = ["MAX_VALUES", "MAX_VISITS", "Cost", "Measure", "measure"]

MAX_VISITS: Final = 100_000
"""Items that all macros of an expression may visit."""
MAX_VALUES: Final = 1_000_000
"""Values that an evaluation may copy or look at, a fraction of a microsecond each."""
CONVERT: Final = 5
"""Handing a value to the library takes as long as copying so many in it,"""
CONVERT_ENTRY: Final = 10
"""and an entry of a mapping so many more."""
STRETCH: Final = 256
"""Characters of a text that are copied while one value is."""
MATCH: Final = 32
"""Values that are copied while a pattern of one position reads such a stretch."""
FEW: Final = 50
"""As many values need not be told apart by the paths that lead to them."""
SCALARS: Final = frozenset({int, float, bool, type(None)})
SINGLE: Final = SCALARS | {str}


class Measure(NamedTuple):
    """How much there is to be reached from a value."""

    values: int
    """With nested ones, and long texts counted by their stretches; MAX_VALUES + 1: that or more."""
    largest: int
    """Items of the largest collection."""
    entries: int
    """Of all mappings."""


@dataclass(slots=True)
class _Weight:
    """What one evaluation of a span comes to."""

    work: float
    size: float
    """Values of its result at most."""
    visits: float = 0


@dataclass(frozen=True, slots=True)
class _Scales:
    """What all spans of one evaluation are weighed with."""

    paths: Mapping[Keys, int]
    largest: int
    patterns: Mapping[str, PatternCost]

    def weigh(self, span: Span, bound: Mapping[str, float]) -> _Weight:
        """Weigh one evaluation; `bound` says how many values an item of each outer macro has."""
        size = sum(self.paths[path] for path in span.paths) + sum(bound[name] for name in span.bound)
        whole = _Weight(size + span.literals, size + span.elements)
        for macro in span.macros:
            self._add(macro, whole, bound)
        whole.work += whole.size * span.pluses
        for pattern in span.patterns:
            cost = self.patterns[pattern]
            whole.work += cost.compiling + cost.positions * MATCH * max(1.0, whole.size)
        return whole

    def _add(self, macro: Macro, whole: _Weight, bound: Mapping[str, float]) -> None:
        """Add a macro's weight to that of the span it stands in."""
        walked = bound[macro.over] if macro.over else whole.size
        items = self.largest * (1 + macro.pluses_before)
        body = self.weigh(macro.body, {**bound, macro.variable: walked / items})
        visited = min(items, walked) if macro.over else items
        whole.visits += visited * max(1.0, body.visits)
        built = {"map": items * max(1.0, body.size), "filter": walked}.get(macro.name, 0.0)
        # Where a visit costs more the larger the outer item is, all of them may be in the largest one.
        uneven = built or macro.over in macro.body.bound
        whole.work += (items if uneven else visited) * body.work + items * built
        whole.size += built + 1


class Cost:
    """Tells of one expression what an evaluation would cost.

    Args:
        span: The expression's shape.
        patterns: What each pattern of its `matches` costs, by its literal.
    """

    __slots__ = ("_is_simple", "_mentions", "_paths", "_patterns", "_span", "_written")

    def __init__(self, span: Span, patterns: Mapping[str, PatternCost]) -> None:
        self._span = span
        self._patterns = patterns
        self._paths = all_paths(span)
        self._mentions = len(span.paths)
        self._written = sum(each.elements + len(each.paths) + len(each.bound) for each in spans_in(span))
        self._is_simple = not (span.macros or span.pluses or span.patterns)

    def is_small(self, leaves: Iterable[object]) -> bool:
        """Tell whether there is nothing to count: no collection is named, and the expression itself makes none."""
        return self._is_simple and SINGLE.issuperset(map(type, leaves))

    def why_too_much(self, used: Mapping[str, Any]) -> str | None:
        """Tell in numbers why it may not be evaluated over these variables; None: it may.

        Args:
            used: What it is given: only what it names.
        """
        values, largest, entries = measure(used)
        converting = values * CONVERT + entries * CONVERT_ENTRY
        if self._is_simple and converting + values * self._mentions <= MAX_VALUES:
            return None
        if values > MAX_VALUES:
            return f"it is given more than {MAX_VALUES:,} values, nested ones counted"
        paths = {path: values if values <= FEW else _values_at(path, used) for path in self._paths}
        weight = _Scales(paths, max(largest, self._written, 1), self._patterns).weigh(self._span, {})
        work = weight.work + converting
        given = f"it is given {values:,} values, nested ones counted, in collections of up to {largest:,} items"
        if weight.visits > MAX_VISITS:
            return f"its macros might visit {weight.visits:,.0f} items, over {MAX_VISITS:,}: {given}"
        if work > MAX_VALUES:
            return f"it might copy and compare {work:,.0f} values, over {MAX_VALUES:,}: {given}"
        return None


def measure(value: object) -> Measure:
    """Count what can be reached from a value; what contains itself is endless, and so too much."""
    values, largest, entries, waiting = 1, 0, 0, [value]
    while waiting and values <= MAX_VALUES:
        item = waiting.pop()
        kind = type(item)
        # Exact types first: asking an abstract class takes longer than all the rest.
        if kind is dict or isinstance(item, Mapping):
            mapping = cast("Mapping[object, object]", item)
            entries += len(mapping)
            values += sum([len(key) for key in mapping if isinstance(key, str)]) // STRETCH
            items: Collection[object] = mapping.values()
        elif kind is list or isinstance(item, list | tuple):
            items = cast("Collection[object]", item)
        else:
            values += len(item) // STRETCH if isinstance(item, str | bytes) else 0
            continue
        largest = max(largest, len(items))
        values += len(items)
        if not SCALARS.issuperset(map(type, items)):
            waiting.extend([each for each in items if type(each) not in SCALARS])
    return Measure(min(values, MAX_VALUES + 1), largest, entries)


def _values_at(path: Keys, used: Mapping[str, Any]) -> int:
    """Count what the library copies when it follows a path: all that is below its first key."""
    value = used.get(path[0])
    if len(path) > 1 and isinstance(value, Mapping):
        value = cast("Mapping[str, Any]", value).get(path[1])
    return measure(value).values
