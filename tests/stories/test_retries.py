"""Retries, timeouts, breakers and pauses, as a user meets them."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

import playbill
from tests.stories.support import finished, node, pipeline, statuses

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager
QUICK = {"base": 0.001, "jitter": 0.0}


async def test_retries_are_counted_truly(manager: Manager) -> None:
    result = await finished(manager, pipeline(node("a", "fails", times=2, retry=QUICK)))
    end = result.node_results["a"]
    assert (end.output, end.attempts, end.retry_count, end.error) == ({"attempt": 3}, 3, 2, None)


async def test_attempts_are_in_all(manager: Manager) -> None:
    run = await manager.start_run(pipeline(node("a", "fails", retry={**QUICK, "max_attempts": 2})))
    result = await run.result()
    assert (result.status, result.node_results["a"].attempts) == ("failed", 2)
    types = [str(event.type) async for event in run.events() if event.node_id]
    assert types == [
        "pipeline_node.started",
        "pipeline_node.retrying",
        "pipeline_node.started",
        "pipeline_node.failed",
    ]


async def test_programming_errors_are_not_retried_unless_the_policy_says_so(manager: Manager) -> None:
    plain = await finished(manager, pipeline(node("a", "fails", fatal=True, times=1, retry=QUICK)))
    assert plain.node_results["a"].attempts == 1
    wanted = await finished(
        manager, pipeline(node("a", "fails", fatal=True, times=1, retry={**QUICK, "on": ["ValueError"]}))
    )
    assert wanted.node_results["a"].attempts == 2
    never = pipeline(node("a", "fails", retry={**QUICK, "never": ["NodeExecutionError"]}))
    assert (await finished(manager, never)).node_results["a"].attempts == 1


async def test_retry_after_is_waited_for(manager: Manager) -> None:
    run = await manager.start_run(pipeline(node("a", "fails", times=1, retry_after=0.01, retry={"base": 60.0})))
    assert (await run.result()).status is playbill.RunStatus.COMPLETED
    (retrying,) = [event async for event in run.events() if event.type is playbill.EventType.PIPELINE_NODE_RETRYING]
    assert (retrying.data["due_at"] - retrying.at).total_seconds() == pytest.approx(0.01)


@pytest.mark.parametrize("which", ["timeout", "idle_timeout", "total_timeout"])
async def test_a_node_timeout_says_which(manager: Manager, which: str) -> None:
    limits: dict[str, Any] = {which: 0.01}
    result = await finished(manager, pipeline(node("a", "hangs", retry={"max_attempts": 1}, **limits)))
    assert str(result.error) == f"AttemptTimedOut: {which} of 0.01 s is over"
    receipt = result.node_results["a"].receipt
    assert receipt is not None
    assert receipt.how is playbill.Stopped.INTERRUPTED


async def test_the_run_timeout_is_a_status_of_its_own(manager: Manager) -> None:
    run = await manager.start_run(pipeline(node("a", "hangs")), timeout_seconds=0.01)
    result = await run.result()
    assert (result.status, statuses(result)) == ("timeout", {"a": "cancelled"})
    with pytest.raises(playbill.RunTimedOut, match=r"run timeout of 0.01 s is over"):
        result.raise_for_status()


async def test_a_breaker_is_shared_by_all_runs_and_opens(manager: Manager) -> None:
    policy = {"failures": 2, "open_seconds": 0.02}
    failing = pipeline(
        node("a", "fails", breaker="shop", retry={"max_attempts": 1}), breakers={"shop": policy}, name="one"
    )
    fine = pipeline(node("a", breaker="shop"), breakers={"shop": policy}, name="two")
    for _ in range(2):
        await finished(manager, failing)
    assert manager.circuits["shop"] == "open"
    refused = await finished(manager, fine)
    assert str(refused.error).startswith("CircuitOpen: circuit 'shop' is open; retry after 0.0")
    assert refused.node_results["a"].attempts == 0
    patient = pipeline(node("a", breaker="shop", on_open="wait"), name="three")
    assert (await finished(manager, patient)).status is playbill.RunStatus.COMPLETED
    assert manager.circuits["shop"] == "closed"


async def test_a_breaker_can_be_set_by_hand(manager: Manager) -> None:
    definition = pipeline(node("a", breaker="shop"))
    await finished(manager, definition)
    await manager.force_circuit("shop", "forced_open")
    assert (await finished(manager, definition)).status is playbill.RunStatus.FAILED
    await manager.force_circuit("shop", playbill.CircuitState.CLOSED)
    assert (await finished(manager, definition)).status is playbill.RunStatus.COMPLETED
    with pytest.raises(playbill.DefinitionError, match="cannot be forced to 'half_open'"):
        await manager.force_circuit("shop", "half_open")
    with pytest.raises(playbill.DefinitionError, match="no pipeline has used breaker 'other' yet"):
        await manager.force_circuit("other", "closed")


async def test_a_breakers_changes_are_events(manager: Manager) -> None:
    events = manager.events()
    listening = asyncio.create_task(anext(event async for event in events if event.stream == "breaker:fails"))
    await asyncio.sleep(0)
    await finished(manager, pipeline(node("a", "fails", retry={"max_attempts": 5, **QUICK})))
    event = await listening
    assert (event.type, event.data["seconds"]) == (playbill.EventType.BREAKER_OPENED, 60.0)


async def test_a_paused_run_begins_nothing_until_it_is_resumed(manager: Manager) -> None:
    run = await manager.start_run(pipeline(node("wait", "delay", "a", seconds=0.01), node("a")))
    assert await run.pause()
    assert not await run.pause()
    assert run.status is playbill.RunStatus.PAUSED
    await asyncio.sleep(0.03)  # the delay falls due meanwhile, which no event tells
    assert set(run.node_results) == {"wait"}
    assert await run.resume()
    assert not await run.resume()
    assert (await run.result()).status is playbill.RunStatus.COMPLETED


async def test_a_paused_run_can_be_cancelled_and_its_deadline_stands_still(manager: Manager) -> None:
    run = await manager.start_run(pipeline(node("wait", "delay", seconds=60)), timeout_seconds=0.02)
    await run.pause()
    await asyncio.sleep(0.04)  # longer than the timeout
    assert not run.done
    assert await run.cancel()
    assert (await run.result()).status is playbill.RunStatus.CANCELLED


@pytest.mark.real("a handler in a thread")
async def test_handlers_in_threads_retry_and_time_out_from_their_real_start() -> None:
    attempts: list[Any] = []

    @playbill.node_type("threaded")
    def threaded(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        attempts.append(context.attempt)
        if context.attempt == 1:
            context.sleep(60)  # raises as soon as the timeout asks the attempt to end
        return {"key": context.idempotency_key}

    async with playbill.PipelineRunManager(types=[threaded]) as manager:
        run = await manager.start_run(pipeline(node("a", "threaded", timeout=0.02, retry=QUICK)), run_id="r")
        result = await run.result()
    assert (result.outputs["a"], attempts) == ({"key": "r/a"}, [1, 2])


@pytest.mark.parametrize("asked_for", [-1, float("nan"), float("-inf")])
async def test_a_retry_after_that_is_no_length_of_time_is_as_none(manager: Manager, asked_for: float) -> None:
    definition = pipeline(node("a", "fails", retry_after=asked_for, retry={"max_attempts": 2, "base": 0.01}))
    result = await finished(manager, definition)
    assert (result.node_results["a"].attempts, str(result.error)) == (2, "NodeExecutionError: again")


@pytest.mark.parametrize("asked_for", [61, 1e12, 1e300, float("inf"), 10**400])
async def test_a_retry_after_is_cut_to_what_the_policy_allows(manager: Manager, asked_for: float) -> None:
    for retry in ({"cap": "20ms"}, {"max_retry_after": 0.02}):
        once = node("a", "fails", times=1, retry_after=asked_for, retry={**retry, "base": 0})
        run = await manager.start_run(pipeline(once))
        assert (await run.result()).status is playbill.RunStatus.COMPLETED
        data = [event async for event in run.events() if event.type is playbill.EventType.PIPELINE_NODE_RETRYING]
        assert [(event.data["due_at"] - event.at).total_seconds() for event in data] == [pytest.approx(0.02)]
    result = await finished(manager, pipeline(node("a", "fails", retry_after=asked_for, total_timeout=0.05)))
    assert str(result.error) == "AttemptTimedOut: total_timeout of 0.05 s is over"


@pytest.mark.parametrize("asked_for", [True, "7", "soon", [7], float])
async def test_a_retry_after_of_another_kind_is_the_handlers_mistake(manager: Manager, asked_for: Any) -> None:
    result = await finished(manager, pipeline(node("a", "fails", retry_after=asked_for)))
    assert result.node_results["a"].attempts == 1
    shown = f"retry_after is a number of seconds or a timedelta, not {asked_for!r}"
    assert str(result.error) == f"TypeError: {shown}"


class Throttled(Exception):
    """A user's own."""

    retry_after = timedelta(days=9)


