"""What callers say of runs, refused where it is said: the run would fail of it, not its caller."""

from __future__ import annotations

from datetime import datetime

from playbill.model.fields import MAX_SECONDS, is_seconds

__all__ = ["check_grace", "check_moment", "check_seq", "check_text"]


def check_grace(grace: object) -> float | None:
    """Return a grace that a caller has given.

    Raises:
        ValueError: it is no number of seconds: the run would fail of it, not its caller.
    """
    if grace is None:
        return None
    if is_seconds(grace):
        return grace
    rule = f"0 or more and finite, or None for the manager's, at most {MAX_SECONDS:.0e}"
    raise ValueError(f"grace is a number of seconds, {rule}, not {grace!r:.60}")


def check_text(name: str, text: object) -> str:
    """Return what a caller says for people, which events and results keep.

    Raises:
        ValueError: it is not text.
    """
    if isinstance(text, str):
        return str.__str__(text)
    raise ValueError(f"{name} is text, not {type(text).__name__}: {text!r:.60}")


def check_seq(seq: object) -> None:
    """Refuse what is not the number of an event.

    Raises:
        ValueError: it is not a whole number.
    """
    if not isinstance(seq, int) or isinstance(seq, bool):
        raise ValueError(f"from_seq is a whole number, 1 for the first event, not {seq!r}")  # noqa: TRY004


def check_moment(name: str, value: object) -> datetime:
    """Return a moment that somebody gave.

    Raises:
        ValueError: it is none, or has no time zone.
    """
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ValueError(f"{name} is a datetime with its time zone, such as datetime.now(UTC), not {value!r:.60}")
    return value
