"""Calls what an error is about as the command line does, and not as Python."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from playbill.model.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["with_options"]


def with_options(error: DefinitionError, options: Iterable[tuple[str, str]]) -> DefinitionError:
    """Return an error in the words of the command line.

    Args:
        error: what Python says.
        options: how messages begin that name an argument of Python, and how the command line says it.
    """
    problems: list[Problem] = []
    for problem in error.problems:
        begins = (words for words in options if problem.message.startswith(words[0]))
        said, option = next(begins, ("", ""))
        problems.append(replace(problem, message=option + problem.message.removeprefix(said)))
    return DefinitionError(error.name, problems, error.what)
