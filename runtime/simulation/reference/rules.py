"""What a definition says, read once more and plainly: nothing here is taken from the plan that the machines work by.

The reference model (whole.py) lives by these rules; so a plan that says something else is found out, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from playbill.model.errors import NodeConfigError
from playbill.model.expressions import (
    CONDITION_ROOTS,
    EDGE_ROOTS,
    Condition,
    compile_condition,
    merge_inputs,
)
from playbill.model.fields import MAX_SECONDS, seconds_of
from playbill.model.graph import topological_order
from playbill.model.kinds import BETWEEN
from playbill.model.policies import BreakerPolicy, RetryPolicy
from playbill.model.templates import Template, compile_template
from playbill.model.wording import clip

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.model.definition import PipelineDefinition, PipelineEdge, PipelineNode
    from playbill.model.facts import Failure, Inputs, Output
    from playbill.model.plan import Plan
    from playbill.model.targets import CompiledTarget

OWN_WORK: Final = frozenset({"trigger", "parallel", "condition", "delay"})
"""The types whose work the node itself does."""


@dataclass(slots=True)
class EdgeRules:
    """What an edge says."""

    index: int
    name: str
    source: str
    target: str
    to_any: bool
    when: str
    wanted: bool | None
    """The result that its condition node must have given."""
    condition: Condition | None


@dataclass(slots=True)
class NodeRules:
    """What a node says, with the defaults of its pipeline."""

    id: str
    kind: str
    """Its type if it does its work itself, else `handler`."""
    edges: list[EdgeRules]
    sources: list[str]
    """Of the edges into it."""
    joins_any: bool
    retry: RetryPolicy
    timeout: float | None
    idle_timeout: float | None
    total_timeout: float | None
    grace: float
    has_grace: bool
    """Its own, not the manager's."""
    breaker: str | None
    target: str
    target_at: CompiledTarget | None
    waits_open: bool
    commits: bool
    continues: bool
    takes_slot: bool
    threaded: bool
    condition: Condition | None
    seconds: Any
    """Of a delay: a number, or the template of one."""
    leads_on: tuple[int, ...] | None
    """The indexes of its edges, if its success makes all of them live whatever it gives."""


@dataclass(slots=True)
class RunRules:
    """What a pipeline says."""

    plan: Plan
    definition: PipelineDefinition
    nodes: dict[str, NodeRules]
    """In topological order."""
    roots: list[str]
    finishes: bool
    """A failure lets the other branches go on."""
    grace: float
    kill_bound: float

    def variables(self, inputs: Inputs, trigger: Output) -> dict[str, Any]:
        """Return what expressions see of these inputs."""
        ordered = {node: inputs[node] for node in self.nodes if node in inputs}
        own = {node: output for node, output in ordered.items() if self.nodes[node].kind != "condition"}
        return {"inputs": ordered, "input": merge_inputs(own), "trigger": dict(trigger)}


class _Same:
    """A plan as a key: itself, not what is equal to it."""

    __slots__ = ("plan",)

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __hash__(self) -> int:
        return id(self.plan)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.plan is self.plan


def rules_of(plan: Plan) -> RunRules:
    """Return what the definition of a plan says; read once for all seeds."""
    return _rules(_Same(plan))


@lru_cache(maxsize=128)
def _rules(key: _Same) -> RunRules:
    plan, definition = key.plan, key.plan.definition
    by_id = {node.id: node for node in definition.nodes}
    order = topological_order(by_id, [(edge.from_node, edge.to_node) for edge in definition.edges])
    outgoing: dict[str, list[EdgeRules]] = {node: [] for node in order}
    sources: dict[str, list[str]] = {node: [] for node in order}
    for index, written in enumerate(definition.edges):
        edge = _edge(index, written, by_id)
        outgoing[edge.source].append(edge)
        sources[edge.target].append(edge.source)
    nodes = {node: _node(by_id[node], plan, outgoing[node], sources[node]) for node in order}
    roots = [node for node in order if not sources[node]]
    finishes = definition.on_failure == "finish"
    return RunRules(plan, definition, nodes, roots, finishes, plan.stop.grace, plan.stop.kill_bound)


def _edge(index: int, edge: PipelineEdge, by_id: Mapping[str, PipelineNode]) -> EdgeRules:
    text = None if edge.condition is None else edge.condition.strip()
    source, target = by_id[edge.from_node], by_id[edge.to_node]
    wanted = condition = None
    if text is not None and source.type == "condition" and text.lower() in {"true", "false"}:
        wanted = text.lower() == "true"
    elif edge.condition is not None:
        condition = compile_condition(edge.condition, predecessors=(source.id,), roots=EDGE_ROOTS)
    to_any = target.join == "any"
    return EdgeRules(index, edge.arrow, source.id, target.id, to_any, edge.when, wanted, condition)


