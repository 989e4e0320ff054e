"""One HTTP request and its answer: bounded, and with errors that tell whether another attempt may help."""

from __future__ import annotations

import asyncio
import functools
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from playbill.model.errors import NodeConfigError, NodeExecutionError
from playbill.model.kinds import leaves_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Collection, Mapping

    import httpx

__all__ = ["MAX_RESPONSE_BYTES", "Reply", "Request", "exchange", "shown_url"]

MAX_RESPONSE_BYTES: Final = 1024 * 1024
MAX_PORT: Final = 65535
_SILENCE_SECONDS: Final = 60.0
_SHOWN_BYTES: Final = 500
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

    def __str__(self) -> str:
        return f"{self.method} {self.shown or shown_url(self.url)}"

    def is_good(self, status: int) -> bool:
        """Tell whether a reply of this status is what was wanted."""
        return status < 400 if self.ok_statuses is None else status in self.ok_statuses  # noqa: PLR2004 - HTTP's

    @property
    def follows_redirects(self) -> bool:
        """Whether a redirect is not the answer that was wanted."""
        return not any(300 <= status < 400 for status in self.ok_statuses or ())  # noqa: PLR2004 - HTTP's


@dataclass(frozen=True, slots=True)
class Reply:
    """A good answer."""

    status: int
    headers: dict[str, str]
    content: bytes
    charset: str | None


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

    try:
        async with asyncio.timeout(request.timeout_seconds):
            return await _exchange(request)
    except TimeoutError as error:
        raise NodeExecutionError(
            f"{request} gave no answer within timeout_seconds {request.timeout_seconds:g}"
        ) from error
    except httpx.TimeoutException as error:
        raise NodeExecutionError(f"{request} ran into a {_describe(error)}") from error
    except httpx.InvalidURL:  # its text and its chain may quote a password
        shown = request.shown or re.sub(r"//.*@", "//***@", shown_url(request.url), flags=re.DOTALL)
        raise NodeConfigError(f"{request.method} cannot be sent to '{shown}': the URL is not valid") from None
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.TooManyRedirects) as error:
        raise NodeConfigError(f"{request} cannot be done: {_describe(error)}") from error
    except httpx.RequestError as error:
        raise NodeExecutionError(f"{request} failed: {_describe(error)}") from error


async def _exchange(request: Request) -> Reply:
    import httpx  # noqa: PLC0415 - see above

    url = httpx.URL(request.url)
    if url.port is not None and not 0 < url.port <= MAX_PORT:
        raise NodeConfigError(f"{request} cannot be sent: there is no port {url.port}; ports are 1 to {MAX_PORT}")
    async with (
        httpx.AsyncClient(
            verify=_tls(), timeout=_SILENCE_SECONDS, follow_redirects=request.follows_redirects
        ) as client,
        client.stream(
            request.method,
            url.copy_merge_params(dict(request.params)) if request.params else url,
            headers=dict(request.headers),
            json=request.json,
            content=request.body,
        ) as response,
    ):
        good = request.is_good(response.status_code)
        content = await _read(response, MAX_RESPONSE_BYTES if good else _SHOWN_BYTES)
        if not good:
            _refuse(request, response, content)
        if len(content) > MAX_RESPONSE_BYTES:
            raise NodeConfigError(f"{request} gave more than {MAX_RESPONSE_BYTES} bytes: ask for less of it")
        return Reply(response.status_code, dict(response.headers), content, response.charset_encoding)


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
    body = content[:_SHOWN_BYTES].decode("utf-8", "replace").strip()
    reason = f" {response.reason_phrase}" if response.reason_phrase else ""
    text = f"{request} gave status {status}{reason}: {body or 'nothing more was said'}"
    if status in _LATER or status >= 500:  # noqa: PLR2004 - HTTP's
        raise NodeExecutionError(text, retry_after=_retry_after(response.headers.get("retry-after", "")))
    if request.ok_statuses is not None:
        text += f" (ok_statuses: {', '.join(map(str, request.ok_statuses))})"
    raise NodeConfigError(text)


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
