"""The parts of an HTTP request as they are sent; what cannot be is refused by name, before anything goes out.

No text here quotes a value, which may be a credential; a line's end in one would begin another header.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.jsonable import why_not_json
from playbill.model.plain_text import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

__all__ = ["body_of", "checked_method", "checked_url", "headers_of", "json_of", "params_of", "why_not_sent"]

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE: Final = re.compile(r"([!-~]([ -~\t]*[!-~])?)?")
_NO_HOST: Final = re.compile(r"[\s\\%]")
LARGEST_PORT: Final = 65535


def checked_method(method: str) -> str:
    """Return a method.

    Raises:
        ValueError: it is none.
    """
    if _TOKEN.fullmatch(method) is None:
        raise ValueError(f"method {method!a:.60} is not a word such as GET")
    return method


def headers_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers.

    Raises:
        ValueError: the name or the value of one is none.
    """
    for name, value in headers.items():
        if _TOKEN.fullmatch(name) is None:
            raise ValueError(f"header {name!r:.60} has no name of a header, which is a word such as X-City")
        if _FIELD_VALUE.fullmatch(value) is None:
            raise ValueError(
                f"the value of header '{name}' is not printable ASCII, or has blanks or a line's end around it:"
                " percent-encode it, or send it in the body"
            )
    return dict(headers)


def params_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return params.

    Raises:
        ValueError: one is neither a scalar nor a list of them.
    """
    for name, value in params.items():
        for item in cast("list[object]", value) if isinstance(value, list | tuple) else [value]:
            if item is not None and not isinstance(item, str | int | float):
                raise ValueError(
                    f"param '{name}' holds {kind_of(item)}, and takes text, numbers, true, false, null, or a list of"
                    " these: send it as json, or write it as text"
                )
            _encoded(f"param '{name}'", f"{name}{item}")
    return dict(params)


def body_of(text: str) -> bytes:
    """Return a body in UTF-8.

    Raises:
        ValueError: it has half a character.
    """
    return _encoded("the body", text)


def json_of(value: object) -> bytes:
    """Return a value as JSON in UTF-8; half a character, which UTF-8 has not, goes as its escape.

    Raises:
        ValueError: JSON cannot say it; names the place.
    """
    if why := why_not_json(value, "json"):
        raise ValueError(f"its {why}")
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def checked_url(text: str) -> httpx.URL:
    """Return a URL.

    Raises:
        ValueError: nothing can be sent there; says why, without what may be a credential.
    """
    import httpx  # noqa: PLC0415 - its import is slow, and most pipelines call no API

    if bad := re.search("[\x00-\x1f\x7f\ud800-\udfff]", text):
        raise ValueError(f"it has the character {bad[0]!a} at {bad.start()}, which no URL holds")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError):  # their texts may quote a password
        raise ValueError("") from None
    if why := why_not_sent(url):
        raise ValueError(why)
    return url


def why_not_sent(url: httpx.URL) -> str:
    """Return why nothing can be sent to a URL; empty: it can."""
    try:
        host = url.host
    except UnicodeError:
        return "its host is not one"
    if url.scheme in {"http", "https"} and not host:
        return "it has no host"
    if _NO_HOST.search(host) and ":" not in host:
        return "its host holds a blank or another character that no host has"
    if url.port is not None and not 0 < url.port <= LARGEST_PORT:
        return f"its port is not one from 1 to {LARGEST_PORT}"
    return ""


def _encoded(what: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        half = f"{text[error.start]!a} is half a character (a lone surrogate), which UTF-8 has not"
        raise ValueError(f"in {what} {half}") from None
