"""Finds node types and actions: decorators mark functions; modules, entry points and definitions name them."""

from __future__ import annotations

import importlib
import inspect
import traceback
import weakref
from dataclasses import replace
from functools import cache
from importlib import metadata
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from playbill.model.catalog import BUILTIN, ActionType, Catalog, NodeType
from playbill.model.configs import FreeConfig
from playbill.model.diagnostics import list_names
from playbill.model.errors import DefinitionError, Problem
from playbill.model.failures import failure_of
from playbill.model.targets import TargetRule, text_of
from playbill.runtime.definitions import beside
from playbill.runtime.definitions.beside import import_beside
from playbill.runtime.handlers.agent import agent
from playbill.runtime.handlers.call_api import call_api
from playbill.runtime.handlers.command import command
from playbill.runtime.handlers.send_notification import send_notification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import PurePath

    from pydantic import BaseModel

    from playbill.model.catalog import Isolation
    from playbill.model.policies import LimitsPolicy

__all__ = ["Source", "action", "builtin_catalog", "catalog_of", "import_types", "node_type"]

F = TypeVar("F", bound="Callable[..., Any]")
Source: TypeAlias = "ModuleType | Callable[..., Any] | str"
"""What defines types: a module, a marked function, or a module's name."""

MARK: Final = "__playbill_type__"
ENTRY_POINTS: Final = "playbill.types"
DECORATED: Final[dict[str, weakref.ref[Any]]] = {}
"""The marked functions that are alive, by origin: one defined anew, as in a notebook, replaces the old one."""


def node_type(
    name: str,
    config: type[BaseModel] = FreeConfig,
    *,
    target: str | None = None,
    isolation: Isolation = "inline",
    limits: LimitsPolicy | None = None,
) -> Callable[[F], F]:
    """Mark a handler `(node, inputs, context)` as the work of nodes of type `name`.

    Args:
        name: what definitions say in `type`.
        config: the pydantic model of their `config`; the handler finds it in `context.config`.
        target: the config's field that says what a node depends on, such as a host: each value has a circuit breaker
            of its own. Of a URL its host counts. None: all nodes of the type share one.
        isolation: "process" runs it in a process that can be killed, unless a node says otherwise.
        limits: what one attempt in such a process may use.

    Raises:
        DefinitionError: the handler has a wrong signature, or limits and no process, or the config no such field.
    """
    return _marking(NodeType, f"node type '{name}'", name, config, target, isolation, limits)


def action(
    name: str,
    config: type[BaseModel] = FreeConfig,
    *,
    target: str | None = None,
    isolation: Isolation = "inline",
    limits: LimitsPolicy | None = None,
) -> Callable[[F], F]:
    """Mark a handler `(node, inputs, context)` as what nodes of type `action` do that name it.

    Args:
        name: what their config says in `action`.
        config: the pydantic model of the rest of their config.
        target: the config's field that says what a node depends on, such as a host: each value has a circuit breaker
            of its own. Of a URL its host counts. None: the action has one.
        isolation: "process" runs it in a process that can be killed, unless a node says otherwise.
        limits: what one attempt in such a process may use.

    Raises:
        DefinitionError: the handler has a wrong signature, or limits and no process, or the config no such field.
    """
    return _marking(ActionType, f"action '{name}'", name, config, target, isolation, limits)


def _marking(
    kind: type[NodeType | ActionType],
    subject: str,
    name: str,
    config: type[BaseModel],
    target: str | None,
    isolation: Isolation,
    limits: LimitsPolicy | None,
) -> Callable[[F], F]:
    """Return the decorator that checks a handler and marks it as the work of such a kind."""

    def mark(handler: F) -> F:
        origin = _check_signature(handler, subject)
        _check_limits(subject, origin, isolation, limits)
        rule = None if target is None else _target_rule(subject, origin, config, target)
        found = kind(name, config, handler=handler, origin=origin, isolation=isolation, limits=limits, target=rule)
        return _mark(handler, found)

    return mark


def _target_rule(subject: str, origin: str, config: type[BaseModel], target: str) -> TargetRule:
    """Return the rule that reads a target from the field of this name, or its alias."""
    fields = config.model_fields
    names = {*fields, *(str(field.validation_alias) for field in fields.values() if field.validation_alias)}
    if target not in names and config.model_config.get("extra") != "allow":
        text = f"{subject}, {origin}: target names '{target}', and {config.__name__} has: {list_names(sorted(names))}"
        raise DefinitionError.single("target", origin, text)
    return TargetRule((target,), (text_of,))


