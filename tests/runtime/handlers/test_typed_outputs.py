"""What validation knows of the built-in types is what their handlers give, and what their errors carry."""

from typing import Any

import pytest

from playbill.model.configs import CallApiConfig, CommandConfig, SendNotificationConfig
from playbill.model.errors import NodeError
from playbill.model.outputs import CallApiOutput, CommandOutput, HttpError, SendNotificationOutput, keys_given
from playbill.runtime.handlers.call_api import call_api
from playbill.runtime.handlers.send_notification import send_notification
from tests.runtime.handlers.support import NODE, Answer, Server, command, context_of

pytestmark = pytest.mark.anyio


def check(given: Any, model: Any) -> None:
    """All that is given is known, and all that is always there is given."""
    known = keys_given(model)
    assert given.keys() <= known.keys()
    assert {key for key, always in known.items() if always} <= given.keys()


@pytest.mark.parametrize("script", ["echo hi", "head -c 300000 /dev/zero"])
async def test_what_a_command_gives(script: str) -> None:
    check(await command(NODE, {}, context_of(CommandConfig(argv=["sh", "-c", script]))), CommandOutput)


@pytest.mark.parametrize("script", ["exit 3", "head -c 300000 /dev/zero; exit 3"])
async def test_what_the_error_of_a_command_carries(script: str) -> None:
    with pytest.raises(NodeError) as failed:
        await command(NODE, {}, context_of(CommandConfig(argv=["sh", "-c", script])))
    check(failed.value.data, CommandOutput)


@pytest.mark.parametrize("answer", [Answer(body=b"{}"), Answer(body=b"hi", headers={"Content-Type": "text/plain"})])
async def test_what_a_call_gives(server: Server, answer: Answer) -> None:
    server.answers["/x"] = answer
    check(await call_api(NODE, {}, context_of(CallApiConfig(url=f"{server.url}/x"))), CallApiOutput)


@pytest.mark.parametrize("answer", [Answer(503, b"{}"), Answer(404, b"no", {"Content-Type": "text/plain"})])
async def test_what_the_error_of_a_call_carries(server: Server, answer: Answer) -> None:
    server.answers["/x"] = answer
    with pytest.raises(NodeError) as failed:
        await call_api(NODE, {}, context_of(CallApiConfig(url=f"{server.url}/x")))
    check(failed.value.data, HttpError)


async def test_what_a_notification_gives_and_its_error_carries(server: Server) -> None:
    config = SendNotificationConfig(message="hi", webhook=f"{server.url}/x")
    check(await send_notification(NODE, {}, context_of(config)), SendNotificationOutput)
    server.answers["/x"] = Answer(503)
    with pytest.raises(NodeError) as failed:
        await send_notification(NODE, {}, context_of(config))
    check(failed.value.data, HttpError)
