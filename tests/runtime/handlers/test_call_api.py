"""The action call_api, against a real server on the loopback."""

import asyncio
import json
import math
import socket
from typing import Any
from urllib.parse import unquote

import pytest

import playbill
from playbill.model.configs import CallApiConfig
from playbill.model.errors import NodeConfigError, NodeExecutionError
from playbill.model.failures import failure_of
from playbill.model.fields import MAX_SECONDS
from playbill.model.policies import RetryPolicy
from playbill.runtime.handlers.call_api import call_api
from tests.runtime.handlers.support import NODE, Answer, Server, context_of

pytestmark = pytest.mark.anyio


async def call(url: str, **config: Any) -> dict[str, Any]:
    return await call_api(NODE, {}, context_of(CallApiConfig(url=url, **config)))


async def test_json_comes_back_as_data(server: Server) -> None:
    server.answers["/x"] = Answer(body=b'{"city": "Lyon"}')
    found = await call(f"{server.url}/x")
    assert found["status"] == 200
    assert found["json"] == {"city": "Lyon"}
    assert found["headers"]["content-type"] == "application/json"
    assert "text" not in found
    assert json.dumps(found)


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain; charset=latin-1", "grün".encode("latin-1"), "grün"),
        ("text/plain; charset=nonsense", "grün".encode(), "grün"),
        ("application/json", b"{half", "{half"),
        ("application/json", b"[NaN]", "[NaN]"),
        ("application/json", b"[" * 100_000, "[" * 100_000),
        ("", b"", ""),
    ],
)
async def test_what_is_not_json_comes_back_as_text(server: Server, content_type: str, body: bytes, text: str) -> None:
    server.answers["/x"] = Answer(body=body, headers={"Content-Type": content_type})
    found = await call(f"{server.url}/x")
    assert found["text"] == text
    assert "json" not in found


async def test_method_headers_params_and_json_are_sent(server: Server) -> None:
    await call(f"{server.url}/x?a=1", method="post", headers={"X-Token": "t"}, params={"b": [2, 3]}, json={"c": 4})
    [received] = server.received
    assert (received.method, received.path) == ("POST", "/x?a=1&b=2&b=3")
    assert received.headers["x-token"] == "t"
    assert received.headers["content-type"] == "application/json"
    assert json.loads(received.body) == {"c": 4}


async def test_a_body_is_sent_as_it_is(server: Server) -> None:
    await call(f"{server.url}/x", method="PUT", body="plain")
    assert server.received[0].body == b"plain"


async def test_only_what_changes_something_carries_an_idempotency_key(server: Server) -> None:
    await call(f"{server.url}/x", method="POST")
    await call(f"{server.url}/x", method="POST", headers={"idempotency-key": "mine"})
    await call(f"{server.url}/x")
    await call(f"{server.url}/x", method="HEAD")
    assert [one.headers.get("idempotency-key") for one in server.received] == ["r1/n", "mine", None, None]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
async def test_a_status_that_may_pass_is_worth_another_attempt(server: Server, status: int) -> None:
    server.answers["/x"] = Answer(status, b"try later")
    with pytest.raises(NodeExecutionError) as caught:
        await call(f"{server.url}/x")
    assert str(caught.value).startswith(f"GET {server.url}/x gave status {status} ")
    assert str(caught.value).endswith(": try later")
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0.0),
        ("Mon, 01 Jan 2001 00:00:00 -0000", 0.0),
        ("9" * 400, math.inf),
        ("soon", None),
        ("inf", None),
        ("-1", None),
        ("Mon, 01 Jan 99999 00:00:00 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("Mon, 01 Jan 2001 00:00:00 +9999999999", None),
        ("", None),
    ],
)
async def test_retry_after_is_handed_on(server: Server, value: str, seconds: float | None) -> None:
    server.answers["/x"] = Answer(503, headers={"Retry-After": value})
    with pytest.raises(NodeExecutionError) as caught:
        await call(f"{server.url}/x")
    assert caught.value.retry_after == seconds


async def test_a_date_that_is_far_away_is_handed_on_and_cut_by_the_policy(server: Server) -> None:
    server.answers["/x"] = Answer(429, headers={"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"})
    with pytest.raises(NodeExecutionError) as caught:
        await call(f"{server.url}/x")
    asked = failure_of(caught.value).retry_after
    assert asked == MAX_SECONDS
    assert RetryPolicy().delay(1, 0.5, asked) == 60


