"""What the program that is killed runs: pipelines drawn by a seed, each with the end that it must come to.

Only a node with `on_crash: fail` makes a difference between a run in which a process died and another one: it has a
second end. `again` is the run that is made of a plan's run, as a retry or a fork.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from random import Random
from typing import Any, Final, NamedTuple

from tests.soak.kills.handlers import drawn_text

Said = dict[str, Any]
LOG_LINES: Final = 1_200
"""More than are kept."""


class End(NamedTuple):
    """How a run ends."""

    status: str
    digest: str
    """Of its outputs."""


def end(status: str, outputs: Said) -> End:
    """Return the end with these outputs."""
    return End(status, sha256(json.dumps(outputs, sort_keys=True).encode()).hexdigest()[:16])


@dataclass(slots=True, kw_only=True)
class RunPlan:
    """One run, and what must come of it."""

    kind: str
    definition: Said
    outputs: Said = field(default_factory=dict[str, Any])
    data: Said = field(default_factory=dict[str, Any])
    status: str = "completed"
    run_id: str = ""
    crashed: Said | None = None
    """The outputs if a process died in its `on_crash: fail` node; None: such a death changes nothing."""
    again: Said | None = None
    """The outputs of the run that is made of it; None: none is."""
    charges: frozenset[str] = frozenset()
    """The nodes that must not begin twice."""
    logs: int | None = None
    """How many lines are kept of an attempt of its node `log`."""

    @property
    def ends(self) -> tuple[End, ...]:
        """The ends it may come to: the second only if a process died."""
        others = () if self.crashed is None else (end(self.status, self.crashed),)
        return (end(self.status, self.outputs), *others)


def node(name: str, kind: str, *after: str | Said, **more: Any) -> Said:
    """Return a node as it is written."""
    fields: Said = {field: more.pop(field) for field in ("on_crash", "retry", "timeout", "join") if field in more}
    return {"id": name, "type": kind, "config": more, "next": list(after), **fields}


def pipeline(name: str, *nodes: Said, **more: Any) -> Said:
    """Return a pipeline as it is written."""
    return {"name": name, "timeout": 600, "nodes": list(nodes), **more}


# ---- kinds ----------------------------------------------------------------------------------------------------


def chain(random: Random, kind: str = "chain", **more: Any) -> RunPlan:
    values = [random.randint(1, 99) for _ in range(random.randint(3, 6))]
    names = [f"a{place}" for place in range(len(values))]
    nodes = [
        node(name, "kills_add", *names[place + 1 : place + 2], n=value)
        for place, (name, value) in enumerate(zip(names, values, strict=True))
    ]
    written = pipeline(kind, node("start", "trigger", names[0]), *nodes, outputs={"sum": f"inputs.{names[-1]}.n"})
    return RunPlan(kind=kind, definition=written, outputs={"sum": sum(values)}, **more)


def fan(random: Random) -> RunPlan:
    values = [random.randint(1, 99) for _ in range(6)]
    kinds = ("kills_add", "kills_thread")
    leaves = [
        node(f"w{place}", random.choice(kinds), "end", n=value, seconds=random.uniform(0.0, 0.1))
        for place, value in enumerate(values)
    ]
    names = [leaf["id"] for leaf in leaves]
    first = (node("start", "trigger", "wide"), node("wide", "parallel", *names))
    written = pipeline("fan", *first, *leaves, node("end", "kills_add", n=7), outputs={"sum": "inputs.end.n"})
    return RunPlan(kind="fan", definition=written | {"max_concurrency": 3}, outputs={"sum": sum(values) + 7})


def choice(random: Random) -> RunPlan:
    amount = random.randint(1, 10)
    written = pipeline(
        "choice",
        node("start", "trigger", "large"),
        node("large", "condition", {"to": "yes", "condition": "true"}, {"to": "no", "condition": "false"},
             condition="trigger.amount > 5"),
        node("yes", "kills_add", "end", n=100),
        node("no", "kills_add", "end", n=10),
        node("end", "kills_add", join="any"),
        outputs={"sum": "inputs.end.n", "large": "has(inputs.yes)"},
    )  # fmt: skip
    outputs = {"sum": 101 if amount > 5 else 11, "large": amount > 5}
    return RunPlan(kind="choice", definition=written, data={"amount": amount}, outputs=outputs)


def delays(random: Random, kind: str = "delays") -> RunPlan:
    first, second = (round(random.uniform(0.1, 0.6), 2) for _ in range(2))
    written = pipeline(
        kind,
        node("start", "trigger", "wait"),
        node("wait", "delay", "a", seconds=first),
        node("a", "kills_add", "longer", n=3),
        node("longer", "delay", "b", seconds=second),
        node("b", "kills_add", n=4),
        outputs={"sum": "inputs.b.n"},
    )
    return RunPlan(kind=kind, definition=written, outputs={"sum": 7})


def retries(random: Random) -> RunPlan:
    base = round(random.uniform(0.02, 0.3), 2)
    written = pipeline(
        "retries",
        node("start", "trigger", "flaky"),
        node("flaky", "kills_fails_first", "slow", retry={"max_attempts": 3, "base": base}),
        node("slow", "kills_hangs_first", timeout=0.5, retry={"max_attempts": 9, "base": base}),
        outputs={"sum": "inputs.slow.n"},
    )
    return RunPlan(kind="retries", definition=written, outputs={"sum": 2})


def charge(random: Random) -> RunPlan:
    seconds = round(random.uniform(0.0, 0.3), 2)
    written = pipeline(
        "charge",
        node("start", "trigger", "charge"),
        node("charge", random.choice(("kills_add", "kills_thread")), "ship", {"to": "ask", "when": "failure"},
             on_crash="fail", seconds=seconds),
        node("ship", "kills_add", n=10),
        node("ask", "kills_add", n=1000),
        outputs={"shipped": "has(inputs.ship)", "asked": "has(inputs.ask)"},
    )  # fmt: skip
    outputs = {"shipped": True, "asked": False}
    crashed = {"shipped": False, "asked": True}
    named = frozenset({"charge"})
    return RunPlan(kind="charge", definition=written, outputs=outputs, crashed=crashed, charges=named)


def pauses(random: Random) -> RunPlan:
    return delays(random, "pauses")


def cancelled(random: Random) -> RunPlan:
    written = pipeline("cancelled", node("start", "trigger", "hold"), node("hold", "kills_hold"), outputs={"a": "1"})
    return RunPlan(kind="cancelled", definition=written, status="cancelled")


def doomed(random: Random) -> RunPlan:
    size, lines = random.randint(70_000, 200_000), random.randint(1, 400)
    written = pipeline(
        "doomed",
        node("start", "trigger", "big"),
        node("big", "kills_big", "log", seed=size, size=size),
        node("log", "kills_log", "hold", lines=lines),
        node("hold", "kills_hold"),
        outputs={"a": "1"},
    )
    written["timeout"] = 0.5
    return RunPlan(kind="doomed", definition=written, status="timeout", logs=lines)


def processes(random: Random) -> RunPlan:
    word, seconds = f"word-{random.randint(0, 999)}", round(random.uniform(0.0, 0.3), 2)
    script = 'printf %s "$1"; exec sleep "$2"'
    written = pipeline(
        "processes",
        node("start", "trigger", "work", "say"),
        node("work", "kills_process", "end", n=5, seconds=seconds),
        node("say", "command", "end", argv=["sh", "-c", script, "sh", word, f"{seconds:g}"]),
        node("end", "kills_add", n=1),
        outputs={"sum": "inputs.end.n", "said": "inputs.say.stdout"},
    )
    return RunPlan(kind="processes", definition=written, outputs={"sum": 6, "said": word})


def big(random: Random) -> RunPlan:
    size = random.randint(65_537, 300_000)
    written = pipeline(
        "big",
        node("start", "trigger", "give"),
        node("give", "kills_big", "measure", seed=size, size=size),
        node("measure", "kills_measure"),
        outputs={"text": "inputs.give.text", "n": "inputs.measure.n"},
    )
    return RunPlan(kind="big", definition=written, outputs={"text": drawn_text(size, size), "n": size})


def logs(random: Random) -> RunPlan:
    lines = random.choice((3, 40, LOG_LINES))
    written = pipeline("logs", node("log", "kills_log", lines=lines, n=2), outputs={"sum": "inputs.log.n"})
    return RunPlan(kind="logs", definition=written, outputs={"sum": 2}, logs=min(lines, 1_000))


def attributes(random: Random) -> RunPlan:
    return chain(random, "attributes")


def retried(random: Random) -> RunPlan:
    written = pipeline(
        "retried",
        node("start", "trigger", "a"),
        node("a", "kills_add", "shop", n=random.randint(1, 9)),
        node("shop", "kills_open_later", n=20),
        outputs={"sum": "inputs.shop.n"},
    )
    added = 20 + written["nodes"][1]["config"]["n"]
    return RunPlan(kind="retried", definition=written, status="failed", again={"sum": added})


def forked(random: Random) -> RunPlan:
    plan = chain(random, "forked")
    return RunPlan(kind="forked", definition=plan.definition, outputs=plan.outputs, again=plan.outputs)


KINDS: Final[tuple[Callable[[Random], RunPlan], ...]] = (
    chain, fan, choice, delays, retries, charge, charge, pauses, cancelled, doomed, processes, processes, big, logs,
    attributes, retried, forked,
)  # fmt: skip


def plans(seed: int, folder: str) -> Iterator[RunPlan]:
    """Yield the runs of a seed, without an end: all kinds, in an order of its own, again and again."""
    random, numbers = Random(seed), count(1)
    while True:
        for kind in random.sample(KINDS, len(KINDS)):
            plan = kind(random)
            plan.run_id = f"{plan.kind}-{next(numbers)}-{random.randint(0, 9_999):04}"
            plan.data["folder"] = folder
            yield plan
