"""The handler of action `call_api`: sends an HTTP request and gives the answer."""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from playbill.runtime.handlers.http_exchange import Reply, Request, exchange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.model.configs import CallApiConfig
    from playbill.model.definition import PipelineNode
    from playbill.runtime.runners.context import NodeContext

__all__ = ["call_api"]

_CHANGES_NOTHING: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


async def call_api(
    node: PipelineNode,
    inputs: Mapping[str, Mapping[str, Any]],
    context: NodeContext,
) -> dict[str, Any]:
    """Send the request; one that changes something carries an `Idempotency-Key`, the same for each attempt.

    Returns:
        `status`, `headers` (names in small letters) and `json` when the answer says and is JSON, else `text`.

    Raises:
        NodeConfigError: The request cannot be sent as it is, was refused (a status such as 404), or
            its answer is over 1 MiB.
        NodeExecutionError: The other side was not reached, was too slow, or asks to come again (408, 425,
            429, 5xx).
    """
    config = cast("CallApiConfig", context.config)
    method = config.method.upper()
    headers = dict(config.headers)
    if method not in _CHANGES_NOTHING and "idempotency-key" not in map(str.lower, headers):
        headers["Idempotency-Key"] = context.idempotency_key
    reply = await exchange(
        Request(
            method,
            config.url,
            headers=headers,
            params=config.params,
            json=config.json_body,
            body=config.body,
            timeout_seconds=config.timeout_seconds,
            ok_statuses=config.ok_statuses,
        )
    )
    return {"status": reply.status, "headers": reply.headers, **_body(reply)}


def _body(reply: Reply) -> dict[str, Any]:
    media_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        try:
            return {"json": json.loads(reply.content, parse_constant=_no_constant)}
        except (ValueError, RecursionError):  # it only said so: the text tells what it is
            return {"text": _text(reply)}
    return {"text": _text(reply)}


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _text(reply: Reply) -> str:
    try:
        encoding = codecs.lookup(reply.charset or "utf-8").name
    except LookupError:
        encoding = "utf-8"
    return reply.content.decode(encoding, "replace")
