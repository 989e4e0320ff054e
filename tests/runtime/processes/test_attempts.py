"""What an attempt in a process does as one in a thread does."""

import asyncio
import functools
import logging
import os
import select
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel

import playbill
from playbill.model.messages import Began, Heartbeat
from playbill.model.plain_text import MAX_TEXT_BYTES
from playbill.runtime.processes.pipe import Pipe
from playbill.runtime.redaction import Redaction
from playbill.runtime.runners.workers.importable import check_importable
from playbill.runtime.runners.workers.output_log import OutputLog
from tests.runtime.processes import bodies
from tests.runtime.processes.support import Bank, opened

pytestmark = pytest.mark.anyio


async def test_an_attempt_returns_once_with_its_output(bank: Bank) -> None:
    _, node = bank.begin(bodies.echo, number=3)
    returned = await node.end()
    assert returned.attempt == 3
    assert returned.output is not None
    assert {**returned.output, "pid": 0} == {"config": {"x": 1}, "inputs": {"a": {"b": 1}}, "pid": 0}


async def test_a_handler_is_told_about_its_run(bank: Bank) -> None:
    _, node = bank.begin(bodies.told)
    said = (await node.output())["said"]
    assert said == ["r", "n", 1, "r/n", False, {"city": "Lyon"}, "there", ["db"], None, {"x": 1}, True]
    assert [type(message) for message in node.mail][:2] == [Began, Heartbeat]
    assert Heartbeat(1, "half") in node.mail


async def test_an_async_handler_runs_on_a_loop_of_its_own(bank: Bank) -> None:
    assert await bank.output(bodies.on_loop) == {"on_loop": True}
    assert await bank.output(bodies.on_loop) == {"on_loop": True}


async def test_attempts_share_a_warm_worker(bank: Bank) -> None:
    pids = {(await bank.output(bodies.pid))["pid"] for _ in range(5)}
    assert len(pids) == 1


async def test_a_worker_leads_a_session_of_its_own_under_the_spawner(bank: Bank) -> None:
    found = await bank.output(bodies.pid)
    assert found["pid"] == found["group"] == found["session"]
    assert found["spawner"] == bank.pool.client.pid


@pytest.mark.parametrize(
    "error", ["SystemExit", "KeyboardInterrupt", "CancelledError", "GeneratorExit", "ValueError"]
)
async def test_whatever_is_raised_is_a_failure_and_the_worker_lives_on(bank: Bank, error: str) -> None:
    before = await bank.output(bodies.pid)
    failure = await bank.failure(bodies.raises, error)
    assert (failure.type, failure.message, failure.retryable) == (error, "boom", False)
    assert failure.kinds[0].rpartition(".")[2] == error
    assert "in raises" in failure.traceback
    assert await bank.output(bodies.pid) == before


async def test_an_output_that_is_not_json_is_a_config_error(bank: Bank) -> None:
    failure = await bank.failure(bodies.not_json)
    assert failure.type == "NodeConfigError"
    assert "node 'n' (type 'work'): its output.x is object, which JSON cannot say" in failure.message


async def test_an_output_comes_home_as_plain_json(bank: Bank) -> None:
    output = await bank.output(bodies.subclass)
    assert (output, type(output["x"][0])) == ({"x": ["y"]}, str)


async def test_a_large_output_and_large_inputs_arrive_whole(bank: Bank) -> None:
    text = "x" * 900_000
    assert (await bank.output(bodies.echo, text))["config"] == {"x": text}


@pytest.fixture
async def hiding() -> AsyncIterator[Bank]:
    async with opened(redaction=Redaction(["boom", "this", "hunter2"])) as bank:
        yield bank


async def test_secrets_are_hidden_in_failures_and_logs(hiding: Bank, caplog: pytest.LogCaptureFixture) -> None:
    failure = await hiding.failure(bodies.raises, "ValueError")
    assert failure.message == "***"
    assert "boom" not in failure.traceback
    await hiding.output(bodies.logs)
    assert caplog.records[-1].getMessage() == "r/n#1: look at ***"


async def test_what_is_kept_of_a_node_and_sent_once_is_the_node_as_it_is_defined(hiding: Bank) -> None:
    plan = hiding.plan_of("${secrets.key}")
    for number in (1, 2, 3):
        _, node = hiding.begin_planned(bodies.echo, plan, number, config={"x": f"hunter2 of attempt {number}"})
        assert (await node.output())["config"] == {"x": f"hunter2 of attempt {number}"}
    [kept] = hiding.pool.packer._kept.values()
    assert b"secrets.key" in kept.data
    assert b"hunter2" not in kept.data


