"""Hypothesis strategies for valid pipelines and their policies; users import them from the package.

    @given(st.data(), st.integers(0, 1000))
    def test_nothing_is_left_whatever_happens(data, seed):
        definition = data.draw(definitions())
        with Simulation(seed, faults=data.draw(fault_plans(definition))) as sim:
            sim.run(definition)

All shrink towards one parallel node, no edges, no faults. This package alone imports Hypothesis: extra `sim`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from hypothesis import strategies as st

from playbill.model.breaker_keys import breaker_keys
from playbill.model.definition import PipelineDefinition, PipelineEdge, PipelineNode
from playbill.model.plan import BUILT_IN
from playbill.model.policies import BreakerPolicy, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["breaker_policies", "definitions", "retry_policies"]

When: TypeAlias = Literal["success", "failure", "always"]
Link: TypeAlias = "tuple[int, When, int]"
"""How many nodes further back the source is, the edge's `when`, which condition."""
Step: TypeAlias = "tuple[str, Sequence[tuple[str, Any]], list[Link]]"
"""A node's type, what it says of itself, the edges into it."""

TYPES: Final = ("parallel", "command", "delay", "condition", "trigger")
"""The types that are drawn unless told otherwise; a command never runs simulated, a behaviour stands in for it."""
SECONDS: Final = (1.0, 0.3, 4.0, 30.0)
RETRIES: Final = (
    RetryPolicy(max_attempts=1),
    RetryPolicy(max_attempts=2, base=0.0),
    RetryPolicy(max_attempts=3, base=0.5, factor=1.0, jitter=0.5, max_retry_after=2.0),
    RetryPolicy(max_attempts=4, base=2.0, jitter=0.0, never=("OSError",)),
    RetryPolicy(max_attempts=3, base=1.0, on=("ValueError",)),
)
NODE_SETTINGS: Final[tuple[tuple[str, Any], ...]] = (
    ("join", "any"),
    ("on_error", "continue"),
    *(("total_timeout", seconds) for seconds in SECONDS),
    *(("retry", policy) for policy in RETRIES),
    *(("timeout", seconds) for seconds in SECONDS),
    *(("idle_timeout", seconds) for seconds in SECONDS),
    ("grace", 0.0),
    ("grace", 6.0),
    ("on_open", "wait"),
    ("on_crash", "fail"),
    ("breaker", "shared"),
)
"""What a node may say of itself, one field each."""
OF_ALL: Final = frozenset({"join", "on_error", "total_timeout"})
"""The fields that nodes without a handler have a use for."""
MAX_SETTINGS: Final = 5
MAX_LINKS: Final = 3
WHEN: Final[tuple[When, ...]] = ("success", "always", "failure")
CONDITIONS: Final = ("true", "false", "has(input.ok) && input.ok", "size(inputs) > 1")
"""Of condition nodes; besides, the outputs of those before."""
BRANCHES: Final = (None, "true", "false")
"""Of edges that leave a condition node."""
TESTS: Final = (None, None, "true", "has(input.ok) && input.ok", "size(output) > 0")
"""Of all other edges."""
SETTINGS: Final[tuple[tuple[str, Any], ...]] = (
    ("on_failure", "finish"),
    *(("max_concurrency", count) for count in (1, 2, 3)),
    *(("timeout", seconds) for seconds in (20.0, 3.0)),
)
"""What a pipeline may say of itself, one field each."""
LINKS: Final[tuple[Link, ...]] = tuple(
    sorted(product(range(4), WHEN, range(5)), key=lambda link: link[0] + WHEN.index(link[1]) + link[2])
)
"""Every link there is, the plain ones first: one choice each, for Hypothesis takes its time over many."""


def retry_policies() -> SearchStrategy[RetryPolicy]:
    """Draw retry policies of a few attempts and short waits."""
    return st.sampled_from(RETRIES)


