"""A node's config with the defaults of its model written out, so that a newer default changes no run under way.

Rules:

1. What is written stays as it is written, and only what is missing is put in: a model's own dump would hide secrets,
   and leave out what it does not know.
2. A config is filled only if its model then says the same as before: a model that looks at what was set, or at which
   fields stand together, keeps its config as it is.
3. A config that its model refuses for now, since a template stands for a number, is filled at its top alone, and only
   if nothing in the model looks at several fields together, or the model is playbill's own: its null is nothing said.
4. Not put in is a default that JSON cannot say, that holds `${`, that a factory may give otherwise the next time (a
   date, an id), or that would name a target of the node's breaker.

Weak spots: what rules 2 to 4 leave out is not pinned. A handler that looks at `node.config` instead of
`context.config` sees the defaults of a stored definition.
"""

from __future__ import annotations

from functools import lru_cache
from types import FunctionType, GenericAlias
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from pydantic import AliasChoices, BaseModel, RootModel, ValidationError

from playbill.model import configs
from playbill.model.frozen import copied
from playbill.model.jsonable import plain_json
from playbill.model.templates import strings_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

    from playbill.model.catalog import NodeType
    from playbill.model.definition import PipelineNode

__all__ = ["config_with_defaults"]

MODELS_KEPT: Final = 512
_MAKES_THE_SAME: Final = frozenset({dict, list, tuple, set, frozenset, str, int, float, bool})
"""Factories of what is empty."""
_NO_TARGET: Final[tuple[object, ...]] = (None, [])


class Filling(NamedTuple):
    """A default of a model's field."""

    key: str
    """What the field is called where it is written."""
    value: Any
    """Plain JSON."""


class Fillings(NamedTuple):
    """What may be put into the config of a model, and how its fields are called."""

    defaults: Mapping[str, Filling]
    """By the name of the field."""
    fields: Mapping[str, str]
    """From each name that may be written to the field's own."""
    anew: tuple[str, ...]
    """The fields whose default may be another one each time."""


def config_with_defaults(node: PipelineNode, node_type: NodeType) -> dict[str, Any]:
    """Return a node's config with the defaults of its model; the config itself if there is nothing to put in.

    Args:
        node: one of a definition without problems.
        node_type: its type.
    """
    worker = node_type.worker(node)
    if not worker.config.model_fields:
        return node.config
    written = {key: value for key, value in node.config.items() if not (node_type.actions and key == "action")}
    targets = worker.target.fields if worker.target is not None else ()
    filled = _filled_and_sure(worker.config, written, frozenset(targets))
    return node.config if filled == written else {**node.config, **filled}


def _filled_and_sure(model: type[BaseModel], written: dict[str, Any], targets: frozenset[str]) -> dict[str, Any]:
    """Return a config with defaults; as it was written if it would not say the same then."""
    try:
        meant = _read(model, written)
        if not isinstance(meant, BaseModel) and _looks_at_several(model):
            return written
        filled = _fill_model(model, written, meant if isinstance(meant, BaseModel) else None, targets)
        return filled if _say_the_same(meant, _read(model, filled)) else written
    except Exception:  # noqa: BLE001 (a check of a user's model, or a comparison, may raise anything)
        return written


def _read(model: type[BaseModel], config: dict[str, Any]) -> BaseModel | list[tuple[object, str]]:
    """Return what a model makes of a config, or where it refuses what."""
    try:
        return model.model_validate(config)
    except ValidationError as error:
        return [(each["loc"], each["type"]) for each in error.errors(include_url=False, include_context=False)]


def _say_the_same(one: object, other: object) -> bool:
    """Tell whether a model made the same of two configs, but for what its factories give anew each time."""
    if isinstance(one, BaseModel) and isinstance(other, BaseModel):
        other = other.model_copy(update={name: getattr(one, name) for name in fillings_of(type(one)).anew})
    return bool(one == other)


def _looks_at_several(model: type[BaseModel]) -> bool:
    return bool(model.__pydantic_decorators__.model_validators) and model.__module__ != configs.__name__


