"""A compiled CEL program, run only where it cannot take long: the library holds the loop until it is done."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playbill.model.cel_cost import Cost
from playbill.model.cel_paths import Tree, parts_named, tree_of
from playbill.model.cel_rewriting import map_literals, rewrite
from playbill.model.cel_shape import all_paths, all_patterns, shape_of
from playbill.model.cel_values import Exchange, all_fit, each_of
from playbill.model.errors import NodeConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cel import Program

    from playbill.model.cel_patterns import PatternCost
    from playbill.model.cel_rewriting import MapLiteral, Rewritten

__all__ = ["CelProgram", "StrangersError", "compile_cel", "guard"]


@dataclass(frozen=True, slots=True)
class Ordered:
    """The program with what its macros walk and `size` counts replaced; see cel_rewriting.py."""

    program: Program
    tree: Tree
    rewritten: Rewritten

    def run(self, variables: Mapping[str, Any], exchange: Exchange) -> Any:
        """Give the value; what is not there, so that it cannot be walked, is an error of the library's."""
        names = dict(variables)
        for name, path in self.rewritten.paths.items():
            with suppress(LookupError):
                names[name] = each_of(path.read(variables))
        used = exchange.give(parts_named(names, self.tree, []))
        if not self.rewritten.calls:
            return guard(self.program.execute, used)
        from cel import Context  # noqa: PLC0415 - as below

        return guard(self.program.execute, Context(used, {self.rewritten.call: exchange.keys}))


@dataclass(frozen=True, slots=True)
class CelProgram:
    """What the library made of an expression, and what running it may cost."""

    program: Program
    cost: Cost
    tree: Tree
    """What it names."""
    literals: tuple[MapLiteral, ...] = ()
    ordered: Ordered | None = None
    """What is run instead, where order matters; the program itself tells what is wrong in the user's words."""

    def run(self, variables: Mapping[str, Any]) -> Any:
        """Give the value over these variables; only what is named is handed over, since the library converts it all.

        Raises:
            NodeConfigError: It would take too long, it is nothing that JSON can say, or the library panicked.
            Exception: The library found an error.
        """
        leaves: list[object] = []
        used = parts_named(variables, self.tree, leaves)
        if not self.cost.is_small(leaves) and (why := self.cost.why_too_much(used)):
            raise NodeConfigError(f"{why}; CEL cannot be interrupted: reduce it in a python node before")
        fits = all_fit(leaves)
        if fits and self.ordered is None:
            result = guard(self.program.execute, used)
            if isinstance(result, bool | str | int):
                return result
            return Exchange(leaves, self.literals, variables).take(result)
        return self._exchange(used, variables, Exchange(leaves, self.literals, variables))

    def _exchange(self, used: Mapping[str, Any], variables: Mapping[str, Any], exchange: Exchange) -> Any:
        """Run where order matters, or something cannot be held."""
        try:
            if self.ordered is not None:
                return exchange.take(self.ordered.run(variables, exchange))
            return exchange.take(guard(self.program.execute, exchange.give(used)))
        except Exception as error:
            raise self._told(used, exchange, error) from error

    def _told(self, used: Mapping[str, Any], exchange: Exchange, error: Exception) -> Exception:
        """Give an error in the user's words: what the program itself says, and what cannot be held."""
        exchange.strangers.clear()
        try:
            exchange.take(guard(self.program.execute, exchange.give(used)))
        except Exception as said:  # noqa: BLE001 (as above: whatever the library raises)
            error = said
        return StrangersError(error, exchange.strangers) if exchange.strangers else error


class StrangersError(Exception):
    """An evaluation failed in which there was something that CEL cannot hold."""

    def __init__(self, error: Exception, strangers: Mapping[str, str]) -> None:
        super().__init__(error, strangers)
        self.error = error
        self.strangers = strangers
        """What it is, by where it stands."""


def compile_cel(text: str, cost_of: Callable[[str], PatternCost]) -> CelProgram:
    """Compile an expression.

    Args:
        text: The expression.
        cost_of: Gives the cost of a pattern by its literal; empty: the pattern is computed.

    Raises:
        ValueError: It is not CEL.
        NodeConfigError: The library panicked.
    """
    import cel  # noqa: PLC0415 - takes 200 ms, and many pipelines have no expression

    program = guard(cel.compile, text)
    shape = shape_of(text)
    patterns = {literal: cost_of(literal) for literal in all_patterns(shape)}
    ordered = None
    if (rewritten := rewrite(text)) is not None:
        tree = tree_of(all_paths(shape_of(rewritten.text)))
        ordered = Ordered(guard(cel.compile, rewritten.text), tree, rewritten)
    return CelProgram(program, Cost(shape, patterns), tree_of(all_paths(shape)), map_literals(text), ordered)


def guard(call: Callable[[Any], Any], argument: object) -> Any:
    """Call the library; a panic of its becomes an error.

    Raises:
        NodeConfigError: It panicked.
    """
    try:
        return call(argument)
    except BaseException as error:
        # A panic of the Rust library is a BaseException that no module exports; it must not end the loop.
        if type(error).__name__ != "PanicException":
            raise
        raise NodeConfigError(f"the CEL library panicked: {error}") from error
