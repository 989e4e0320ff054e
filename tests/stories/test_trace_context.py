"""A run as a part of somebody's trace: recorded with its start, kept over restarts, seen by handlers and commands."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.runtime.control.offline import control
from playbill.runtime.simulation.simulation import Simulation
from tests.stories.support import node, pipeline

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-11111111111111111111111111111111-2222222222222222-00"
TRACE = {"traceparent": PARENT, "tracestate": "rojo=00f067aa0ba902b7"}
NEW = {"traceparent": OTHER}


@playbill.node_type("traced")
async def traced(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    if (held := context.resources.get("held")) is not None:
        await held.wait()
    if node.config.get("fails"):
        raise playbill.NodeConfigError("no")
    return {"trace": None if context.trace_context is None else dict(context.trace_context)}


@playbill.node_type("traced_thread")
def traced_thread(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    return {"trace": dict(context.trace_context or {})}


@playbill.node_type("traced_process", isolation="process")
def traced_process(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    return {"trace": context.trace_context, "parent": os.environ.get("TRACEPARENT")}


@playbill.node_type("traced_dispatch")
async def traced_dispatch(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    return await playbill.dispatch_node({"id": "within", "type": "traced"}, {}, context, types=[traced])


ALL: list[Any] = [traced, traced_thread, traced_process, traced_dispatch]
ONE = pipeline(node("a", "traced"))
FAILS = pipeline(node("start", "trigger", "a"), node("a", "traced", "b"), node("b", "traced", fails=True))
SHELL = 'printf "%s %s" "$TRACEPARENT" "$TRACESTATE"'


def told(run: playbill.Run) -> Any:
    return run.kept_events[0].data.get("trace")


async def outputs(run: playbill.Run) -> dict[str, Any]:
    return dict((await run.result()).raise_for_status().outputs)


# ---- in memory, and simulated -----------------------------------------------------------------------------------


async def test_a_runs_trace_context_is_recorded_and_seen_by_its_handlers() -> None:
    async with Manager(types=ALL) as manager:
        run = await manager.start_run(ONE, trace_context=TRACE)
        assert run.trace_context == TRACE
        assert (await outputs(run), told(run)) == ({"a": {"trace": TRACE}}, TRACE)
        assert run.trace_context == TRACE
        again = await manager.start_run(ONE)
        assert (await outputs(again), told(again), again.trace_context) == ({"a": {"trace": None}}, None, None)
        assert "trace" not in again.kept_events[0].data


async def test_a_run_there_is_keeps_its_own() -> None:
    async with Manager(types=ALL) as manager:
        run = await manager.start_run(ONE, run_id="one", trace_context=TRACE)
        assert await manager.start_run(ONE, run_id="one", trace_context=NEW) is run
        assert run.trace_context == TRACE


async def test_what_was_given_may_be_changed_afterwards() -> None:
    given = dict(TRACE)
    async with Manager(types=ALL) as manager:
        run = await manager.start_run(ONE, trace_context=given)
        given.clear()
        assert (await outputs(run), run.trace_context) == ({"a": {"trace": TRACE}}, TRACE)
        with pytest.raises(TypeError, match="read-only"):
            run.trace_context["traceparent"] = OTHER  # type: ignore[index]


async def test_one_that_is_none_begins_nothing() -> None:
    async with Manager(types=ALL) as manager:
        await (await manager.start_run(FAILS, run_id="old")).result()
        for begun in (
            manager.start_run(ONE, trace_context={"traceparent": "x"}),
            manager.retry_run("old", trace_context={"traceparent": "x"}),
            manager.fork_run("old", "b", trace_context={"traceparent": "x"}),
        ):
            with pytest.raises(playbill.DefinitionError, match=r"trace_context\.traceparent is version-traceid-"):
                await begun
        assert manager.active_runs == []


async def test_a_retry_has_its_origins_and_a_fork_none_unless_they_are_given_another() -> None:
    async with Manager(types=ALL) as manager:
        await (await manager.start_run(FAILS, run_id="old", trace_context=TRACE)).result()
        retry, other = await manager.retry_run("old"), await manager.retry_run("old", trace_context=NEW)
        last = await manager.retry_run((await other.result()).run_id)
        fork, traced = await manager.fork_run("old", "a"), await manager.fork_run("old", "a", trace_context=NEW)
        found = [(run.trace_context, told(run)) for run in (retry, other, last, fork, traced)]
        assert found == [(TRACE, TRACE), (NEW, NEW), (NEW, NEW), (None, None), (NEW, NEW)]
        await asyncio.gather(*(run.result() for run in (retry, last, fork, traced)))
        assert fork.node_results["a"].output == {"trace": None}
        assert traced.node_results["a"].output == {"trace": NEW}


async def test_a_node_that_is_dispatched_within_a_handler_has_its_runs() -> None:
    async with Manager(types=ALL) as manager:
        run = await manager.start_run(pipeline(node("a", "traced_dispatch")), trace_context=TRACE)
        assert await outputs(run) == {"a": {"trace": TRACE}}


def test_a_simulated_process_that_dies_does_not_lose_it() -> None:
    waits = pipeline(node("wait", "delay", "a", seconds=50), node("a", "traced"))
    with Simulation(crashes=(), types=ALL) as sim:
        run = sim.start(waits, run_id="one", trace_context=TRACE)
        sim.advance(10)
        sim.crash()
        assert sim.result(run).outputs["a"] == {"trace": TRACE}


# ---- threads, processes, commands -------------------------------------------------------------------------------


@pytest.mark.real("threads and processes")
async def test_handlers_of_all_kinds_see_it() -> None:
    nodes = [node(name, name) for name in ("traced", "traced_thread", "traced_process")]
    async with Manager(types=ALL) as manager:
        found = await outputs(await manager.start_run(pipeline(*nodes), trace_context=TRACE))
        assert {name: output["trace"] for name, output in found.items()} == dict.fromkeys(found, TRACE)
        found = await outputs(await manager.start_run(pipeline(nodes[2])))  # by the same worker
        assert found["traced_process"]["trace"] is None


@pytest.mark.real("a command")
async def test_commands_find_it_in_their_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", "the host's")
    monkeypatch.setenv("TRACESTATE", "the host's")
    argv = ["sh", "-c", SHELL]
    definition = pipeline(
        node("plain", "command", argv=argv), node("own", "command", argv=argv, env={"TRACEPARENT": "mine"})
    )

    async def said(trace: dict[str, str] | None) -> list[str]:
        found = await outputs(await manager.start_run(definition, trace_context=trace))
        return [found[name]["stdout"] for name in ("plain", "own")]

    async with Manager(types=ALL) as manager:
        assert await said(TRACE) == [f"{PARENT} rojo=00f067aa0ba902b7", "mine the host's"]
        assert await said(NEW) == [f"{OTHER} ", "mine the host's"]
        assert await said(None) == ["the host's the host's", "mine the host's"]


@pytest.mark.real("a thread")
async def test_sync_programs_give_it_alike() -> None:
    def program() -> None:
        result = playbill.run(ONE, trace_context=TRACE, types=ALL)
        assert result.outputs == {"a": {"trace": TRACE}}
        with playbill.BlockingManager(types=ALL) as manager:
            run = manager.start_run(ONE, trace_context=TRACE)
            assert (run.result().outputs["a"], run.trace_context) == ({"trace": TRACE}, TRACE)
            manager.start_run(FAILS, run_id="old").result()
            assert manager.retry_run("old", trace_context=NEW).trace_context == NEW
            assert manager.fork_run("old", "a", trace_context=NEW).trace_context == NEW

    await asyncio.to_thread(program)


# ---- with a journal in a file -----------------------------------------------------------------------------------


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.mark.real("a file")
async def test_it_is_there_for_the_next_manager(url: str) -> None:
    held = {"held": asyncio.Event()}
    async with Manager(journal=url, types=ALL, resources=held, on_exit="park", grace=0) as manager:
        run = await manager.start_run(ONE, run_id="one", trace_context=TRACE)
        assert run.trace_context == TRACE
    async with Manager(journal=url, types=ALL) as manager:
        run = await manager.open_run("one")
        assert run.trace_context == TRACE
        assert await outputs(run) == {"a": {"trace": TRACE}}
    async with Manager(journal=url, types=[]) as manager:
        run = await manager.open_run("one")
        assert (run.done, run.trace_context, told(run)) == (True, TRACE, TRACE)
        again = await manager.list_runs()
        assert len(again.runs) == 1


@pytest.mark.real("a file")
async def test_it_goes_with_a_run_to_another_journal_and_with_a_retry_there(url: str, tmp_path: Path) -> None:
    async with Manager(journal=url, types=ALL) as manager:
        await (await manager.start_run(FAILS, run_id="one", trace_context=TRACE)).result()
        await manager.export_run("one", tmp_path / "run.jsonl")
    async with Manager(journal=f"sqlite:///{tmp_path}/here.db", types=ALL) as manager:
        await manager.import_run(tmp_path / "run.jsonl")
        assert (await manager.open_run("one")).trace_context == TRACE
        assert (await manager.retry_run("one")).trace_context == TRACE


@pytest.mark.real("a file")
async def test_a_retry_that_is_recorded_for_later_has_its_origins(url: str, tmp_path: Path) -> None:
    async with Manager(journal=url, types=ALL) as manager:
        await (await manager.start_run(FAILS, run_id="one", trace_context=TRACE)).result()
    await asyncio.to_thread(control, tmp_path / "runs.db", "retry", run="one", new_id="two")
    async with Manager(journal=url, types=ALL) as manager:
        assert (await manager.open_run("two")).trace_context == TRACE


@pytest.mark.real("a file")
async def test_a_file_whose_trace_context_is_none_is_refused(url: str, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    async with Manager(journal=url, types=ALL) as manager:
        await (await manager.start_run(ONE, run_id="one", trace_context=TRACE)).result()
        await manager.export_run("one", path)
        path.write_text(path.read_text().replace(PARENT, "evil"))
        with pytest.raises(playbill.DefinitionError, match=r"trace_context\.traceparent is version-traceid-"):
            await manager.import_run(path, new_id="two")


# ---- the command line ---------------------------------------------------------------------------------------------


def play(folder: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("TRACE", "PLAYBILL"))}
    command = [sys.executable, "-m", "playbill.runtime.cli", "run", "p.yaml", "--journal", "memory", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env={**known, **environment}, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    argv = json.dumps(["sh", "-c", SHELL])
    text = f"nodes: [{{id: a, type: command, config: {{argv: {argv}}}}}]\noutputs: {{said: inputs.a.stdout}}\n"
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--traceparent", PARENT], {}, f"{PARENT} "),
        ([], {"TRACEPARENT": PARENT}, f"{PARENT} "),
        ([], {"TRACEPARENT": PARENT, "TRACESTATE": "a=1"}, f"{PARENT} a=1"),
        (["--traceparent", OTHER], {"TRACEPARENT": PARENT, "TRACESTATE": "a=1"}, f"{OTHER} "),
        ([], {"TRACEPARENT": PARENT, "TRACESTATE": "é"}, f"{PARENT} "),
    ],
)
def test_the_command_line_takes_it_or_finds_it(
    folder: Path, arguments: list[str], environment: dict[str, str], said: str
) -> None:
    code, out, err = play(folder, *arguments, **environment)
    assert (code, said in out, err.count("trace_context")) == (0, True, 0)


def test_one_of_the_environment_that_is_none_is_passed_over(folder: Path) -> None:
    code, out, _ = play(folder, "--json", "--events", "e.jsonl", TRACEPARENT="nonsense")
    assert (code, json.loads(out)["outputs"]["said"]) == (0, "nonsense ")  # as the command inherits it
    first = json.loads((folder / "e.jsonl").read_text().splitlines()[0])
    assert "trace" not in first["data"]


def test_one_that_is_said_and_is_none_is_an_error(folder: Path) -> None:
    code, out, err = play(folder, "--traceparent", "nonsense")
    assert (code, out) == (2, "")
    assert "--traceparent is version-traceid-parentid-flags, of 2, 32, 16 and 2 digits of lower-case hex" in err
