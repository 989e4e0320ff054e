"""What an error tells beside its text, as programs read it: plain JSON, bounded, and without what nobody may see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.frozen import freeze
from playbill.model.jsonable import NotJson, plain_json
from playbill.model.plain_text import MAX_TEXT_BYTES, bounded, repr_of, text_of
from playbill.model.sizes import json_size

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_DATA_BYTES", "kept_data", "shown_json"]

MAX_DATA_BYTES: Final = 4 * MAX_TEXT_BYTES
"""What all of it has as JSON in UTF-8 at most; each text has 16 KiB."""


def kept_data(data: object, hide: Callable[[str], str] | None = None) -> Mapping[str, Any] | None:
    """Return the data of an error as it is kept: read-only; None: it is no mapping. Raises nothing.

    What JSON cannot say is told as its text, and of what is too large stands how large it was.

    Args:
        data: what an error carries.
        hide: takes out of texts what nobody may see, before they are cut.
    """
    try:
        if not isinstance(data, Mapping):
            return None
        kept: dict[str, Any] = {}
        room = MAX_DATA_BYTES
        for name, value in cast("Mapping[object, object]", data).items():
            item = {bounded(_shown(text_of(name), hide), 200): _plain(value, hide)}
            size = json_size(item)
            if size > room:
                item = dict.fromkeys(item, f"... {size:,} bytes were left out ...")
                size = json_size(item)
            if size > room:
                break
            kept |= item
            room -= size
        return cast("Mapping[str, Any]", freeze(kept))
    except BaseException:  # noqa: BLE001 (a mapping of a user's, broken in any way, or no memory)
        return None


def _plain(value: object, hide: Callable[[str], str] | None) -> Any:
    """Return a value as JSON has it, with bounded texts."""
    try:
        plain = plain_json(value, "data")
    except NotJson:
        plain = repr_of(value)
    return shown_json(plain, hide)


def shown_json(plain: Any, hide: Callable[[str], str] | None) -> Any:
    """Return plain JSON with bounded texts, and without what nobody may see."""
    if isinstance(plain, str):
        return _bounded_as_json(_shown(plain, hide))
    if isinstance(plain, dict):
        return {_shown(name, hide): shown_json(item, hide) for name, item in cast("dict[str, Any]", plain).items()}
    if isinstance(plain, list):
        items: list[Any] = plain  # pyright: ignore[reportUnknownVariableType] (mypy knows, and wants no cast)
        return [shown_json(item, hide) for item in items]
    if hide is not None and isinstance(plain, int | float) and hide(str(plain)) != str(plain):
        return hide(str(plain))  # a secret may be a number
    return plain


def _shown(text: str, hide: Callable[[str], str] | None) -> str:
    return text if hide is None else hide(text)


def _bounded_as_json(text: str) -> str:
    """Return a text of at most 16 KiB as JSON, where a control character takes six bytes."""
    limit = MAX_TEXT_BYTES
    while (size := json_size(shown := bounded(text, limit))) > MAX_TEXT_BYTES:
        limit = limit * MAX_TEXT_BYTES // (size + 1)
    return shown