def breaker_policies() -> SearchStrategy[BreakerPolicy]:
    """Draw breaker policies that open soon, or let few through."""
    fields: dict[str, SearchStrategy[Any]] = {
        "open_seconds": st.sampled_from(SECONDS),
        "half_open_permits": st.integers(1, 2),
        "half_open_max_wait_seconds": st.sampled_from(SECONDS),
        "max_concurrent": st.integers(1, 2),
        "rate": st.sampled_from((1.0, 0.2)),
    }
    return st.fixed_dictionaries({"failures": st.integers(1, 3)}, optional=fields).map(BreakerPolicy.model_validate)


@st.composite
def definitions(
    draw: DrawFn,
    *,
    max_nodes: int = 6,
    types: Collection[str] | Mapping[str, SearchStrategy[dict[str, Any]]] = TYPES,
    breakers: bool = True,
    name: str = "drawn",
) -> PipelineDefinition:
    """Draw a valid pipeline: conditions, joins, delays, failure edges, retries, timeouts, breakers, slots.

    Args:
        draw: Hypothesis brings it.
        max_nodes: how many nodes it has at most.
        types: the node types to use, the dullest first; as a mapping each with what draws its configs. Types of your
            own have an empty config unless it says otherwise.
        breakers: whether breakers have policies of their own.
        name: the pipeline's.
    """
    steps = draw(st.lists(_steps(tuple(types)), min_size=1, max_size=max_nodes))
    nodes: list[PipelineNode] = []
    edges: list[PipelineEdge] = []
    for kind, said, links in steps:
        node_id = _name(len(nodes))
        into = list(_edges(node_id, nodes, () if kind == "trigger" else links))
        config = draw(_config(kind, types, sorted({edge.from_node for edge in into})))
        nodes.append(PipelineNode(id=node_id, type=kind, config=config, **_settings(kind, said)))
        edges += into
    keys = sorted(breaker_keys(PipelineDefinition(nodes=nodes))) if breakers else []
    policies = st.fixed_dictionaries({}, optional={key: breaker_policies() for key in keys})
    settings: dict[str, Any] = dict(draw(st.lists(st.sampled_from(SETTINGS), max_size=2)))
    return PipelineDefinition(name=name, nodes=nodes, edges=edges, breakers=draw(policies), **settings)


def _name(index: int) -> str:
    return chr(ord("a") + index) if index < 26 else f"n{index}"  # noqa: PLR2004 (letters)


@cache
def _steps(types: tuple[str, ...]) -> SearchStrategy[Step]:
    """Draw a node before it knows those before it: a step that is dropped leaves the others as they were."""
    settings: SearchStrategy[Sequence[tuple[str, Any]]] = st.lists(
        st.sampled_from(NODE_SETTINGS), max_size=MAX_SETTINGS
    )
    return st.tuples(st.sampled_from(types), settings, st.lists(st.sampled_from(LINKS), max_size=MAX_LINKS))


def _settings(kind: str, said: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return what is set of a node; what only a handler has is left out of the others."""
    return {field: value for field, value in said if kind not in BUILT_IN or field in OF_ALL}


def _edges(target: str, nodes: Sequence[PipelineNode], links: Iterable[Link]) -> Iterator[PipelineEdge]:
    """Give the edges into a node from those before it, none twice."""
    seen: set[tuple[str, str | None, str]] = set()
    for back, when, choice in links if nodes else ():
        source = nodes[-1 - back % len(nodes)]
        texts = BRANCHES if source.type == "condition" else TESTS
        condition = texts[choice % len(texts)]
        if (source.id, condition, when) not in seen:
            seen.add((source.id, condition, when))
            yield PipelineEdge(from_node=source.id, to_node=target, condition=condition, when=when)


def _config(
    kind: str, types: Collection[str] | Mapping[str, SearchStrategy[dict[str, Any]]], before: Sequence[str]
) -> SearchStrategy[dict[str, Any]]:
    """Draw the config of a node that comes after `before`."""
    if isinstance(types, Mapping):
        return cast("Mapping[str, SearchStrategy[dict[str, Any]]]", types)[kind]
    if kind == "delay":
        return st.fixed_dictionaries({"seconds": st.sampled_from((0.0, 1.0, 10.0))})
    if kind == "condition":
        return st.fixed_dictionaries({"condition": st.sampled_from((*CONDITIONS, *before))})
    return st.just({"argv": ["true"]} if kind == "command" else {})
