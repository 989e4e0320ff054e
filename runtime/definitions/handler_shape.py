"""Tells where it is marked whether something can be a handler, and what else a decorator was given that is wrong."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from pydantic import BaseModel

from playbill.model.builtin import BUILTIN
from playbill.model.diagnostics import list_names
from playbill.model.errors import DefinitionError
from playbill.model.handler_versions import DeclaredVersion
from playbill.model.policies import LimitsPolicy
from playbill.model.targets import TargetRule, text_of
from playbill.runtime.definitions.marks import place_of
from playbill.runtime.runners.calling import is_generator

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.model.catalog import Isolation

__all__ = ["check_handler", "check_limits", "check_name", "declared_version", "function_of", "target_rule"]

LONGEST_VERSION: Final = 64
"""Characters."""
CALLED: Final = "is called with (node, inputs, context)"


def check_name(decorator: str, name: object) -> None:
    """Refuse what cannot be the name of a node type or an action.

    Raises:
        DefinitionError: it is no text, empty, or playbill's own; a function: the parentheses are missing.
    """
    if callable(name):
        place = place_of(name)
        _refuse("name", place, f"@{decorator} over '{place}' lacks a name: write @{decorator}(\"name\")")
    if not isinstance(name, str) or not name.strip():
        _refuse("name", decorator, f"{decorator} takes a name, which is text that is not empty, not {name!r:.80}")
    owner = BUILTIN.get("action") if decorator == "action" else None
    if name in (BUILTIN if owner is None else owner.actions):
        _refuse("duplicate-name", name, f'{decorator}("{name}"): this name is playbill\'s own: choose another one')


def check_handler(subject: str, handler: Any) -> str:
    """Return where a handler is defined, if it can be called as handlers are.

    Raises:
        DefinitionError: it cannot; names the handler, the rule and the way out.
    """
    if isinstance(handler, classmethod):
        text = "a class method has no class yet where it is defined: mark it below, as in node_type(...)(Shop.work)"
        _refuse("wrong-handler", "", f"{subject}: {text}")
    if not callable(handler):
        _refuse(
            "wrong-handler", "", f"{subject}: a handler is a function, not {type(handler).__name__}: {handler!r:.80}"
        )
    place = place_of(handler)
    if inspect.isclass(handler):
        text = "is a class, and a call would only make an object: mark a function, or an object that can be called"
        _refuse("wrong-handler", place, f"{subject}: '{place}' {text}")
    if is_generator(handler):
        text = "is a generator: return the output in one piece, and tell of progress by context.heartbeat(...)"
        _refuse("wrong-handler", place, f"{subject}: handler '{place}' {text}")
    _check_signature(subject, place, handler)
    return place


def function_of(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return what is called: of a static method, as a class's body has it, the function that the class will show."""
    return cast("staticmethod[..., Any]", handler).__func__ if isinstance(handler, staticmethod) else handler


def _check_signature(subject: str, place: str, handler: Any) -> None:
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        text = f"does not tell what it takes, and {CALLED}: wrap it in a function"
        _refuse("wrong-signature", place, f"{subject}: handler '{place}' {text}")
    try:
        signature.bind("node", "inputs", "context")
    except TypeError:
        first = next(iter(signature.parameters), "")
        hint = ": mark it on its object, as in node_type(...)(shop.work), or make it a static method"
        is_method = first in {"self", "cls"}
        text = f"takes {signature}, but {CALLED}{hint if is_method else ''}"
        _refuse("wrong-signature", place, f"{subject}: handler '{place}' {text}")


def target_rule(subject: str, place: str, config: Any, target: Any) -> TargetRule | None:
    """Return the rule that reads a target from the field of this name, or its alias; None: there is none.

    Raises:
        DefinitionError: the config is no pydantic model, or has no such field.
    """
    if not (inspect.isclass(config) and issubclass(config, BaseModel)):
        said = config.__name__ if inspect.isclass(config) else f"{config!r:.80}"
        _refuse("config", place, f"{subject}, {place}: config is a pydantic model, a class, not {said}")
    if target is None:
        return None
    fields = config.model_fields
    names = {*fields, *(str(field.validation_alias) for field in fields.values() if field.validation_alias)}
    if not isinstance(target, str) or (target not in names and config.model_config.get("extra") != "allow"):
        text = f"{subject}, {place}: target names '{target}', and {config.__name__} has: {list_names(sorted(names))}"
        _refuse("target", place, text)
    return TargetRule((target,), (text_of,))


def check_limits(subject: str, place: str, isolation: Isolation, limits: object) -> None:
    """Refuse what no worker could keep.

    Raises:
        DefinitionError: the isolation is unknown, or there are limits and no process to keep them.
    """
    if isolation not in ("inline", "process"):
        text = f"{subject}, {place}: isolation is 'inline' or 'process', not {isolation!r:.80}"
        _refuse("isolation", place, text)
    if limits is None:
        return
    if not isinstance(limits, LimitsPolicy):
        _refuse("limits", place, f"{subject}, {place}: limits is a LimitsPolicy, not {limits!r:.80}")
    if isolation != "process":
        text = f'{subject}, {place}: limits are kept by a process of its own: add isolation="process"'
        _refuse("isolation", place, text)


def declared_version(subject: str, version: Any, accepts: Any) -> DeclaredVersion:
    """Return what is said of a handler's version.

    Raises:
        DefinitionError: one is no text, empty or too long; or versions are accepted, and the handler has none.
    """
    if not isinstance(accepts, list | tuple):
        hint = f": write accepts=[{accepts!r:.80}]" if isinstance(accepts, str) else ""
        _refuse("version", "", f"{subject}: accepts is a list of versions, not {accepts!r:.80}{hint}")
    given = [*cast("list[object]", accepts)]
    for each in given:
        _check_version(subject, "accepts", each)
    if version is not None:
        _check_version(subject, "version", version)
    if given and version is None:
        text = 'accepts names earlier versions, and there is no version now: say it, as in version="2"'
        _refuse("version", "", f"{subject}: {text}")
    return DeclaredVersion(version, tuple(sorted({str(each) for each in given})))


def _check_version(subject: str, word: str, version: object) -> None:
    if not isinstance(version, str):
        hint = f': write it in quotes, "{version}"' if isinstance(version, int | float) else ""
        _refuse("version", "", f"{subject}: {word} takes text, not {version!r:.80}{hint}")
    if not version.strip():
        _refuse("version", "", f'{subject}: {word} has an empty version: leave it out, or say one such as "2"')
    if len(version) > LONGEST_VERSION:
        text = (
            f"a version has {LONGEST_VERSION} characters at most, and {version!r:.80} has {len(version)}: shorten it"
        )
        _refuse("version", "", f"{subject}: {word}: {text}")


def _refuse(code: str, where: str, text: str) -> NoReturn:
    raise DefinitionError.single(code, where, text)