async def test_what_a_worker_writes_between_attempts_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Pipe() as pipe:
        log = OutputLog(asyncio.get_running_loop(), pipe, "stdout", select.poll(), Redaction(["hunter2"]).hide)
        os.write(pipe.write, b"it is hunter2")
        log.read()
        log.end()
        log.close()
    assert [record.getMessage() for record in caplog.records] == ["between attempts: it is ***"]


async def test_arguments_that_do_not_fit_a_line_of_the_log_are_told_and_fail_nothing(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    assert await bank.output(bodies.logs_what_does_not_fit) == {"went": "on"}
    assert "r/n#1: a line of the log cannot be written: TypeError" in caplog.text


@pytest.mark.parametrize("evil", ["key", "exit", "interrupt"])
@pytest.mark.parametrize("place", ["__getattr__", "retry_after", "__notes__", "__str__", "__class__"])
async def test_an_error_that_raises_when_it_is_asked_is_a_failure(bank: Bank, place: str, evil: str) -> None:
    before = await bank.output(bodies.pid)
    failure = await bank.failure(bodies.wicked, [place, evil])
    assert (failure.type, failure.retryable) == ("Evil", True)
    assert await bank.output(bodies.pid) == before


async def test_progress_that_cannot_be_told_is_refused(bank: Bank) -> None:
    failure = await bank.failure(bodies.beats_unreadable)
    assert str(failure) == "NodeConfigError: node 'n': its heartbeat is Unreadable, which JSON cannot say"


async def test_the_texts_of_a_failure_are_bounded_and_show_no_part_of_a_secret(hiding: Bank) -> None:
    failure = await hiding.failure(bodies.long_words)
    for text in (failure.message, failure.traceback):
        assert len(text.encode()) <= MAX_TEXT_BYTES
        assert "bytes were cut" in text
        assert "hunt" not in text
        assert "er2" not in text


async def test_what_a_worker_tells_is_bounded_by_its_host_too(bank: Bank) -> None:
    attempt, node = bank.begin(bodies.nothing)
    told = ["E", "x" * 100_000, False, ["E"], "y" * 100_000, None]
    attempt.finish(0.0, None, told)
    failure = await node.failure()
    assert len(failure.message) <= MAX_TEXT_BYTES
    assert len(failure.traceback) <= MAX_TEXT_BYTES


async def test_what_raises_anything_when_it_is_pickled_is_refused(bank: Bank) -> None:
    failure = await bank.failure(bodies.echo, bodies.Unreadable())
    assert failure.type == "NodeConfigError"
    assert "(Unreadable) cannot be handed to a process: 3; pass plain data" in failure.message


async def test_a_resource_that_raises_anything_when_it_is_pickled_is_refused() -> None:
    async with opened({"odd": bodies.Unreadable()}) as bank:
        failure = await bank.failure(bodies.asks_resource)
    assert failure.type == "NodeConfigError"
    assert "resource 'odd' (Unreadable) cannot be handed to a process: 3" in failure.message


async def test_what_a_handler_is_given_is_plain_and_its_own(bank: Bank) -> None:
    expected = {"config": "{'x': 1}", "inputs": "{'a': {'b': 1}}", "trigger": "{'city': 'Lyon'}"}
    for _ in range(2):  # the second time by the same worker, which knows the node
        assert (await bank.again(bodies.changes_config)).output == expected


async def test_an_output_comes_home_read_only(bank: Bank) -> None:
    output: Any = await bank.output(bodies.subclass)
    with pytest.raises(TypeError, match="what node 'n' gave is read-only"):
        output["x"].append(1)


async def test_heartbeats_of_threads_arrive_whole(bank: Bank) -> None:
    _, node = bank.begin(bodies.beats_from_threads)
    await node.output()
    assert [message for message in node.mail if isinstance(message, Heartbeat)] == [Heartbeat(1, "x" * 50_000)] * 20


async def test_a_handlers_log_names_run_node_and_attempt(bank: Bank, caplog: pytest.LogCaptureFixture) -> None:
    await bank.output(bodies.logs)
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.WARNING, "r/n#1: look at this")
    assert (record.run_id, record.node_id, record.attempt) == ("r", "n", 1)  # type: ignore[attr-defined]  # the extras


class Unpicklable(BaseModel):
    model_config = {"arbitrary_types_allowed": True}
    lock: Any