@pytest.mark.parametrize("port", [0, -1, 65536, 99999])
async def test_a_port_that_there_is_not_is_named(port: int) -> None:
    with pytest.raises(NodeConfigError, match=rf":{port}/x': the URL is not valid: its port is not one"):
        await call(f"http://127.0.0.1:{port}/x")


async def test_a_refused_connection_is_told_with_its_cause() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/x"
        with pytest.raises(NodeExecutionError) as caught:
            await call(url)
    assert str(caught.value).startswith(f"GET {url} failed: ConnectError: All connection attempts failed (Conn")
    assert "ConnectionRefusedError: [Errno 111] Connect call failed" in str(caught.value)


async def test_a_refusal_is_not_tried_again_and_names_all(server: Server) -> None:
    server.answers["/x"] = Answer(404, b"no such city" + b"!" * 10_000)
    with pytest.raises(NodeConfigError) as caught:
        await call(f"{server.url}/x", method="PUT")
    assert str(caught.value).startswith(f"PUT {server.url}/x gave status 404 Not Found: no such city!!")
    assert len(str(caught.value)) < 1000


async def test_ok_statuses_say_what_is_no_failure(server: Server) -> None:
    server.answers["/x"] = Answer(404)
    assert (await call(f"{server.url}/x", ok_statuses=[200, 404]))["status"] == 404
    with pytest.raises(NodeConfigError, match=r"gave status 200 OK: \{\} \(ok_statuses: 201, 204\)"):
        await call(f"{server.url}/y", ok_statuses=[201, 204])


async def test_redirects_are_followed_unless_one_is_wanted(server: Server) -> None:
    server.answers["/x"] = Answer(302, headers={"Location": "/y"})
    server.answers["/y"] = Answer(body=b"[1]")
    server.answers["/round"] = Answer(302, headers={"Location": "/round"})
    assert (await call(f"{server.url}/x"))["json"] == [1]
    assert (await call(f"{server.url}/x", ok_statuses=[302]))["headers"]["location"] == "/y"
    with pytest.raises(NodeConfigError, match="TooManyRedirects"):
        await call(f"{server.url}/round")


async def test_an_answer_over_the_limit_is_a_clear_error(server: Server) -> None:
    server.answers["/fits"] = Answer(body=b"x" * 1024 * 1024, headers={})
    server.answers["/large"] = Answer(body=b"x" * (1024 * 1024 + 1), headers={})
    assert len((await call(f"{server.url}/fits"))["text"]) == 1024 * 1024
    with pytest.raises(NodeConfigError, match="/large gave more than 1048576 bytes: ask for less of it"):
        await call(f"{server.url}/large")


async def test_nobody_there_is_worth_another_attempt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/x"
    with pytest.raises(NodeExecutionError, match=f"GET {url} failed: ConnectError"):
        await call(url)


async def test_a_dropped_connection_is_worth_another_attempt(server: Server) -> None:
    server.answers["/x"] = Answer(silent=True)
    server.go_on.set()
    with pytest.raises(NodeExecutionError, match="/x failed: RemoteProtocolError"):
        await call(f"{server.url}/x")


async def test_a_slow_answer_runs_into_the_timeout(server: Server) -> None:
    server.answers["/x"] = Answer(silent=True)
    with pytest.raises(NodeExecutionError, match=r"/x gave no answer within timeout_seconds 0\.05"):
        await call(f"{server.url}/x", timeout_seconds=0.05)


