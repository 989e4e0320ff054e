"""Of any pipeline: a retry and a fork end as a run from the start does, and begin nothing that they need not."""

import asyncio
from collections.abc import Collection
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

import playbill
from playbill.model.facts import NodeStatus, RunStatus
from playbill.runtime.dispatchers.loop import LoopDispatcher
from playbill.runtime.faults.tape import SeededTape
from playbill.runtime.simulation.strategies.pipelines import definitions
from playbill.runtime.simulation.virtual.loop import VirtualLoop
from playbill.runtime.simulation.virtual.world import VirtualWorld

Result = playbill.RunResult
TYPES = ("parallel", "rerun_step", "delay", "condition", "trigger")


class Workshop:
    """A manager in virtual time, whose steps fail while they are broken."""

    def __init__(self) -> None:
        self.broken: Collection[str] = ()
        self.begun: list[str] = []

        @playbill.node_type("rerun_step")
        async def step(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
            self.begun.append(node.id)
            if node.id in self.broken:
                raise playbill.NodeConfigError("broken")
            return {"ok": True, "of": node.id}

        self.manager = playbill.PipelineRunManager(types=[step])

    async def ended(self, run: playbill.Run) -> tuple[Result, list[str]]:
        """The end of a run, and what has begun meanwhile."""
        result, begun = await run.result(), self.begun
        self.begun = []
        return result, begun


def in_virtual_time(main: Any) -> None:
    def make() -> VirtualLoop:
        loop = VirtualLoop()
        loop.world = VirtualWorld(SeededTape(0), LoopDispatcher)
        return loop

    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(main)


def after(definition: playbill.PipelineDefinition, nodes: Collection[str]) -> set[str]:
    """These nodes, and all that come after one."""
    found = set(nodes)
    for name in playbill.get_execution_order(definition):
        if any(edge.to_node == name and edge.from_node in found for edge in definition.edges):
            found.add(name)
    return found


def shown(result: Result) -> dict[str, Any]:
    return {name: (end.status, end.output) for name, end in result.node_results.items()}


@settings(max_examples=70, deadline=None)
@given(definitions(types=TYPES, breakers=False), st.sets(st.sampled_from("abcdef"), min_size=1, max_size=3))
def test_a_retry_ends_as_a_run_does_that_nothing_has_broken(
    drawn: playbill.PipelineDefinition, broken: set[str]
) -> None:
    definition = drawn.model_copy(update={"timeout": 86400.0})
    is_any = any(node.join == "any" for node in definition.nodes)

    async def main() -> None:
        shop = Workshop()
        async with shop.manager as manager:
            shop.broken = broken
            old, _ = await shop.ended(await manager.start_run(definition, run_id="old"))
            shop.broken = ()
            fresh, _ = await shop.ended(await manager.start_run(definition))
            if old.status is RunStatus.COMPLETED:
                return
            again, begun = await shop.ended(await manager.retry_run("old"))
            kept = {name for name, end in again.node_results.items() if end.reused_from is not None}
            assert len(begun) == len(set(begun))
            assert not kept & set(begun)
            well = {NodeStatus.COMPLETED, NodeStatus.SKIPPED}
            anew = after(definition, {name for name, end in old.node_results.items() if end.status not in well})
            assert not kept & anew
            assert all(old.node_results[name].status is NodeStatus.COMPLETED for name in kept)
            if not is_any:
                assert (again.status, shown(again), again.outputs) == (fresh.status, shown(fresh), fresh.outputs)

    in_virtual_time(main())


@settings(max_examples=70, deadline=None)
@given(st.data(), definitions(types=TYPES, breakers=False))
def test_a_fork_that_changes_nothing_ends_as_its_run_did(
    data: st.DataObject, drawn: playbill.PipelineDefinition
) -> None:
    definition = drawn.model_copy(update={"timeout": 86400.0})
    assume(all(node.join != "any" for node in definition.nodes))

    async def main() -> None:
        shop = Workshop()
        async with shop.manager as manager:
            old, before = await shop.ended(await manager.start_run(definition, {"n": 1}, run_id="old"))
            reached = [name for name, end in old.node_results.items() if end.status is NodeStatus.COMPLETED]
            assume(old.status is RunStatus.COMPLETED and reached)
            node = data.draw(st.sampled_from(reached))
            result, begun = await shop.ended(await manager.fork_run("old", node))
            assert (result.status, shown(result), result.outputs) == (old.status, shown(old), old.outputs)
            assert sorted(begun) == sorted(set(before) & after(definition, {node}))

    in_virtual_time(main())
