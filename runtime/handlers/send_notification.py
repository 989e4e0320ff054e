"""The handler of action `send_notification`: tells people by a webhook, by apprise, or by both."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.errors import NodeConfigError, NodeExecutionError
from playbill.runtime.handlers.http_exchange import Request, exchange
from playbill.runtime.runners.calling import in_daemon_thread

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    import apprise

    from playbill.model.configs import SendNotificationConfig
    from playbill.model.definition import PipelineNode
    from playbill.runtime.runners.context import NodeContext

__all__ = ["send_notification"]

TAKEN: Final = range(200, 300)
LOST: Final = (301, 302, 303)
"""The redirects by which a message would not arrive."""


async def send_notification(
    node: PipelineNode,
    inputs: Mapping[str, Mapping[str, Any]],
    context: NodeContext,
) -> dict[str, Any]:
    """Send the message; of URLs, errors show only the part that is no secret.

    Returns:
        `sent`: the ways that took it, `webhook` and `apprise`.

    Raises:
        NodeConfigError: apprise is not installed or does not know a URL, or the webhook refuses the message.
        NodeExecutionError: Somebody could not be told now.
    """
    config = cast("SendNotificationConfig", context.config)
    sent: list[str] = []
    if config.apprise:
        await _by_apprise(config.apprise, config)
        sent.append("apprise")
    if config.webhook is not None:  # last: a retry sends it again under the same key, apprise knows no keys
        await _by_webhook(config.webhook, config, context)
        sent.append("webhook")
    return {"sent": sent}


async def _by_webhook(url: str, config: SendNotificationConfig, context: NodeContext) -> None:
    message = {"message": config.message, "run_id": context.run_id, "node_id": context.node_id}
    if config.title is not None:
        message["title"] = config.title
    headers = {"Idempotency-Key": context.idempotency_key}
    shown = _without_path(url)
    sent = Request("POST", url, headers, json=message, ok_statuses=TAKEN, shown=shown, turned_into_get=LOST)
    await exchange(sent)


def _without_path(url: str) -> str:
    """Write a webhook's URL without its path, which often is the secret, too."""
    found = re.match(r"\w+://[^/?#@]*", url)
    return f"webhook {found[0]}/***" if found and "@" not in url else "webhook ***"


async def _by_apprise(urls: list[str], config: SendNotificationConfig) -> None:
    told = await in_daemon_thread(_load, urls)
    if not await told.async_notify(body=config.message, title=config.title or ""):
        schemes = ", ".join(sorted({_scheme(url) for url in urls}))
        raise NodeExecutionError(f"apprise could not tell everybody of {schemes}; its log says why")


def _load(urls: list[str]) -> apprise.Apprise:
    """Import apprise and its hundred plugins, which takes a second: never on the loop."""
    try:
        import apprise  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise NodeConfigError(
            "field 'apprise' needs the package apprise, which is not installed: pip install playbill[notify]"
        ) from error
    told = apprise.Apprise()
    for url in urls:
        with _unlogged():
            known = told.add(url)  # pyright: ignore[reportUnknownMemberType] - its types have holes
        if not known:
            raise NodeConfigError(f"apprise does not know the URL '{_scheme(url)}***', or it lacks a part")
    return told


@contextlib.contextmanager
def _unlogged() -> Generator[None]:
    """Let apprise log nothing in this thread: it would write out the URLs that it does not know."""
    thread = threading.get_ident()

    def of_others(record: logging.LogRecord) -> bool:
        return record.thread != thread

    log = logging.getLogger("apprise")
    log.addFilter(of_others)
    try:
        yield
    finally:
        log.removeFilter(of_others)


def _scheme(url: str) -> str:
    scheme, separator, _rest = url.partition("://")
    return f"{scheme}{separator}" if separator else ""
