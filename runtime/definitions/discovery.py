"""Finds node types and actions: decorators mark functions; modules, entry points and definitions name them."""

from __future__ import annotations

import importlib
import os
import traceback
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from playbill.model.builtin import BUILTIN
from playbill.model.catalog import ActionType, Catalog, NodeType
from playbill.model.configs import FreeConfig
from playbill.model.errors import DefinitionError
from playbill.model.failures import failure_of
from playbill.runtime.definitions.beside import import_beside
from playbill.runtime.definitions.handler_shape import (
    check_handler,
    check_limits,
    check_name,
    declared_version,
    function_of,
    target_rule,
)
from playbill.runtime.definitions.marks import DECORATED, add_mark, check_distinct, marks_in_module, marks_of
from playbill.runtime.handlers.agent import agent
from playbill.runtime.handlers.call_api import call_api
from playbill.runtime.handlers.command import command
from playbill.runtime.handlers.send_notification import send_notification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import PurePath

    from pydantic import BaseModel

    from playbill.model.catalog import Isolation
    from playbill.model.definition import PipelineNode
    from playbill.model.errors import Problem
    from playbill.model.handler_versions import DeclaredVersion
    from playbill.model.policies import LimitsPolicy
    from playbill.runtime.definitions.marks import Mark
    from playbill.runtime.runners.context import NodeContext

__all__ = ["Source", "action", "builtin_catalog", "catalog_of", "import_types", "node_type"]

Handler: TypeAlias = "Callable[[PipelineNode, Any, NodeContext[Any]], object]"
"""What node types and actions are marked on: called so, or a coroutine function; its result becomes the output."""
F = TypeVar("F", bound=Handler)
Source: TypeAlias = "ModuleType | Callable[..., Any] | str"
"""What defines types: a module, a marked function, or a module's name."""

ENTRY_POINTS: Final = "playbill.types"
OUR_FOLDER: Final = f"{Path(__file__).parents[2]}{os.sep}"


