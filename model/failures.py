"""How whatever was raised becomes a failure: data that may travel between actors and into the journal.

This is the one place where it does. An exception is of a user's making and may do anything when it is asked for its
text, its class, its notes; and a failure that cannot be told would leave its attempt without an end.
"""

from __future__ import annotations

from traceback import format_exception, format_tb
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from playbill.model.error_data import kept_data
from playbill.model.errors import HandlerKilled, NodeError
from playbill.model.facts import Failure
from playbill.model.fields import MAX_SECONDS, seconds_of
from playbill.model.kinds import kinds_of, leaves_of
from playbill.model.plain_text import bounded, name_of, said, text_of
from playbill.model.policies import retryable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["UNTOLD", "failure_of", "killed_for_good"]

MAX_LEAVES: Final = 20
"""Failures of a group that its message names."""
UNTOLD: Final = Failure("BaseException", "what was raised cannot be told", retryable=False)
"""What stands for an error of which nothing can be said; made beforehand, for there may be no memory left."""
_TRACE: Final[Any] = BaseException.__dict__["__traceback__"]


def failure_of(error: BaseException, *, traceback: bool = False, hide: Callable[[str], str] | None = None) -> Failure:
    """Return `error` as data; raises nothing, whatever the error does when it is asked.

    Message and traceback have at most 16 KiB each in UTF-8; a longer text keeps both its ends and says how many bytes
    were cut between them.

    Args:
        error: what an attempt raised, or an error of ours that stands for it.
        traceback: keep the traceback's text as well; for errors that were really raised.
        hide: takes out of the texts what nobody may see, before they are cut.
    """
    try:
        message, trace = _message(error), _traceback(error) if traceback else ""
        if hide is not None:
            message, trace = hide(message), hide(trace)
        kinds = kinds_of(error)
        return Failure(
            name_of(type(error)), bounded(message), retryable(error), kinds, bounded(trace), _retry_after(error),
            _data(error, hide),
        )  # fmt: skip
    except BaseException:  # noqa: BLE001 (no memory, no stack: the attempt must end all the same)
        return UNTOLD


def killed_for_good(by: str) -> Failure:
    """Return the failure of an attempt that its program's end, such as a crash, cut off, and that nobody repeats."""
    text = f"{by} of its program, so that nobody knows what it has done; on_crash: fail does not repeat it"
    return replace(failure_of(HandlerKilled(text)), retryable=False)


def _traceback(error: BaseException) -> str:
    """Return the traceback's text; of an error that will not have it told, the stack alone."""
    text = said(lambda: "".join(format_exception(error)))
    if text.startswith("(its text"):
        return said(lambda: "".join(format_tb(_TRACE.__get__(error)))) + text
    return text


def _message(error: BaseException) -> str:
    """Return the error's text; of a group its own, and what the failures within it are."""
    leaves = leaves_of(error)
    if leaves[0] is error:
        return text_of(error)
    named = [f"{name_of(type(leaf))}: {text_of(leaf)}".removesuffix(": ") for leaf in leaves[:MAX_LEAVES]]
    more = [f"and {len(leaves) - MAX_LEAVES} more"] if len(leaves) > MAX_LEAVES else []
    return f"{text_of(error)}: {'; '.join([*named, *more])}"


def _data(error: BaseException, hide: Callable[[str], str] | None) -> Mapping[str, Any] | None:
    """Return the data that an error of ours carries, of a group those of the first that has some; None: nothing."""
    for leaf in leaves_of(error):
        try:
            data = kept_data(leaf.data, hide) if isinstance(leaf, NodeError) else None
        except BaseException:  # noqa: BLE001 (a property of a user's subclass, broken in any way)
            data = None
        if data is not None:
            return data
    return None


def _retry_after(error: BaseException) -> float | None:
    """Return the seconds that an error asks to wait, if it names a length of time; of a group the longest."""
    waits = [
        wait
        for each in {id(each): each for each in (error, *leaves_of(error))}.values()
        if (wait := _wait_of(each)) is not None
    ]
    return max(waits, default=None)


def _wait_of(error: BaseException) -> float | None:
    try:
        asked = getattr(error, "retry_after", None)
        wait = None if isinstance(asked, bool | str) else seconds_of(asked)
        if not isinstance(wait, int | float):
            return None
        plain = int.__index__(wait) if isinstance(wait, int) else float.__float__(wait)
        return min(plain, MAX_SECONDS) if plain >= 0 else None  # which what is not a number is not
    except BaseException:  # noqa: BLE001 (an attribute of a user's, broken in any way)
        return None
