"""How an exception becomes data."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from playbill.model import failures
from playbill.model.errors import CircuitOpen, NodeConfigError, NodeExecutionError
from playbill.model.failures import UNTOLD, failure_of
from playbill.model.fields import MAX_SECONDS
from playbill.model.kinds import BETWEEN
from playbill.model.plain_text import MAX_TEXT_BYTES


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


@pytest.mark.parametrize(
    ("wait", "kept"),
    [
        (7, 7),
        (0.5, 0.5),
        (0, 0),
        (True, None),
        ("7", None),
        (None, None),
        (-1, None),
        (float("nan"), None),
        (float("inf"), MAX_SECONDS),
        (10**400, MAX_SECONDS),
        (1e12, MAX_SECONDS),
        (timedelta(minutes=1), 60.0),
        (timedelta(seconds=-1), None),
        (Decimal("1.5"), 1.5),
        (Decimal("sNaN"), None),
        (Fraction(1, 2), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.bool_(True), None),
        (np.array([1]), None),
        (1j, None),
        ([1], None),
    ],
)
def test_only_a_number_of_seconds_is_a_wait(wait: object, kept: float | None) -> None:
    failure = failure_of(Busy(wait))
    assert failure.retry_after == kept
    assert type(failure.retry_after) is type(kept)


def test_our_own_errors_bring_their_wait() -> None:
    assert failure_of(NodeExecutionError("busy", retry_after=3.0)).retry_after == 3.0
    assert failure_of(CircuitOpen("key", None)).retry_after is None


def test_a_group_names_what_is_in_it() -> None:
    inner = ExceptionGroup("within", [NodeExecutionError("busy", retry_after=3), Busy(7)])
    failure = failure_of(ExceptionGroup("at once", [KeyError("x"), inner, OSError()]))
    assert failure.type == "ExceptionGroup"
    assert failure.message == (
        "at once (3 sub-exceptions): KeyError: 'x'; NodeExecutionError: busy; Busy: busy; OSError"
    )
    assert (failure.retryable, failure.retry_after) == (False, 7)
    ours = ("ExceptionGroup", "BaseExceptionGroup")
    assert failure.kinds == (
        "KeyError", "LookupError", "Exception", "BaseException", *ours, BETWEEN,
        "NodeExecutionError", "NodeError", "PlaybillError", "Exception", "BaseException", *ours, BETWEEN,
        f"{__name__}.Busy", "Exception", "BaseException", *ours, BETWEEN,
        "OSError", "Exception", "BaseException", *ours,
    )  # fmt: skip


def test_of_a_large_group_the_first_are_named() -> None:
    failure = failure_of(ExceptionGroup("many", [OSError(str(n)) for n in range(1000)]))
    assert failure.message.endswith("OSError: 18; OSError: 19; and 980 more")
    assert failure.kinds.count("OSError") == 1


def test_a_group_that_is_in_many_others_is_looked_into_once() -> None:
    group: ExceptionGroup[Any] = ExceptionGroup("g", [OSError("once")])
    for _ in range(100):
        group = ExceptionGroup("g", [group, group])
    assert failure_of(group).message.endswith(": OSError: once")


def test_an_error_that_was_raised_from_another_is_what_it_is() -> None:
    error = OSError("outer")
    error.__cause__ = ExceptionGroup("g", [ValueError("inner")])
    failure = failure_of(error)
    assert (str(failure), failure.retryable, failure.kinds[0]) == ("OSError: outer", True, "OSError")


def test_a_traceback_is_kept_when_asked_for_and_of_a_long_one_both_ends() -> None:
    short = failure_of(raised(OSError("gone")), traceback=True).traceback
    assert short.startswith("Traceback")
    assert short.endswith("OSError: gone\n")
    failure = failure_of(raised(OSError("x" * MAX_TEXT_BYTES + "the end")), traceback=True)
    assert failure.traceback.startswith("Traceback")
    for text in (failure.message, failure.traceback.rstrip()):
        assert len(text.encode()) <= MAX_TEXT_BYTES
        assert "bytes were cut" in text
        assert text.endswith("the end")


def test_an_exception_that_cannot_say_its_text_is_told_all_the_same() -> None:
    assert failure_of(Mute()).message == "(its text cannot be had: KeyError)"


class Wicked(Exception):
    """Raises what it is told to, in one of its attributes."""

    evil: BaseException = KeyError("evil")
    where = ""

    def __getattribute__(self, name: str) -> Any:
        kind = object.__getattribute__(self, "__class__") if name == "__class__" else type(self)
        if kind.where in {name, "everywhere"}:
            raise kind.evil
        return super().__getattribute__(name)


def wicked(name: str, evil: BaseException) -> Exception:
    """Return an error that was raised, and raises `evil` when it is asked for `name`."""

    def fails(self: Any, *_: Any) -> Any:
        raise evil

    members: dict[str, Any] = {"where": name, "evil": evil}
    if name in {"__str__", "__repr__", "__getattr__"}:
        members[name] = fails
    kind = type("Evil", (Wicked,), members)
    try:
        raise kind("evil")
    except Wicked as error:
        return error


PLACES = (
    "__str__", "__repr__", "__getattr__", "__class__", "__notes__", "__cause__", "__context__", "__traceback__",
    "__dict__", "__suppress_context__", "retry_after", "args", "exceptions", "everywhere",
)  # fmt: skip


@pytest.mark.parametrize("evil", [KeyError("x"), SystemExit(3), KeyboardInterrupt(), RecursionError(), MemoryError()])
@pytest.mark.parametrize("place", PLACES)
def test_whatever_an_exception_does_when_it_is_asked_it_is_a_failure(place: str, evil: BaseException) -> None:
    failure = failure_of(wicked(place, evil), traceback=True)
    assert failure.type == "Evil"
    assert failure.kinds == (f"{__name__}.Evil", f"{__name__}.Wicked", "Exception", "BaseException")
    assert failure.retryable
    assert failure.retry_after is None
    assert failure.message == ("evil" if place != "__str__" else f"(its text cannot be had: {type(evil).__name__})")
    assert "in wicked" in failure.traceback


class Number(float):
    """A number of another class."""

    def __float__(self) -> float:
        raise SystemExit(3)


def test_a_wait_of_another_class_becomes_a_plain_number() -> None:
    wait = failure_of(Busy(Number(2.5))).retry_after
    assert (type(wait), wait) == (float, 2.5)


def chained(length: int) -> Exception:
    error = last = OSError("first")
    for _ in range(length):
        last.__cause__ = OSError("next")
        last = last.__cause__
    last.__cause__ = error
    return error


@pytest.mark.parametrize(
    "make", [lambda: chained(0), lambda: chained(3000), lambda: ExceptionGroup("g", [OSError()] * 3)]
)
def test_circles_chains_and_groups_are_failures(make: Callable[[], Exception]) -> None:
    failure = failure_of(raised(make()), traceback=True)
    assert failure.type in {"OSError", "ExceptionGroup"}
    assert 0 < len(failure.traceback.encode()) <= MAX_TEXT_BYTES


def test_what_must_not_be_seen_is_hidden_before_a_text_is_cut() -> None:
    text = "x" * (MAX_TEXT_BYTES // 2 - 20) + "hunter2" * 10 + "x" * MAX_TEXT_BYTES
    failure = failure_of(raised(OSError(text)), traceback=True, hide=lambda said: said.replace("hunter2", "***"))
    assert "hunt" not in failure.message + failure.traceback
    assert "er2" not in failure.message + failure.traceback


def test_when_even_that_fails_there_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> str:
        raise MemoryError

    monkeypatch.setattr(failures, "name_of", broken)
    assert failure_of(OSError("x"), traceback=True) is UNTOLD
    assert not UNTOLD.retryable


def test_an_error_of_ours_carries_data_for_programs_beside_its_text() -> None:
    failure = failure_of(
        NodeExecutionError("no", data={"exit_code": 3, "said": ["x", {"y": 1.5}], "message": "mine"})
    )
    assert failure.data == {"exit_code": 3, "said": ["x", {"y": 1.5}], "message": "mine"}
    assert failure.as_error() == {
        "error": {
            "exit_code": 3,
            "said": ["x", {"y": 1.5}],
            "type": "NodeExecutionError",
            "message": "no",
            "retryable": True,
        }
    }
    with pytest.raises(TypeError, match="read-only"):
        failure.data["exit_code"] = 0  # type: ignore[index]
    assert failure_of(NodeConfigError("no", data={"x": 1})).data == {"x": 1}
    assert failure_of(NodeConfigError("no")).data is None


class Evil(NodeExecutionError):
    """Will not be asked."""

    @property
    def data(self) -> Any:
        raise SystemExit

    @data.setter
    def data(self, value: Any) -> None:
        """Forget it."""


class BadMapping(dict[str, Any]):
    """Will not be read."""

    def items(self) -> Any:
        raise SystemExit


@pytest.mark.parametrize("error", [Evil("no"), NodeExecutionError("no", data=BadMapping(x=1)), Busy(3)])
def test_data_that_cannot_be_had_is_none(error: Exception) -> None:
    failure = failure_of(error)
    assert failure.data is None
    assert str(failure).endswith((": no", ": busy"))


def test_data_of_an_error_is_bounded_plain_and_shows_no_secret() -> None:
    data = {
        "secret": ["it is hunter2", {"hunter2": b"hunter2"}],
        "set": {1},
        5: "a number",
        "nan": float("nan"),
        "zeros": "\0" * 300_000,
        "lone": "\ud800" * 9_000,
        "list": list(range(100_000)),
        "last": True,
    }
    failure = failure_of(NodeExecutionError("no", data=data), hide=lambda said: said.replace("hunter2", "***"))  # type: ignore[arg-type]
    assert failure.data is not None
    kept = dict(failure.data)
    assert len(json.dumps(kept, ensure_ascii=False).encode(errors="surrogatepass")) < 70_000
    assert "hunter2" not in repr(kept)
    assert (kept["set"], kept["5"], kept["nan"], kept["last"]) == ([1], "a number", "nan", True)
    assert "bytes were cut" in kept["zeros"]
    assert kept["list"] == "... 688,900 bytes were left out ..."


def test_of_a_group_the_first_data_count_and_a_secret_may_be_a_number() -> None:
    group = ExceptionGroup("two", [ValueError("no"), NodeExecutionError("x", data={"pin": 987654321, "n": 3})])
    failure = failure_of(ExceptionGroup("deep", [group]), hide=lambda said: said.replace("987654321", "***"))
    assert failure.data == {"pin": "***", "n": 3}
