"""Why an evaluation failed, for who wrote the expression: which key, which keys there are, which types."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from playbill.model.cel_paths import Keys, missing_key
from playbill.model.cel_program import StrangersError
from playbill.model.cel_shape import all_paths, shape_of
from playbill.model.cel_tokens import signs_of

__all__ = ["cause_of"]

_KINDS: Final[Mapping[type, str]] = {int: "int", float: "double", str: "string", bool: "bool", type(None): "null"}
_OPERATION = re.compile(r"Unsupported operation: (\w+) (\S+) (\w+)")
_UNDEFINED = re.compile(r"Undefined variable or function: '(\w+)'")
MAX_SHOWN: Final = 5


def cause_of(error: Exception, text: str, variables: Mapping[str, Any]) -> str:
    """Tell why an expression has no value.

    Args:
        error: What the library raised, or we.
        text: The expression.
        variables: What it was evaluated over.
    """
    match error:
        case StrangersError():
            return _unheld(error, text, variables)
        case KeyError(args=[str(key), *_]):
            holder = next(_without(key, text, variables), None)
            return f"no key '{key}'" if holder is None else missing_key(key, holder)
        case ValueError() if "Conversion Error" in str(error):
            return "it names a value that CEL does not know, such as an object of Python's"
        case TypeError():
            return _wrong_types(str(error), text, variables)
        case RuntimeError() if found := _UNDEFINED.search(str(error)):
            return f"'{found[1]}' is not for what it is given here{_named(text, variables)}"
        case _:
            return str(error).split(". Check ")[0]


def _unheld(error: StrangersError, text: str, variables: Mapping[str, Any]) -> str:
    """Name what CEL cannot hold, if the expression may have used it."""
    cause = cause_of(error.error, text, variables)
    if isinstance(error.error, KeyError | ZeroDivisionError | IndexError | OverflowError):
        return cause
    signs = {sign.strip("'\"") for sign in signs_of(text)}
    used = [where for where in error.strangers if where.rpartition(".")[2].partition("[")[0] in signs]
    if not used:
        return cause
    told = ", ".join(f"{where} is {error.strangers[where]}" for where in used[:MAX_SHOWN])
    way = "read by its path alone it is given as it is, anything else is for a python node"
    return f"{told}, which CEL cannot calculate with: {way}"


def _wrong_types(told: str, text: str, variables: Mapping[str, Any]) -> str:
    if "No such overload" in told and (broken := next(_broken(text, variables), "")):
        return broken
    reason = re.sub(r"\.? (CEL does not coerce|Convert explicitly).*", "", told, flags=re.DOTALL)
    if found := _OPERATION.search(told):
        kinds = {found[1].replace("float", "double"), found[3].replace("float", "double")}
        reason = reason.replace("float", "double")
    else:
        kinds = {kind for _, kind in _operands(text, variables)} if "No such overload" in told else set[str]()
        reason = f"{reason}{_named(text, variables)}"
    return f"{reason}{_conversion(kinds, told, set(signs_of(text)))}"


def _conversion(kinds: set[str], told: str, signs: set[str]) -> str:
    if "signed and unsigned" in told:
        return "; an int of 2^63 or more is a uint in CEL: write uint(x) for the other one"
    if kinds == {"int", "double"} and "%" in signs:
        return "; '%' is for ints: write int(x)"
    # Where truth is asked for, it may be that which the number is not.
    if kinds == {"int", "double"} and ("Unsupported" in told or signs.isdisjoint("!&|?")):
        return "; CEL does not mix int and double: write double(x)"
    if len(kinds) > 1 and "string" in kinds and "+" in signs and kinds <= {"string", "int", "double", "bool"}:
        way = "b ? 'true' : 'false'" if "bool" in kinds else "string(x)"
        return f"; CEL turns nothing into text by itself: write {way}"
    return ""


def _named(text: str, variables: Mapping[str, Any]) -> str:
    told = [f"{name} is of type {kind}" for name, kind in _operands(text, variables) if not name.startswith("'")]
    return f": {', '.join(told[:MAX_SHOWN])}" if told else ""


def _operands(text: str, variables: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give the types of what an expression names, and of its literals, whose names begin with a quote."""
    paths = sorted(all_paths(shape_of(text)))
    found = [(".".join(path), _kind(value)) for path in paths for value in _at(path, variables)]
    signs = ["", *signs_of(text), "", ""]
    for before, sign, after, next_one in zip(signs, signs[1:], signs[2:], signs[3:], strict=False):
        if sign.isdigit() and before not in {"[", "."}:
            found.append(("'", "double" if after == "." and next_one.isdigit() else "int"))
        elif sign[-1:] in {"'", '"'} and before != "[":
            found.append(("'", "string"))
    return found


def _broken(text: str, variables: Mapping[str, Any]) -> Iterator[str]:
    """Tell of paths that lead on from what has no parts, such as null."""
    for path in sorted(all_paths(shape_of(text))):
        value: object = variables
        for key in path:
            if value is None or isinstance(value, str | int | float):
                shown = "null" if value is None else f"a value of type {_kind(value)}"
                yield f"no part '{key}' in {shown}: {'.'.join(path)}"
                break
            value = cast("Mapping[str, object]", value).get(key) if isinstance(value, Mapping) else ()


def _kind(value: object) -> str:
    return _KINDS.get(type(value)) or ("map" if isinstance(value, Mapping) else "list")


def _at(path: Keys, variables: Mapping[str, Any]) -> Iterator[object]:
    value: object = variables
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return
        value = cast("Mapping[str, object]", value)[key]
    yield value


def _without(key: str, text: str, variables: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give the mappings that an expression names, or walks, in which a key is missing."""
    paths = sorted(all_paths(shape_of(text)))
    for path in paths:
        if key in path:
            for value in _at(path[: path.index(key)], variables):
                if isinstance(value, Mapping) and key not in value:
                    yield cast("Mapping[str, Any]", value)
    for path in paths:
        for value in _at(path, variables):
            items = cast("list[object]", value) if isinstance(value, list) else [value]
            for item in items:
                if isinstance(item, Mapping) and key not in item:
                    yield cast("Mapping[str, Any]", item)
