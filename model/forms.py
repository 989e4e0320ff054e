"""How each kind of value is written as JSON and read again, exactly: numbers, moments, statuses, facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from playbill.model.facts import Cause, Failure, Origin, Receipt, RunStatus, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import StrEnum

__all__ = [
    "CAUSE",
    "FAILURE",
    "FLAG",
    "LIST",
    "MOMENT",
    "NUMBER",
    "OBJECT",
    "ORIGIN",
    "OUTPUT",
    "RECEIPT",
    "TEXT",
    "WHOLE",
    "Form",
    "many",
    "one_of",
    "or_none",
    "read_fields",
]


class Form(NamedTuple):
    """How a kind of value is written and read; reading raises ValueError for what was never written so."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _only(*types: type) -> Form:
    """Return the form of values of exactly these types."""

    def read(raw: Any) -> Any:
        if type(raw) not in types:
            raise ValueError(f"is {json.dumps(raw):.60}, and takes {' or '.join(kind.__name__ for kind in types)}")
        return raw

    return Form(_same, read)


TEXT: Final = _only(str)
FLAG: Final = _only(bool)
WHOLE: Final = _only(int)
OBJECT: Final = _only(dict)
LIST: Final = _only(list)


def _plain(value: Any) -> Any:
    """Return any mapping as the dict that JSON takes."""
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else value


OUTPUT: Final = Form(_plain, _same)


def _write_number(value: float) -> float | str:
    return value if isfinite(value) else repr(float(value))


def _read_number(raw: Any) -> float:
    return float(raw) if raw in ("inf", "-inf", "nan") else cast("float", _only(int, float).read(raw))


def _read_moment(raw: Any) -> datetime:
    return datetime.fromisoformat(TEXT.read(raw))


NUMBER: Final = Form(_write_number, _read_number)
"""Seconds may be endless, which JSON cannot say."""
MOMENT: Final = Form(datetime.isoformat, _read_moment)


def one_of(kind: type[StrEnum]) -> Form:
    """Return the form of the words of an enumeration."""

    def write(value: str) -> str:
        return str(value)

    return Form(write, kind)


def many(item: Form) -> Form:
    """Return the form of a tuple of such items."""

    def write(value: tuple[Any, ...]) -> list[Any]:
        return [item.write(one) for one in value]

    def read(raw: Any) -> tuple[Any, ...]:
        return tuple(item.read(one) for one in LIST.read(raw))

    return Form(write, read)


def or_none(form: Form) -> Form:
    """Return the form of a value that may be missing."""

    def write(value: Any) -> Any:
        return None if value is None else form.write(value)

    def read(raw: Any) -> Any:
        return None if raw is None else form.read(raw)

    return Form(write, read)


def _fact(kind: type[Any], optional: frozenset[str] = frozenset(), **fields: Form) -> Form:
    """Return the form of a slotted dataclass; of its optional fields, None is not written."""

    def write(value: object) -> dict[str, Any]:
        told = {name: form.write(getattr(value, name)) for name, form in fields.items()}
        return {name: item for name, item in told.items() if item is not None or name not in optional}

    def read(raw: Any) -> Any:
        return kind(**read_fields(OBJECT.read(raw), fields, optional))

    return Form(write, read)


def read_fields(
    raw: dict[str, Any], fields: Mapping[str, Form], optional: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Read each field by its form, and leave what has none as it is."""
    if missing := [name for name in fields if name not in raw and name not in optional]:
        raise ValueError(f"lacks {', '.join(missing)}")
    values = dict(raw)
    for name, form in fields.items():
        if name in raw:
            try:
                values[name] = form.read(raw[name])
            except (TypeError, ValueError) as error:
                raise ValueError(f"{name}: {error}") from error
    return values


FAILURE: Final = or_none(
    _fact(
        Failure,
        frozenset({"data"}),
        type=TEXT,
        message=TEXT,
        retryable=FLAG,
        kinds=many(TEXT),
        traceback=TEXT,
        retry_after=or_none(NUMBER),
        data=or_none(Form(_plain, OBJECT.read)),
    )
)
RECEIPT: Final = or_none(
    _fact(Receipt, frozenset({"kill_ms"}), how=one_of(Stopped), ms=NUMBER, kill_ms=or_none(NUMBER))
)
ORIGIN: Final = _fact(Origin, frozenset({"first"}), run=TEXT, how=TEXT, first=or_none(TEXT), node=TEXT)
CAUSE: Final = or_none(
    _fact(Cause, status=one_of(RunStatus), error=FAILURE, node=TEXT, source=TEXT, reason=TEXT, seconds=NUMBER)
)
