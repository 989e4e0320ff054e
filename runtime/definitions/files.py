"""Loads definitions from files, and reads and writes texts: whatever is wrong with a file is told by its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbill.model.errors import DefinitionError
from playbill.model.loading import MAX_BYTES, decode, parse_mapping, parse_text

if TYPE_CHECKING:
    import os

    from playbill.model.definition import PipelineDefinition

__all__ = ["load", "load_mapping", "read", "write"]


def load(source: str | os.PathLike[str]) -> PipelineDefinition:
    """Load a definition from a YAML or JSON file, or from the two JSON lists of nodes and edges in one.

    Raises:
        DefinitionError: there is no such file, or what it says is not a definition; names file, line and column.
    """
    return parse_text(read(source), source=str(source))


def load_mapping(source: str | os.PathLike[str], holds: str) -> dict[str, Any]:
    """Load a mapping from a YAML or JSON file; `holds` says what it should hold.

    Raises:
        DefinitionError: there is no such file, or it does not hold one.
    """
    return parse_mapping(read(source), source=str(source), holds=holds)


def read(source: str | os.PathLike[str]) -> str:
    """Read a text file of a bounded size.

    Raises:
        DefinitionError: it cannot be read, is too large or not UTF-8.
    """
    path = Path(source)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)  # one byte more shows that it is too large, without reading it all
    except OSError as error:
        text = f"{path}: cannot be read: {error.strerror or error}"
        raise DefinitionError.single("unreadable", str(path), text) from error
    return decode(data, str(path))


def write(target: str | os.PathLike[str], text: str) -> None:
    """Write a text file; what it held before is gone.

    Raises:
        DefinitionError: it cannot be written.
    """
    path = Path(target)
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        said = f"{path}: cannot be written: {error.strerror or error}"
        raise DefinitionError.single("unwritable", str(path), said) from error
