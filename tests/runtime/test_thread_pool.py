"""Threads that the system does not give: whoever needs one is answered, and nobody is forgotten or executed late."""

import threading
from typing import Any

import pytest

import playbill
from playbill.runtime.runners.attempt import Identity
from playbill.runtime.runners.thread_pool import ThreadPool

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many more threads of handlers start; none at first."""
    room = [0]
    start = threading.Thread.start

    def limited(self: threading.Thread) -> None:
        if self.name.startswith("playbill-handler"):
            if not room[0]:
                raise RuntimeError("can't start new thread")
            room[0] -= 1
        start(self)

    monkeypatch.setattr(threading.Thread, "start", limited)
    return room


class Attempt:
    """An attempt that says what happened to it, and holds its thread until it may end."""

    thread, entered = 1, 0.0

    def __init__(self) -> None:
        self.refused: list[Exception] = []
        self.entering, self.may_end, self.ended = (threading.Event() for _ in range(3))

    @property
    def identity(self) -> Identity:
        return Identity("r", "n", 1)

    def execute(self) -> None:
        self.entering.set()
        assert self.may_end.wait(20)

    def refuse(self, error: Exception, at: float) -> None:
        self.refused.append(error)

    def bring(self) -> None:
        self.ended.set()


def text(attempt: Attempt) -> str:
    (error,) = attempt.refused
    assert isinstance(error, playbill.NodeExecutionError)
    return str(error)


def test_an_attempt_for_which_no_thread_starts_is_refused_and_does_not_count(no_threads: list[int]) -> None:
    pool, first, second = ThreadPool(1), Attempt(), Attempt()
    pool.queue(first)
    assert text(first).startswith("no thread could be started for the handler (can't start new thread; 0 of")
    assert repr(pool) == "<ThreadPool threads=0 idle=0 waiting=0>"
    no_threads[0] = 1
    pool.queue(second)
    second.may_end.set()
    assert second.ended.wait(20)
    assert not first.entering.is_set()
    pool.close()


def test_who_waits_for_an_abandoned_thread_that_is_not_replaced_is_refused(no_threads: list[int]) -> None:
    no_threads[0] = 1
    pool, first, second = ThreadPool(1), Attempt(), Attempt()
    pool.queue(first)
    assert first.entering.wait(20)
    pool.queue(second)
    pool.replace(first)
    assert "no thread could be started" in text(second)
    first.may_end.set()
    assert first.ended.wait(20)
    assert not second.entering.is_set()
    pool.close()


@pytest.mark.parametrize("how", ["withdraw", "replace"])
def test_an_attempt_that_is_taken_back_or_given_up_is_never_executed(how: str) -> None:
    pool, first, second, third = ThreadPool(1), Attempt(), Attempt(), Attempt()
    for attempt in (first, second, third):
        pool.queue(attempt)
    getattr(pool, how)(second)
    for attempt in (first, second, third):
        attempt.may_end.set()
    assert third.ended.wait(20)
    assert not second.entering.is_set()
    pool.close()


def test_a_closed_pool_executes_nothing_that_waited() -> None:
    pool, first, second = ThreadPool(1), Attempt(), Attempt()
    pool.queue(first)
    assert first.entering.wait(20)
    pool.queue(second)
    pool.close()
    first.may_end.set()
    assert first.ended.wait(20)
    assert repr(pool).endswith("waiting=0>")
    assert not second.entering.is_set()


@playbill.node_type("in_thread")
def in_thread(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Tell which attempt it is."""
    return {"attempt": context.attempt}


async def test_a_thread_that_does_not_start_is_worth_another_attempt(no_threads: list[int]) -> None:
    node = {"id": "a", "type": "in_thread", "retry": {"base": 0.01}}
    async with playbill.PipelineRunManager(types=[in_thread]) as manager:
        run = await manager.start_run({"nodes": [node]}, timeout_seconds=20)
        async for event in run.events():
            if event.type == playbill.EventType.PIPELINE_NODE_RETRYING:
                no_threads[0] = 1
        result = await run.result()
    assert result.outputs == {"a": {"attempt": result.node_results["a"].attempts}}


@pytest.mark.parametrize("option", ["max_processes", "max_commands", "max_orphans"])
def test_a_pool_of_no_place_is_refused_where_it_is_given(option: str) -> None:
    for value in (0, -1, 1.5, "2", True):
        wrong: dict[str, Any] = {option: value}
        with pytest.raises(playbill.DefinitionError, match=f"{option} is a whole number, 1 or more, not {value!r}"):
            playbill.PipelineRunManager(**wrong)
