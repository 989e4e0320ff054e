"""Conditions and CEL expressions: compiled once and checked, then evaluated over the variables of a run."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playbill.model.cel_hints import foreign_words, hyphen_hint
from playbill.model.cel_paths import plain_path
from playbill.model.cel_tokens import bound_names, macro_calls
from playbill.model.diagnostics import did_you_mean, list_names
from playbill.model.errors import NodeConfigError
from playbill.model.wording import clip

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from playbill.model.cel_patterns import PatternCost
    from playbill.model.cel_program import CelProgram

__all__ = [
    "CONDITION_ROOTS",
    "EDGE_ROOTS",
    "OUTPUT_ROOTS",
    "Condition",
    "Expression",
    "ExpressionError",
    "as_bool",
    "compile_condition",
    "compile_expression",
    "input_key",
    "merge_inputs",
]

CONDITION_ROOTS = ("input", "inputs", "trigger")
"""The names that the condition of a condition node may use."""
EDGE_ROOTS = ("output", *CONDITION_ROOTS)
"""The names that the condition of an edge may use."""
OUTPUT_ROOTS = ("inputs", "trigger")
"""The names that the outputs of a pipeline may use."""

MAX_CHARACTERS = 1000
MAX_MACROS = 2
LONGEST_SHOWN = 100
"""Characters of an expression in a message: with what stands around it, one line of a terminal."""

_TYPES = frozenset({"int", "uint", "double", "string", "bytes", "bool", "list", "map", "null_type", "type"})
_FUNCTIONS = frozenset({
    "size", "contains", "startsWith", "endsWith", "matches", "dyn", "type",
    "int", "uint", "double", "string", "bytes", "timestamp", "duration",
    "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear",
    "getHours", "getMinutes", "getSeconds", "getMilliseconds",
})  # fmt: skip
_INPUT_KEY = re.compile(r"input\.([\w-]+)", re.ASCII)
_SYNTAX = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)")


class ExpressionError(NodeConfigError, ValueError):
    """An expression cannot be compiled, or names what it may not name."""

    def __init__(self, code: str, text: str, reason: str, line: int = 1, column: int = 0) -> None:
        """Take a stable code, the expression, what is wrong and where, from 1 (column 0: everywhere)."""
        Exception.__init__(self, code, text, reason, line, column)
        self.code = code
        self.text = text
        self.reason = reason
        self.line = line
        self.column = column

    def __str__(self) -> str:
        line = f"line {self.line}, " if self.line > 1 else ""
        place = f" at {line}column {self.column}" if self.column else ""
        return f"expression '{clip(self.text, LONGEST_SHOWN)}': {self.reason}{place}"


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression: a plain path, read in Python, or a CEL program."""

    text: str
    names: frozenset[str]
    """The roots it uses."""
    value: Callable[[Mapping[str, Any]], Any]

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """Give the value over these variables.

        Raises:
            NodeConfigError: It has none, or finding it would take too long; names the text and the cause.
        """
        try:
            return self.value(variables)
        except Exception as error:
            from playbill.model.cel_causes import cause_of  # noqa: PLC0415 (as compile_cel below)

            raise NodeConfigError(
                f"expression '{clip(self.text, LONGEST_SHOWN)}' failed: {cause_of(error, self.text, variables)}"
            ) from error


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition: an Expression or one of the short forms."""

    text: str
    test: Callable[[Mapping[str, Any]], bool]

    def evaluate(self, variables: Mapping[str, Any]) -> bool:
        """Tell whether it holds.

        Args:
            variables: `input` and `inputs`, and what else its roots name.

        Raises:
            NodeConfigError: CEL found an error, or gave something else than a bool.
        """
        return self.test(variables)


def compile_condition(text: str, *, predecessors: Collection[str], roots: Collection[str]) -> Condition:
    """Compile `true`, `false`, `input.<key>`, a predecessor's id, or CEL that must yield a bool.

    Raises:
        ExpressionError: It cannot be compiled, or names something unknown.
    """
    stripped = text.strip()
    if stripped.lower() in {"true", "false"}:
        holds = stripped.lower() == "true"
        return Condition(text, lambda _variables: holds)
    if name := input_key(text):
        return Condition(text, lambda variables: bool(variables["input"].get(name)))
    if stripped in predecessors:
        return Condition(text, lambda variables: bool(variables["inputs"].get(stripped)))
    expression = compile_expression(text, [*roots])
    return Condition(text, lambda variables: as_bool(text, expression.evaluate(variables)))


def input_key(text: str) -> str:
    """Give the key that a condition of the short form `input.<key>` reads; empty: it has another form."""
    found = _INPUT_KEY.fullmatch(text.strip())
    return "" if found is None else found[1]


def compile_expression(text: str, roots: Collection[str]) -> Expression:
    """Compile CEL that may use the names in `roots`.

    Raises:
        ExpressionError: It is too long, has too many macros, does not parse, or names something unknown.
    """
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError("expression-too-long", text, f"is over {MAX_CHARACTERS} characters long")
    if (path := plain_path(text.strip())) and path.root in roots:
        return Expression(text, frozenset({path.root}), path.read)
    expression, functions = _compile(text)
    bound = bound_names(text) if expression.names.difference(roots) else set[str]()
    for name in sorted(expression.names.difference(roots, bound, _TYPES)):
        hint = f"{did_you_mean(name, roots)}; names are: {list_names(roots)}"
        instead = hyphen_hint(text, [name]) or foreign_words(text)
        raise _unknown("name", name, text, f"; {instead}" if instead else hint)
    for name in sorted(functions - _FUNCTIONS):
        instead = foreign_words(text)
        raise _unknown("function", name, text, f"; {instead}" if instead else did_you_mean(name, sorted(_FUNCTIONS)))
    return expression


def as_bool(text: str, result: object, what: str = "condition") -> bool:
    """Give the result of a condition, or of what else must tell yes from no.

    Raises:
        NodeConfigError: It is not a bool; names the text and the value.
    """
    if isinstance(result, bool):
        return result
    kind = "null" if result is None else type(result).__name__
    raise NodeConfigError(f"{what} '{clip(text, LONGEST_SHOWN)}' must give a bool, not {kind}: {result!r:.60}")


def merge_inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the outputs of predecessors into one mapping; of one key the later one counts.

    Args:
        inputs: Outputs by node id in topological order, without those of condition nodes.
    """
    merged: dict[str, Any] = {}
    for output in inputs.values():
        merged.update(output)
    return merged


