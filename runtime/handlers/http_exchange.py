"""One HTTP request and its answer: bounded, and with errors that tell whether another attempt may help."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import re
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from playbill.model.errors import NodeConfigError, NodeExecutionError
from playbill.model.kinds import leaves_of
from playbill.model.plain_text import MAX_TEXT_BYTES
from playbill.runtime.handlers.http_parts import (
    body_of,
    checked_method,
    checked_url,
    headers_of,
    json_of,
    params_of,
    why_not_sent,
)
from playbill.runtime.handlers.http_reply import Reply
from playbill.runtime.redaction import REDACTION

if TYPE_CHECKING:
    import ssl
    from collections.abc import Collection, Mapping

    import httpx

__all__ = ["MAX_RESPONSE_BYTES", "Request", "exchange", "shown_url"]

MAX_RESPONSE_BYTES: Final = 1024 * 1024
_SILENCE_SECONDS: Final = 60.0
_SHOWN_CHARACTERS: Final = 500
_OURS: Final[ContextVar[bool]] = ContextVar("_OURS", default=False)
"""Whether a request is one of a node's."""
_REDIRECTED: Final = "was redirected to a URL that is not valid"
MAX_CAUSES: Final = 20
"""As deep as is looked for what an error came of."""
_LATER: Final = frozenset({408, 425, 429})
"""Statuses below 500 that ask to come again."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, and which answers are good."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    json: Any = None
    body: str | None = None
    timeout_seconds: float | None = None
    """For the whole exchange."""
    ok_statuses: Collection[int] | None = None
    """None: all below 400."""
    shown: str = ""
    """What stands for the URL in errors, without anything secret."""
    turned_into_get: Collection[int] = (301, 302)
    """The redirects by which what was sent would be lost; of 303 it says that it was taken."""

    def __str__(self) -> str:
        return _printable(f"{self.method} {self.shown or shown_url(self.url)}")

    def is_good(self, status: int) -> bool:
        """Tell whether a reply of this status is what was wanted."""
        return status < 400 if self.ok_statuses is None else status in self.ok_statuses  # noqa: PLR2004 - HTTP's

    @property
    def follows_redirects(self) -> bool:
        """Whether a redirect is not the answer that was wanted."""
        return not any(300 <= status < 400 for status in self.ok_statuses or ())  # noqa: PLR2004 - HTTP's


def shown_url(url: str) -> str:
    """Write a URL without its credentials, its query and its fragment."""
    bare = re.sub(r"//[^/?#]*@", "//***@", url, count=1)
    return re.sub(r"[?#].*", "?***", bare, count=1, flags=re.DOTALL)


async def exchange(request: Request) -> Reply:
    """Send the request and read the answer.

    Raises:
        NodeConfigError: The request cannot be sent as it is, was refused, or its answer is too large.
        NodeExecutionError: The other side was not reached, was too slow, or asks to come again.
    """
    import httpx  # noqa: PLC0415 - its import is slow, and most pipelines call no API

    _watch_log()
    ours = _OURS.set(True)
    try:
        async with asyncio.timeout(request.timeout_seconds):
            return await _exchange(request)
    except TimeoutError as error:
        raise NodeExecutionError(
            f"{request} gave no answer within timeout_seconds {request.timeout_seconds:g}"
        ) from error
    except httpx.TimeoutException as error:
        raise NodeExecutionError(f"{request} ran into a {_describe(error)}") from error
    except (httpx.InvalidURL, UnicodeError):  # of our own URL nothing is wrong
        raise NodeConfigError(f"{request} {_REDIRECTED}") from None
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.TooManyRedirects) as error:
        raise NodeConfigError(f"{request} cannot be done: {_describe(error)}") from error
    except httpx.RequestError as error:
        if isinstance(error.__context__, httpx.InvalidURL):
            raise NodeConfigError(f"{request} {_REDIRECTED}") from None
        raise NodeExecutionError(f"{request} failed: {_describe(error)}") from error
    finally:
        _OURS.reset(ours)


async def _exchange(request: Request) -> Reply:
    import httpx  # noqa: PLC0415 - see above

    async def check(sent: httpx.Request) -> None:
        """Refuse a redirect to where nothing can be sent: our own URL was looked at."""
        if why := why_not_sent(sent.url):
            raise NodeConfigError(f"{request} {_REDIRECTED}: {why}")

    async def check_kept(response: httpx.Response) -> None:
        """Refuse a redirect that would make another request of ours: one that only asks, and sends nothing."""
        asks = request.method in {"GET", "HEAD", "OPTIONS"} or not request.follows_redirects
        if not asks and response.has_redirect_location and response.status_code in request.turned_into_get:
            where = shown_url(response.headers.get("location", ""))
            text = (
                f"status {response.status_code} leads to '{_printable(where)}' by a GET without what was to be sent"
            )
            raise NodeConfigError(f"{request} {text}: write that URL")

    url = _url(request)
    headers, body = _headers_and_body(request)
    async with (
        httpx.AsyncClient(
            verify=_tls(),
            timeout=_SILENCE_SECONDS,
            follow_redirects=request.follows_redirects,
            event_hooks={"request": [check], "response": [check_kept]},
        ) as client,
        client.stream(request.method, url, headers=headers, content=body) as response,
    ):
        good = request.is_good(response.status_code)
        content = await _read(response, MAX_RESPONSE_BYTES if good else 2 * MAX_TEXT_BYTES)
        if not good:
            _refuse(request, response, content)
        if len(content) > MAX_RESPONSE_BYTES:
            raise NodeConfigError(f"{request} gave more than {MAX_RESPONSE_BYTES} bytes: ask for less of it")
        return Reply(response.status_code, dict(response.headers), content, response.charset_encoding)


def _url(request: Request) -> httpx.URL:
    try:
        checked_method(request.method)
        params = params_of(request.params)
    except ValueError as error:
        raise NodeConfigError(f"{request} cannot be sent: {error}") from None
    try:
        url = checked_url(request.url)
    except ValueError as error:
        shown = request.shown or re.sub(r"//.*@", "//***@", shown_url(request.url), flags=re.DOTALL)
        why = f": {error}" if str(error) else ""
        text = f"{request.method} cannot be sent to '{_printable(shown)}': the URL is not valid{why}"
        raise NodeConfigError(text) from None
    return url.copy_merge_params(params) if params else url


def _headers_and_body(request: Request) -> tuple[dict[str, str], bytes | None]:
    try:
        headers = headers_of(request.headers)
        if request.json is not None:
            if "content-type" not in map(str.lower, headers):
                headers["Content-Type"] = "application/json"
            return headers, json_of(request.json)
        return headers, None if request.body is None else body_of(request.body)
    except ValueError as error:
        raise NodeConfigError(f"{request} cannot be sent: {error}") from None


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


@functools.cache
def _watch_log() -> None:
    """Let httpx log of our requests the host only: path and query may be credentials, and redirects of others."""
    import httpx  # noqa: PLC0415 - see above

    def without_paths(record: logging.LogRecord) -> bool:
        if _OURS.get() and isinstance(record.args, tuple):
            record.args = tuple(
                f"{arg.scheme}://{arg.netloc.decode()}/***" if isinstance(arg, httpx.URL) else arg
                for arg in record.args
            )
        return True

    logging.getLogger("httpx").addFilter(without_paths)


@functools.cache
def _tls() -> ssl.SSLContext:
    import httpx  # noqa: PLC0415 - see above

    return httpx.create_ssl_context()  # reads all certificates: 20 ms, so once


async def _read(response: httpx.Response, limit: int) -> bytes:
    """Read until a byte over the limit was seen."""
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > limit:
            break
    return bytes(content[: limit + 1])


def _refuse(request: Request, response: httpx.Response, content: bytes) -> None:
    status = response.status_code
    reply = Reply(status, dict(response.headers), content, response.charset_encoding)
    # Hidden before it is cut: of a secret that a cut goes through, less might be left than is known again.
    whole = REDACTION.get().hide(reply.text)
    data: dict[str, Any] = {"status": status, "headers": reply.headers, "body": whole[:MAX_TEXT_BYTES]}
    with contextlib.suppress(ValueError):
        data["json"] = reply.json()
    body = whole[:_SHOWN_CHARACTERS].strip()
    reason = f" {response.reason_phrase}" if response.reason_phrase else ""
    text = f"{request} gave status {status}{reason}: {body or 'nothing more was said'}"
    if status in _LATER or status >= 500:  # noqa: PLR2004 - HTTP's
        raise NodeExecutionError(text, retry_after=_retry_after(response.headers.get("retry-after", "")), data=data)
    if request.ok_statuses is not None and not isinstance(request.ok_statuses, range):  # which is not the user's
        text += f" (ok_statuses: {', '.join(map(str, request.ok_statuses))})"
    raise NodeConfigError(text, data=data)


def _retry_after(value: str) -> float | None:
    """Read the header: seconds or a date; None when it is neither."""
    if re.fullmatch(r"[0-9]+", value.strip()):
        return float(value)  # of a text too long for a float that is endless, and cut as any wait is
    try:
        at = parsedate_to_datetime(value)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (at - datetime.now(UTC)).total_seconds())
    except (OverflowError, TypeError, ValueError):
        return None


def _describe(error: Exception) -> str:
    """Return what went wrong, and what that came of in the end, if the error does not say so itself."""
    text, root = _named(error), _cause_of(error)
    for _ in range(MAX_CAUSES):
        root = root and (_cause_of(root) or root)
    roots = [] if root is None else [_named(leaf) for leaf in leaves_of(root)]
    told = "; ".join(dict.fromkeys(each for each in roots if each.partition(": ")[2] not in text))
    return f"{text} ({told})" if told else text


def _cause_of(error: BaseException) -> BaseException | None:
    return error.__cause__ or error.__context__  # the one that httpcore suppresses is just what people ask for


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
