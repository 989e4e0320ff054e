"""What programs give: a pipeline as they have it, a run's id, numbers and data; what is wrong is said at once."""

import traceback
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import playbill
from tests.stories.support import node, pipeline

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager
WRITTEN: dict[str, Any] = {"nodes": [{"id": "a", "type": "trigger"}]}
ID = UUID("0d9d3d63-5f42-4b8f-8ef1-6a3b8a3c9f10")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "p.yaml"
    path.write_text("nodes: [{id: a, type: trigger}]\n", encoding="utf-8")
    return path


def all_ways(file: Path) -> list[Any]:
    return [WRITTEN, file, str(file), playbill.PipelineDefinition.model_validate(WRITTEN)]


async def test_a_manager_takes_a_definition_a_mapping_or_a_path(manager: Manager, file: Path) -> None:
    for given in all_ways(file):
        assert manager.prepare(given).nodes[0].id == "a"
        run = await manager.start_run(given, {"n": 1})
        assert (await run.result()).outputs == {"a": {"n": 1}}


async def test_an_executor_takes_them_too(file: Path) -> None:
    for given in all_ways(file):
        assert (await playbill.PipelineExecutor(given).execute())["status"] == "completed"


def test_so_do_sync_programs_and_simulations(file: Path) -> None:
    for given in all_ways(file):
        assert playbill.run(given, run_id=ID).run_id == str(ID)
        with playbill.BlockingManager(types=[]) as blocking:
            assert blocking.start_run(given).result().status == "completed"
        with playbill.Simulation() as sim:
            assert sim.run(given).status == "completed"
        assert playbill.Study(given).seed(0).status == "completed"


NONE = "a definition is a mapping, a file's path or a text, not "


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, f"{NONE}NoneType: None"),
        (5, f"{NONE}int: 5"),
        ([WRITTEN], f"{NONE}list: [{{"),
        (b"p.yaml", f"{NONE}bytes: b'p.yaml'"),
        ("missing.yaml", "missing.yaml: cannot be read: No such file"),
        (Path("missing.yaml"), "missing.yaml: cannot be read: No such file"),
    ],
)
def test_what_is_no_pipeline_is_refused_everywhere(given: Any, said: str) -> None:
    with playbill.Simulation() as sim:
        asks = (
            playbill.run, playbill.PipelineExecutor, playbill.Study, sim.start, playbill.PipelineRunManager().prepare,
        )  # fmt: skip
        for ask in asks:
            with pytest.raises(playbill.DefinitionError) as raised:
                ask(given)
            assert said in str(raised.value)


def test_looking_at_a_pipeline_takes_a_mapping_and_says_what_is_none() -> None:
    assert playbill.get_execution_order(WRITTEN) == ["a"]
    assert playbill.validate_pipeline_dag(WRITTEN) == []
    assert playbill.validate_pipeline_dag({"nodes": [{"id": "a"}]}) == ["node 'a': field 'type' is missing"]
    said = "a definition is a mapping, a file's path or a text, not NoneType: None"
    assert playbill.validate_pipeline_dag(None) == [said]  # type: ignore[arg-type]
    with pytest.raises(playbill.DefinitionError, match="a pipeline is a PipelineDefinition or the mapping"):
        playbill.get_execution_order(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="what is explored is a Study, as in "):
        playbill.explore(WRITTEN, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [5, True, 1.5, b"r", {}, [], ()])
async def test_a_run_is_named_by_a_text_or_a_uuid(manager: Manager, wrong: Any) -> None:
    said = f"run_id is text or a UUID, not {type(wrong).__name__}: "
    for ask in (
        lambda: manager.start_run(WRITTEN, run_id=wrong),
        lambda: manager.cancel_run(wrong),
        lambda: manager.pause_run(wrong),
        lambda: manager.resume_run(wrong),
        lambda: playbill.PipelineExecutor(WRITTEN).execute(wrong),
    ):
        with pytest.raises(playbill.DefinitionError) as raised:
            await ask()
        assert said in str(raised.value)
    for look in (manager.get_run, manager.is_running):
        with pytest.raises(playbill.DefinitionError) as raised:
            look(wrong)
        assert said in str(raised.value)


async def test_a_uuid_stands_for_its_text(manager: Manager) -> None:
    run = await manager.start_run(pipeline(node("a", "delay", seconds=60)), run_id=ID)
    assert run.run_id == run.id == str(ID)
    assert manager.is_running(ID)
    assert manager.get_run(ID) is manager.get_run(str(ID)) is run
    assert await manager.pause_run(ID)
    assert await manager.cancel_run(ID)
    assert (await run.result()).run_id == str(ID)