async def test_a_resource_that_does_not_pickle_is_named_when_it_is_used() -> None:
    async with opened({"lock": threading.Lock(), "db": {"is": "fine"}}) as bank:
        assert await bank.output(bodies.resource, "db") == {"got": {"is": "fine"}}
        failure = await bank.failure(bodies.resource, "lock")
        assert failure.type == "NodeConfigError"
        assert "resource 'lock' (lock) cannot be handed to a process" in failure.message
        assert (await bank.failure(bodies.resource, "none")).type == "KeyError"
        assert await bank.output(bodies.resource, "db") == {"got": {"is": "fine"}}


async def test_a_config_that_does_not_pickle_is_named_with_its_place_and_type(bank: Bank) -> None:
    failure = await bank.failure(bodies.nothing, {"deep": [1, {"lock": threading.Lock()}]})
    assert (failure.type, failure.retryable) == ("NodeConfigError", False)
    assert "config['x']['deep'][1]['lock'] (lock) cannot be handed to a process" in failure.message


class Callable:
    def method(self, node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {}


def nested() -> Any:
    def inner(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {}

    return inner


def replaced(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
    return {}


original, replaced = replaced, nested()


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (lambda *_: {}, "it is a lambda"),
        (nested(), "it is defined inside a function"),
        (functools.partial(nested(), x=1), "it is defined inside a function"),
        (original, "it's not the same object as"),
    ],
)
async def test_a_handler_that_cannot_be_imported_is_refused_before_anything_runs(handler: Any, why: str) -> None:
    with pytest.raises(playbill.NodeConfigError) as caught:
        check_importable(handler)
    assert why in str(caught.value)
    assert "isolation: inline" in str(caught.value)
    async with opened() as bank:
        failure = await bank.failure(handler)
        assert (failure.type, why in failure.message) == ("NodeConfigError", True)
        assert bank.pool.client.pid is None


def test_importable_handlers_are_not_refused() -> None:
    for handler in (bodies.nothing, functools.partial(bodies.nothing), Callable().method, asyncio.sleep):
        check_importable(handler)


async def test_attempts_wait_for_a_worker_first_come_first_served_and_can_be_taken_back(tmp_path: Any) -> None:
    async with opened(max_workers=1) as bank:
        first, busy = await bank.ready(bodies.waits, str(tmp_path / "x"))
        second, taken_back = bank.begin(bodies.pid)
        _, third = bank.begin(bodies.pid)
        assert repr(bank.pool) == "<ProcessPool workers=1 idle=0 waiting=2>"
        second.interrupt()
        returned = await taken_back.end()
        assert (returned.output, returned.failure, taken_back.began.is_set()) == (None, None, False)
        assert not third.returned.is_set()
        first.interrupt()
        await busy.end()
        assert "pid" in await third.output()


async def test_at_most_so_many_run_and_so_many_are_kept() -> None:
    async with opened(max_workers=3, max_idle=2) as bank:
        nodes = [bank.begin(bodies.pid)[1] for _ in range(9)]
        pids = {(await node.output())["pid"] for node in nodes}
        assert len(pids) <= 3
        await asyncio.gather(*(node.end() for node in nodes))
        assert "idle=2" in repr(bank.pool)


async def test_what_a_handler_changed_is_put_back(bank: Bank, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    before = await bank.output(bodies.sees_things)
    await bank.output(bodies.changes_things)
    caplog.clear()
    assert await bank.output(bodies.sees_things) == before
    assert [record.getMessage() for record in caplog.records] == ["r/n#1: heard"]


async def test_a_worker_with_a_thread_left_is_replaced(bank: Bank) -> None:
    left = await bank.output(bodies.leaves_a_thread)
    assert (await bank.output(bodies.pid))["pid"] != left["pid"]


async def test_a_worker_is_replaced_after_so_many_attempts() -> None:
    async with opened(max_attempts=3) as bank:
        pids = [(await bank.output(bodies.pid))["pid"] for _ in range(7)]
    assert [len(set(pids[start : start + 3])) for start in (0, 3, 6)] == [1, 1, 1]
    assert len(set(pids)) == 3


async def test_a_worker_that_grew_large_is_replaced() -> None:
    async with opened(max_resident_bytes=150_000_000) as bank:
        pids = [(await bank.output(body))["pid"] for body in (bodies.pid, bodies.pid, bodies.grows, bodies.pid)]
    assert pids[0] == pids[1] == pids[2] != pids[3]