def _node(node: PipelineNode, plan: Plan, edges: list[EdgeRules], sources: list[str]) -> NodeRules:
    definition = plan.definition
    defaults = definition.defaults
    works_itself = node.type in OWN_WORK
    condition = None
    if node.type == "condition":
        condition = compile_condition(str(node.config["condition"]), predecessors=sources, roots=CONDITION_ROOTS)
    return NodeRules(
        id=node.id,
        kind=node.type if works_itself else "handler",
        edges=edges,
        sources=sources,
        joins_any=node.join == "any",
        retry=_retry_of(node, defaults.retry or RetryPolicy()),
        timeout=node.timeout or defaults.timeout,
        idle_timeout=node.idle_timeout or defaults.idle_timeout,
        total_timeout=node.total_timeout or defaults.total_timeout,
        grace=plan.stop.grace if node.grace is None else node.grace,
        has_grace=node.grace is not None,
        breaker=None if works_itself or node.breaker == "none" else node.breaker or node.type,
        target=plan.nodes[node.id].target,
        target_at=plan.nodes[node.id].target_at,
        waits_open=node.on_open == "wait",
        commits=node.on_crash == "fail",
        continues=node.on_error == "continue",
        takes_slot=definition.max_concurrency is not None and not works_itself,
        threaded=plan.nodes[node.id].threaded,
        condition=condition,
        seconds=_delay(node.config["seconds"]) if node.type == "delay" else 0.0,
        leads_on=_leads_on(node, edges),
    )


def _delay(written: Any) -> float | Template:
    return compile_template(written, ("input", "inputs", "trigger", "run")) or delay_seconds(written)


def _leads_on(node: PipelineNode, edges: list[EdgeRules]) -> tuple[int, ...] | None:
    if node.type == "condition" or any(edge.condition is not None or edge.when == "failure" for edge in edges):
        return None
    return tuple(edge.index for edge in edges)


def delay_seconds(given: Any) -> float:
    """Return the seconds that a template gave.

    Raises:
        NodeConfigError: it gave none.
    """
    try:
        seconds = -1.0 if isinstance(given, bool) else float(_number(given))
    except (TypeError, ValueError, OverflowError):
        seconds = -1.0
    if not 0 <= seconds <= MAX_SECONDS:  # of nan, too
        shown = "null" if given is None else clip(repr(given), 60)
        rule = f"a number of seconds, 0 to {MAX_SECONDS:g}"
        raise NodeConfigError(f"config.seconds: {shown} is not a length of time: {rule}")
    return seconds


def _number(given: Any) -> Any:
    try:
        return float(given)
    except ValueError:
        return seconds_of(given)  # a text with its unit


# ---- arithmetic -----------------------------------------------------------------------------------------------


def _retry_of(node: PipelineNode, default: RetryPolicy) -> RetryPolicy:
    """Return how often it may begin; one that fails in a crash does so once, if it does not write how often."""
    own = node.retry
    writes = own is not None and "max_attempts" in own.model_fields_set
    policy = own or default
    return policy if writes or node.on_crash != "fail" else policy.model_copy(update={"max_attempts": 1})


def is_retried(retry: RetryPolicy, failure: Failure) -> bool:
    """Tell whether a failure may be tried again at all."""
    if set(failure.kinds) & set(retry.never):
        return False
    if not retry.on:
        return failure.retryable
    each = [[*kinds] for between, kinds in groupby(failure.kinds, lambda kind: kind == BETWEEN) if not between]
    return bool(each) and all(set(kinds) & set(retry.on) for kinds in each)


def back_off(retry: RetryPolicy, attempts: int, draw: float, asked_for: float | None) -> float:
    """Return the seconds between attempt `attempts` and the next."""
    if asked_for is not None and asked_for >= 0:  # not a number: its own back-off
        longest = retry.max_retry_after
        return min(asked_for, retry.cap if longest is None else longest)
    return _grown(retry.base, retry.factor, attempts, retry.cap) * (1 + retry.jitter * (2 * draw - 1))


def open_seconds(policy: BreakerPolicy, openings: int, draw: float) -> float:
    """Return how long a circuit stays open, the `openings`-th time in a row."""
    grown = _grown(policy.open_seconds, policy.open_factor, openings, policy.open_cap_seconds)
    return grown * (1 + policy.jitter * (2 * draw - 1))


def _grown(first: float, factor: float, step: int, cap: float) -> float:
    """Return the `step`-th length, each so many times the one before, up to a cap."""
    try:
        return min(cap, first * factor ** (step - 1))
    except OverflowError:
        return cap if first else 0.0


@dataclass(slots=True)
class Call:
    """A call in the window of a circuit."""

    at: float
    failed: bool
    slow: bool


def in_window(policy: BreakerPolicy, calls: list[Call], now: float) -> list[Call]:
    """Return those of the calls that the window still holds."""
    if policy.window_calls is not None:
        return calls[-policy.window_calls :]
    seconds = policy.window_seconds
    return calls if seconds is None else [call for call in calls if call.at > now - seconds]


def rates_trip(policy: BreakerPolicy, calls: list[Call]) -> bool:
    """Tell whether too large a share of the calls in the window failed, or was slow."""
    if len(calls) < policy.minimum_calls:
        return False
    failed, slow = (sum(call.failed for call in calls), sum(call.slow for call in calls))
    limits = ((failed, policy.failure_rate), (slow, policy.slow_rate))
    return any(limit is not None and count / len(calls) >= limit for count, limit in limits)
