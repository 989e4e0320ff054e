"""Hypothesis strategies for what goes wrong: behaviours and fault plans; users import them from the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from playbill.model.breaker_keys import breaker_keys
from playbill.model.plan import BUILT_IN
from playbill.runtime.faults.behaviour import Behaviour, Duration, Ending
from playbill.runtime.faults.kinds import KINDS
from playbill.runtime.faults.plan import Behaviours, FaultPlan

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from playbill.model.definition import PipelineDefinition
    from playbill.runtime.faults.kinds import Fault

DATA: Final[tuple[dict[str, Any] | None, ...]] = (None, {"code": 3})
OUTPUTS: Final[tuple[dict[str, Any], ...]] = ({}, {"ok": True}, {"ok": False, "n": 3})
ERRORS: Final = ("ConnectionError", "OSError", "ValueError")
SECONDS: Final = st.sampled_from((0.0, 1.0, 0.2, 7.0))
SHARES: Final = st.sampled_from((1.0, 0.3, 0.05))
ANYWHERE: Final = (
    "raise", "slow", "hang", "lost", "late", "garbage", "ignore_cancel",
    "cancel", "pause", "clock_skew", "timer_late", "message_delay", "journal_slow", "journal_failing", "journal_full",
    "crash",
)  # fmt: skip
"""The faults that need no name of the pipeline's, the dullest first."""
FIELDS: Final[dict[str, SearchStrategy[Any]]] = {
    "probability": SHARES,
    "seconds": SECONDS,
    "times": st.integers(1, 2),
    "attempts": st.sampled_from(((1,), (2,), (1, 2))),
    "error": st.sampled_from(ERRORS),
    "retryable": st.booleans(),
    "at": SECONDS,
    "grace": SECONDS,
}
"""What is drawn of a fault whose kind has such a field."""


def behaviours() -> SearchStrategy[Behaviour]:
    """Draw what stands in for a handler: how long it takes, how it ends, how it takes being stopped."""
    fields: dict[str, SearchStrategy[Any]] = {
        "duration": _durations(),
        "outcomes": st.lists(_endings(), min_size=1, max_size=3).map(tuple),
        "cleanup": _durations(),
        "ignores_cancel": st.booleans(),
        "ignores_kill": st.booleans(),
    }
    return st.fixed_dictionaries({}, optional=fields).map(Behaviour.model_validate)


def _durations() -> SearchStrategy[Duration]:
    constant = st.builds(Duration, constant=SECONDS)
    uniform = st.tuples(SECONDS, SECONDS).map(lambda pair: Duration(uniform=(min(pair), max(pair))))
    return constant | uniform | st.builds(Duration, exponential=SECONDS)


def _endings() -> SearchStrategy[Ending]:
    given = st.builds(Ending, output=st.sampled_from(OUTPUTS))
    failed = st.builds(Ending, error=st.sampled_from(ERRORS), retryable=st.booleans(), data=st.sampled_from(DATA))
    return given | failed | st.just(Ending(hangs=True))


@st.composite
def fault_plans(draw: DrawFn, definition: PipelineDefinition | None = None, *, crash: bool = True) -> FaultPlan:
    """Draw a fault plan: faults, and behaviours of the nodes that have a handler.

    Args:
        draw: Hypothesis brings it.
        definition: the pipeline it is for; without one it names no nodes.
        crash: whether the runtime itself may die.
    """
    faults = draw(st.lists(_faults(definition, crash=crash), max_size=3).map(tuple))
    handlers = [] if definition is None else [node.id for node in definition.nodes if node.type not in BUILT_IN]
    nodes = draw(st.fixed_dictionaries({}, optional={node: behaviours() for node in handlers}))
    default = draw(st.none() | behaviours())
    buggify = draw(st.sampled_from((0.0, 0.25)))
    return FaultPlan(faults=faults, behaviours=Behaviours(nodes=nodes, default=default), buggify=buggify)


@st.composite
def _faults(draw: DrawFn, definition: PipelineDefinition | None, *, crash: bool) -> Fault:
    """Draw one fault: of its kind's fields those that are in FIELDS, and the names that the pipeline has."""
    nodes = [] if definition is None else [node for node in definition.nodes if node.type not in BUILT_IN]
    keys = [] if definition is None else sorted(breaker_keys(definition))
    kinds = [kind for kind in (*ANYWHERE, *(["breaker"] if keys else [])) if crash or kind != "crash"]
    kind = draw(st.sampled_from(kinds))
    model = KINDS[kind]
    fields = {name: strategy for name, strategy in FIELDS.items() if name in model.model_fields}
    if nodes and "node" in model.model_fields:
        fields["node"] = st.sampled_from([node.id for node in nodes])
    said: dict[str, Any] = {"fault": kind, **draw(st.fixed_dictionaries({}, optional=fields))}
    if kind == "breaker":
        said |= {"breaker": draw(st.sampled_from(keys)), "state": draw(st.sampled_from(("forced_open", "disabled")))}
    return model.model_validate(said)
