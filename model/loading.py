"""Reads a definition from the text of a YAML or JSON file; the runtime brings the text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn, cast

from playbill.model.definition import PipelineDefinition, definition_from
from playbill.model.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["MAX_BYTES", "decode", "parse_mapping", "parse_text"]

MAX_BYTES = 8 * 1024 * 1024
"""A larger file is refused before it is parsed."""


def decode(data: bytes, source: str) -> str:
    """Give the text of a file's bytes, which must be UTF-8.

    Raises:
        DefinitionError: It is too large or not UTF-8; names the offset of the first bad byte.
    """
    _check_size(len(data), source)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse("not-utf8", source, f"is not UTF-8: byte {data[error.start]:#04x} at offset {error.start}")


def parse_text(text: str, *, source: str) -> PipelineDefinition:
    """Read a definition from JSON when `source` ends in `.json`, else from YAML (of which JSON is a part).

    Args:
        text: The whole file.
        source: Its name, for messages.

    Raises:
        DefinitionError: The text or the definition is wrong; names line and column of a wrong text.
    """
    return definition_from(parse_mapping(text, source=source, holds="nodes and edges"))


def parse_mapping(text: str, *, source: str, holds: str) -> dict[str, Any]:
    """Read a mapping as `parse_text` does; `holds` says for messages what is in it.

    Raises:
        DefinitionError: The text is wrong; names line and column.
    """
    _check_size(len(text), source)
    is_json = source.lower().endswith(".json")
    try:
        data = _from_json(text, source) if is_json else _from_yaml(text, source)
    except RecursionError:
        _refuse("too-deep", source, "is nested too deeply")
    if not isinstance(data, dict):
        _refuse("not-a-mapping", source, f"must hold a mapping with {holds}, not {_kind(data)}")
    mapping = cast("dict[str, Any]", data)
    _check_keys(mapping, source)
    return mapping


def _from_json(text: str, source: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        _refuse("invalid-json", source, f"is not valid JSON: {error.msg} at {place}")
    except ValueError as error:  # of the two hooks
        _refuse("invalid-json", source, str(error))


def _from_yaml(text: str, source: str) -> object:
    import yaml  # noqa: PLC0415 - takes 15 ms, and definitions made in Python need none

    from playbill.model.strict_yaml import load  # noqa: PLC0415 - imports yaml

    try:
        return load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        _refuse("invalid-yaml", source, f"is not valid YAML: {error.problem or error.context}{place}")
    except yaml.YAMLError as error:
        _refuse("invalid-yaml", source, f"is not valid YAML: {error}")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in result if keys.count(key) > 1)
        raise ValueError(f"has the key '{twice}' twice in one object: keep one")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"holds {name}, which is not JSON: write null or a number")


def _check_size(size: int, source: str) -> None:
    if size > MAX_BYTES:
        _refuse("too-large", source, f"is larger than {MAX_BYTES // 1024 // 1024} MiB")


def _check_keys(data: object, source: str) -> None:
    """Refuse keys that are not text: pydantic would only say that something is not a string."""
    waiting: list[Any] = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            mapping = cast("Mapping[Any, Any]", value)
            for key in mapping:
                if not isinstance(key, str):
                    _refuse("invalid-key", source, f"has a key that is not text, {key!r}: put it in quotes")
            waiting.extend(mapping.values())
        elif isinstance(value, list):
            waiting.extend(cast("Sequence[Any]", value))


def _kind(data: object) -> str:
    return "nothing" if data is None else "a list" if isinstance(data, list) else f"a {type(data).__name__}"


def _refuse(code: str, source: str, text: str) -> NoReturn:
    raise DefinitionError.single(code, source, f"{source} {text}")
