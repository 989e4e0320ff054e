"""Retries and forks: a new run with what an old one has, which goes on from there, in memory and in a journal."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.model.errors import RunParked, UnknownRun
from playbill.model.facts import Origin
from tests.stories.support import node, pipeline

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager


class Shop:
    """Steps that fail as long as they are broken, and say what they were given and by which key."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.begun: list[str] = []
        self.keys: dict[str, list[str]] = {}

    def steps(self) -> list[Callable[..., Any]]:
        @playbill.node_type("shop_step")
        async def step(
            node: playbill.PipelineNode, inputs: Mapping[str, Any], context: playbill.NodeContext
        ) -> dict[str, Any]:
            self.begun.append(node.id)
            self.keys.setdefault(node.id, []).append(context.idempotency_key)
            if node.id in self.broken:
                raise playbill.NodeConfigError(f"{node.id} is broken")
            return {"of": node.id, "x": node.config.get("x", 0), "day": context.trigger_data.get("day")}

        return [step]

    def took(self) -> list[str]:
        """What has begun since this was asked last."""
        begun, self.begun = self.begun, []
        return begun


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
async def manager(shop: Shop) -> Any:
    async with Manager(types=shop.steps()) as made:
        yield made


def step(name: str, after: str = "", **more: Any) -> dict[str, Any]:
    return node(name, "shop_step", after, **more)


LINE = pipeline(step("a", "b"), step("b", "c"), step("c"))


async def ended(manager: Manager, definition: Any, shop: Shop, run_id: str = "one", **trigger: Any) -> playbill.Run:
    run = await manager.start_run(definition, trigger, run_id=run_id)
    await run.result()
    shop.took()
    return run


# ---- retries -----------------------------------------------------------------------------------------------------


async def test_a_retry_runs_what_has_not_completed_with_the_keys_of_the_first_run(
    manager: Manager, shop: Shop
) -> None:
    shop.broken = {"b"}
    old = await ended(manager, LINE, shop, day=3)
    again = await manager.retry_run("one", new_id="two")
    assert (await again.result()).status == "failed"
    shop.broken = set()
    third = await manager.retry_run("two", new_id="three")
    result = await third.result()
    assert (result.status, shop.took()) == ("completed", ["b", "b", "c"])
    assert shop.keys == {"a": ["one/a"], "b": ["one/b"] * 3, "c": ["one/c"]}
    assert third.trigger_data == {"day": 3}
    assert (old.origin, again.origin, third.origin) == (
        None,
        Origin("one", "retry", "one"),
        Origin("two", "retry", "one"),
    )
    assert {name: end.reused_from for name, end in result.node_results.items()} == {"a": "one", "b": None, "c": None}
    assert result.node_results["a"].output == {"of": "a", "x": 0, "day": 3}
    assert playbill.RunResult.from_dict(result.as_dict()) == result


async def test_the_old_run_never_changes(manager: Manager, shop: Shop) -> None:
    shop.broken = {"b"}
    old = await ended(manager, LINE, shop)
    before, events = (await old.result()).as_dict(), old.kept_events
    shop.broken = set()
    await (await manager.retry_run("one")).result()
    await (await manager.fork_run("one", "a")).result()
    assert ((await old.result()).as_dict(), old.kept_events) == (before, events)


@pytest.mark.parametrize(
    ("nodes", "broken", "again"),
    [
        pytest.param([step("a", "c"), step("b", "c"), step("c")], {"b"}, ["b", "c"], id="a sibling is kept"),
        pytest.param([step("a", "b c"), step("b"), step("c")], {"a"}, ["a", "b", "c"], id="all after it"),
        pytest.param(
            [step("a"), {**step("b"), "next": [{"to": "c", "when": "failure"}]}, step("c", "d"), step("d")],
            {"b", "d"},
            ["b"],
            id="a failure runs again though one was handled",
        ),
        pytest.param(
            [
                node("t", "trigger", "k"),
                node("k", "condition", condition="trigger.n > 3")
                | {"next": [{"to": "a", "condition": "true"}, {"to": "b", "condition": "false"}]},
                step("a", "c"),
                step("b", "c"),
                step("c"),
            ],
            {"c"},
            ["c"],
            id="what was skipped is skipped again",
        ),
        pytest.param([node("p", "parallel", "a b"), step("a"), step("b")], {"b"}, ["b"], id="passed on"),
    ],
)
async def test_what_a_retry_keeps(
    manager: Manager, shop: Shop, nodes: list[Any], broken: set[str], again: list[str]
) -> None:
    shop.broken = broken
    definition = pipeline(*nodes, on_failure="finish")
    old = await ended(manager, definition, shop, n=5)
    assert (await old.result()).status == "failed"
    shop.broken = set()
    run = await manager.retry_run("one")
    result = await run.result()
    assert (result.status, sorted(shop.took())) == ("completed", again)
    fresh = await (await manager.start_run(definition, {"n": 5})).result()
    assert result.outputs == fresh.outputs
    assert {name: end.status for name, end in result.node_results.items()} == {
        name: end.status for name, end in fresh.node_results.items()
    }


