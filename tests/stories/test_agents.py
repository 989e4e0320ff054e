"""Agents in runs: asked where a registry is, invented only on request."""

import asyncio
import json
import logging
from typing import Any

import pytest

import playbill
from tests.stories.support import pipeline

pytestmark = pytest.mark.anyio
ASK = {"id": "ask", "type": "agent", "config": {"agent_id": "writer", "task": "Write it up."}}
REAL = "in a simulated world an agent that nobody registered is stood in for"


class Writer:
    """Repeats what it is asked."""

    async def process_message(self, prompt: str) -> str:
        return prompt


@pytest.mark.parametrize(
    ("resources", "found"),
    [
        ({"agent": {"writer": Writer()}, "db": 1}, "resources are: 'agent', 'db'"),
        (None, "resources are: none"),
        ({"agents": None}, "resources['agents'] is None"),
    ],
)
@pytest.mark.real(REAL)
async def test_a_run_whose_agents_nobody_registered_fails_and_says_what_to_do(resources: Any, found: str) -> None:
    result = await playbill.PipelineExecutor(pipeline(ASK), resources=resources).execute()
    assert result["status"] == "failed"
    assert result["error"] == (
        f"NodeConfigError: agent 'writer' cannot be asked: no agents are registered, {found}; register them with"
        ' resources={"agents": ...}, or try the pipeline with simulate_agents=True (playbill run --simulate-agents)'
    )
    assert result["node_results"][0]["retry_count"] == 0


@pytest.mark.real(REAL)
def test_agents_are_invented_for_who_asks_for_it(caplog: pytest.LogCaptureFixture) -> None:
    with playbill.BlockingManager(simulate_agents=True) as manager:
        assert manager.start_run(pipeline(ASK)).result().outputs["ask"]["simulated"] is True
    assert playbill.run(pipeline(ASK), simulate_agents=True).outputs["ask"]["simulated"] is True
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


@pytest.mark.real(REAL)
async def test_an_executor_invents_on_request() -> None:
    result = await playbill.PipelineExecutor(pipeline(ASK), simulate_agents=True).execute()
    assert result["outputs"]["ask"]["simulated"] is True


async def test_a_registry_is_asked_all_the_same_and_must_know_the_agent() -> None:
    for agents, status in (({"writer": Writer()}, "completed"), ({"editor": Writer()}, "failed")):
        options: dict[str, Any] = {"resources": {"agents": agents}, "simulate_agents": True}
        async with playbill.PipelineRunManager(**options) as manager:
            result = await (await manager.start_run(pipeline(ASK))).result()
        assert result.status == status
        if status == "completed":
            assert result.outputs["ask"] == {"agent_id": "writer", "result": "Write it up.", "simulated": False}
        else:
            assert "no agent has the id 'writer'" in str(result.error)


async def test_the_prompt_is_the_task_and_below_it_the_inputs() -> None:
    start = {"id": "start", "type": "trigger", "next": "ask"}
    result = await playbill.PipelineExecutor(
        pipeline(start, ASK), resources={"agents": {"writer": Writer()}}
    ).execute(trigger_data={"topic": "otters"})
    inputs = json.dumps({"start": {"topic": "otters"}}, indent=2)
    assert result["outputs"]["ask"]["result"] == f"Write it up.\n\nInputs:\n{inputs}"


async def test_a_trial_outside_of_all_runs_invents() -> None:
    output = await playbill.dispatch_node(playbill.PipelineNode.model_validate(ASK), {})
    assert output["simulated"] is True


@pytest.mark.real(REAL)
@pytest.mark.parametrize("simulate", [False, True])
async def test_a_trial_within_a_handler_goes_by_its_run(*, simulate: bool) -> None:
    @playbill.node_type("asks")
    async def asks(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        return await playbill.dispatch_node(playbill.PipelineNode.model_validate(ASK), {}, context)

    async with playbill.PipelineRunManager(types=[asks], simulate_agents=simulate) as manager:
        result = await (await manager.start_run(pipeline({"id": "a", "type": "asks"}))).result()
    assert (result.status == "completed") is simulate


@playbill.node_type("asks_in_a_process")
def asks_in_a_process(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Dispatch an agent."""
    return asyncio.run(playbill.dispatch_node(playbill.PipelineNode.model_validate(ASK), {}, context))


@pytest.mark.real(REAL)
async def test_a_trial_within_a_process_invents_nothing() -> None:
    asks = {"id": "a", "type": "asks_in_a_process", "isolation": "process"}
    async with playbill.PipelineRunManager(types=[asks_in_a_process]) as manager:
        result = await (await manager.start_run(pipeline(asks))).result()
    assert "agent 'writer' cannot be asked: no agents are registered" in str(result.error)


def test_the_option_is_a_switch() -> None:
    with pytest.raises(playbill.DefinitionError, match="simulate_agents is True or False, not 'yes'"):
        playbill.PipelineRunManager(simulate_agents="yes")  # type: ignore[arg-type]


def test_an_agent_of_a_simulated_world_is_stood_in_for() -> None:
    with playbill.Simulation(seed=1) as sim:
        run = sim.start(pipeline(ASK))
        sim.advance(60)
        assert sim.result(run).outputs["ask"]["simulated"] is True
