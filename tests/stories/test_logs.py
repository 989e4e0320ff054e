"""What attempts say is kept with their run: the records of their log, and what their processes and commands write."""

import asyncio
import logging
import sys
import threading
from datetime import timedelta
from typing import Any

import pytest

import playbill
from tests.stories.support import finished, node, pipeline, polls, say, spins

pytestmark = pytest.mark.anyio


@playbill.node_type("talks")
async def talks(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Log one record of each level, a second apart."""
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(context.log, level)("%s of attempt %d", level, context.attempt)
        await context.sleep(context.config.get("apart", 0.001))
    if context.attempt < context.config.get("attempts", 1):
        raise playbill.NodeExecutionError("not yet")
    return {}


@playbill.node_type("floods")
async def floods(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Log far more than is kept."""
    log = context.log
    for number in range(context.config["lines"]):
        log.info("line %d", number)
    return {}


@playbill.node_type("talks_elsewhere")
def talks_elsewhere(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Log and print in a thread, or in a process."""
    for number in range(context.config.get("lines", 20)):
        context.log.debug("line %d", number)
    context.log.warning("the key is %s", context.config.get("key"))
    if (filling := context.config.get("filling")) is not None:  # the line is cut where its end begins
        print("x" * filling + "hunter2hunter2")
    if context.config.get("prints"):
        print("to stdout:", context.config["key"])
        print("to stderr", file=sys.stderr)
    return {}


@playbill.node_type("talks_in_both")
async def talks_in_both(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Log on the loop and in threads, by turns."""
    for number in range(0, 20, 2):
        context.log.info("line %d", number)
        await asyncio.to_thread(context.log.info, "line %d", number + 1)
    context.log.info("line 20")
    return {}


@playbill.node_type("joins")
async def joins(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Let a thread log, hold the loop until it has, and be done before the loop has a turn."""
    thread = threading.Thread(target=context.log.info, args=("by a thread",))
    thread.start()
    thread.join()
    return {}


@playbill.node_type("comes_late")
def comes_late(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Log, sleep where nothing reaches it, and log again."""
    context.log.info("before")
    context.heartbeat()
    context.resources["wake"].wait()
    context.log.info("after")
    return {}


@playbill.node_type("talks_for_ever")
def talks_for_ever(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Log until it is killed."""
    context.heartbeat()
    while True:
        context.log.info("still there")


ALL = [
    talks, floods, talks_elsewhere, talks_in_both, joins, comes_late, talks_for_ever, say, polls, spins,
]  # fmt: skip


@pytest.fixture
async def manager() -> Any:
    secrets = {"token": "hunter2hunter2"}
    async with playbill.PipelineRunManager(types=ALL, grace=0.05, kill_bound=0.5, secrets=secrets) as made:
        yield made


async def begun(run: playbill.Run) -> None:
    """Wait until something of it is kept."""
    while not await run.logs():  # noqa: ASYNC110 (nothing tells of it)
        await asyncio.sleep(0)


def told(lines: Any) -> list[tuple[str, str]]:
    return [(line.level, line.text) for line in lines]


async def test_each_record_is_kept_with_its_level_and_its_time_whatever_loggers_show(
    manager: playbill.PipelineRunManager,
) -> None:
    run = await manager.start_run(pipeline(node("a", "talks"), node("b", "say")))
    assert (await run.result()).status == "completed"
    lines = await run.logs()
    levels = ["debug", "info", "warning", "error", "critical"]
    assert told(lines) == [(level, f"{level} of attempt 1") for level in levels]
    assert {(line.node_id, line.attempt, line.cut) for line in lines} == {("a", 1, False)}
    assert [line.number for line in lines] == [1, 2, 3, 4, 5]
    times = [line.at for line in lines]
    assert times == sorted(times)
    assert times[-1] - times[0] >= timedelta(seconds=0.003)
    assert all(isinstance(line, playbill.LogLine) for line in lines)
    assert list(await run.logs("b")) == list(await run.logs("nobody")) == []


async def test_each_attempt_has_its_own_lines_and_a_reader_chooses(manager: playbill.PipelineRunManager) -> None:
    retry = {"max_attempts": 2, "base": 0.001}
    nodes = [node(name, "talks", config={"attempts": 2}, retry=retry) for name in "ab"]
    run = await manager.start_run(pipeline(*nodes))
    assert (await run.result()).status == "completed"
    found = [(line.node_id, line.attempt, line.number) for line in await run.logs()]
    assert found == [(name, attempt, number) for name in "ab" for attempt in (1, 2) for number in range(1, 6)]
    assert {line.text for line in await run.logs("b", 2)} >= {"debug of attempt 2"}
    assert {(line.node_id, line.attempt) for line in await run.logs("b", 2)} == {("b", 2)}
    assert {line.node_id for line in await run.logs(attempt=1)} == {"a", "b"}


async def test_lines_can_be_read_while_the_run_goes_on(manager: playbill.PipelineRunManager) -> None:
    run = await manager.start_run(pipeline(node("a", "talks", config={"apart": 3600})))
    await begun(run)
    assert told(await run.logs()) == [("debug", "debug of attempt 1")]
    await run.cancel()


async def test_a_flood_is_cut_and_the_place_marked(manager: playbill.PipelineRunManager) -> None:
    run = await manager.start_run(pipeline(node("a", "floods", config={"lines": 3000}), node("b", "talks")))
    assert (await run.result()).status == "completed"
    lines = await run.logs("a")
    assert [line.text for line in lines] == [f"line {number}" for number in range(1000)]
    assert [line.number for line in lines if line.cut] == [1000]
    assert len(await run.logs("b")) == 5


async def test_a_record_of_many_lines_is_one_and_no_secret_is_in_it() -> None:
    @playbill.node_type("refused")
    async def refused(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        try:
            raise LookupError(f"wrong key {context.config['key']}")  # noqa: TRY301 (to have it logged)
        except LookupError:
            context.log.exception("refused:\nit was %s", context.config["key"])
        context.log.info("%d", "not a number")
        return {}

    async with playbill.PipelineRunManager(types=[refused], secrets={"token": "hunter2"}) as manager:
        run = await manager.start_run(pipeline(node("a", "refused", config={"key": "${secrets.token}"})))
        await run.result()
        first, second = await run.logs()
    assert first.level == "error"
    assert first.text.startswith("refused:\nit was ***\nTraceback (most recent call last):\n")
    assert first.text.endswith("LookupError: wrong key ***")
    assert second.text.startswith("a line of the log cannot be written: TypeError")


async def test_with_its_run_a_line_is_forgotten() -> None:
    async with playbill.PipelineRunManager(types=ALL, keep_runs=1) as manager:
        runs = [await manager.start_run(pipeline(node("a", "talks"))) for _ in range(2)]
        results = [(await run.result()).status for run in runs]
        found = [len(await run.logs()) for run in runs]
    assert results == ["completed", "completed"]
    assert sorted(found) == [0, 5]


@pytest.mark.real("a thread of its own")
def test_sync_programs_read_them_too(anyio_backend: Any) -> None:
    with playbill.BlockingManager(types=ALL) as manager:
        run = manager.start_run(pipeline(node("a", "talks"), node("b", "talks")))
        assert run.result().status == "completed"
        assert len(run.logs()) == 10
        assert told(run.logs("b", 1))[0] == ("debug", "debug of attempt 1")


# ---- threads and processes ----------------------------------------------------------------------------------------


@pytest.mark.real("threads and processes")
@pytest.mark.parametrize("isolation", ["inline", "process"])
@pytest.mark.parametrize("level", ["DEBUG", "ERROR"])
async def test_threads_and_processes_keep_their_order_and_show_no_secret(
    manager: playbill.PipelineRunManager, isolation: str, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(level, "playbill.node")
    config = {"key": "${secrets.token}"}
    run = await manager.start_run(pipeline(node("a", "talks_elsewhere", config=config, isolation=isolation)))
    assert (await run.result()).status == "completed"
    expected = [*(("debug", f"line {number}") for number in range(20)), ("warning", "the key is ***")]
    assert told(await run.logs()) == expected
    shown = [record.getMessage() for record in caplog.records if record.name == "playbill.node"]
    assert shown == ([f"{run.id}/a#1: {text}" for _, text in expected] if level == "DEBUG" else [])


@pytest.mark.real("threads and processes")
@pytest.mark.parametrize("isolation", ["inline", "process"])
async def test_a_flood_from_elsewhere_is_cut_too(manager: playbill.PipelineRunManager, isolation: str) -> None:
    config = {"lines": 100_000}
    run = await manager.start_run(pipeline(node("a", "talks_elsewhere", config=config, isolation=isolation)))
    assert (await run.result()).status == "completed"
    lines = await run.logs()
    assert [line.text for line in lines] == [f"line {number}" for number in range(1000)]
    assert [line.number for line in lines if line.cut] == [1000]


@pytest.mark.real("processes")
async def test_what_a_process_prints_is_kept_without_its_secrets(manager: playbill.PipelineRunManager) -> None:
    config = {"key": "${secrets.token}", "prints": True, "lines": 0}
    run = await manager.start_run(pipeline(node("a", "talks_elsewhere", config=config, isolation="process")))
    assert (await run.result()).status == "completed"
    expected = [("warning", "the key is ***"), ("stdout", "to stdout: ***"), ("stderr", "to stderr")]
    assert sorted(told(await run.logs())) == sorted(expected)


@pytest.mark.real("processes")
async def test_no_part_of_a_secret_is_left_where_a_long_line_is_cut(
    manager: playbill.PipelineRunManager, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    config = {"filling": 16 * 1024 - 9, "lines": 0}
    run = await manager.start_run(pipeline(node("a", "talks_elsewhere", config=config, isolation="process")))
    assert (await run.result()).status == "completed"
    cut, note = (line for line in await run.logs() if line.level == "stdout")
    assert (set(cut.text), cut.cut) == ({"x"}, True)
    assert note.text == "... 5 more bytes were written and left out of the log"
    assert "hunter2h" not in caplog.text


@pytest.mark.real("threads")
async def test_a_handler_that_logs_on_the_loop_and_in_threads_keeps_its_order(
    manager: playbill.PipelineRunManager,
) -> None:
    run = await manager.start_run(pipeline(node("a", "talks_in_both")))
    assert (await run.result()).status == "completed"
    assert [line.text for line in await run.logs()] == [f"line {number}" for number in range(21)]


@pytest.mark.real("threads")
async def test_what_a_thread_has_said_counts_though_its_handler_ends_at_once(
    manager: playbill.PipelineRunManager,
) -> None:
    run = await manager.start_run(pipeline(node("a", "joins")))
    assert (await run.result()).status == "completed"
    assert told(await run.logs()) == [("info", "by a thread")]


@pytest.mark.real("threads")
async def test_a_thread_that_logs_after_its_run_has_ended_is_heard_by_nobody_and_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "playbill")
    wake = threading.Event()
    resources = {"wake": wake}
    async with playbill.PipelineRunManager(types=ALL, resources=resources, grace=0.01, kill_bound=0.05) as manager:
        run = await manager.start_run(pipeline(node("a", "comes_late")))
        await begun(run)
        await run.cancel()
        assert list((await run.result()).orphans) == ["a"]
        wake.set()
        while manager.orphans:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0)
        assert told(await run.logs()) == [("info", "before")]
    assert f"a line comes after the end of attempt 1 of node 'a' in run '{run.id}', and is not kept" in caplog.text


@pytest.mark.real("threads")
async def test_a_thread_that_is_killed_as_it_logs_leaves_what_it_said(manager: playbill.PipelineRunManager) -> None:
    run = await manager.start_run(pipeline(node("a", "talks_for_ever")))
    await begun(run)
    await run.cancel(grace=0)
    await run.result()
    lines = await run.logs()
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert {line.text for line in lines} == {"still there"}


# ---- commands -----------------------------------------------------------------------------------------------------


def shell(text: str, **more: Any) -> dict[str, Any]:
    return node("a", "command", config={"argv": ["sh", "-c", text], **more})


@pytest.mark.real("programs")
async def test_what_a_command_writes_is_kept_by_line_without_its_secrets(
    manager: playbill.PipelineRunManager,
) -> None:
    text = 'echo "key $KEY"; echo; printf "no end"; echo oops >&2'
    result = await finished(manager, pipeline(shell(text, env={"KEY": "${secrets.token}"})))
    lines = await manager.get_run(result.run_id).logs("a")
    assert [line.text for line in lines if line.level == "stdout"] == ["key ***", "no end"]
    assert [line.text for line in lines if line.level == "stderr"] == ["oops"]
    assert result.outputs["a"]["stdout"] == "key hunter2hunter2\n\nno end"


@pytest.mark.real("programs")
async def test_what_a_command_writes_is_kept_as_it_comes(manager: playbill.PipelineRunManager) -> None:
    run = await manager.start_run(pipeline(shell("echo ready; exec sleep 600")))
    await begun(run)
    assert told(await run.logs()) == [("stdout", "ready")]
    assert not run.done
    await run.cancel()
    assert (await run.result()).status == "cancelled"
    assert told(await run.logs()) == [("stdout", "ready")]


@pytest.mark.real("programs")
async def test_a_command_that_writes_much_is_cut(manager: playbill.PipelineRunManager) -> None:
    result = await finished(manager, pipeline(shell("seq 200000")))
    lines = await manager.get_run(result.run_id).logs("a")
    assert [line.text for line in lines] == [str(number) for number in range(1, 1001)]
    assert [line.number for line in lines if line.cut] == [1000]
