"""How an exception becomes data."""

from typing import Any

import pytest

from playbill.model.errors import CircuitOpen, NodeExecutionError
from playbill.model.failures import MAX_TRACEBACK_CHARACTERS, failure_of


class Mute(Exception):
    """Cannot say its text."""

    def __str__(self) -> str:
        raise KeyError("x")


class Busy(Exception):
    """Names a wait, of any type."""

    def __init__(self, retry_after: Any) -> None:
        super().__init__("busy")
        self.retry_after = retry_after


def raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


def test_a_failure_is_the_exceptions_class_its_text_and_its_ancestry() -> None:
    failure = failure_of(KeyError("x"))
    assert (failure.type, failure.message, failure.retryable) == ("KeyError", "'x'", False)
    assert failure.kinds == ("KeyError", "LookupError", "Exception", "BaseException")
    assert (failure.traceback, failure.retry_after) == ("", None)
    assert failure_of(OSError("gone")).retryable


def test_a_failure_without_a_text_is_told_by_its_class() -> None:
    assert str(failure_of(OSError())) == "OSError"
    assert str(failure_of(OSError("gone"))) == "OSError: gone"


@pytest.mark.parametrize(("wait", "kept"), [(7, 7), (0.5, 0.5), (0, 0), (True, None), ("7", None), (None, None)])
def test_only_a_number_of_seconds_is_a_wait(wait: object, kept: float | None) -> None:
    failure = failure_of(Busy(wait))
    assert failure.retry_after == kept
    assert type(failure.retry_after) is type(kept)


def test_our_own_errors_bring_their_wait() -> None:
    assert failure_of(NodeExecutionError("busy", retry_after=3.0)).retry_after == 3.0
    assert failure_of(CircuitOpen("key", None)).retry_after is None


def test_a_traceback_is_kept_when_asked_for_and_of_a_long_one_its_end() -> None:
    short = failure_of(raised(OSError("gone")), traceback=True).traceback
    assert short.startswith("Traceback")
    assert short.endswith("OSError: gone\n")
    long = failure_of(raised(OSError("x" * MAX_TRACEBACK_CHARACTERS + "the end")), traceback=True).traceback
    assert len(long) == MAX_TRACEBACK_CHARACTERS
    assert long.endswith("the end\n")


def test_an_exception_that_cannot_say_its_text_is_told_all_the_same() -> None:
    assert failure_of(Mute()).message == "(its text cannot be had: KeyError)"
