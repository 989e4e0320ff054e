"""The action send_notification: real webhooks, and real apprise against a server on the loopback."""

import json
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from playbill.model.builtin import BUILTIN
from playbill.model.configs import SendNotificationConfig
from playbill.model.errors import NodeConfigError, NodeExecutionError
from playbill.runtime.handlers.send_notification import send_notification
from tests.runtime.handlers.support import NODE, Answer, Server, context_of

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),  # apprise imports it
]


async def send(**config: Any) -> dict[str, Any]:
    return await send_notification(NODE, {}, context_of(SendNotificationConfig(message="done", **config)))


async def test_a_webhook_gets_a_post_of_json(server: Server) -> None:
    assert await send(webhook=f"{server.url}/hook", title="Report") == {"sent": ["webhook"]}
    [received] = server.received
    assert (received.method, received.path) == ("POST", "/hook")
    assert received.headers["idempotency-key"] == "r1/n"
    assert json.loads(received.body) == {"message": "done", "title": "Report", "run_id": "r1", "node_id": "n"}


async def test_a_title_may_be_missing(server: Server) -> None:
    await send(webhook=f"{server.url}/hook")
    assert "title" not in json.loads(server.received[0].body)


async def test_a_webhook_that_fails_is_named_without_its_secret_path(server: Server) -> None:
    server.answers["/hook/s3cret"] = Answer(500, b"broken")
    server.answers["/gone/s3cret"] = Answer(410, b"gone")
    with pytest.raises(NodeExecutionError) as failed:
        await send(webhook=f"{server.url}/hook/s3cret")
    with pytest.raises(NodeConfigError) as refused:
        await send(webhook=f"{server.url}/gone/s3cret")
    assert str(failed.value) == f"POST webhook {server.url}/*** gave status 500 Internal Server Error: broken"
    assert str(refused.value) == f"POST webhook {server.url}/*** gave status 410 Gone: gone"


@pytest.mark.parametrize("url", ["http://anna:s3/cret@host/x", "s3cret"])
async def test_a_webhook_that_is_no_url_is_a_config_error(url: str) -> None:
    with pytest.raises(NodeConfigError, match=r"POST .*webhook \*\*\*") as caught:
        await send(webhook=url)
    assert "cret" not in str(caught.value)


async def test_apprise_tells_each_of_its_urls(server: Server) -> None:
    target = server.url.replace("http://", "json://")
    assert await send(apprise=[f"{target}/a", f"{target}/b"], title="Report") == {"sent": ["apprise"]}
    assert sorted(received.path.rstrip("/") for received in server.received) == ["/a", "/b"]
    said = json.loads(server.received[0].body)
    assert (said["title"], said["message"]) == ("Report", "done")


async def test_both_ways_are_taken_when_both_are_given(server: Server) -> None:
    target = server.url.replace("http://", "json://")
    found = await send(apprise=[f"{target}/a"], webhook=f"{server.url}/hook")
    assert found == {"sent": ["apprise", "webhook"]}
    assert len(server.received) == 2


async def test_who_could_not_be_told_by_apprise_is_worth_another_attempt(server: Server) -> None:
    server.answers["/s3cret"] = server.answers["/s3cret/"] = Answer(500)
    with pytest.raises(NodeExecutionError) as caught:
        await send(apprise=[server.url.replace("http://", "json://") + "/s3cret"])
    assert str(caught.value) == "apprise could not tell everybody of json://; its log says why"


@pytest.mark.parametrize(("url", "shown"), [("nonsense://s3cret", "nonsense://"), ("s3cret", "")])
async def test_a_url_that_apprise_does_not_know_is_a_config_error(url: str, shown: str) -> None:
    with pytest.raises(NodeConfigError) as caught:
        await send(apprise=[url])
    assert str(caught.value) == f"apprise does not know the URL '{shown}***', or it lacks a part"


async def test_without_apprise_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(NodeConfigError, match=r"pip install playbill\[notify\]"):
        await send(apprise=["json://host"])


@pytest.mark.parametrize("config", [{}, {"apprise": []}, {"webhook": ""}, {"apprise": [""]}])
async def test_a_config_that_tells_nobody_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SendNotificationConfig(message="done", **config)


async def test_a_config_that_tells_nobody_is_a_problem_of_the_definition() -> None:
    action = BUILTIN.get("action")
    assert action is not None
    [problem] = action.check({"action": "send_notification", "message": "x"}, subject="node 'n'")
    text = "node 'n': nobody would be told: set webhook (a URL) or apprise (a list of its URLs)"
    assert problem.message == text
    template = {"action": "send_notification", "message": "x", "apprise": "${secrets.urls}"}
    assert action.check(template, subject="node 'n'") == []


async def test_a_url_that_apprise_does_not_know_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(NodeConfigError, match="apprise does not know the URL"):
        await send(apprise=["hooks.example.com/services/s3cret"])
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304])
async def test_a_message_that_a_redirect_would_lose_is_not_sent(server: Server, status: int) -> None:
    server.answers["/hook"] = Answer(status, headers={"Location": f"{server.url}/there"})
    with pytest.raises(NodeConfigError, match=f"status {status}"):
        await send(webhook=f"{server.url}/hook")
    server.answers["/hook"] = Answer(307, headers={"Location": f"{server.url}/there"})
    assert await send(webhook=f"{server.url}/hook") == {"sent": ["webhook"]}
    assert (server.received[-1].method, server.received[-1].path) == ("POST", "/there")