@functools.lru_cache(maxsize=4096)
def _compile(text: str) -> tuple[Expression, frozenset[str]]:
    """Give the expression and the functions it calls; operators do not count."""
    if (calls := macro_calls(text)) > MAX_MACROS:
        reason = f"has {calls} macro calls (all, exists, exists_one, map, filter), over {MAX_MACROS}"
        raise ExpressionError("too-many-macros", text, reason)
    compiled = _compiled(text, text)
    references = compiled.program.references()
    functions = frozenset(name for name in references["functions"] if name.isidentifier())
    return Expression(text, frozenset(references["variables"]), compiled.run), functions


def _compiled(text: str, whole: str) -> CelProgram:
    from playbill.model.cel_program import compile_cel  # noqa: PLC0415 (slow, and most conditions are plain paths)

    try:
        return compile_cel(text, lambda literal: _cost_of(literal, whole))
    except ExpressionError:
        raise
    except (ValueError, NodeConfigError) as error:
        raise _syntax_error(whole, str(error)) from None


def _cost_of(literal: str, text: str) -> PatternCost:
    """Tell what a pattern of `matches` costs; one that comes from data might cost anything."""
    from playbill.model.cel_cost import MAX_VALUES  # noqa: PLC0415 (see above)
    from playbill.model.cel_patterns import pattern_cost  # noqa: PLC0415
    from playbill.model.cel_program import compile_cel  # noqa: PLC0415

    if not literal:
        reason = "matches takes its pattern as a text in quotes: one that is computed might take any time"
        raise ExpressionError("computed-pattern", text, reason)
    cost = pattern_cost(_compiled(literal, text).run({}))
    if cost.compiling + cost.positions > MAX_VALUES:
        reason = f"the pattern {clip(literal, LONGEST_SHOWN)} is too large when its repetitions are written out"
        raise ExpressionError("pattern-too-large", text, reason)
    try:
        compile_cel(f"''.matches({literal})", lambda _literal: cost).run({})
    except (ValueError, RuntimeError, NodeConfigError) as error:
        raise ExpressionError("invalid-pattern", text, str(error).split(". Check ")[0]) from None
    return cost


def _unknown(what: str, name: str, text: str, hint: str) -> ExpressionError:
    return ExpressionError(f"unknown-{what}", text, f"unknown {what} '{name}'{hint}", *_position(text, name))


def _syntax_error(text: str, message: str) -> ExpressionError:
    found = _SYNTAX.search(message)
    if found is None:
        return ExpressionError("invalid-expression", text, message)
    if instead := foreign_words(text):
        return ExpressionError("invalid-expression", text, instead, int(found[1]), int(found[2]))
    line, column, reason = int(found[1]), int(found[2]), found[3].split(" expecting ")[0]
    return ExpressionError("invalid-expression", text, reason, line, column)


def _position(text: str, name: str) -> tuple[int, int]:
    found = re.search(rf"(?<![\w\"']){re.escape(name)}(?!\w)", text)
    if found is None:
        return 1, 0
    before = text[: found.start()]
    return before.count("\n") + 1, found.start() - (before.rfind("\n") + 1) + 1