async def test_a_cancel_ends_the_call(server: Server) -> None:
    server.answers["/x"] = Answer(silent=True)
    task = asyncio.create_task(call(f"{server.url}/x"))
    await asyncio.get_running_loop().run_in_executor(None, server.came_in.wait)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize(
    ("url", "config", "message"),
    [
        ("ftp://host/x", {}, "GET ftp://host/x cannot be done: UnsupportedProtocol"),
        ("no url", {}, "GET no url cannot be done: UnsupportedProtocol"),
        (
            "http://host:port/x",
            {},
            "GET cannot be sent to 'http://host:port/x': the URL is not valid",
        ),
    ],
)
async def test_a_request_that_cannot_be_sent_is_a_config_error(
    url: str, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(NodeConfigError) as caught:
        await call(url, **config)
    assert message in str(caught.value)


UNSENDABLE: list[tuple[dict[str, Any], str]] = [
    ({"method": "A B"}, "method 'A B' is not a word such as GET"),
    ({"method": "GET /y\r\nX: y"}, r"method 'GET /Y\\r\\nX: Y' is not a word"),
    ({"method": "GÉT"}, "method 'G.*' is not a word"),
    ({"headers": {"a": "b\n"}}, "the value of header 'a' is not printable ASCII, or has blanks"),
    ({"headers": {"a": "b\r\nc: d"}}, "the value of header 'a' "),
    ({"headers": {"X-City": "Köln"}}, "the value of header 'X-City' is not printable ASCII.*percent-encode it"),
    ({"headers": {"X-City": "\ud800"}}, "the value of header 'X-City' "),
    ({"headers": {"X Ü": "b"}}, "header 'X Ü' has no name of a header"),
    ({"headers": {"": "b"}}, "header '' has no name of a header"),
    ({"params": {"a": {"b": 1}}}, "param 'a' holds dict, and takes text"),
    ({"params": {"a": [1, [2]]}}, "param 'a' holds list"),
    ({"params": {"a": ["\ud800"]}}, "in param 'a' .* is half a character"),
    ({"body": "a\udcff", "method": "PUT"}, "in the body .* is half a character"),
    ({"json": {"a": [1, float("nan")]}, "method": "PUT"}, r"its json.a\[1\] is nan, which JSON cannot say"),
    ({"json": {"a": {1}}, "method": "PUT"}, "its json.a is set"),
]


@pytest.mark.parametrize(("config", "why"), UNSENDABLE)
async def test_what_http_cannot_say_is_refused_by_name_before_anything_is_sent(
    server: Server, config: dict[str, Any], why: str
) -> None:
    with pytest.raises(NodeConfigError, match=f"/x cannot be sent: {why}"):
        await call(f"{server.url}/x", **config)
    assert server.received == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:99999/x", "its port is not one from 1 to 65535"),
        ("http://127.0.0.1:0/x", "its port is not one"),
        ("http://[::1", ""),
        ("http://256.1.1.1/", ""),
        ("http://a b/x", "its host holds a blank"),
        ("http://a\\b/x", "its host holds a blank or another character"),
        ("http://xn--/x", "its host is not one"),
        ("http://h/a\r\nX: y", r"it has the character '\\r' at 10, which no URL holds"),
        ("http://h/x\n", r"it has the character '\\n' at 10"),
    ],
)
async def test_a_url_that_is_none_is_refused_by_name(url: str, why: str) -> None:
    said = f"^GET cannot be sent to 'http.*': the URL is not valid:? ?{why}"
    with pytest.raises(NodeConfigError, match=said) as caught:
        await call(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:99999/", "http://[::1", "http://a b/", "http://xn--/", "//h:0/", "http://h/\x01", "ftp://h/"],
)
async def test_a_redirect_to_a_url_that_is_none_is_refused(server: Server, location: str) -> None:
    server.answers["/x"] = Answer(302, headers={"Location": location})
    said = f"^GET {server.url}/x (was redirected to a URL that is not|cannot be done)"
    with pytest.raises(NodeConfigError, match=said):
        await call(f"{server.url}/x")


async def test_half_a_character_goes_out_as_json_writes_it(server: Server) -> None:
    await call(f"{server.url}/x", method="POST", json={"a": "\ud800é"})
    await call(f"{server.url}/x", method="POST", json={"a": "é"}, headers={"content-type": "application/x+json"})
    assert [one.body for one in server.received] == [rb'{"a":"\ud800\u00e9"}', '{"a":"é"}'.encode()]
    assert [one.headers["content-type"] for one in server.received] == ["application/json", "application/x+json"]


@pytest.mark.parametrize(
    "charset", ["undefined", "idna", "punycode", "base64", "rot13", "unicode_escape", "x\x7f", "''", "no-such"]
)
async def test_a_foreign_charset_is_read_as_utf_8(server: Server, charset: str) -> None:
    said = "grün \\q".encode() + b"\xff"
    server.answers["/x"] = Answer(body=said, headers={"Content-Type": f"text/x; charset={charset}"})
    assert (await call(f"{server.url}/x"))["text"] == "grün \\q\ufffd"


