"""What handlers may give: ordinary values, made plain JSON by one rule, whatever runs them; and what is refused."""

import dataclasses
import json
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np
import pydantic
import pytest

import playbill
from playbill.model.messages import Heartbeat
from playbill.runtime.runners.attempt import HandlerAttempt
from tests.stories.support import finished, node, pipeline

pytestmark = pytest.mark.anyio
real = pytest.mark.real("a handler in a thread or a process")


class Kind(Enum):
    BOOK = "book"


class Price(pydantic.BaseModel):
    amount: Decimal
    on: date


@dataclasses.dataclass
class Order:
    id: int
    kind: Kind
    price: Price
    tags: frozenset[str]


def order() -> Order:
    """Give an order as an ordinary function does."""
    return Order(np.int64(7), Kind.BOOK, Price(amount=Decimal("1.10"), on=date(2026, 1, 2)), frozenset("ba"))  # type: ignore[arg-type]


ORDER = {"id": 7, "kind": "book", "price": {"amount": "1.10", "on": "2026-01-02"}, "tags": ["a", "b"]}
VALUES: dict[str, tuple[Any, Any]] = {
    "order": (order(), ORDER),
    "none": (None, {}),
    "text": ("done", {"result": "done"}),
    "number": (np.float64(0.5), {"result": 0.5}),
    "nothing": (0, {"result": 0}),
    "list": ([(1, 2)], {"result": [[1, 2]]}),
    "time": (timedelta(minutes=1), {"result": 60.0}),
    "texts": ({"s": np.str_("s"), "n": np.float32(0.5)}, {"s": "s", "n": 0.5}),
}
REFUSED: dict[str, tuple[Any, str]] = {
    "bytes": ({"a": [b"x"]}, "its output.a[0] is bytes, which JSON cannot say: decode it, or give its base64 text"),
    "array": (np.array([1.0]), "its output is ndarray, which JSON cannot say: give its .tolist()"),
    "nan": ({"a": np.float64("nan")}, "its output.a is nan, which JSON cannot say"),
    "key": ({"a": {1: 2}}, "its output.a has the key 1, and keys are strings"),
    "set": ({1, None}, "its output is a set of what cannot be sorted: give a list"),
    "long": (10**4300, "its output has more than 4,300 digits, which Python does not write as text"),
}


def value(name: str) -> Any:
    """Give one of the values: what python nodes call."""
    return VALUES[name][0] if name in VALUES else REFUSED[name][0]


async def awaited(name: str) -> Any:
    """Give the same on the loop."""
    return value(name)


