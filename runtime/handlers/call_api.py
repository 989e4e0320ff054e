"""The handler of action `call_api`: sends an HTTP request and gives the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from playbill.runtime.handlers.http_exchange import Request, exchange
from playbill.runtime.handlers.http_reply import Reply

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
            429, 5xx). Of a status that is an error both carry `status`, `headers`, `body`, and `json` if it is.
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
    try:
        return {"json": reply.json()}
    except ValueError:  # it may only have said so: the text tells what it is
        return {"text": reply.text}