@pytest.mark.parametrize("status", [404, 503])
async def test_a_refused_status_tells_its_status_headers_and_body(server: Server, status: int) -> None:
    server.answers["/x"] = Answer(status, b'{"code": "gone", "x": "' + b"x" * 600 + b'"}')
    with pytest.raises((NodeConfigError, NodeExecutionError)) as caught:
        await call(f"{server.url}/x")
    data = failure_of(caught.value).data or {}
    assert (data["status"], data["json"]["code"], len(data["body"])) == (status, "gone", 625)
    assert data["headers"]["content-type"] == "application/json"
    server.answers["/x"] = Answer(status, b"x" * 100_000, headers={"Content-Type": "text/plain; charset=undefined"})
    with pytest.raises((NodeConfigError, NodeExecutionError)) as caught:
        await call(f"{server.url}/x")
    data = failure_of(caught.value).data or {}
    assert "json" not in data
    assert 16_000 < len(data["body"]) <= 16_384


async def test_credentials_never_stand_in_an_error(server: Server) -> None:
    server.answers["/x"] = Answer(404)
    url = server.url.replace("//", "//anna:s3cret@")
    with pytest.raises(NodeConfigError) as caught:
        await call(f"{url}/x?key=s3cret", params={"token": "s3cret"})
    assert str(caught.value).startswith(f"GET {url.replace('anna:s3cret', '***')}/x?*** gave status 404")
    with pytest.raises(NodeConfigError) as caught:
        await call("http://anna:s3/cret@host/x")
    assert str(caught.value) == "GET cannot be sent to 'http://***@host/x': the URL is not valid"
    assert server.received[0].headers["authorization"].startswith("Basic ")


IDS = ["grüß 100%s", "%d%%", "💥", "a: b"]


@pytest.mark.parametrize("node_id", IDS)
async def test_a_node_of_any_id_calls_an_api_and_a_webhook(server: Server, node_id: str) -> None:
    call = {"action": "call_api", "url": f"{server.url}/x", "method": "POST"}
    tell = {"action": "send_notification", "webhook": f"{server.url}/y", "message": "${inputs.call.status}"}
    nodes = [
        {"id": node_id, "type": "action", "config": call, "next": ["told"]},
        {"id": "told", "type": "action", "config": {**tell, "message": "done"}},
    ]
    async with playbill.PipelineRunManager() as manager:
        run = await manager.start_run({"nodes": nodes}, run_id=f"r {node_id}")
        (await run.result()).raise_for_status()
    keys = [one.headers["idempotency-key"] for one in server.received]
    assert [unquote(key) for key in keys] == [f"r {node_id}/{node_id}", f"r {node_id}/told"]
    assert all(key.isascii() for key in keys)


async def test_neither_a_failure_nor_the_log_of_the_client_shows_a_secret(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server.answers["/hunter2"] = Answer(302, headers={"Location": "/refused?key=hunter2"})
    server.answers["/refused"] = Answer(403, b"no, Basic dTpodW50ZXIy: hunter2", headers={"X-Key": "hunter2"})
    config = {
        "action": "call_api",
        "url": f"{server.url}/${{secrets.key}}?key=${{secrets.key}}",
        "headers": {"Authorization": "Basic ${secrets.basic}"},
    }
    secrets = {"key": "hunter2", "basic": "dTpodW50ZXIy"}
    async with playbill.PipelineRunManager(secrets=secrets) as manager:
        run = await manager.start_run({"nodes": [{"id": "a", "type": "action", "config": config}]})
        result = await run.result()
    assert result.error is not None
    assert result.error.data is not None
    assert (result.error.data["status"], result.error.data["headers"]["x-key"]) == (403, "***")
    assert result.error.data["body"] == "no, Basic ***: ***"
    assert "hunter2" not in repr(result)
    assert server.received[0].path == "/hunter2?key=hunter2"
    assert f"HTTP Request: GET {server.url}/***" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("status", [301, 302])
async def test_a_redirect_that_would_lose_what_is_sent_is_refused(server: Server, status: int) -> None:
    server.answers["/x"] = Answer(status, headers={"Location": f"{server.url}/y?key=s3cret"})
    with pytest.raises(
        NodeConfigError, match=f"status {status} leads to .*/y.* by a GET without what was to be sent"
    ) as caught:
        await call(f"{server.url}/x", method="POST", json={"n": 1})
    assert "s3cret" not in str(caught.value)
    assert (await call(f"{server.url}/x"))["status"] == 200
    server.answers["/x"] = Answer(303, headers={"Location": f"{server.url}/y"})
    assert (await call(f"{server.url}/x", method="POST", json={"n": 1}))["status"] == 200
