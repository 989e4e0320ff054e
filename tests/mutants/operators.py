"""The operators: what is done to a site, each by one small function that gives the changes it knows for a node."""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.mutants.sites import Site

NEGATED: Final[Mapping[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
BOUNDARY: Final[Mapping[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
ARITHMETIC: Final[Mapping[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
OPPOSITES: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
LATE: Final = "__import__('playbill.model.machines.machine', fromlist=['late']).late"
"""Not every module with a table imports it."""
NO_ROW: Final = "*()"


@dataclass(frozen=True, slots=True)
class Change:
    """What takes a node's place."""

    variant: str
    node: ast.AST
    at: ast.AST | None = None
    """Which part of the node it is about; None: all of it."""


def rows(site: Site) -> Iterator[Change]:
    """Have a row of a table only count its message as late; leave it out."""
    match site.node:
        case ast.Call(func=ast.Name(id="row"), args=[message, _, *_]):
            yield Change("late", _expression(f"{LATE}({ast.unparse(message)})[0]"))
            if site.field == "elts":
                yield Change("removed", ast.Starred(ast.Tuple([], ast.Load()), ast.Load()))
        case ast.Call(func=ast.Name(id="late"), args=messages) as call:
            for place, message in enumerate(messages):
                rest = messages[:place] + messages[place + 1 :]
                yield Change(f"without {ast.unparse(message)}", _changed(call, args=rest), message)


def comparisons(site: Site) -> Iterator[Change]:
    """Negate a comparison; move its boundary."""
    match site.node:
        case ast.Compare(ops=operators, comparators=others) as node:
            for place, operator in enumerate(operators):
                for other in (NEGATED[type(operator)], BOUNDARY.get(type(operator))):
                    if other is not None:
                        changed = [*operators[:place], other(), *operators[place + 1 :]]
                        yield Change(other.__name__, _changed(node, ops=changed), others[place])


def booleans(site: Site) -> Iterator[Change]:
    """Take `or` for `and`; drop a `not`."""
    match site.node:
        case ast.BoolOp(op=operator, values=values) as node:
            other = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield Change(type(other).__name__, _changed(node, op=other), values[1])
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield Change("not dropped", _changed(operand))


def conditions(site: Site) -> Iterator[Change]:
    """Force what a branch depends on. A loop is never forced on: it would only run into the time limit."""
    match site.up and site.up.node, site.field:
        case (ast.If() | ast.IfExp(), "test") | (ast.comprehension(), "ifs"):
            forced: tuple[bool, ...] = (True, False)
        case ast.While(), "test":
            forced = (False,)
        case _:
            return
    if not isinstance(site.node, ast.Constant):
        yield from (Change(str(value), ast.Constant(value)) for value in forced)


def constants(site: Site) -> Iterator[Change]:
    """Take another number, the other boolean; 0 for None, unless it is a default, which the type checkers see to."""
    match site.node:
        case ast.Constant(value=bool(value)):
            yield Change(str(not value), ast.Constant(not value))
        case ast.Constant(value=int() | float() as value):
            yield Change("plus one", ast.Constant(value + 1))
            if value not in {0, -1}:
                yield Change("zero", ast.Constant(type(value)(0)))
        case ast.Constant(value=None) if site.runs and not isinstance(site.up and site.up.node, ast.Compare):
            yield Change("None is 0", ast.Constant(0))


def enum_members(site: Site) -> Iterator[Change]:
    """Take the next member of the same enum."""
    match site.node:
        case ast.Attribute(value=ast.Name(id=name), attr=member) as node if member in site.enums.get(name, ()):
            members = site.enums[name]
            sibling = members[(members.index(member) + 1) % len(members)]
            yield Change(sibling, _changed(node, attr=sibling))


def arithmetic(site: Site) -> Iterator[Change]:
    """Take the opposite operator or function."""
    match site.node:
        case ast.BinOp(op=operator, right=right) as node if type(operator) in ARITHMETIC:
            other = ARITHMETIC[type(operator)]
            yield Change(other.__name__, _changed(node, op=other()), right)
        case ast.AugAssign(op=operator, value=value) as augmented if type(operator) in ARITHMETIC:
            other = ARITHMETIC[type(operator)]
            yield Change(other.__name__, _changed(augmented, op=other()), value)
        case ast.Call(func=ast.Name(id=name)) as call if name in OPPOSITES:
            yield Change(OPPOSITES[name], _changed(call, func=ast.Name(OPPOSITES[name], ast.Load())))


def effects(site: Site) -> Iterator[Change]:
    """Leave out what the outbox is asked for."""
    if _is_effect(site.node):
        yield Change("removed", ast.Pass())


def statements(site: Site) -> Iterator[Change]:
    """Leave out another call, or what is written into an object."""
    match site.node:
        case ast.Expr(value=ast.Call()) if not _is_effect(site.node):
            yield Change("removed", ast.Pass())
        case ast.Assign(targets=targets) | ast.Delete(targets=targets) if all(map(_is_part, targets)):
            yield Change("removed", ast.Pass())
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target, value=ast.expr()) if _is_part(target):
            yield Change("removed", ast.Pass())


def returns(site: Site) -> Iterator[Change]:
    """Return None, or the negated truth."""
    match site.node:
        case ast.Return(value=ast.Constant() | ast.Compare() | ast.UnaryOp(op=ast.Not()) | None):
            return  # the other operators have these
        case ast.Return(value=ast.expr() as value):
            function = site.function
            if function is not None and function.returns is not None and ast.unparse(function.returns) == "bool":
                yield Change("negated", ast.Return(ast.UnaryOp(ast.Not(), value)))
            else:
                yield Change("None", ast.Return(ast.Constant(None)))


def keywords(site: Site) -> Iterator[Change]:
    """Call without one of the arguments that are given by name."""
    match site.node:
        case ast.Call(keywords=given) as call:
            for place, keyword in enumerate(given):
                if keyword.arg is not None:
                    rest = given[:place] + given[place + 1 :]
                    yield Change(f"without {keyword.arg}", _changed(call, keywords=rest), keyword)


OPERATORS: Final[Mapping[str, Callable[[Site], Iterator[Change]]]] = {
    "row": rows,
    "comparison": comparisons,
    "boolean": booleans,
    "condition": conditions,
    "constant": constants,
    "enum": enum_members,
    "arithmetic": arithmetic,
    "effect": effects,
    "statement": statements,
    "return": returns,
    "keyword": keywords,
}


def _is_effect(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="out")))):
            return True
        case _:
            return False


def _is_part(target: ast.expr) -> bool:
    """Tell whether what is written to is a part of an object, not a local name, which cannot be left out."""
    match target:
        case ast.Tuple(elts=parts):
            return all(map(_is_part, parts))
        case _:
            return isinstance(target, ast.Attribute | ast.Subscript)


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _changed(node: ast.AST, **fields: object) -> ast.AST:
    """Return the node with something else in it; the rest is shared."""
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed
