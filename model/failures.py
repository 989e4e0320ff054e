"""How an exception becomes a failure: data that may travel between actors and into the journal."""

from __future__ import annotations

from traceback import format_exception

from playbill.model.facts import Failure
from playbill.model.policies import kinds_of, retryable

MAX_TRACEBACK_CHARACTERS = 8_000
"""A traceback keeps its end, where the error is; deep recursions would fill the journal."""


def failure_of(error: BaseException, *, traceback: bool = False) -> Failure:
    """Return `error` as data.

    Args:
        error: what an attempt raised, or an error of ours that stands for it.
        traceback: keep the traceback's text as well; for errors that were really raised.
    """
    text = "".join(format_exception(error))[-MAX_TRACEBACK_CHARACTERS:] if traceback else ""
    retry_after = getattr(error, "retry_after", None)
    if not isinstance(retry_after, int | float) or isinstance(retry_after, bool):
        retry_after = None
    return Failure(type(error).__name__, _describe(error), retryable(error), kinds_of(error), text, retry_after)


def _describe(error: BaseException) -> str:
    """Return an exception's text, even if it cannot say it."""
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 (an exception of a user's, broken in any way)
        return f"(its text cannot be had: {type(broken).__name__})"
