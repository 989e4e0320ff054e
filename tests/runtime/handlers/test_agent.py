"""Agent nodes: real registries and agents, async and not."""

import asyncio
import functools
import threading
from types import MappingProxyType
from typing import Any

import pytest

from playbill.model.configs import AgentConfig
from playbill.model.errors import NodeConfigError
from playbill.runtime.handlers.agent import agent, prompt_of
from tests.runtime.handlers.support import NODE, context_of

pytestmark = pytest.mark.anyio


class Echo:
    async def process_message(self, prompt: str) -> str:
        return f"{threading.current_thread() is threading.main_thread()}: {prompt}"


class Plain:
    def process_message(self, prompt: str) -> str:
        return f"{threading.current_thread() is threading.main_thread()}: {prompt}"


class PlainGivesCoroutine:
    def process_message(self, prompt: str) -> Any:
        return Echo().process_message(prompt)


class Partial:
    def __init__(self) -> None:
        self.process_message = functools.partial(self._answer, "kept")

    async def _answer(self, kept: str, prompt: str) -> str:
        return f"{kept}: {prompt}"


class Failing:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def process_message(self, prompt: str) -> str:
        raise self.error


class Registry:
    """Any object with `get`, here an async one that raises for who it does not know."""

    async def get(self, agent_id: str) -> Echo:
        if agent_id != "echo":
            raise KeyError(agent_id)
        return Echo()


async def ask(agents: object, agent_id: str = "echo", task: str = "sum up") -> dict[str, Any]:
    config = AgentConfig(agent_id=agent_id, task=task)
    return await agent(NODE, {}, context_of(config, {"agents": agents}))


@pytest.mark.parametrize(
    ("found", "result"),
    [
        (Echo(), "True: sum up"),
        (Plain(), "False: sum up"),
        (PlainGivesCoroutine(), "True: sum up"),
        (Partial(), "kept: sum up"),
    ],
)
async def test_async_agents_run_on_the_loop_and_others_in_a_thread(found: object, result: str) -> None:
    assert await ask({"echo": found}) == {"result": result, "agent_id": "echo", "simulated": False}


async def test_a_registry_may_be_any_object_with_an_async_get() -> None:
    assert (await ask(Registry()))["result"] == "True: sum up"
    with pytest.raises(NodeConfigError, match="no agent has the id 'ecko' in resources"):
        await ask(Registry(), "ecko")


async def test_an_unknown_agent_is_named_with_those_that_are_known() -> None:
    with pytest.raises(NodeConfigError) as caught:
        await ask({"echo": Echo(), "other": Echo()}, "ecko")
    text = "no agent has the id 'ecko', did you mean 'echo'?; registered are: 'echo', 'other'"
    assert str(caught.value) == text
    with pytest.raises(NodeConfigError, match="registered are: none"):
        await ask({}, "ecko")


async def test_what_has_no_process_message_is_no_agent() -> None:
    with pytest.raises(NodeConfigError, match=r"agent 'echo' \(str\) has no method process_message"):
        await ask({"echo": "a text"})


async def test_without_agents_the_result_is_simulated_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = await ask(None)
    assert found["simulated"] is True
    assert found["agent_id"] == "echo"
    assert "'echo'" in found["result"]
    assert "sum up" in found["result"]
    assert caplog.messages == ["no agents are registered (resources['agents']): agent 'echo' is simulated"]


async def test_the_prompt_is_the_task_and_the_inputs() -> None:
    assert prompt_of("sum up", {}) == "sum up"
    inputs = {"a": MappingProxyType({"city": "Köln", "when": {1: None}})}
    assert prompt_of("sum up", inputs) == (
        'sum up\n\nInputs:\n{\n  "a": {\n    "city": "Köln",\n    "when": {\n      "1": null\n    }\n  }\n}'
    )


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt("bad"), asyncio.CancelledError("bad")])
async def test_what_an_agent_raises_in_its_thread_comes_out(error: BaseException) -> None:
    with pytest.raises(type(error), match="bad"):
        await ask({"echo": Failing(error)})


async def test_a_cancelled_attempt_ends_when_its_thread_does() -> None:
    began, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    class Slow:
        def process_message(self, prompt: str) -> str:
            assert threading.current_thread().daemon
            loop.call_soon_threadsafe(began.set)
            go_on.wait(30)
            return "too late"

    task = asyncio.create_task(ask({"echo": Slow()}))
    await began.wait()
    task.cancel()
    assert not (await asyncio.wait([task], timeout=0))[0]
    task.cancel()
    go_on.set()
    await asyncio.wait([task])
    assert task.cancelled()
