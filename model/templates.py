"""`${CEL}` in the strings of a config: compiled once, rendered when a node begins."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from playbill.model.cel_hints import literal_hint
from playbill.model.cel_tokens import closing_brace
from playbill.model.errors import NodeConfigError
from playbill.model.expressions import Expression, ExpressionError, compile_expression
from playbill.model.frozen import copied

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping


__all__ = [
    "DELAY_ROOTS",
    "TEMPLATE_ROOTS",
    "Template",
    "compile_template",
    "has_template",
    "is_template",
    "strings_at",
    "strings_in",
    "with_rendered_texts",
]

Value: TypeAlias = "str | float | dict[str, Value] | list[Value] | tuple[Value, ...] | _Text | None"

TEMPLATE_ROOTS = ("input", "inputs", "trigger", "run", "secrets")
"""The names that a template may use."""
_BEGINS = re.compile(r"(?<!\$)\$\{")
DELAY_ROOTS = ("input", "inputs", "trigger", "run")
"""Those that the length of a delay may use: nobody shall read a secret off it."""


@dataclass(frozen=True, slots=True)
class Template:
    """A config value whose strings hold expressions; the same shape comes out of `render`."""

    value: Any
    """The value as it was written, with `_Text` in place of each string that has something to replace."""

    def render(self, variables: Mapping[str, Any]) -> Any:
        """Give the value with every `${...}` replaced.

        Raises:
            NodeConfigError: An expression failed; names it and, for a missing key, the key.
        """
        return _render(self.value, variables)

    @property
    def expressions(self) -> list[Expression]:
        """Every expression in it, in the order written."""
        return [part for text in _walk(self.value) for part in text.parts if isinstance(part, Expression)]


@dataclass(frozen=True, slots=True)
class _Text:
    written: str
    parts: tuple[str | Expression, ...]

    def render(self, variables: Mapping[str, Any]) -> Any:
        try:
            match self.parts:
                case (Expression() as whole,):
                    return whole.evaluate(variables)
                case parts:
                    values = (part if isinstance(part, str) else part.evaluate(variables) for part in parts)
                    return "".join(map(_as_text, values))
        except NodeConfigError as error:
            raise NodeConfigError(f"template '{self.written}': {error}") from error


def compile_template(value: Value, roots: Collection[str] = TEMPLATE_ROOTS) -> Template | None:
    """Compile a config value; None when no string in it has anything to replace.

    Raises:
        ExpressionError: A `${` is not closed, or an expression is wrong.
    """
    return Template(_compile(value, roots)) if any("${" in text for text in strings_in(value)) else None


def is_template(value: object) -> bool:
    """Tell whether a value is wholly one `${...}`, so that anything may come of it."""
    return isinstance(value, str) and value.startswith("${") and closing_brace(value, 2) == len(value) - 1


def has_template(value: object) -> bool:
    """Tell whether a text has a `${...}` in it."""
    return isinstance(value, str) and _BEGINS.search(value) is not None


def with_rendered_texts(config: Mapping[str, Any], places: Iterable[tuple[int | str, ...]]) -> dict[str, Any]:
    """Give a rendered config in which text stands where only text fits, whatever a template gave there.

    Args:
        config: A node's, rendered.
        places: Where its model takes text.
    """
    changed: dict[str, Any] = copied(dict(config))
    for place in places:
        _write_text(changed, place)
    return changed


def _write_text(config: Any, place: Iterable[int | str]) -> None:
    holder, key, value = config, cast("Any", ""), config
    is_one_of_several = False
    for part in place:
        try:
            below = value[part]
        except (LookupError, TypeError):  # the name of one of several kinds that the field takes
            is_one_of_several = True
            continue
        holder, key, value = value, part, below
    stays = (str, dict, list) if is_one_of_several else (str,)
    if value is not config and value is not None and not isinstance(value, stays):
        holder[key] = _as_text(value)


def strings_in(value: Value) -> Iterator[str]:
    """Give every string in nested mappings and lists; keys do not count."""
    yield from (text for _, text in strings_at(value))


def strings_at(value: Value, location: tuple[int | str, ...] = ()) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Give every string in nested mappings and lists with its place, which begins with `location`."""
    match value:
        case str():
            yield location, value
        case dict():
            for key, item in value.items():
                yield from strings_at(item, (*location, key))
        case list() | tuple():
            for index, item in enumerate(value):
                yield from strings_at(item, (*location, index))
        case _:
            pass


def _compile(value: Value, roots: Collection[str]) -> Value:
    match value:
        case str() if "${" in value:
            return _Text(value, tuple(_parts(value, roots)))
        case dict():
            return {key: _compile(item, roots) for key, item in value.items()}
        case list() | tuple():
            return [_compile(item, roots) for item in value]
        case _:
            return value


def _parts(text: str, roots: Collection[str]) -> Iterator[str | Expression]:
    start = 0
    while (found := text.find("${", start)) >= 0:
        if found > start and text[found - 1] == "$":
            yield text[start : found - 1] + "${"
            start = found + 2
            continue
        if found > start:
            yield text[start:found]
        end = closing_brace(text, found + 2)
        if end < 0:
            raise ExpressionError("unclosed-template", text, "'${' is never closed", 1, found + 1)
        yield _expression(text[found + 2 : end], roots)
        start = end + 1
    if start < len(text):
        yield text[start:]


def _expression(text: str, roots: Collection[str]) -> Expression:
    try:
        return compile_expression(text, roots)
    except ExpressionError as error:
        hint = literal_hint(text, roots) if error.code in {"unknown-name", "invalid-expression"} else ""
        if not hint:
            raise
        raise ExpressionError(error.code, text, f"{error.reason}; {hint}", error.line, error.column) from None


def _render(value: Value, variables: Mapping[str, Any]) -> Any:
    match value:
        case _Text():
            return value.render(variables)
        case dict():
            return {key: _render(item, variables) for key, item in value.items()}
        case list() | tuple():
            return [_render(item, variables) for item in value]
        case _:
            return value


def _walk(value: Value) -> Iterator[_Text]:
    match value:
        case _Text():
            yield value
        case dict():
            for item in value.values():
                yield from _walk(item)
        case list() | tuple():
            for item in value:
                yield from _walk(item)
        case _:
            pass


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
