"""What a manager is told is checked where it is told: each error names option, value, rule and way out."""

import sys
from types import ModuleType
from typing import Any

import pytest

import playbill
from tests.stories import support
from tests.stories.support import finished, node, pipeline

NAN, INF = float("nan"), float("inf")
SIMPLE = pipeline(node("a", "parallel"))
SECONDS = "is a number of seconds from 0 to 1,000,000,000"
WRONG: list[tuple[str, Any, str]] = [
    ("journal", "sqlite", "unknown journal 'sqlite': use 'memory'"),
    ("journal", None, "unknown journal None: use 'memory'"),
    ("journal", ["memory"], "unknown journal ['memory']: use 'memory'"),
    *[("grace", value, f"grace {SECONDS}, not {value!r}") for value in (NAN, INF, -1, "5", True, None)],
    *[("kill_bound", value, f"kill_bound {SECONDS}, not {value!r}") for value in (NAN, INF, -1, "5", True, None)],
    ("on_exit", "parc", "on_exit is 'cancel', 'wait' or 'park', not 'parc'"),
    ("on_exit", [], "on_exit is 'cancel', 'wait' or 'park', not []"),
    ("on_exit", None, "on_exit is 'cancel', 'wait' or 'park', not None"),
    *[
        ("keep_runs", value, f"keep_runs is a whole number, 0 or more, not {value!r}")
        for value in ("5", -1, 1.5, True, None, NAN)
    ],
    *[
        ("max_orphans", value, f"max_orphans is a whole number, 1 or more, not {value!r}")
        for value in ("5", -1, 0, 1.5, True, None)
    ],
    *[
        ("watchdog_seconds", value, f"is a number of seconds from 0.01 to 1,000,000,000, not {value!r}: give seconds")
        for value in (0, -1, NAN, INF, "1", True, 1e-9)
    ],
    *[
        ("watchdog_interrupts", value, f"watchdog_interrupts is True or False, not {value!r}")
        for value in ("no", 1, None)
    ],
    ("resources", ["db"], "resources is a mapping of names to objects, not ['db']"),
    ("resources", "db", "resources is a mapping"),
    ("resources", {1: "db"}, "resources: its key 1 is not text"),
    ("secrets", "token", "secrets is a mapping of names to texts or numbers"),
    ("secrets", {1: "x"}, "secrets: its key 1 is not text"),
    ("secrets", {"token": None}, "secret 'token' is NoneType: a secret is a text or a number"),
    ("types", 5, "types is a list of modules, their names, or functions marked with node_type or action, not 5"),
    ("types", "my_types", "not 'my_types': write types=[...]"),
    ("types", sys, "types is a list of modules"),
    ("types", support.say, "types is a list of modules"),
    ("breakers", 5, "breakers is a mapping of keys to BreakerPolicy, not 5"),
    ("breakers", [playbill.BreakerPolicy()], "breakers is a mapping of keys to BreakerPolicy"),
    ("breakers", {"k": {"failure": 1}}, "breaker 'k': unknown field 'failure', did you mean 'failures'?"),
    ("breakers", {"k": {"failures": 0}}, "breaker 'k': failures: input should be greater than or equal to 1, not 0"),
    ("breakers", {"k": {"open_seconds": NAN}}, "breaker 'k': open_seconds"),
    ("breakers", {"k": 5}, "breaker 'k': a BreakerPolicy or a mapping such as {'failures': 3}, not 5"),
    ("breakers", {"k": None}, "breaker 'k': a BreakerPolicy or a mapping"),
    ("breakers", {1: playbill.BreakerPolicy()}, "breakers: its key 1 is not text"),
    ("breakers", {"": playbill.BreakerPolicy()}, "breakers: its key '' is not text"),
    ("faults", 5, "faults is a FaultPlan, or the mapping it is written as, not 5"),
    ("faults", [], "faults is a FaultPlan, or the mapping it is written as, not []"),
    ("faults", {"fault": []}, "unknown field 'fault', did you mean 'faults'?"),
]


@pytest.mark.parametrize(("option", "value", "said"), WRONG, ids=lambda value: repr(value)[:30])
@pytest.mark.parametrize(
    "give", [playbill.PipelineRunManager, playbill.BlockingManager, lambda **options: playbill.run(SIMPLE, **options)]
)
def test_a_wrong_option_is_refused_where_it_is_given(give: Any, option: str, value: Any, said: str) -> None:
    with pytest.raises(playbill.DefinitionError) as raised:
        give(**{option: value})
    assert said in str(raised.value)


def test_all_wrong_options_are_told_at_once() -> None:
    with pytest.raises(playbill.DefinitionError) as raised:
        playbill.PipelineRunManager(grace=-1, keep_runs=-1)
    assert [problem.where for problem in raised.value.problems] == ["grace", "keep_runs"]


def test_a_secret_is_not_shown_in_the_error_about_it() -> None:
    with pytest.raises(playbill.DefinitionError) as raised:
        playbill.PipelineRunManager(secrets={"token": b"hunter2"})  # type: ignore[dict-item]
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(("option", "value"), [("types", "my_types"), ("resources", 5)])
def test_an_executors_options_are_checked_where_they_are_given(option: str, value: Any) -> None:
    with pytest.raises(playbill.DefinitionError, match=f"^{option} is a"):
        playbill.PipelineExecutor(SIMPLE, **{option: value})


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("max_retries", 0, "max_retries is a whole number, 1 or more, not 0"),
        ("max_retries", "3", "max_retries is a whole number, 1 or more, not '3'"),
        ("backoff_base", NAN, f"backoff_base {SECONDS}, not nan"),
        ("backoff_base", "1", f"backoff_base {SECONDS}, not '1'"),
        ("backoff_max", -1, f"backoff_max {SECONDS}, not -1"),
    ],
)
async def test_an_executors_numbers_are_named_as_they_were_given(option: str, value: Any, said: str) -> None:
    with pytest.raises(playbill.DefinitionError, match=said):
        await playbill.PipelineExecutor(SIMPLE, types=[]).execute(**{option: value})


@pytest.mark.anyio
async def test_an_executor_takes_the_mapping_a_pipeline_is_written_as() -> None:
    written: Any = {"nodes": [{"id": "a", "type": "parallel"}]}
    assert (await playbill.PipelineExecutor(written, types=[]).execute())["status"] == "completed"
    written = {"nodes": [{"id": "a", "typ": "parallel"}]}
    with pytest.raises(playbill.DefinitionError, match="did you mean 'type'"):
        playbill.PipelineExecutor(written, types=[])


TIMEOUTS = [0, -1, NAN, INF, "60", True, [60]]


@pytest.mark.anyio
@pytest.mark.parametrize("seconds", TIMEOUTS)
async def test_a_wrong_run_timeout_is_refused(seconds: Any) -> None:
    async with playbill.PipelineRunManager(types=[]) as manager:
        with pytest.raises(playbill.DefinitionError) as raised:
            await manager.start_run(SIMPLE, timeout_seconds=seconds)
        assert f"timeout_seconds is over 0 and finite, not over 1,000,000,000, not {seconds!r}" in str(raised.value)
        assert manager.active_runs == []


@pytest.mark.parametrize("seconds", TIMEOUTS)
def test_a_wrong_run_timeout_is_refused_by_the_others_too(seconds: Any) -> None:
    with pytest.raises(playbill.DefinitionError, match="timeout_seconds is over 0 and finite, not"):
        playbill.run(SIMPLE, timeout_seconds=seconds)
    with (
        playbill.BlockingManager(types=[]) as manager,
        pytest.raises(playbill.DefinitionError, match="timeout_seconds is over 0 and finite, not"),
    ):
        manager.start_run(SIMPLE, timeout_seconds=seconds)


@pytest.mark.anyio
async def test_a_mapping_will_do_for_a_policy_and_for_a_plan_of_faults() -> None:
    breakers: Any = {"fails": {"failures": 1}}
    definition = pipeline(node("a", "fails", retry={"max_attempts": 1}))
    async with playbill.PipelineRunManager(types=support.ALL, breakers=breakers) as manager:
        await finished(manager, definition)
        assert manager.circuits == {"fails": "open"}


@pytest.mark.real("a simulated manager has the faults of its simulation")
@pytest.mark.anyio
async def test_a_mapping_will_do_for_a_plan_of_faults() -> None:
    faults: Any = {"faults": [{"fault": "raise", "node": "a", "message": "injected"}]}
    async with playbill.PipelineRunManager(types=support.ALL, faults=faults) as manager:
        result = await finished(manager, pipeline(node("a", retry={"max_attempts": 1})))
    assert result.status is playbill.RunStatus.FAILED


def test_types_may_come_from_any_iterable_and_resources_stay_the_hosts_own() -> None:
    resources: dict[str, Any] = {}
    types = (each for each in (support.say, ModuleType("empty")))
    manager = playbill.BlockingManager(types=types, resources=resources)
    for _ in range(2):
        with manager:
            assert manager.start_run(pipeline(node("a", "say", x=1))).result().outputs["a"] == {"x": 1}