# ---- down through what is written, with what its model made of it ---------------------------------------------


def _fill(written: Any, meant: object) -> Any:
    if isinstance(meant, RootModel):
        return _fill(written, meant.root)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    if isinstance(written, dict):
        mapping = cast("dict[str, Any]", written)
        if isinstance(meant, BaseModel):
            return _fill_model(type(meant), mapping, meant)
        if isinstance(meant, dict):
            made = cast("dict[str, object]", meant)
            return {key: _fill(item, made.get(key)) for key, item in mapping.items()}
    if isinstance(written, list) and isinstance(meant, list | tuple):
        items, meant_items = _items(written), _items(meant)
        if len(items) == len(meant_items):
            return [_fill(item, made) for item, made in zip(items, meant_items, strict=True)]
    return written  # pyright: ignore[reportUnknownVariableType]


def _items(value: Any) -> list[Any]:
    return [*value]


def _fill_model(
    model: type[BaseModel], written: Mapping[str, Any], meant: BaseModel | None, targets: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Put in what is missing.

    Args:
        model: what the config is made into.
        written: the config.
        meant: what the model made of it; None: it refuses it, as long as templates stand in it.
        targets: the names of fields that say what a node depends on.
    """
    known = fillings_of(model)
    fields = {key: known.fields.get(key, key) for key in written}
    filled = {
        key: item if meant is None else _fill(item, getattr(meant, fields[key], None))
        for key, item in written.items()
    }
    said = set(fields.values())
    for name, (key, value) in known.defaults.items():
        is_target = not targets.isdisjoint((name, key)) and value not in _NO_TARGET
        if name not in said and not is_target:
            filled[key] = copied(value)
    return filled


# ---- what a model has by default ------------------------------------------------------------------------------


@lru_cache(maxsize=MODELS_KEPT)
def fillings_of(model: type[BaseModel]) -> Fillings:
    """Return what may be put into configs of a model that has been used once: only then its aliases are known."""
    defaults: dict[str, Filling] = {}
    fields: dict[str, str] = {}
    by_name = bool(model.model_config.get("populate_by_name") or model.model_config.get("validate_by_name"))
    for name, field in model.model_fields.items():
        keys = _keys(name, field)
        fields |= dict.fromkeys((*keys, name) if by_name else keys, name)
        default = _default_of(field)
        if default and keys:
            defaults[name] = Filling(keys[0], default[0])
    anew = [name for name, field in model.model_fields.items() if not _is_constant(field.default_factory)]
    return Fillings(defaults, fields, tuple(anew))


def _keys(name: str, field: FieldInfo) -> list[str]:
    """Return the keys by which a field is written; none: a path leads to it, and who knows whether it is written."""
    alias = field.validation_alias
    keys: list[object] = [name if alias is None else alias]
    if isinstance(alias, AliasChoices):
        keys = [*alias.choices]
    return [key for key in keys if isinstance(key, str)] if all(isinstance(key, str) for key in keys) else []


def _default_of(field: FieldInfo) -> tuple[Any] | None:
    """Return a field's default as plain JSON; None: it has none, or it is not to be put in."""
    if field.is_required() or not _is_constant(field.default_factory):
        return None
    try:
        value = plain_json(field.get_default(call_default_factory=True), "")
    except Exception:  # noqa: BLE001 (not JSON, or whatever a factory raises)
        return None
    return None if any("${" in text for text in strings_in(value)) else (value,)


def _is_constant(factory: object) -> bool:
    """Tell whether a factory gives the same in each process: a builtin, or a function that looks at nothing else."""
    if factory is None:
        return True
    if isinstance(factory, GenericAlias):
        factory = factory.__origin__
    if isinstance(factory, FunctionType):
        code = factory.__code__
        return not (code.co_names or code.co_freevars or code.co_argcount)
    if isinstance(factory, type) and issubclass(factory, BaseModel):
        return all(_is_constant(field.default_factory) for field in factory.model_fields.values())
    return any(factory is known for known in _MAKES_THE_SAME)