SAME: list[tuple[Any, Any]] = [(1, 1.0), (-0.0, 0), ([1], (1.0,)), ({"x": [2]}, {"x": [2.0]}), (True, True)]
OTHERS: list[tuple[Any, Any]] = [
    (1, True),
    (0, False),
    (1.0, True),
    ([1], [True]),
    ({"x": 0}, {"x": False}),
    ("1", 1),
]


@pytest.mark.parametrize(("one", "other"), SAME)
async def test_the_same_data_in_json_gives_the_run_there_is(manager: Manager, one: Any, other: Any) -> None:
    run = await manager.start_run(WRITTEN, {"n": one}, run_id="r")
    assert await manager.start_run(WRITTEN, {"n": other}, run_id="r") is run


@pytest.mark.parametrize(("one", "other"), OTHERS)
async def test_true_is_not_one_to_a_run_that_there_is(manager: Manager, one: Any, other: Any) -> None:
    await manager.start_run(WRITTEN, {"n": one}, run_id="r")
    with pytest.raises(playbill.DefinitionError, match="run_id 'r' is taken by a run with another trigger data"):
        await manager.start_run(WRITTEN, {"n": other}, run_id="r")


async def test_true_is_not_one_in_a_definition(manager: Manager) -> None:
    await manager.start_run(pipeline(node("a", n=1)), run_id="r")
    assert await manager.start_run(pipeline(node("a", n=1)), run_id="r") is manager.get_run("r")
    with pytest.raises(playbill.DefinitionError, match="run_id 'r' is taken by a run with another definition"):
        await manager.start_run(pipeline(node("a", n=True)), run_id="r")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (
            {"timeout_seconds": "5"},
            "timeout_seconds is over 0 and finite, not over 1,000,000,000, not '5': give seconds",
        ),
        ({"timeout_seconds": "5"}, "leave it out for the definition's; write 5, without quotes"),
        ({"timeout_seconds": "5 s"}, "not '5 s': give seconds, or leave it out for the definition's"),
        ({"timeout_seconds": "-5"}, "not '-5': give seconds"),
        ({"grace": "2.5"}, "grace is a number of seconds from 0 to 1,000,000,000, not '2.5': write 2.5,"),
        ({"keep_runs": "2.5"}, "keep_runs is a whole number, 0 or more, not '2.5'"),
        ({"keep_runs": "2"}, "keep_runs is a whole number, 0 or more, not '2': write 2, without quotes"),
    ],
)
def test_a_number_in_quotes_is_told_how_to_be_written(option: Any, said: str) -> None:
    with pytest.raises(playbill.DefinitionError) as raised:
        playbill.run(WRITTEN, **option)
    assert said in str(raised.value)


@pytest.mark.parametrize("said", [5, None, {"why": "so"}, b"enough"])
async def test_a_reason_is_text(manager: Manager, said: Any) -> None:
    run = await manager.start_run(pipeline(node("a", "delay", seconds=60)))
    with pytest.raises(ValueError, match=f"reason is text, not {type(said).__name__}: "):
        await run.cancel(said)
    with pytest.raises(ValueError, match="reason is text"):
        run.request_cancel(said)
    with pytest.raises(ValueError, match="reason is text"):
        await manager.cancel_all(said)
    with pytest.raises(ValueError, match="source is text"):
        await run.cancel("enough", source=said)
    assert run.status in {"pending", "running"}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: playbill.run(None),  # type: ignore[arg-type]
        lambda: playbill.run(WRITTEN, [1, 2]),  # type: ignore[arg-type]
        lambda: playbill.run(WRITTEN, trigger_data="x"),  # type: ignore[arg-type]
        lambda: playbill.run(WRITTEN, run_id={}),  # type: ignore[arg-type]
        lambda: playbill.run(WRITTEN, timeout_seconds=-1),
        lambda: playbill.run({"nodes": [{"id": "a", "type": "nope"}]}),
        lambda: playbill.run(WRITTEN, types=[print]),
    ],
)
def test_an_error_under_run_begins_with_itself(wrong: Any) -> None:
    with pytest.raises(playbill.DefinitionError) as raised:
        wrong()
    said = "".join(traceback.format_exception(raised.value))
    assert said.count("Traceback (most recent call last)") == 1
    assert "During handling" not in said


def test_an_error_under_a_blocking_manager_does_too() -> None:
    with playbill.BlockingManager(types=[]) as manager, pytest.raises(playbill.DefinitionError) as raised:
        manager.start_run(WRITTEN, [1])  # type: ignore[arg-type]
    assert "During handling" not in "".join(traceback.format_exception(raised.value))


async def test_a_run_within_a_loop_is_refused_without_a_chain() -> None:
    with pytest.raises(RuntimeError, match="an event loop runs here already") as raised:
        playbill.run(WRITTEN)
    assert raised.value.__context__ is None