def gives(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> Any:
    """Give the same in a thread or a process."""
    return value(node.config["name"])


async def gives_on_loop(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> Any:
    """Give the same as a coroutine."""
    return value(node.config["name"])


def node_of(runner: str, name: str) -> playbill.PipelineNode:
    """Return a node that gives a value in one of the ways there are."""
    if runner.startswith("python"):
        function = "awaited" if runner == "python on the loop" else "value"
        config: dict[str, Any] = {"call": f"{__name__}:{function}", "args": {"name": name}}
        return playbill.PipelineNode(id="a", type="python", config=config)
    kind, config = ("loop" if runner == "loop" else "other"), {"name": name}
    if runner == "process":
        return playbill.PipelineNode(id="a", type=kind, config=config, isolation="process")
    return playbill.PipelineNode(id="a", type=kind, config=config)


TYPES = [playbill.node_type("loop")(gives_on_loop), playbill.node_type("other")(gives)]
RUNNERS = ["loop", "thread", "process", "python", "python on the loop"]


async def said_of(runner: str, names: list[str]) -> list[Any]:
    """Run a node for each value; return its output, or what is said of it."""
    found = []
    async with playbill.PipelineRunManager(types=TYPES) as manager:
        for name in names:
            result = await (
                await manager.start_run(playbill.PipelineDefinition(nodes=[node_of(runner, name)]))
            ).result()
            found.append(result.outputs.get("a", result.error))
    return found


@real
@pytest.mark.parametrize("runner", RUNNERS)
async def test_ordinary_functions_serve_as_handlers_whatever_runs_them(runner: str) -> None:
    assert await said_of(runner, [*VALUES]) == [said for _, said in VALUES.values()]


@real
@pytest.mark.parametrize("runner", RUNNERS)
async def test_what_json_cannot_say_is_refused_in_the_same_words(runner: str) -> None:
    kind = "python" if runner.startswith("python") else "loop" if runner == "loop" else "other"
    texts = [f"NodeConfigError: node 'a' (type '{kind}'): {why}" for _, why in REFUSED.values()]
    assert [str(said) for said in await said_of(runner, [*REFUSED])] == texts


@pytest.mark.parametrize("name", VALUES)
async def test_the_next_node_finds_what_json_has_for_it(name: str) -> None:
    @playbill.node_type("seen")
    async def seen(node: Any, inputs: Any, context: Any) -> Any:
        return inputs["a"]

    definition = pipeline({**node("a", "loop", "b"), "config": {"name": name}}, node("b", "seen"))
    async with playbill.PipelineRunManager(types=[*TYPES, seen]) as manager:
        result = await finished(manager, definition)
    assert result.outputs["b"] == VALUES[name][1]
    assert json.loads(json.dumps(result.outputs["b"])) == VALUES[name][1]


@real
@pytest.mark.parametrize("runner", ["loop", "thread", "python"])
async def test_a_node_that_is_tried_out_gives_the_same(runner: str) -> None:
    for name, (_, said) in VALUES.items():
        assert await playbill.dispatch_node(node_of(runner, name), {}, types=TYPES) == said
    for name, (_, why) in REFUSED.items():
        with pytest.raises(playbill.NodeConfigError) as caught:
            await playbill.dispatch_node(node_of(runner, name), {}, types=TYPES)
        assert str(caught.value).endswith(why)


async def test_a_run_is_started_with_ordinary_values_too() -> None:
    data = {"order": order(), "on": date(2026, 1, 2), "amounts": (Decimal("1.5"), np.int64(2))}
    definition = pipeline(node("start", "trigger"))
    said = {"order": ORDER, "on": "2026-01-02", "amounts": ["1.5", 2]}
    async with playbill.PipelineRunManager() as manager:
        run = await manager.start_run(definition, data, run_id="r")
        assert (await run.result()).outputs["start"] == said
        assert await manager.start_run(definition, said, run_id="r") is run
        assert (await (await manager.start_run(definition, order())).result()).outputs["start"] == ORDER  # type: ignore[arg-type]
        with pytest.raises(playbill.DefinitionError, match=r"trigger_data.order.raw is bytes, which JSON cannot say"):
            await manager.start_run(definition, {"order": {"raw": b"x"}})


async def test_what_a_run_gives_is_plain_json_too() -> None:
    when = "timestamp('2026-01-02T00:00:00Z')"
    outputs = {"when": when, "wait": "duration('5m')", "in": f"{{'a': [{when}]}}"}
    async with playbill.PipelineRunManager() as manager:
        result = await finished(manager, pipeline(node("a", "trigger"), outputs=outputs))
        assert result.outputs == {
            "when": "2026-01-02T00:00:00+00:00", "wait": 300.0, "in": {"a": ["2026-01-02T00:00:00+00:00"]},
        }  # fmt: skip
        result = await finished(manager, pipeline(node("a", "trigger"), outputs={"raw": "{'a': bytes('x')}"}))
    assert str(result.error).endswith("failed: it gives b'x', which JSON cannot say")


async def test_a_heartbeat_carries_what_an_output_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Any] = []
    send = HandlerAttempt.send

    def listen(attempt: HandlerAttempt, message: Heartbeat) -> None:
        heard.append(message.progress)
        send(attempt, message)

    monkeypatch.setattr(HandlerAttempt, "send", listen)

    @playbill.node_type("beats")
    async def beats(node: Any, inputs: Any, context: playbill.NodeContext) -> None:
        context.heartbeat()
        context.heartbeat(order())
        context.heartbeat((np.float64(0.5), {2, 1}))
        context.heartbeat({"raw": b"x"})

    async with playbill.PipelineRunManager(types=[beats]) as manager:
        result = await finished(manager, pipeline(node("a", "beats")))
    assert heard == [None, ORDER, [0.5, [1, 2]]]
    assert str(result.error).startswith(
        "NodeConfigError: node 'a': its heartbeat.raw is bytes, which JSON cannot say"
    )


@pytest.mark.parametrize("name", [*VALUES, *REFUSED])
def test_what_stands_in_for_a_handler_gives_the_same(name: str) -> None:
    faults = {"behaviours": {"nodes": {"a": {"output": value(name)}}}}
    with playbill.Simulation(seed=1, types=TYPES, faults=faults) as sim:
        result = sim.result(sim.start(playbill.PipelineDefinition(nodes=[node_of("thread", "stood in for")])))
    if name in VALUES:
        assert result.outputs["a"] == VALUES[name][1]
    else:
        assert str(result.error) == f"NodeConfigError: node 'a' (type 'other'): {REFUSED[name][1]}"


async def test_the_outputs_of_a_run_have_a_limit(manager: playbill.PipelineRunManager) -> None:
    text = "x" * 600_000
    result = await finished(
        manager, pipeline(node("a", text=text), outputs={"x": "inputs.a.text", "y": "inputs.a.text"})
    )
    assert result.status is playbill.RunStatus.FAILED
    said = "the run's outputs are 1,200,018 bytes as JSON, over the limit of 1,048,576: give references"
    assert str(result.error) == f"NodeConfigError: {said}"
    fits = await finished(manager, pipeline(node("a", text=text), outputs={"x": "inputs.a.text"}))
    assert fits.outputs == {"x": text}


async def test_an_event_repeats_no_output(manager: playbill.PipelineRunManager) -> None:
    big = [node(f"n{number}", text="x" * 100_000, after="p") for number in range(10)]
    end = node("if", "condition", condition="true")
    run = await manager.start_run(pipeline(*big, node("p", "parallel", after="wait"),
        node("wait", "delay", seconds=0, after="if"), end))  # fmt: skip
    result = await run.result()
    sizes = {
        event.node_id: len(str(event.as_dict(internals=True))) for event in [event async for event in run.events()]
    }
    assert {name for name, size in sizes.items() if size > 10_000} == {name["id"] for name in big}
    assert len(result.node_results["wait"].output or {}) == len(big)
