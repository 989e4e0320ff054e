"""Where a module may be mutated: the nodes of its tree, without texts, annotations, imports and declarations."""

from __future__ import annotations

import ast
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Function = ast.FunctionDef | ast.AsyncFunctionDef
LEFT_NODES: Final = (ast.Import, ast.ImportFrom, ast.Raise, ast.JoinedStr)
LEFT_FIELDS: Final = frozenset({"annotation", "returns", "decorator_list", "bases", "ctx"})
LEFT_FUNCTIONS: Final = frozenset({"__repr__", "__str__"})
LEFT_NAMES: Final = frozenset({"__slots__", "__all__"})
HEADER_CHARACTERS: Final = 88
"""How much of a mutant's surroundings is shown."""


@dataclass
class Site:
    """A node, and where it hangs in its tree."""

    node: ast.AST
    up: Site | None
    field: str
    index: int | None
    """Its place in the field's list; None: the field holds the node itself."""
    enums: Mapping[str, tuple[str, ...]]
    """The members of each enum, by the names the module calls it."""

    @cached_property
    def chain(self) -> tuple[Site, ...]:
        """This site and those above it, the nearest first."""
        return (self,) if self.up is None else (self, *self.up.chain)

    @cached_property
    def scope(self) -> str:
        """The dotted names of the classes and functions around it, and of what is given a value outside of them."""
        around = [site.node for site in self.chain]
        names = [node.name for node in around if isinstance(node, Function | ast.ClassDef)]
        given = "" if self.function else next(filter(None, map(target_of, around)), "")
        return ".".join([*reversed(names), *([given] if given else [])])

    @cached_property
    def function(self) -> Function | None:
        """The innermost function around it; None: its code runs when the module is imported."""
        return next((site.node for site in self.chain[1:] if isinstance(site.node, Function)), None)

    @cached_property
    def runs(self) -> bool:
        """Its code runs when a function is called; that of a default runs when its module is imported."""
        for site in self.chain[1:]:
            if isinstance(site.node, ast.arguments | Function):
                return isinstance(site.node, Function)
        return False

    @cached_property
    def statement(self) -> ast.stmt:
        """The innermost statement it belongs to."""
        return next(site.node for site in self.chain if isinstance(site.node, ast.stmt))

    @cached_property
    def shown(self) -> Site:
        """The largest node around it that still fits in a line of a report."""
        widest = self
        while not isinstance(widest.node, ast.stmt):
            up = widest.up
            if up is None or len(header(up.node)) > HEADER_CHARACTERS:
                break
            widest = up
        return widest

    @contextmanager
    def holding(self, other: ast.AST) -> Iterator[None]:
        """Have `other` in the node's place for a while."""
        self._put(other)
        try:
            yield
        finally:
            self._put(self.node)

    def _put(self, node: ast.AST) -> None:
        if self.up is None:
            raise ValueError("the module itself cannot be replaced")
        if self.index is None:
            setattr(self.up.node, self.field, node)
        else:
            getattr(self.up.node, self.field)[self.index] = node


def sites(tree: ast.Module, enums: Mapping[str, tuple[str, ...]]) -> Iterator[Site]:
    """Return every site of a module, from the top down."""
    return _below(Site(tree, None, "", None, {**enums, **_aliases(tree, enums)}))


def header(node: ast.AST) -> str:
    """Return the node as one line: of a statement with a body, its condition."""
    match node:
        case ast.If(test=test):
            return f"if {ast.unparse(test)}:"
        case ast.While(test=test):
            return f"while {ast.unparse(test)}:"
        case ast.expr() | ast.keyword() | ast.comprehension() | ast.arguments():
            return " ".join(ast.unparse(node).split())
        case ast.stmt() if not hasattr(node, "body"):
            return " ".join(ast.unparse(node).split())
        case _:
            return " " * (HEADER_CHARACTERS + 1)


def is_declared(site: Site) -> bool:
    """Tell whether it stands where a row of a table says where it leads."""
    for inner in site.chain:
        match inner.up and inner.up.node:
            case ast.Call(func=ast.Name(id="row")) if inner.field == "args" and (inner.index or 0) > 1:
                return True
            case _:
                pass
    return False


def enum_members(trees: list[ast.Module]) -> dict[str, tuple[str, ...]]:
    """Return the members of each enum that is defined in `trees`."""
    found: dict[str, tuple[str, ...]] = {}
    for tree in trees:
        for node in tree.body:
            match node:
                case ast.ClassDef(name=name, bases=[ast.Name(id="StrEnum" | "Enum" | "IntEnum")], body=body):
                    targets = [part.targets[0] for part in body if isinstance(part, ast.Assign)]
                    found[name] = tuple(target.id for target in targets if isinstance(target, ast.Name))
    return found


def _aliases(tree: ast.Module, enums: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the enums that the module gives a shorter name: `S: Final = NodeState`."""
    found: dict[str, tuple[str, ...]] = {}
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=alias), value=ast.Name(id=name)) if name in enums:
                found[alias] = enums[name]
    return found


def _below(site: Site) -> Iterator[Site]:
    for name, value in ast.iter_fields(site.node):
        if name in LEFT_FIELDS or (name == "keywords" and isinstance(site.node, ast.ClassDef)):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else ((None, value),):
            if isinstance(child, ast.AST) and not _is_left_alone(child):
                found = Site(child, site, name, index, site.enums)
                yield found
                yield from _below(found)


def _is_left_alone(node: ast.AST) -> bool:
    """Tell whether a node is a text, for type checkers only, or a declaration."""
    match node:
        case ast.Constant(value=constant):
            return constant is ... or isinstance(constant, str | bytes)
        case ast.FunctionDef(name=name):
            return name in LEFT_FUNCTIONS
        case _:
            return isinstance(node, LEFT_NODES) or target_of(node) in LEFT_NAMES or _is_for_checkers(node)


def _is_for_checkers(node: ast.AST) -> bool:
    match node:
        case (
            ast.If(test=ast.Name(id="TYPE_CHECKING"))
            | ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar" | "ParamSpec")))
            | ast.AnnAssign(annotation=ast.Name(id="TypeAlias"))
        ):
            return True
        case _:
            return False


def target_of(node: ast.AST) -> str:
    """Return the name that an assignment gives a value to."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case _:
            return ""
