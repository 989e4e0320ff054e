"""Results: what a user reads of a node and of a run, and what is raised for one that did not complete."""

import json
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import pytest
from msgspec.structs import replace

from playbill.model.errors import DefinitionError, PlaybillError, RunCancelled, RunFailed, RunTimedOut
from playbill.model.facts import Cause, Failure, NodeStatus, Receipt, RunStatus, Stopped
from playbill.model.forms import RECEIPT
from playbill.model.results import NodeExecutionResult, RunResult

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
ENDED = BEGAN + timedelta(seconds=1.5)
FAILURE = Failure("OSError", "gone", retryable=True)


def result(status: RunStatus, cause: Cause | None = None) -> RunResult:
    return RunResult("run", status, {}, {}, cause)


@pytest.mark.parametrize(("attempts", "retries"), [(0, 0), (1, 0), (2, 1), (5, 4)])
def test_the_first_attempt_is_no_retry(attempts: int, retries: int) -> None:
    assert NodeExecutionResult("a", attempts=attempts).retry_count == retries


@pytest.mark.parametrize(
    ("began", "ended", "milliseconds"),
    [(BEGAN, ENDED, 1500.0), (BEGAN, BEGAN, 0.0), (BEGAN, None, None), (None, ENDED, None), (None, None, None)],
)
def test_a_node_lasts_from_its_first_attempts_start_to_its_end(
    began: datetime | None, ended: datetime | None, milliseconds: float | None
) -> None:
    assert NodeExecutionResult("a", started_at=began, ended_at=ended).duration_ms == milliseconds


def test_a_run_as_data_tells_each_node_with_its_failure_and_its_receipt() -> None:
    node = NodeExecutionResult(
        "a", NodeStatus.CANCELLED, None, FAILURE, 2, BEGAN, ENDED, Receipt(Stopped.KILLED, 7.0, 2.0)
    )
    run = RunResult(
        "run", RunStatus.FAILED, {"o": 1}, {"a": node}, Cause(RunStatus.FAILED, FAILURE), ("a",), BEGAN, ENDED
    )
    failure = {
        "type": "OSError", "message": "gone", "retryable": True, "kinds": [], "traceback": "", "retry_after": None,
    }  # fmt: skip
    assert run.as_dict() == {
        "run_id": "run",
        "status": "failed",
        "outputs": {"o": 1},
        "node_results": {
            "a": {
                "node_id": "a",
                "status": "cancelled",
                "output": None,
                "error": "OSError: gone",
                "failure": failure,
                "attempts": 2,
                "retry_count": 1,
                "started_at": "2026-01-01T00:00:00+00:00",
                "ended_at": "2026-01-01T00:00:01.500000+00:00",
                "duration_ms": 1500.0,
                "receipt": {"how": "killed", "ms": 7.0, "kill_ms": 2.0},
                "reused_from": None,
            }
        },
        "error": "OSError: gone",
        "cause": {"status": "failed", "error": failure, "node": "", "source": "", "reason": "", "seconds": 0.0},
        "orphans": ["a"],
        "started_at": "2026-01-01T00:00:00+00:00",
        "ended_at": "2026-01-01T00:00:01.500000+00:00",
    }


def test_what_never_was_is_none_in_the_data() -> None:
    node = NodeExecutionResult("a").as_dict()
    assert [name for name, value in node.items() if value is None] == [
        "output", "error", "failure", "started_at", "ended_at", "duration_ms", "receipt", "reused_from",
    ]  # fmt: skip
    run = result(RunStatus.COMPLETED).as_dict()
    assert [name for name, value in run.items() if value is None] == ["error", "cause", "started_at", "ended_at"]


@pytest.mark.parametrize(
    "cause",
    [
        None,
        Cause(RunStatus.FAILED, FAILURE, node="a"),
        Cause(RunStatus.FAILED, replace(FAILURE, retry_after=inf, kinds=("OSError", "Exception"))),
        Cause(RunStatus.CANCELLED, source="user", reason="enough"),
        Cause(RunStatus.TIMEOUT, source="timeout", seconds=60.0),
    ],
)
def test_a_result_comes_back_from_its_data(cause: Cause | None) -> None:
    nodes = {
        "a": NodeExecutionResult(
            "a", NodeStatus.FAILED, None, FAILURE, 2, BEGAN, ENDED, Receipt(Stopped.KILLED, 7.0, 2.0)
        ),
        "b": NodeExecutionResult("b", NodeStatus.COMPLETED, {"x": [1, {"y": None}]}, None, 1, BEGAN, ENDED),
        "c": NodeExecutionResult("c"),
        "d": NodeExecutionResult("d", NodeStatus.COMPLETED, {}, ended_at=ENDED, reused_from="before"),
    }
    status = RunStatus.COMPLETED if cause is None else cause.status
    run = RunResult("run", status, {"b": {"x": 1}}, nodes, cause, ("a",), BEGAN, ENDED)
    again = RunResult.from_dict(json.loads(json.dumps(run.as_dict(), allow_nan=False)))
    assert again == run
    assert repr(again) == repr(run)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "done"}, "this is not the result of a run: status: 'done' is not a valid RunStatus"),
        ({"run_id": None}, "run_id: is null, and takes str"),
        ({"cause": {"status": "failed"}}, "cause: lacks error, node"),
        ({"node_results": {"a": {"node_id": "a"}}}, "this is not the result of a node: lacks status"),
        ({"node_results": {"a": 3}}, "the result of a node is a mapping, not 3"),
    ],
)
def test_what_is_not_a_result_is_refused_naming_the_field(change: dict[str, Any], said: str) -> None:
    data = {**result(RunStatus.COMPLETED).as_dict(), **change}
    with pytest.raises(DefinitionError) as caught:
        RunResult.from_dict(data)
    assert said in str(caught.value)
    with pytest.raises(DefinitionError, match="the result of a run is a mapping, not None"):
        RunResult.from_dict(None)  # type: ignore[arg-type]


def test_a_completed_run_is_given_back_instead_of_raised() -> None:
    run = result(RunStatus.COMPLETED)
    assert run.raise_for_status() is run
    assert run.error is None


@pytest.mark.parametrize(
    ("cause", "error"),
    [
        (Cause(RunStatus.FAILED, FAILURE, node="a"), RunFailed("OSError: gone", "a")),
        (Cause(RunStatus.FAILED, FAILURE), RunFailed("OSError: gone")),
        (Cause(RunStatus.CANCELLED, source="user", reason="enough"), RunCancelled("user", "enough")),
        (Cause(RunStatus.CANCELLED, source="user"), RunCancelled("user")),
        (Cause(RunStatus.TIMEOUT, source="timeout", seconds=60.0), RunTimedOut(60.0)),
    ],
)
def test_a_run_that_did_not_complete_raises_its_cause(cause: Cause, error: PlaybillError) -> None:
    with pytest.raises(type(error)) as caught:
        result(cause.status, cause).raise_for_status()
    assert caught.value.args == error.args


def test_a_receipt_tells_its_grace_and_what_came_after_the_kill() -> None:
    assert (Receipt(Stopped.KILLED, 7.0, 2.0).grace_ms, Receipt(Stopped.INTERRUPTED, 7.0).grace_ms) == (5.0, 7.0)
    assert RECEIPT.read({"how": "killed", "ms": 7.0}) == Receipt(Stopped.KILLED, 7.0)  # as playbill 0.1 wrote it


def test_a_result_that_an_older_playbill_wrote_is_read() -> None:
    written = NodeExecutionResult("a").as_dict()
    del written["reused_from"]
    assert NodeExecutionResult.from_dict(written) == NodeExecutionResult("a")
