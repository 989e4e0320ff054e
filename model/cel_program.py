"""A compiled CEL program, run only where it cannot take long: the library holds the loop until it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playbill.model.cel_cost import Cost
from playbill.model.cel_paths import Tree, parts_named, tree_of
from playbill.model.cel_shape import all_paths, all_patterns, shape_of
from playbill.model.errors import NodeConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cel import Program

    from playbill.model.cel_patterns import PatternCost

__all__ = ["CelProgram", "compile_cel", "guard"]


@dataclass(frozen=True, slots=True)
class CelProgram:
    """What the library made of an expression, and what running it may cost."""

    program: Program
    cost: Cost
    tree: Tree
    """What it names."""

    def run(self, variables: Mapping[str, Any]) -> Any:
        """Give the value over these variables; only what is named is handed over, since the library converts it all.

        Raises:
            NodeConfigError: It would take too long, or the library panicked.
            Exception: The library found an error.
        """
        leaves: list[object] = []
        used = parts_named(variables, self.tree, leaves)
        if not self.cost.is_small(leaves) and (why := self.cost.why_too_much(used)):
            raise NodeConfigError(f"{why}; CEL cannot be interrupted: reduce it in a python node before")
        return guard(self.program.execute, used)


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
    return CelProgram(program, Cost(shape, patterns), tree_of(all_paths(shape)))


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