@playbill.node_type("raises")
async def raises(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Raise what its config says, in the first attempt."""
    if context.attempt == 1:
        raise RAISED[node.config["what"]]
    return {}


RAISED: dict[str, Exception] = {
    "mine": Throttled("slow down"),
    "refused": ConnectionRefusedError("nobody there"),
    "ours": playbill.NodeExecutionError("busy"),
    "wrong": ValueError("bad"),
    "both": ExceptionGroup("at once", [ConnectionResetError("gone"), ValueError("bad")]),
    "passing": ExceptionGroup("at once", [ConnectionResetError("gone"), ExceptionGroup("in it", [Throttled("x")])]),
    "config": ExceptionGroup("at once", [ConnectionResetError("gone"), playbill.NodeConfigError("no such table")]),
}


@pytest.mark.parametrize(
    ("what", "retry", "attempts"),
    [
        ("mine", {}, 2),
        ("mine", {"on": [f"{__name__}.Throttled"]}, 2),
        ("mine", {"on": Throttled}, 2),
        ("mine", {"on": ["OSError"]}, 1),
        ("mine", {"never": [f"{__name__}.Throttled"]}, 1),
        ("refused", {"on": ["ConnectionError"]}, 2),
        ("refused", {"on": ["TimeoutError", "ConnectionResetError"]}, 1),
        ("ours", {"on": ["ConnectionError"]}, 1),
        ("ours", {"on": ["NodeExecutionError"]}, 2),
        ("wrong", {}, 1),
        ("wrong", {"on": ["ValueError"]}, 2),
        ("both", {}, 1),
        ("both", {"on": ["ConnectionError"]}, 1),
        ("both", {"on": ["ConnectionError", "ValueError"]}, 2),
        ("passing", {}, 2),
        ("passing", {"never": ["ConnectionError"]}, 1),
        ("config", {}, 1),
        ("config", {"on": ["ConnectionError"]}, 1),
    ],
)
async def test_on_means_only_these_and_looks_into_groups(what: str, retry: dict[str, Any], attempts: int) -> None:
    async with playbill.PipelineRunManager(types=[raises]) as manager:
        policy = {"base": 0, "cap": 0.001, **retry}
        result = await finished(manager, pipeline(node("a", "raises", what=what, retry=policy)))
    assert result.node_results["a"].attempts == attempts
    assert result.status == ("completed" if attempts == 2 else "failed")


def raises_elsewhere(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Raise the same in a process."""
    if context.attempt == 1:
        raise RAISED[node.config["what"]]
    return {}


@pytest.mark.real("a handler in a process")
@pytest.mark.parametrize(("what", "attempts"), [("mine", 2), ("passing", 2), ("both", 1), ("ours", 1)])
async def test_on_means_the_same_in_a_process(what: str, attempts: int) -> None:
    retry = {"base": 0, "cap": 0.001, "on": [f"{__name__}.Throttled", "ConnectionResetError"]}
    async with playbill.PipelineRunManager(types=[playbill.node_type("elsewhere")(raises_elsewhere)]) as manager:
        work = node("a", "elsewhere", what=what, retry=retry, isolation="process")
        assert (await finished(manager, pipeline(work))).node_results["a"].attempts == attempts


async def test_a_group_is_told_with_what_is_in_it() -> None:
    async with playbill.PipelineRunManager(types=[raises]) as manager:
        result = await finished(manager, pipeline(node("a", "raises", what="config")))
    assert str(result.error) == (
        "ExceptionGroup: at once (2 sub-exceptions): ConnectionResetError: gone; NodeConfigError: no such table"
    )


async def test_a_class_that_nobody_knows_is_refused_before_the_run(manager: Manager) -> None:
    for name, hint in (("Throttled", "write a class"), ("ConectionError", "did you mean 'ConnectionError'?")):
        with pytest.raises(
            playbill.DefinitionError, match=rf"node 'a': retry.on: '{name}' is no exception"
        ) as caught:
            await manager.start_run({"nodes": [node("a", retry={"on": [name]})]})
        assert hint in str(caught.value)


@pytest.mark.parametrize("wait", [float("nan"), float("inf"), 1e300, 10**400, "soon", True, None])
async def test_a_sleep_that_is_no_length_of_time_is_refused(wait: Any) -> None:
    @playbill.node_type("sleeps")
    async def sleeps(node: Any, inputs: Any, context: playbill.NodeContext) -> None:
        await context.sleep(-1)
        await context.sleep("1ms")
        await context.sleep(timedelta(milliseconds=1))
        await context.sleep(wait)

    async with playbill.PipelineRunManager(types=[sleeps]) as manager:
        result = await finished(manager, pipeline(node("a", "sleeps")))
    assert str(result.error).startswith("ValueError: ")
    assert "not" in str(result.error)
    assert result.node_results["a"].attempts == 1


async def test_a_delay_ends_at_its_total_timeout(manager: Manager) -> None:
    result = await finished(manager, pipeline(node("a", "delay", "b", seconds=60, total_timeout=0.05), node("b")))
    assert str(result.error) == "AttemptTimedOut: total_timeout of 0.05 s is over"
    result = await finished(manager, pipeline(node("a", "delay", "b", seconds=0.01, total_timeout=60), node("b")))
    assert result.status is playbill.RunStatus.COMPLETED


async def test_a_number_of_attempts_and_times_with_units_are_said_in_a_word(manager: Manager) -> None:
    retry = {"max_attempts": 2, "base": "5ms", "cap": "1m"}
    definition = pipeline(
        node("a", "delay", "b", seconds="10ms"),
        node("b", "fails", retry=retry, on_error="continue", timeout="1m"),
        node("c", "fails", on_error="continue"),
        defaults={"retry": 1, "timeout": "1h"},
        timeout="5m",
    )
    result = await finished(manager, definition)
    assert {name: end.attempts for name, end in result.node_results.items()} == {"a": 1, "b": 2, "c": 1}


async def test_a_class_that_a_loaded_module_lacks_is_refused(manager: playbill.PipelineRunManager) -> None:
    wrong = pipeline(node("a", "fails", retry={"on": [f"{__name__}.Throtled", f"{__name__}.node"]}))
    with pytest.raises(playbill.DefinitionError) as raised:
        await manager.start_run(wrong)
    assert f"node 'a': retry.on: '{__name__}.Throtled': {__name__} has no exception 'Throtled'" in str(raised.value)
    assert f"{__name__} has no exception 'node'" in str(raised.value)
    shared = {"nodes": [node("a", "say")], "defaults": {"retry": {"never": [f"{__name__}.Throtled"]}}}
    with pytest.raises(playbill.DefinitionError, match=r"defaults\.retry\.never: '.*Throtled': .* has no exception"):
        await manager.start_run(shared)
