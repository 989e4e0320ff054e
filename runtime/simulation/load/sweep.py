"""Varies one parameter of a load: the same arrivals against each value."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.breaker_keys import breaker_keys
from playbill.model.definition import definition_from
from playbill.model.diagnostics import did_you_mean, list_names
from playbill.model.errors import DefinitionError, Problem
from playbill.runtime.simulation.load.engine import check_load, simulate_load
from playbill.runtime.simulation.load.plan import load_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from playbill.model.definition import PipelineDefinition
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.simulation.load.outcome import LoadOutcome
    from playbill.runtime.simulation.load.plan import LoadPlan

__all__ = ["Point", "Variant", "sweep", "variants"]

ROOTS: Final = {
    "max_concurrency": "max_concurrency",
    "timeout": "timeout",
    "breakers": "breakers.<key>.<field>",
    "nodes": "nodes.<id>.<field>",
    "arrivals": "arrivals.<field> or arrivals.<name or number>.<field>",
    "behaviours": "behaviours.nodes.<id>.<field>",
}
"""What a path may begin with, and how it goes on."""
KINDS: Final = ("poisson", "bursts", "constant", "recorded")


@dataclass(frozen=True, slots=True)
class Variant:
    """A load with one value in its place."""

    value: Any
    definition: PipelineDefinition
    plan: LoadPlan


@dataclass(frozen=True, slots=True)
class Point:
    """What came of one value."""

    value: Any
    outcome: LoadOutcome


def variants(definition: PipelineDefinition, plan: LoadPlan) -> list[Variant]:
    """Return the load with each value of its sweep in its place.

    Raises:
        DefinitionError: there is no such parameter, or it cannot have such a value; names both.
    """
    found: list[Variant] = []
    for path, values in plan.sweep.items():
        for value in values:
            try:
                found.append(_variant(definition, plan, path, value))
            except DefinitionError as error:
                problems = [Problem(each.code, f"sweep.{path}", f"{value!r}: {each}") for each in error.problems]
                raise DefinitionError(f"sweep of '{path}'", problems) from error
    return found


def sweep(
    definition: PipelineDefinition,
    plan: LoadPlan,
    *,
    jobs: int = 1,
    trigger_data: Mapping[str, Any] | None = None,
    faults: FaultPlan | None = None,
    allow: Collection[str] | None = (),
    report: Callable[[int], None] = lambda _: None,
) -> list[Point]:
    """Simulate the load with each value, in `jobs` processes; `report` is told how many are done.

    Raises:
        DefinitionError: see `variants` and `simulate_load`; before anything runs.
    """
    every = variants(definition, plan)
    for variant in every:
        check_load(variant.definition, variant.plan, faults)
    run = partial(_run, trigger_data=trigger_data, faults=faults, allow=allow)
    points: list[Point] = []
    for variant, outcome in zip(every, _outcomes(run, every, jobs), strict=True):
        points.append(Point(variant.value, outcome))
        report(len(points))
    return points


def _outcomes(run: Callable[[Variant], LoadOutcome], every: list[Variant], jobs: int) -> Iterator[LoadOutcome]:
    if jobs == 1 or len(every) == 1:
        yield from map(run, every)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(every)), context, initializer=_prepare, initargs=(sys.path,)) as pool:
        yield from pool.map(run, every)


def _prepare(path: list[str]) -> None:
    sys.path[:] = path


def _run(variant: Variant, **options: Any) -> LoadOutcome:
    return simulate_load(variant.definition, variant.plan, **options)


# ---- putting a value in its place ------------------------------------------------------------------------------


def _variant(definition: PipelineDefinition, plan: LoadPlan, path: str, value: Any) -> Variant:
    root, _, rest = path.partition(".")
    if root not in ROOTS or bool(rest) is not ("<" in ROOTS[root]):
        text = f"unknown parameter '{path}'{did_you_mean(root, ROOTS)}; parameters are: {list_names(ROOTS.values())}"
        raise DefinitionError.single("unknown-parameter", path, text)
    pipeline = definition.model_dump(by_alias=True, exclude_unset=True)
    load = plan.model_dump(exclude_unset=True, exclude={"sweep"})
    if root == "breakers":
        keys = breaker_keys(definition) | definition.breakers.keys()
        key, field = _name("breaker", rest, keys)
        _put(pipeline.setdefault("breakers", {}).setdefault(key, {}), field, value)
    elif root == "nodes":
        node, field = _name("node", rest, [node.id for node in definition.nodes])
        _put(next(each for each in pipeline["nodes"] if each["id"] == node), field, value)
    elif root == "arrivals":
        _put_arrival(load["arrivals"], rest, value)
    elif root == "behaviours":
        _put(load.setdefault("behaviours", {}), rest, value)
    else:
        pipeline[root] = value
    return Variant(value, definition_from(pipeline), load_plan(load))


def _name(word: str, rest: str, names: Iterable[str]) -> tuple[str, str]:
    """Split a path behind a name, which may hold dots itself."""
    every = sorted(names, key=len, reverse=True)
    for name in every:
        if rest.startswith(f"{name}.") and len(rest) > len(name) + 1:
            return name, rest[len(name) + 1 :]
    name = rest.partition(".")[0]
    if name in every:
        text = f"name a field of {word} '{name}', such as {word}s.{name}.timeout"
        raise DefinitionError.single("unknown-parameter", rest, text)
    text = f"unknown {word} '{name}'{did_you_mean(name, every)}; there are: {list_names(sorted(every), 30)}"
    raise DefinitionError.single(f"unknown-{word}", rest, text)


def _put(data: dict[str, Any], path: str, value: Any) -> None:
    """Set the field at a path, whatever is on the way; what it makes is validated afterwards."""
    name, _, rest = path.partition(".")
    if not rest:
        data[name] = value
        return
    inner = data.get(name)
    data[name] = dict(cast("dict[str, Any]", inner)) if isinstance(inner, dict) else {}
    _put(data[name], rest, value)


def _put_arrival(sources: Iterable[dict[str, Any]], rest: str, value: Any) -> None:
    """Set a field of one source: the only one, or the one named or numbered (from 1)."""
    every = list(sources)
    names = {str(source.get("name") or number): source for number, source in enumerate(every, 1)}
    name, _, field = rest.partition(".")
    if name in names and field:
        source = names[name]
    elif len(every) == 1:
        source, field = every[0], rest
    else:
        hint = f"write arrivals.<one of {list_names(names)}>.<field>"
        text = f"'{rest}' does not say which of {len(every)} sources: {hint}"
        raise DefinitionError.single("unknown-parameter", rest, text)
    kind = next(kind for kind in KINDS if source.get(kind) is not None)
    source[kind] = dict(source[kind])
    _put(source[kind], field.removeprefix(f"{kind}."), value)