def _check_limits(subject: str, origin: str, isolation: Isolation, limits: LimitsPolicy | None) -> None:
    """Refuse what no worker could keep."""
    if isolation not in {"inline", "process"}:
        text = f"{subject}, {origin}: isolation is 'inline' or 'process', not {isolation!r}"
        raise DefinitionError.single("isolation", origin, text)
    if limits is not None and isolation != "process":
        text = f'{subject}, {origin}: limits are kept by a process of its own: add isolation="process"'
        raise DefinitionError.single("isolation", origin, text)


def catalog_of(types: Iterable[Source] | None = None) -> Catalog:
    """Return the built-in types, those of installed packages, and `types`; None: all that are decorated.

    Raises:
        DefinitionError: two of one name, a module that cannot be imported, or something that marks nothing.
    """
    catalog = builtin_catalog()
    for entry_point in _entry_points():
        catalog = _with_all(catalog, _marks_in(entry_point.load()))
    if types is None:
        alive = [handler for ref in DECORATED.values() if (handler := ref()) is not None]
        return _with_all(catalog, (getattr(handler, MARK) for handler in alive))
    for source in types:
        catalog = _with_all(catalog, _marks_in(source))
    return catalog


def import_types(catalog: Catalog, modules: Iterable[str], folder: PurePath | None = None) -> Catalog:
    """Return a catalog that knows the types of these modules, too; those in `folder` are found first.

    Raises:
        DefinitionError: some cannot be imported, or bring a name that is taken; carries all problems.
    """
    problems: list[Problem] = []
    for index, module in enumerate(modules):
        try:
            catalog = _with_all(catalog, _marks_in(_import(module, folder)))
        except DefinitionError as error:
            problems += (replace(each, where=f"imports[{index}]") for each in error.problems)
    if problems:
        raise DefinitionError("", problems)
    return catalog


@cache
def builtin_catalog() -> Catalog:
    """Return the built-in types with their handlers; python nodes bring their own."""
    bound = BUILTIN.with_handler("agent", agent).with_handler("command", command)
    bound = bound.with_handler("action", call_api, action="call_api")
    return bound.with_handler("action", send_notification, action="send_notification")


@cache
def _entry_points() -> tuple[metadata.EntryPoint, ...]:
    return tuple(metadata.entry_points(group=ENTRY_POINTS))


def _mark(handler: F, mark: NodeType | ActionType) -> F:
    setattr(handler, MARK, mark)
    DECORATED[mark.origin] = weakref.ref(handler)
    return handler


def _check_signature(handler: Callable[..., Any], subject: str) -> str:
    """Return where the handler is defined, if it takes what handlers are given."""
    origin = f"{handler.__module__}:{handler.__qualname__}"
    signature = inspect.signature(handler)
    try:
        signature.bind("node", "inputs", "context")
    except TypeError:
        text = f"{subject}: handler '{origin}' takes {signature}, but is called with (node, inputs, context)"
        raise DefinitionError.single("wrong-signature", origin, text) from None
    return origin


def _with_all(catalog: Catalog, marks: Iterable[NodeType | ActionType]) -> Catalog:
    for mark in marks:
        catalog = catalog.with_type(mark) if isinstance(mark, NodeType) else catalog.with_action(mark)
    return catalog


def _marks_in(source: Any) -> Iterator[NodeType | ActionType]:
    if isinstance(source, str):
        source = _import(source, None)
    if isinstance(source, ModuleType):
        for item in vars(source).values():
            mark = getattr(item, MARK, None)
            if isinstance(mark, NodeType | ActionType):
                yield mark
        return
    mark = getattr(source, MARK, None)
    if not isinstance(mark, NodeType | ActionType):
        text = f"{source!r} is neither a module nor a function marked with node_type or action"
        raise DefinitionError.single("no-type", "types", text)
    yield mark


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
    ours = {__file__, beside.__file__, importlib.__file__}
    last = next((each for each in reversed(frames) if each.filename not in ours), None)
    return f" ({last.filename}, line {last.lineno})" if last else ""
