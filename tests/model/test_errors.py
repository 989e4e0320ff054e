"""Errors: their texts, their tree, and that they survive pickle and copy."""

import copy
import pickle

import pytest

from playbill.model import errors as e

EVERY = [
    e.DefinitionError("demo", [e.Problem("a", "nodes[0]", "first"), e.Problem("b", "", "second")]),
    e.DefinitionError.single("a", "nodes[0]", "only"),
    e.NodeExecutionError("busy", retry_after=3.0),
    e.NodeConfigError("wrong"),
    e.AttemptTimedOut("idle_timeout", 2.5),
    e.HandlerKilled("signal 9"),
    e.CircuitOpen("api", 7.0),
    e.CircuitOpen("api", None),
    e.RunFailed("boom", "a"),
    e.RunFailed("boom"),
    e.RunCancelled("user", "enough"),
    e.RunTimedOut(60),
    e.UnknownRun("r1"),
    e.JournalError("disk full"),
    e.InternalError("no such row"),
]


@pytest.mark.parametrize("error", EVERY, ids=repr)
def test_every_error_survives_pickle_and_copy(error: e.PlaybillError) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (e.NodeExecutionError(message="busy"), "busy"),
        (e.NodeConfigError(message="wrong"), "wrong"),
        (e.AttemptTimedOut(which="timeout", seconds=2.5), "timeout of 2.5 s is over"),
        (e.HandlerKilled(reason="crash"), "handler was killed: crash"),
        (e.CircuitOpen(key="api", retry_after=7.0), "circuit 'api' is open; retry after 7 s"),
        (e.RunFailed(error="boom", node_id="a"), "run failed at node 'a': boom"),
        (e.RunCancelled(source="user", reason="enough"), "run was cancelled by user: enough"),
        (e.RunTimedOut(seconds=60), "run timeout of 60 s is over"),
        (e.UnknownRun(run_id="r1"), "no run has the id 'r1'"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
def test_an_error_made_by_names_survives_pickle_too(error: e.PlaybillError, text: str) -> None:
    assert (str(error), str(pickle.loads(pickle.dumps(error)))) == (text, text)


def test_texts_name_the_thing_and_the_value() -> None:
    assert [str(error) for error in EVERY] == [
        "pipeline 'demo' has 2 problems:\n- first\n- second",
        "only",
        "busy",
        "wrong",
        "idle_timeout of 2.5 s is over",
        "handler was killed: signal 9",
        "circuit 'api' is open; retry after 7 s",
        "circuit 'api' is open",
        "run failed at node 'a': boom",
        "run failed: boom",
        "run was cancelled by user: enough",
        "run timeout of 60 s is over",
        "no run has the id 'r1'",
        "disk full",
        "no such row",
    ]


def test_a_definition_error_of_one_problem_is_one_line() -> None:
    assert str(e.DefinitionError("demo", [e.Problem("a", "", "first")])) == "pipeline 'demo': first"


def test_a_definition_error_shows_twenty_problems_and_counts_the_rest() -> None:
    error = e.DefinitionError("demo", [e.Problem("a", "", f"p{i}") for i in range(25)])
    assert str(error).endswith("- p19\n- and 5 more")
    assert len(error.problems) == 25


def test_the_tree_meets_the_built_in_errors_where_users_expect_it() -> None:
    assert issubclass(e.DefinitionError, ValueError)
    assert issubclass(e.UnknownRun, KeyError)


def test_twenty_problems_are_all_shown() -> None:
    error = e.DefinitionError("", [e.Problem("a", "", f"p{i}") for i in range(20)])
    assert str(error).startswith("has 20 problems:\n- p0\n")
    assert str(error).endswith("- p19")


def test_what_is_wrong_may_be_another_thing_than_a_pipeline() -> None:
    problems = [e.Problem("a", "faults", "first")]
    assert str(e.DefinitionError("", problems, "fault plan")) == "fault plan: first"
    assert str(e.DefinitionError("bad", problems, "fault plan")) == "fault plan 'bad': first"


def test_a_cancel_without_a_reason_says_who_asked() -> None:
    assert str(e.RunCancelled("user")) == "run was cancelled by user"
