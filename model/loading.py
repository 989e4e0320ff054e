"""Reads a definition from the text of a YAML or JSON file; the runtime brings the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, cast

from playbill.model import strict_json
from playbill.model.drafts import draft
from playbill.model.errors import DefinitionError, Problem
from playbill.model.places import TextError
from playbill.model.written import Written

if TYPE_CHECKING:
    from pathlib import PurePath

    from playbill.model.definition import PipelineDefinition

__all__ = ["MAX_BYTES", "Text", "decode", "parse_mapping", "parse_text", "read_text"]

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
        DefinitionError: The text or the definition is wrong; names line and column of all that is.
    """
    read = read_text(text, source=source, holds="nodes and edges")
    made = draft(read.data, read.written)
    if problems := [*read.faults, *made.problems]:
        raise DefinitionError(made.name, problems)
    return made.whole


class Text(NamedTuple):
    """What a text says."""

    data: dict[str, Any]
    written: Written
    faults: list[Problem]
    """What is wrong with the text, and did not keep it from being read."""


def parse_mapping(text: str, *, source: str, holds: str) -> dict[str, Any]:
    """Read a mapping as `parse_text` does; `holds` says for messages what is in it.

    Raises:
        DefinitionError: The text is wrong; names line and column.
    """
    read = read_text(text, source=source, holds=holds)
    if read.faults:
        raise DefinitionError("", read.faults)
    return read.data


def read_text(text: str, *, source: str, holds: str, folder: PurePath | None = None) -> Text:
    """Read a mapping with the places of its values; what is wrong with them is left to who asked.

    Args:
        text: YAML, or JSON when `source` ends so.
        source: Its name, for messages.
        holds: What should be in it, for messages.
        folder: That of its file, if it has one.

    Raises:
        DefinitionError: It cannot be read to its end, or is not a mapping; names line and column.
    """
    _check_size(len(text), source)
    reading, what = (_read_json, "JSON") if source.lower().endswith(".json") else (_read_any, "YAML")
    try:
        data, written, faults = reading(text, source, folder)
    except RecursionError:
        _refuse("too-deep", source, "is nested too deeply")
    except TextError as error:
        line, column = error.mark or (None, None)
        said = f"is not valid {what}: {error.said}"
        said = said if line else f"{source} {said}"
        raise DefinitionError("", [Problem(f"invalid-{what.lower()}", source, said, line, column, source)]) from None
    if not isinstance(data, dict):
        said = f"must hold a mapping with {holds}, not {_kind(data)}"
        mark = written.root.mark if written.root else (1, 1)
        raise DefinitionError("", [Problem("not-a-mapping", source, said, *mark, source)])
    return Text(cast("dict[str, Any]", data), written, faults)


def _read_any(text: str, source: str, folder: PurePath | None) -> tuple[object, Written, list[Problem]]:
    """Read JSON by its own rules, under whatever name: a tab may stand anywhere there, and half a pair is escaped."""
    if text.lstrip()[:1] == "{":
        try:
            return _read_json(text, source, folder)
        except (TextError, RecursionError):  # a mapping of YAML's
            pass
    return _read_yaml(text, source, folder)


def _read_yaml(text: str, source: str, folder: PurePath | None) -> tuple[object, Written, list[Problem]]:
    from playbill.model import strict_yaml  # noqa: PLC0415 - yaml takes 15 ms, and definitions made in Python need none

    reading = strict_yaml.read(text, source)
    written = Written(source, text, strict_yaml.read, folder)
    written.keep(reading.root)
    return reading.root.value, written, reading.faults


def _read_json(text: str, source: str, folder: PurePath | None) -> tuple[object, Written, list[Problem]]:
    parsed = strict_json.parse(text)
    faults = strict_json.read(text, source).faults if parsed.is_odd else []
    return parsed.value, Written(source, text, strict_json.read, folder), faults


def _check_size(size: int, source: str) -> None:
    if size > MAX_BYTES:
        _refuse("too-large", source, f"is larger than {MAX_BYTES // 1024 // 1024} MiB")


def _kind(data: object) -> str:
    return "nothing" if data is None else "a list" if isinstance(data, list) else f"a {type(data).__name__}"


def _refuse(code: str, source: str, text: str) -> NoReturn:
    raise DefinitionError.single(code, source, f"{source} {text}")