async def test_a_node_with_an_edge_that_could_not_be_judged_runs_again(manager: Manager, shop: Shop) -> None:
    definition = pipeline({**step("a"), "next": [{"to": "b", "condition": "output.of > 3"}]}, step("b"))
    old = await ended(manager, definition, shop)
    assert "edge" in str((await old.result()).error)
    await (await manager.retry_run("one")).result()
    assert shop.took() == ["a"]


async def test_a_cancelled_run_and_one_that_timed_out_are_retried(manager: Manager, shop: Shop) -> None:
    definition = pipeline(step("a", "w"), node("w", "delay", "c", seconds=60), step("c"))
    run = await manager.start_run(definition, run_id="one", timeout_seconds=120)
    async for event in run.events():
        if event.node_id == "w":
            break
    await run.cancel("enough")
    again = await manager.retry_run("one", new_id="two", timeout_seconds=0.05)
    assert ((await again.result()).status, again.kept_events[0].data["timeout"]) == ("timeout", 0.05)
    third = await manager.retry_run("two", new_id="three", timeout_seconds=60)
    async for event in third.events():
        if event.node_id == "w":
            break
    assert shop.took() == ["a"]
    await third.cancel()


async def test_who_is_not_retried_and_what_to_do_instead(manager: Manager, shop: Shop) -> None:
    await ended(manager, LINE, shop)
    with pytest.raises(playbill.DefinitionError, match="run 'one' has completed: fork it"):
        await manager.retry_run("one")
    waits = await manager.start_run(pipeline(node("w", "delay", seconds=60)), run_id="two")
    with pytest.raises(playbill.DefinitionError, match="run 'two' has only just begun"):
        await manager.retry_run("two")
    async for _ in waits.events():
        break
    with pytest.raises(playbill.DefinitionError, match="run 'two' has not ended: let it go on"):
        await manager.retry_run("two")
    with pytest.raises(UnknownRun, match="no run has the id 'three'"):
        await manager.retry_run("three")
    with pytest.raises(playbill.DefinitionError, match="timeout_seconds"):
        await manager.retry_run("one", timeout_seconds=-1)
    await waits.cancel()


async def test_a_retry_of_one_id_is_one_run(manager: Manager, shop: Shop) -> None:
    shop.broken = {"c"}
    await ended(manager, LINE, shop)
    again = await manager.retry_run("one", new_id="two")
    assert await manager.retry_run("one", new_id="two") is again
    await again.result()
    with pytest.raises(playbill.DefinitionError, match="run_id 'one' is taken by a run of another run"):
        await manager.retry_run("two", new_id="one")
    with pytest.raises(playbill.DefinitionError, match="run_id 'two' is taken by a run of another run"):
        await manager.fork_run("one", "b", new_id="two")


# ---- forks -------------------------------------------------------------------------------------------------------


async def test_a_fork_runs_a_node_and_all_after_it_with_keys_of_its_own(manager: Manager, shop: Shop) -> None:
    definition = pipeline(step("a", "b s"), step("b", "c"), step("c"), step("s"))
    await ended(manager, definition, shop, day=1)
    run = await manager.fork_run("one", "b", new_id="two")
    result = await run.result()
    assert (result.status, shop.took()) == ("completed", ["b", "c"])
    assert (shop.keys["a"], shop.keys["b"]) == (["one/a"], ["one/b", "two/b"])
    assert run.origin == Origin("one", "fork", node="b")
    assert {name: end.reused_from for name, end in result.node_results.items()} == {
        "a": "one",
        "b": None,
        "s": "one",
        "c": None,
    }
    third = await manager.fork_run("two", "c")
    assert (await third.result()).node_results["a"].reused_from == "one"


