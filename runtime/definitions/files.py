"""Loads definitions from files, and reads and writes texts: whatever is wrong with a file is told by its name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from playbill.model.definition import PipelineDefinition
from playbill.model.drafts import draft
from playbill.model.errors import DefinitionError
from playbill.model.loading import MAX_BYTES, Text, decode, read_text
from playbill.runtime.definitions.compiler import check_pipeline
from playbill.runtime.definitions.discovery import catalog_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playbill.model.drafts import Draft
    from playbill.model.errors import Problem

__all__ = ["Given", "load", "load_mapping", "load_text", "read", "validate_pipeline_dag", "write"]

Given: TypeAlias = "PipelineDefinition | Mapping[str, Any] | str | os.PathLike[str]"
"""What may be given as a pipeline: a definition, or what `load` makes one of."""
HOLDS: Final = "nodes and edges"


def load(source: Given) -> PipelineDefinition:
    """Load a definition; who shares a loop with others has them wait as long.

    What is wrong is told all at once, also what would be found when it is run; the modules that it names in `imports`
    are looked for beside its file.

    Args:
        source: a YAML or JSON file's path, such a text itself (of more than one line, or a mapping written in one),
            or the mapping that it says; a definition is given back as it is.

    Raises:
        DefinitionError: there is no such file, or what it says is not a definition; names file, line and column.
    """
    if isinstance(source, PipelineDefinition):
        return source
    if isinstance(source, Mapping):
        return _finished(draft(source))
    if not isinstance(cast("object", source), str | os.PathLike):
        text = f"a definition is a mapping, a file's path or a text, not {type(source).__name__}: {source!r:.60}"
        raise DefinitionError.single("no-definition", "", text)
    if isinstance(source, str) and _is_text(source):
        read_one = read_text(source, source="<text>", holds=HOLDS)
    else:
        folder = Path(source).resolve().parent
        read_one = read_text(read(source), source=str(source), holds=HOLDS, folder=folder)
    return _finished(draft(read_one.data, read_one.written), read_one.faults)


def _is_text(source: str) -> bool:
    """Tell whether a text says a definition rather than where one is."""
    if "\n" in source or not source.strip():
        return True
    return (": " in source or source.lstrip()[:1] in {"{", "["}) and not os.path.exists(source)  # noqa: PTH110 (a Path raises for a name that is too long)


def _finished(made: Draft, faults: Sequence[Problem] = ()) -> PipelineDefinition:
    """Return a draft's definition; if anything is wrong with it, say what would be wrong with the rest of it, too."""
    definition = made.definition
    if definition is not None:
        definition.written.keep(None)
    if not made.problems and not faults:
        return made.whole
    problems = [*faults, *made.problems]
    if definition is not None:
        problems += made.not_following(check_pipeline(definition, catalog_of()).problems)
    raise DefinitionError(made.name, sorted(problems, key=lambda each: (each.line or 0, each.column or 0)))


def validate_pipeline_dag(source: Given) -> list[str]:
    """Give the texts of all that keeps a definition, or what `load` takes for one, from being run; none: it may run.

    Known are the built-in types, those that are marked with `node_type` or `action`, and those of its `imports`.
    """
    try:
        problems: Sequence[Problem] = check_pipeline(load(source), catalog_of()).problems
    except DefinitionError as error:
        problems = error.problems
    return [str(problem) for problem in problems]


def load_text(source: str | os.PathLike[str], holds: str) -> Text:
    """Load a mapping from a YAML or JSON file, with the places of what is in it; `holds` says what that should be.

    Raises:
        DefinitionError: there is no such file, or it does not hold one.
    """
    text = read_text(read(source), source=str(source), holds=holds)
    if text.faults:
        raise DefinitionError("", text.faults)
    return text


def load_mapping(source: str | os.PathLike[str], holds: str) -> dict[str, Any]:
    """Load a mapping as `load_text` does, without the places.

    Raises:
        DefinitionError: there is no such file, or it does not hold one.
    """
    return load_text(source, holds).data


def read(source: str | os.PathLike[str]) -> str:
    """Read a text file of a bounded size.

    Raises:
        DefinitionError: it cannot be read, is too large or not UTF-8.
    """
    path = Path(source)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)  # one byte more shows that it is too large, without reading it all
    except (OSError, ValueError) as error:  # of a path that no system can have
        text = f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"
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