def node_type(
    name: str,
    config: type[BaseModel] = FreeConfig,
    *,
    target: str | None = None,
    isolation: Isolation = "inline",
    limits: LimitsPolicy | None = None,
    version: str | None = None,
    accepts: list[str] | tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Mark a handler `(node, inputs, context)` as the work of nodes of type `name`.

    Args:
        name: what definitions say in `type`.
        config: the pydantic model of their `config`; the handler finds it in `context.config`.
        target: the config's field that says what a node depends on, such as a host: each value has a circuit breaker
            of its own. Of a URL its host counts. None: all nodes of the type share one.
        isolation: "process" runs it in a process that can be killed, unless a node says otherwise.
        limits: what one attempt in such a process may use.
        version: a run that outlives its process goes on only with the version of this handler that it was started
            with. Change it when what is under way must not meet the new code, as in
            `@playbill.node_type("ship", version="2", accepts=["1"])`.
        accepts: the earlier versions whose runs it goes on with all the same.

    Raises:
        DefinitionError: the handler has a wrong signature, or limits and no process, or the config no such field, or
            a version is not text of 1 to 64 characters.
    """
    declared = declared_version(f"node type '{name}'", version, accepts)
    return _marking(NodeType, name, config, target, isolation, limits, declared)


def action(
    name: str,
    config: type[BaseModel] = FreeConfig,
    *,
    target: str | None = None,
    isolation: Isolation = "inline",
    limits: LimitsPolicy | None = None,
    version: str | None = None,
    accepts: list[str] | tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Mark a handler `(node, inputs, context)` as what nodes of type `action` do that name it.

    Args:
        name: what their config says in `action`.
        config: the pydantic model of the rest of their config.
        target: the config's field that says what a node depends on, such as a host: each value has a circuit breaker
            of its own. Of a URL its host counts. None: the action has one.
        isolation: "process" runs it in a process that can be killed, unless a node says otherwise.
        limits: what one attempt in such a process may use.
        version: a run that outlives its process goes on only with the version of this handler that it was started
            with. Change it when what is under way must not meet the new code, as in
            `@playbill.action("ship", version="2", accepts=["1"])`.
        accepts: the earlier versions whose runs it goes on with all the same.

    Raises:
        DefinitionError: the handler has a wrong signature, or limits and no process, or the config no such field, or
            a version is not text of 1 to 64 characters.
    """
    declared = declared_version(f"action '{name}'", version, accepts)
    return _marking(ActionType, name, config, target, isolation, limits, declared)


def _marking(
    kind: type[NodeType | ActionType],
    name: str,
    config: type[BaseModel],
    target: str | None,
    isolation: Isolation,
    limits: LimitsPolicy | None,
    declared: DeclaredVersion,
) -> Callable[[F], F]:
    """Return the decorator that checks a handler and marks it as the work of such a kind."""
    check_name("node_type" if kind is NodeType else "action", name)
    subject = f"{'node type' if kind is NodeType else 'action'} '{name}'"

    def mark(handler: F) -> F:
        origin = check_handler(subject, handler)
        check_limits(subject, origin, isolation, limits)
        rule = target_rule(subject, origin, config, target)
        does = function_of(handler)
        work = kind(name, config, handler=does, origin=origin, isolation=isolation, limits=limits, target=rule)
        add_mark(replace(work, declared=declared))
        return handler

    return mark


def catalog_of(types: Iterable[Source] | None = None) -> Catalog:
    """Return the built-in types, those of installed packages, and `types`; None: all that are decorated.

    Raises:
        DefinitionError: two of one name, a module that cannot be imported, or something that marks nothing.
    """
    installed = (mark for entry_point in _entry_points() for mark in _marks_of_package(entry_point))
    if types is None:
        return _with_all(builtin_catalog(), (*installed, *DECORATED.values()))
    return _with_all(builtin_catalog(), (*installed, *(mark for source in types for mark in _marks_in(source))))


def import_types(
    catalog: Catalog, modules: Iterable[str], folder: PurePath | None = None
) -> tuple[Catalog, list[Problem]]:
    """Return a catalog that knows the types of these modules, too, and what is wrong with the modules.

    Those in `folder` are found first. A module cannot be imported, or brings a name that is taken. Of a type that was
    known from the same place, the module has the newer handler.
    """
    problems: list[Problem] = []
    for index, module in enumerate(modules):
        try:
            catalog = _with_all(catalog, _marks_in(_import(module, folder)))
        except DefinitionError as error:
            problems += (replace(problem, where=f"imports[{index}]") for problem in error.problems)
    return catalog, problems


@cache
def builtin_catalog() -> Catalog:
    """Return the built-in types with their handlers; python nodes bring their own."""
    bound = BUILTIN.with_handler("agent", agent).with_handler("command", command)
    bound = bound.with_handler("action", call_api, action="call_api")
    return bound.with_handler("action", send_notification, action="send_notification")


@cache
def _entry_points() -> tuple[metadata.EntryPoint, ...]:
    return tuple(metadata.entry_points(group=ENTRY_POINTS))


def _marks_of_package(entry_point: metadata.EntryPoint) -> tuple[Mark, ...]:
    """Return what an installed package brings.

    Raises:
        DefinitionError: it cannot be imported, or is neither a module nor marked.
    """
    package = entry_point.dist.name if entry_point.dist is not None else "a package"
    subject = f"entry point '{entry_point.name} = {entry_point.value}' of {package}, a source of node types,"
    try:
        source = entry_point.load()
    except (Exception, SystemExit) as error:  # whatever a module does as it is imported
        text = f"{subject} cannot be imported: {failure_of(error)}: mend the package or remove it"
        raise DefinitionError.single("unknown-module", ENTRY_POINTS, text) from error
    return tuple(_marks_in(source, subject))


def _with_all(catalog: Catalog, marks: Iterable[Mark]) -> Catalog:
    for mark in check_distinct(marks):
        work = mark.work
        catalog = catalog.with_type(work) if isinstance(work, NodeType) else catalog.with_action(work)
    return catalog


def _marks_in(source: Source, subject: str = "") -> Iterable[Mark]:
    if isinstance(source, str):
        source = _import(source, None)
    if isinstance(source, ModuleType):
        return marks_in_module(source)
    if not (marks := marks_of(source)):
        text = f"{subject or repr(source)} is neither a module nor a function marked with node_type or action"
        raise DefinitionError.single("no-type", "types", text)
    return marks


def _import(name: str, folder: PurePath | None) -> ModuleType:
    try:
        return import_beside(name, folder)
    except (Exception, SystemExit) as error:  # whatever a module does as it is imported
        why = f"{_describe(error)}{_place_of(error)}"
        if "/" in name or name.startswith("."):
            why = "a module is named as in `import`, with dots, and found on the path: 'package.module'"
        text = f"module '{name}', named as a source of node types, cannot be imported: {why}"
        raise DefinitionError.single("unknown-module", "imports", text) from error


def _describe(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    return str(error) if isinstance(error, ImportError) else str(failure_of(error))


def _place_of(error: BaseException) -> str:
    """Say in which line of which file an import failed; empty: there is no such file."""
    if isinstance(error, SyntaxError):
        return f" ({error.filename}, line {error.lineno})" if error.filename else ""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith("<frozen ")]
    ours = (OUR_FOLDER, importlib.__file__)
    last = next((each for each in reversed(frames) if not each.filename.startswith(ours)), None)
    return f" ({last.filename}, line {last.lineno})" if last else ""
