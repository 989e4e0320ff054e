"""Makes definitions of plain data: takes texts as they are written, and goes on behind what is wrong.

The plan: let pydantic read the data; where text belongs and a number was read, put there what was written, and let it
read again. What is wrong even so is told and left out, so that the rest can be checked for sense in the same go.

Weak spot: what follows from something that was left out is known by its code and its place, not by its cause.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import ValidationError

from playbill.model.definition import PipelineDefinition, name_of_data, shape_problems
from playbill.model.diagnostics import details_of, path_of, texts_expected
from playbill.model.errors import DefinitionError
from playbill.model.frozen import copied
from playbill.model.input_schemas import texts_in_schema
from playbill.model.places import Location
from playbill.model.shorthand import expand_next, where_written
from playbill.model.written import UNWRITTEN, Written, replace_at, with_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from playbill.model.errors import Problem

__all__ = ["Draft", "draft", "placed"]

MAX_ROUNDS: Final = 9
"""Each finds what the one before could not see, such as checks of a whole policy."""
_READ: Final = PipelineDefinition.__pydantic_validator__.validate_python
_NODE: Final = re.compile(r"nodes(\[\d+\](\.id)?)?")
"""Where a node's id is not known."""
_ABOUT_EDGES: Final = frozenset({"unreachable-input", "unknown-breaker", "never-live"})
_ABOUT_NODES: Final = frozenset({"unknown-source", "unknown-target", "unknown-node", "no-nodes", "duplicate-id"})


@dataclass(frozen=True, slots=True)
class Draft:
    """A definition without what was wrong with it."""

    name: str
    definition: PipelineDefinition | None
    """None: there is nothing left to look at."""
    problems: list[Problem]
    left_out: frozenset[str]
    """Where something was left out, or stands in for what was."""

    @property
    def whole(self) -> PipelineDefinition:
        """The definition, if nothing is wrong with it.

        Raises:
            DefinitionError: Something is; carries every problem of its shape.
        """
        if self.problems or self.definition is None:
            raise DefinitionError(self.name, self.problems)
        return self.definition

    def not_following(self, problems: Iterable[Problem]) -> list[Problem]:
        """Give those further problems that do not come of what was left out."""
        hidden = _ABOUT_EDGES if any(not each.startswith("breakers.") for each in self.left_out) else frozenset[str]()
        if any(_NODE.fullmatch(each) for each in self.left_out):
            hidden |= _ABOUT_NODES
        return [each for each in problems if each.code not in hidden and not self._is_in(each.where)]

    def _is_in(self, where: str) -> bool:
        ends = (place for place, sign in enumerate(where) if sign in ".[")
        return where in self.left_out or any(where[:end] in self.left_out for end in ends)


def draft(data: Mapping[str, Any], written: Written = UNWRITTEN) -> Draft:
    """Make of plain data what can be made of it.

    Args:
        data: What somebody wrote.
        written: The text it stands in.
    """
    made, error, read = _with_texts(dict(data), written)
    name = name_of_data(read)
    problems: list[Problem] = []
    left_out: set[str] = set()
    for _ in range(MAX_ROUNDS):
        if made is not None or error is None:
            break
        problems += shape_problems(error, PipelineDefinition, read)
        read = _without_faults(expand_next(read), error, left_out)
        made, error = _try(read)
    if made is not None:
        inputs = made.inputs
        if inputs is not None and (schema := with_texts(inputs, ("inputs",), texts_in_schema, written)) is not inputs:
            made = made.model_copy(update={"inputs": schema})
        made = made.of_text(written)
    return Draft(name, made, placed(problems, written), frozenset(left_out))


def placed(problems: Iterable[Problem], written: Written) -> list[Problem]:
    """Give a definition's problems their lines and columns."""
    if written.root is None:
        return list(problems)
    data = written.root.value
    return written.place(problems, lambda where: _where_written(data, where))


def _where_written(data: object, where: str) -> str:
    index, closed, rest = where.removeprefix("edges[").partition("]")
    if not (where.startswith("edges[") and closed and index.isdigit()):
        return where
    return path_of(where_written(data, ("edges", int(index)))) + rest


def _try(data: dict[str, Any]) -> tuple[PipelineDefinition | None, ValidationError | None]:
    try:
        return _READ(data), None
    except ValidationError as error:
        return None, error


def _with_texts(
    data: dict[str, Any], written: Written
) -> tuple[PipelineDefinition | None, ValidationError | None, dict[str, Any]]:
    """Read data, with what is written wherever text belongs; give the data that was read in the end, too."""
    if not isinstance(data.get("version", ""), str):  # it takes numbers, and of 1.10 nothing is left of the zero
        data["version"] = written.texts([("version",)]).get(("version",), data["version"])
    made, error = _try(data)
    known = dict[Location, Any]()
    while error is not None:
        texts = written.texts(where_written(data, location) for location in texts_expected(error))
        texts = {where: text for where, text in texts.items() if where not in known}
        if not texts:
            break
        data = data if known else copied(data)  # aliases share what stands in two places
        known |= texts
        for where, text in texts.items():
            replace_at(data, where, text)
        made, error = _try(data)
    return made, error, data


def _without_faults(data: dict[str, Any], error: ValidationError, left_out: set[str]) -> dict[str, Any]:
    """Return data without what pydantic complains of; indices stay as they are."""
    data = {
        **data,
        **{name: list(data[name]) for name in ("nodes", "edges") if isinstance(data.get(name), list | tuple)},
    }
    for detail in details_of(error):
        match detail["loc"]:
            case ("nodes", int(index), *rest):
                data["nodes"][index], where = _mend_node(data["nodes"][index], index, rest)
            case ("edges", int(index), *rest):
                data["edges"][index], where = _mend_edge(data["edges"][index], index, rest)
            case ("breakers", str(key), *_) if isinstance(data["breakers"], dict):
                data["breakers"] = _without(cast("dict[str, Any]", data["breakers"]), key)
                where = f"breakers.{key}"
            case (str(field), *_):
                data = _without(data, field)
                where = field
            case _:
                where = ""
        left_out.add(where)
    if "nodes" in left_out:
        data["nodes"] = []
    return data


def _mend_node(node: Any, index: int, rest: list[int | str]) -> tuple[dict[str, Any], str]:
    where = f"nodes[{index}]"
    if not rest or not isinstance(node, dict):
        return {"id": where, "type": "trigger"}, where
    field = str(rest[0])
    mended = _without(cast("dict[str, Any]", node), field)
    if field in {"id", "type"}:
        mended[field] = where
    return mended, f"{where}.{field}"


def _mend_edge(edge: Any, index: int, rest: list[int | str]) -> tuple[dict[str, Any], str]:
    where = f"edges[{index}]"
    if not rest or not isinstance(edge, dict) or rest[0] in {"from", "to", "from_node", "to_node"}:
        return {"from": "?", "to": "?"}, where
    return _without(cast("dict[str, Any]", edge), str(rest[0])), f"{where}.{rest[0]}"


def _without(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}
