"""Drawn studies: valid pipelines of all that a definition can say, with faults and a policy, each by its number.

Two of three have faults that are CALM: they make nothing late of what carries mail and timers, and do not crash. The
third has all there are, and half of it actors of ours that fail.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final, TypeVar

import playbill
from playbill.model.breaker_keys import breaker_keys
from playbill.model.plan import BUILT_IN
from playbill.runtime.faults.plan import EVERYTHING, FaultPlan, fault_plan
from playbill.runtime.options import SimulatedOptions
from playbill.runtime.simulation.study import Study
from tests.soak.drawn_faults import FAILING, behaviour, calm_faults, timed_faults
from tests.soak.handlers import HANDLERS

T = TypeVar("T")
Said = dict[str, Any]

DRAWN: Final = 48
STANDS_IN: Final = ("command", "soak_threaded", "soak_declared", "python", "isolated")
"""Where a behaviour stands in for the handler; `isolated` is a threaded node in a process of its own."""
COROUTINES: Final = (
    "soaks", "stubborn_soak", "soak_fails", "soak_fails", "soak_beats", "soak_varies", "soak_varies", "soak_polls",
    "soak_swallows", "soak_endless",
)  # fmt: skip
TRANSPARENT: Final = ("parallel", "delay", "delay", "condition", "condition")
BY_HAND: Final = ("soak_varies/x", "soak_varies/y", "soak_fails/x", "none")
"""Breakers that nodes name: circuits of a type, and none."""
DELAYS: Final = (
    0.0, 0.5, 2.0, 6.0, 0.0, 0.5, 2.0, 6.0,
    "${has(input.n) ? input.n : 1}", "${size(inputs)}", "${run.attempt + 1}", "${input.n - 2}", "${inputs}",
)  # fmt: skip
"""Two of the last three may be no length of time."""
POLICIES: Final = ("random", "random", "fifo", "pct:3")
SIZES: Final = (1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 8, 10, 12)
KINDS: Final = ("ConnectionError", "ValueError", "OSError", "", "0.3", "TimeoutError", "PermissionError")
TESTS: Final = (None, None, None, None, None, "true", "input.ok", "size(output) > 0", "has(output.n) && output.n < 3")
"""Of edges that do not leave a condition node."""
ERRING: Final = ("has(output.attempt) && 10 / (output.attempt - 2) < 100", "output.n < 3", "size(inputs)")
"""The same, where they err at run time: at the second attempt, without an n, always."""
CONDITIONS: Final = (
    "true", "false", "input.ok", "size(inputs) > 1", "has(input.n) && input.n < 3", "input.n < 3",
    "has(input.result)",
)  # fmt: skip
"""Of condition nodes; `input.n < 3` errs without an n; what a condition before gave is never in `input`."""
SECONDS_A_NODE: Final = 1.6
RETRIES: Final[tuple[Said, ...]] = (
    {"max_attempts": 1},
    {"max_attempts": 2, "base": 0.0},
    {"max_attempts": 3, "base": 0.5, "factor": 1.0, "jitter": 0.5, "max_retry_after": 0.4},
    {"max_attempts": 4, "base": 0.3, "factor": 3.0, "cap": 1.5, "jitter": 0.0, "never": ["OSError"]},
    {"max_attempts": 3, "base": 0.4, "on": ["ValueError"], "never": ["TimeoutError"]},
    {"max_attempts": 5, "base": 0.2, "cap": 2.0, "on": ["ValueError", "OSError", "NodeExecutionError"]},
)


class Draw:
    """Draws one study."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.random = Random(number)
        self.erring = self.often(0.25)
        """Whether conditions of edges may err at run time."""

    def often(self, share: float) -> bool:
        return self.random.random() < share

    def one(self, of: Sequence[T]) -> T:
        return self.random.choice(of)

    def some(self, choices: dict[str, tuple[float, Sequence[Any]]]) -> Said:
        """Draw each field with its share, and one of its values."""
        return {name: self.one(values) for name, (share, values) in choices.items() if self.often(share)}

    # ---- nodes ------------------------------------------------------------------------------------------------

    def node(self, index: int) -> Said:
        """Draw a node before its edges are known."""
        kinds = self.one((COROUTINES, COROUTINES, STANDS_IN, TRANSPARENT))
        kind = "trigger" if index == 0 and self.often(0.6) else self.one(kinds)
        said: Said = {"id": f"n{index}", "type": kind, "config": self.config(kind)}
        if kind == "isolated":
            said |= {"type": "soak_threaded", "isolation": "process"}
        said |= self.some({"join": (0.25, ["any"]), "on_error": (0.4, ["continue"])})
        if kind == "trigger":
            said.pop("join", None)
        if kind in BUILT_IN:
            return said | self.some({"total_timeout": (0.2, [0.8, 2.0, 5.0])})
        return said | self.some(
            {
                "on_open": (0.5, ["wait"]),
                "on_crash": (0.25, ["fail"]),
                "retry": (0.55, RETRIES),
                "timeout": (0.7 if kind == "soak_endless" else 0.4, [0.7, 1.5, 3.0]),
                "idle_timeout": (0.5 if kind == "soak_beats" else 0.2, [0.6, 1.2, 2.5]),
                "total_timeout": (0.35, [1.0, 2.5, 5.0, 9.0]),
                "grace": (0.45, [0.0, 0.3, 2.0, 8.0]),
                "breaker": (0.4, ["shared", "shared", "other", *BY_HAND]),
            }
        )

    def config(self, kind: str) -> Said:
        """Draw what a node of this type is told."""
        more: dict[str, Said] = {
            "delay": {"seconds": self.one(DELAYS)},
            "condition": {"condition": self.one(CONDITIONS)},
            "command": {"argv": ["true"]},
            "python": {"call": "tests.soak.handlers:give", "args": {"n": 1}},
            "soaks": self.some({"seconds": (0.5, [0.2, 2.0]), "cleanup": (0.5, [0.0, 1.5, 7.0])}),
            "stubborn_soak": {"swallows": self.one((1, 2, 4))},
            "soak_fails": {
                "first": [self.one(KINDS) for _ in range(self.one((0, 0, 1, 1, 2)))],
                **self.some({"share": (0.7, [0.1, 0.6, 1.0]), "then": (0.7, KINDS), "seconds": (0.5, [0.1, 1.0])}),
            },
            "soak_beats": {"gaps": [self.one((0.2, 0.5, 1.0)) for _ in range(self.random.randint(1, 4))]},
            "soak_varies": self.some(
                {"seconds": (0.5, [0.2, 2.0]), "label": (0.4, ["${size(inputs)}", "${inputs}", "x", "y"])}
            ),
            "soak_polls": self.some({"steps": (0.5, [2, 8]), "seconds": (0.3, [1.0])}),
            "soak_swallows": self.some({"seconds": (0.5, [0.5, 5.0]), "more": (0.5, [0.2, 3.0, 9.0])}),
            "soak_endless": {"attempts": self.one((2, 3, 9))},
        }
        return more.get(kind, {})

    # ---- edges ------------------------------------------------------------------------------------------------

    def edges(self, index: int, nodes: Sequence[Said]) -> Iterator[Said]:
        """Draw the edges into a node from those before it, none twice."""
        node = nodes[index]
        if index == 0 or node["type"] == "trigger" or self.often(0.08):
            return
        seen: set[tuple[Any, ...]] = set()
        for _ in range(self.one((1, 1, 2, 2, 3))):
            source = nodes[max(0, index - self.one((1, 1, 2, 3, 4)))]
            edge: Said = {"from": source["id"], "to": node["id"]}
            works = source["type"] not in BUILT_IN
            edge |= self.some(
                {"when": (0.35 if works else 0.1, ["failure", "always", "always"] if works else ["always"])}
            )
            edge |= {} if (test := self.test(source)) is None else {"condition": test}
            if (key := tuple(edge.values())) not in seen:
                seen.add(key)
                yield edge

    def test(self, source: Said) -> str | None:
        """Draw the condition of an edge."""
        if source["type"] == "condition":
            return self.one((None, "true", "false", "true", "false"))
        if source["type"] in BUILT_IN:
            return self.one((None, None, None, "size(inputs) >= 0", "has(trigger.amount) && trigger.amount > 5"))
        return self.one(ERRING if self.erring and self.often(0.15) else TESTS)

    def name_a_predecessor(self, node: Said, edges: Sequence[Said]) -> None:
        """Let some condition nodes ask for the output of one before."""
        before = [edge["from"] for edge in edges if edge["to"] == node["id"]]
        if node["type"] == "condition" and before and self.often(0.3):
            node["config"] = {"condition": self.one(before)}

    # ---- the pipeline -----------------------------------------------------------------------------------------

    def breaker(self) -> Said:
        """Draw a policy that opens soon, or lets few through."""
        said: Said = {"failures": self.random.randint(1, 3), "open_seconds": self.one((0.4, 1.0, 2.5, 5.0))}
        said |= self.some(
            {
                "open_factor": (0.4, [1.5, 3.0]),
                "open_cap_seconds": (0.4, [6.0, 12.0]),
                "jitter": (0.3, [0.3, 1.0]),
                "half_open_permits": (0.5, [2, 3]),
                "half_open_max_wait_seconds": (0.7, [0.3, 1.5, 4.0]),
                "max_concurrent": (0.4, [1, 1, 2]),
                "rate": (0.3, [0.5, 1.0, 3.0]),
            }
        )
        return said | self.window() if self.often(0.5) else said

    def window(self) -> Said:
        """Draw the rates over a window."""
        said: Said = {"minimum_calls": self.random.randint(1, 3)}
        said |= (
            {"window_calls": self.random.randint(3, 6)}
            if self.often(0.5)
            else {"window_seconds": self.one((3.0, 20.0))}
        )
        if self.often(0.6):
            said |= {"slow_call_seconds": self.one((0.5, 1.5)), "slow_rate": self.one((0.5, 1.0))}
        if "slow_rate" not in said or self.often(0.5):
            said["failure_rate"] = self.one((0.3, 0.6, 1.0))
        if self.often(0.6):
            said["failures"] = None
        return said

    def defaults(self) -> Said:
        """Draw what nodes have that do not say otherwise."""
        return self.some(
            {
                "retry": (0.5, RETRIES[1:]),
                "timeout": (0.4, [2.0, 4.0]),
                "idle_timeout": (0.3, [1.5, 4.0]),
                "total_timeout": (0.3, [4.0, 12.0]),
            }
        )

    def definition(self) -> playbill.PipelineDefinition:
        """Draw a pipeline."""
        nodes = [self.node(index) for index in range(self.one(SIZES))]
        edges = [edge for index in range(len(nodes)) for edge in self.edges(index, nodes)]
        for node in nodes:
            self.name_a_predecessor(node, edges)
        keys = sorted({str(node.get("breaker", node["type"])) for node in nodes if node["type"] not in BUILT_IN})
        keys = [key for key in keys if key != "none"]
        keys += [f"{key}/x" for key in keys if "/" not in key and self.often(0.2)]
        said: Said = {
            "name": f"drawn-{self.number:02}",
            "nodes": nodes,
            "edges": edges,
            "breakers": {key: self.breaker() for key in keys if self.often(0.85)},
            "timeout": self.one((4.0, 9.0, 20.0, 60.0, 300.0)),
            **self.some({"max_concurrency": (0.5, [1, 2, 3])}),
        }
        if self.often(0.5):
            said["on_failure"] = "finish"
        if self.often(0.4):
            said["defaults"] = self.defaults()
        if self.often(0.4):
            number = {"type": "number", "default": 3}
            said["inputs"] = {"type": "object", "properties": {"amount": number}}
        if self.often(0.4):
            texts = ("size(inputs)", "trigger.amount", f"inputs['{nodes[-1]['id']}'].n")
            said["outputs"] = {f"o{index}": self.one(texts) for index in range(self.random.randint(1, 2))}
        return playbill.PipelineDefinition.model_validate(said)

    # ---- the study --------------------------------------------------------------------------------------------

    def plan(self, definition: playbill.PipelineDefinition) -> FaultPlan:
        """Draw what goes wrong, and how the stand-ins behave."""
        span = min(definition.timeout, SECONDS_A_NODE * (1 + _depth(definition)))
        keys = sorted(breaker_keys(definition) | definition.breakers.keys())
        timed = list(timed_faults(self.random, span, keys))
        faults = timed if self.number % 3 == 2 else [*calm_faults(self.random), *timed]
        if self.number % 6 == 5:
            faults = [*faults, *FAILING]
        stands_in = [node.id for node in definition.nodes if node.type in STANDS_IN]
        behaviours = {"nodes": {node: behaviour(self.random) for node in stands_in}}
        drawn = fault_plan({"faults": faults, "behaviours": behaviours})
        return EVERYTHING.joined(drawn) if self.number % 3 == 2 else drawn

    def study(self) -> Study:
        """Draw it all."""
        definition = self.definition()
        plan = self.plan(definition)
        options: SimulatedOptions = {"types": HANDLERS}
        if self.often(0.4):
            options["grace"] = self.one((0.0, 1.0, 10.0))
        if self.often(0.3):
            options["kill_bound"] = self.one((0.1, 3.0))
        data = {"amount": 12} if self.often(0.5) else {}
        return Study(definition, data, plan, self.one(POLICIES), options=options)


def _depth(definition: playbill.PipelineDefinition) -> int:
    """Return the edges of the longest way."""
    depth = {node.id: 0 for node in definition.nodes}
    for edge in definition.edges:  # they come in the order of their targets, each behind its sources
        depth[edge.to_node] = max(depth[edge.to_node], depth[edge.from_node] + 1)
    return max(depth.values())


def drawn(number: int) -> Study:
    """Draw the study of a number."""
    return Draw(number).study()