async def test_a_fork_takes_other_data_and_judges_the_edges_of_what_it_keeps_by_it(
    manager: Manager, shop: Shop
) -> None:
    ways = [{"to": "b", "condition": "trigger.day < 5"}, {"to": "c", "condition": "trigger.day >= 5"}]
    definition = pipeline({**step("a"), "next": ways}, step("b", "d"), step("c", "d"), step("d"))
    await ended(manager, definition, shop, day=1)
    run = await manager.fork_run("one", "d", trigger_data={"day": 2})
    assert ((await run.result()).outputs["d"], shop.took()) == ({"of": "d", "x": 0, "day": 2}, ["d"])
    with pytest.raises(playbill.DefinitionError, match=r"'c' has not completed: fork from 'c'"):
        await manager.fork_run("one", "d", trigger_data={"day": 9})
    run = await manager.fork_run("one", "c", trigger_data={"day": 9})
    result = await run.result()
    assert (shop.took(), result.node_results["b"].status) == (["c", "d"], "skipped")
    with pytest.raises(playbill.DefinitionError, match="'c' would be skipped: no edge to it is live"):
        await manager.fork_run("one", "c")
    assert [event.data["live"] for event in run.kept_events if event.node_id == "a"] == [(1,)]


async def test_a_fork_takes_another_definition_from_its_node_on(manager: Manager, shop: Shop) -> None:
    await ended(manager, LINE, shop)
    other = pipeline(step("a", "b"), step("b", "n c", x=7), step("n"), step("c"))
    result = await (await manager.fork_run("one", "b", definition=other)).result()
    assert (result.status, sorted(shop.took())) == ("completed", ["b", "c", "n"])
    assert result.outputs["b"]["x"] == 7
    written = other.model_dump(mode="json", by_alias=True)
    assert (await (await manager.fork_run("one", "c", definition=LINE)).result()).status == "completed"
    with pytest.raises(
        playbill.DefinitionError, match=r"before 'c' .* 'b' has another type, config or join than it had"
    ):
        await manager.fork_run("one", "c", definition=written)


@pytest.mark.parametrize(
    ("definition", "at", "text"),
    [
        pytest.param(LINE, "d", "the pipeline has no node 'd'", id="no such node"),
        pytest.param(LINE, "bb", "no node 'bb', did you mean 'b'?", id="a hint"),
        pytest.param(
            pipeline(step("a", "b"), step("n", "b"), step("b", "c"), step("c")),
            "b",
            "before 'b' other nodes would run again: 'n' has not completed: fork from 'n'",
            id="a new node before it",
        ),
        pytest.param(
            pipeline(step("a", "b c"), step("b"), step("c", "d"), step("d")),
            "d",
            "'c' gets its inputs from other nodes than it did: fork from 'c'",
            id="other inputs",
        ),
        pytest.param(
            pipeline({**step("a"), "next": [{"to": "b", "condition": "output.of > 3"}]}, step("b", "c"), step("c")),
            "c",
            "'a' has an edge that cannot be judged: edge 'a->b'",
            id="a broken edge",
        ),
    ],
)
async def test_a_definition_that_does_not_fit_the_history_is_told_with_the_way_out(
    manager: Manager, shop: Shop, definition: Any, at: str, text: str
) -> None:
    await ended(manager, LINE, shop)
    with pytest.raises(playbill.DefinitionError) as told:
        await manager.fork_run("one", at, definition=definition)
    assert text in str(told.value).replace("→", "->")
    assert shop.took() == []


async def test_a_fork_keeps_failures_that_are_handled(manager: Manager, shop: Shop) -> None:
    definition = pipeline(
        {**step("a"), "next": [{"to": "b", "when": "failure"}]}, step("b", "c"), step("c"), on_failure="finish"
    )
    shop.broken = {"a"}
    await ended(manager, definition, shop)
    result = await (await manager.fork_run("one", "c")).result()
    assert (result.status, shop.took()) == ("completed", ["c"])
    assert (result.node_results["a"].status, result.node_results["a"].reused_from) == ("failed", "one")
    unhandled = pipeline({**step("a"), "next": [{"to": "b"}]}, step("b", "c"), step("c"))
    with pytest.raises(playbill.DefinitionError, match="'a' has failed, and nothing handles that any more"):
        await manager.fork_run("one", "c", definition=unhandled)


async def test_both_check_inputs_again(manager: Manager, shop: Shop) -> None:
    strict = {"type": "object", "properties": {"day": {"type": "integer"}}, "required": ["day"]}
    await ended(manager, pipeline(step("a", "b"), step("b"), inputs=strict), shop, day=1)
    with pytest.raises(playbill.DefinitionError, match="day"):
        await manager.fork_run("one", "b", trigger_data={"day": "monday"})
    with pytest.raises(playbill.DefinitionError, match="day"):
        await manager.fork_run("one", "b", trigger_data={})


