"""What a pydantic model says of itself as JSON, in an order that hangs on nothing, and with all that it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pydantic_core import PydanticSerializationError

from playbill.model.not_json import sorted_set

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["say_model"]


def say_model(model: BaseModel) -> object:
    """Return a pydantic model in its mode json, with its sets sorted; of one that has none its fields."""
    try:
        said = model.model_dump(mode="json", warnings=False)
    except PydanticSerializationError:
        return {name: getattr(model, name) for name in type(model).model_fields}
    try:
        return _as_meant(said, model.model_dump(warnings=False))
    except TypeError:  # of a set of models the dicts are no set
        return said


def _as_meant(said: Any, meant: Any) -> Any:
    """Return what pydantic wrote with those of its lists sorted that are meant as sets, and with what it left out.

    For a number that JSON cannot say it writes null. A serializer of the model's own may write anything: what is not
    of the shape that is meant stays as it is.
    """
    if said is None and isinstance(meant, float):
        return meant
    if isinstance(said, dict) and isinstance(meant, dict):
        by_name = {str(key): inner for key, inner in cast("dict[object, Any]", meant).items()}
        return {key: _as_meant(item, by_name.get(key)) for key, item in cast("dict[str, Any]", said).items()}
    if isinstance(said, list) and isinstance(meant, list | tuple | set | frozenset):
        items, inner = _items(said), _items(meant)
        if len(items) == len(inner):
            parts = [_as_meant(item, part) for item, part in zip(items, inner, strict=True)]
            return sorted_set(parts) if isinstance(meant, set | frozenset) else parts
    return said  # pyright: ignore[reportUnknownVariableType]


def _items(value: Any) -> list[Any]:
    return [*value]