async def test_a_run_under_way_is_forked_with_what_it_has(manager: Manager, shop: Shop) -> None:
    definition = pipeline(step("a", "w"), node("w", "delay", "c", seconds=60), step("c"))
    run = await manager.start_run(definition, run_id="one")
    async for event in run.events():
        if event.node_id == "w":
            break
    shop.took()
    other = pipeline(step("a", "w"), node("w", "delay", "c", seconds=0.01), step("c"))
    result = await (await manager.fork_run("one", "w", definition=other)).result()
    assert (result.status, shop.took(), run.done) == ("completed", ["c"], False)
    with pytest.raises(playbill.DefinitionError, match="'w' has not completed"):
        await manager.fork_run("one", "c")
    await run.cancel()


# ---- in a journal that outlives the process ----------------------------------------------------------------------


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'runs.db'}"


@pytest.mark.real("a file, whose disk knows no virtual time")
async def test_another_process_retries_and_forks(url: str, shop: Shop) -> None:
    shop.broken = {"b"}
    async with Manager(journal=url, types=shop.steps()) as manager:
        await ended(manager, LINE, shop, day=3)
    shop.broken = set()
    async with Manager(journal=url, types=shop.steps()) as manager:
        run = await manager.retry_run("one", new_id="two")
        result = await run.result()
        assert (result.status, shop.took()) == ("completed", ["b", "c"])
        assert shop.keys["b"] == ["one/b"] * 2
        fork = await manager.fork_run("two", "c", trigger_data={"day": 4}, new_id="three")
        assert (await fork.result()).outputs["c"]["day"] == 4
        rows = {row.run_id: row.origin for row in (await manager.list_runs()).runs}
        assert rows == {"one": None, "two": "one", "three": "two"}
    async with Manager(journal=url, types=shop.steps()) as manager:
        again = await manager.open_run("two")
        assert (await again.result(), again.origin) == (result, Origin("one", "retry", "one"))
        assert await manager.retry_run("one", new_id="two") is again
        events = [event async for event in again.events()]
        assert [event.seq for event in events] == list(range(1, len(events) + 1))


@pytest.mark.real("a file, whose disk knows no virtual time")
async def test_a_retry_that_was_left_goes_on_and_stands_alone(url: str, shop: Shop) -> None:
    shop.broken = {"b"}
    late = pipeline(step("a", "b"), step("b", "w"), node("w", "delay", "c", seconds=0.2), step("c"))
    async with Manager(journal=url, types=shop.steps()) as manager:
        await ended(manager, late, shop, day=3)
    shop.broken = set()
    async with Manager(journal=url, types=shop.steps(), on_exit="park") as manager:
        run = await manager.retry_run("one", new_id="two")
        async for event in run.events():
            if event.node_id == "b" and event.type == "pipeline_node.completed":
                break
    with pytest.raises(RunParked):
        await run.result()
    async with Manager(journal=url, types=shop.steps(), recover=False) as manager:
        await manager.list_runs()
        assert manager._system is not None
        assert await manager._system.parts.journal.prune(datetime.now(UTC)) == 1
        with pytest.raises(UnknownRun):
            await manager.open_run("one")
        again = await manager.open_run("two")
        assert ((await again.result()).status, shop.took()) == ("completed", ["b", "c"])
        assert shop.keys["c"] == ["one/c"]


@pytest.mark.real("a file, whose disk knows no virtual time")
async def test_a_run_that_is_set_aside_is_forked_past_what_keeps_it(url: str, shop: Shop) -> None:
    gone = pipeline(step("a", "g"), node("g", "shop_gone", "c"), step("c"))

    @playbill.node_type("shop_gone")
    async def waits(node: Any, inputs: Any, context: playbill.NodeContext) -> None:
        await context.sleep(60)

    async with Manager(journal=url, types=[*shop.steps(), waits], on_exit="park", grace=0) as manager:
        run = await manager.start_run(gone, run_id="one")
        async for event in run.events():
            if event.node_id == "g":
                break
    shop.took()
    async with Manager(journal=url, types=shop.steps()) as manager:
        assert "shop_gone" in (await manager.recovered()).set_aside["one"]
        other = pipeline(step("a", "g"), step("g", "c"), step("c"))
        result = await (await manager.fork_run("one", "g", definition=other)).result()
        assert (result.status, shop.took()) == ("completed", ["g", "c"])
        with pytest.raises(playbill.DefinitionError, match="shop_gone"):
            await manager.fork_run("one", "g")
