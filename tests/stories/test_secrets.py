"""Secrets: whoever is given one may hand it on, and nothing that playbill writes shows it."""

import base64
import logging
from typing import Any

import pytest
from rich.pretty import pretty_repr

import playbill
from tests.stories.support import finished, node, pipeline

pytestmark = pytest.mark.anyio

BODY = "\n".join(chr(97 + line) * 40 + "'\"\\" for line in range(9))
PEM = f"-----BEGIN KEY-----\n{BODY}\n-----END KEY-----\n"


class Refused(Exception):
    """An error of another package, which shows what it was given."""


@playbill.node_type("logs_in")
async def logs_in(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Fail as clients do that are refused."""
    key = node.config["key"]
    raise playbill.NodeExecutionError(f"refused: {Refused({'headers': {'key': key}, 'body': key.encode()})!r}")


def whole(text: str) -> bool:
    """Tell whether a line of the key is in a text."""
    return any(chr(97 + line) * 20 in text for line in range(9))


async def test_a_key_of_many_lines_is_not_in_failures_nor_in_events() -> None:
    async with playbill.PipelineRunManager(types=[logs_in], secrets={"key": PEM}) as manager:
        run = await manager.start_run(
            pipeline(node("a", "logs_in", retry={"max_attempts": 2}, config={"key": "${secrets.key}"}))
        )
        events = [event async for event in run.events()]
        result = await run.result()
    assert "refused: Refused(" in str(result.error)
    assert not whole(repr(events))
    assert not whole(repr(result))


@playbill.node_type("chatty")
async def chatty(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Log its key in several ways."""
    key = node.config["key"]
    context.log.info("the key is %s at %d %%", key, 99)
    context.log.warning("%(key)r", {"key": key})
    context.log.error(f"100% {key}")  # noqa: G004 (as users do)
    for text, more in ((key, {}), ("without it", {"more": 1})):
        try:
            raise Refused(text)  # noqa: TRY301 (to have it logged)
        except Refused:
            context.log.exception("it was refused", extra=more)
    return {}


@pytest.mark.parametrize("a", ["a", "100%", "%s", "%d é"])
async def test_the_log_of_a_handler_shows_no_secret_and_any_id(a: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "playbill.node")
    async with playbill.PipelineRunManager(types=[chatty], secrets={"key": "hunter2"}) as manager:
        run = await manager.start_run(
            pipeline(node(a, "chatty", config={"key": "${secrets.key}"})), run_id="50%s", timeout_seconds=60
        )
        assert (await run.result()).status == "completed"
    logged = [record for record in caplog.records if record.name == "playbill.node"]
    texts = [record.getMessage() for record in logged]
    assert texts[:3] == [f"50%s/{a}#1: the key is *** at 99 %", f"50%s/{a}#1: '***'", f"50%s/{a}#1: 100% ***"]
    assert "Refused: ***" in texts[3]
    assert texts[4] == f"50%s/{a}#1: it was refused"
    assert logged[4].exc_info is not None
    assert {record.funcName for record in logged} == {"chatty"}
    assert vars(logged[4])["more"] == 1
    assert "hunter2" not in caplog.text


async def test_a_short_secret_leaves_the_words_of_an_error_as_they_are() -> None:
    @playbill.node_type("says")
    async def says(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        raise ValueError("a token was taken 7 times, of 17: ok?")

    secrets: dict[str, str | float] = {"a": "a", "ok": "ok", "seven": 7, "none": ""}
    async with playbill.PipelineRunManager(types=[says], secrets=secrets) as manager:
        result = await finished(manager, pipeline(node("a", "says")))
    assert str(result.error) == "ValueError: *** token was taken *** times, of 17: ***?"


@pytest.mark.real("processes")
async def test_a_handler_in_a_process_gets_its_secret_each_time_and_tells_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    config = {"key": "${secrets.key}", "basic": "${trigger.user + ':' + secrets.key}"}
    nodes = [node("a", "tells_all", config=config, isolation="process", retry={"max_attempts": 2, "base": 0.01})]
    definition = pipeline(*nodes)
    async with playbill.PipelineRunManager(types=[tells_all], secrets={"key": PEM}) as manager:
        for user in ("me", "you"):
            run = await manager.start_run(definition, {"user": user})
            events = [event async for event in run.events()]
            result = await run.result()
            assert f"as {user}" in str(result.error)
            assert not whole(repr(events))
    assert "out: ***" in caplog.text
    assert not whole(caplog.text)


@playbill.node_type("tells_all")
def tells_all(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Print and log its key, and fail with it."""
    user, _, key = node.config["basic"].partition(":")
    assert key == node.config["key"]
    print("\n".join(f"out: {line}" for line in key.splitlines()), flush=True)
    context.log.info("%r", key)
    coded = base64.b64encode(node.config["basic"].encode()).decode()
    raise playbill.NodeExecutionError(f"as {user}: {key!r} {coded}")


async def test_an_error_that_is_logged_as_a_tuple_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    @playbill.node_type("late")
    async def late(node: Any, inputs: Any, context: playbill.NodeContext) -> None:
        error = ValueError(node.config["key"])
        kept = (type(error), error, error.__traceback__)
        context.log.error("later", exc_info=kept)

    async with playbill.PipelineRunManager(types=[late], secrets={"key": "hunter2hunter2"}) as own:
        await finished(own, pipeline(node("a", "late", key="${secrets.key}")))
    assert "ValueError: ***" in caplog.text
    assert "hunter2" not in caplog.text


@playbill.node_type("shows_its_context")
async def shows_its_context(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, str]:
    """Return what a console would show of the context."""
    return {"repr": repr(context), "rich": pretty_repr(context)}


async def test_a_context_that_is_shown_shows_neither_secrets_nor_resources() -> None:
    secret = "a-long-secret"
    options: Any = {"types": [shows_its_context], "secrets": {"key": secret}, "resources": {"db": "a-password"}}
    async with playbill.PipelineRunManager(**options) as manager:
        run = await manager.start_run(
            pipeline(node("a", "shows_its_context", config={"key": "${secrets.key}"})), run_id="r"
        )
        shown = (await run.result()).outputs["a"]
    assert shown["repr"] == "<NodeContext r/a attempt=1>"
    assert shown["rich"] == "NodeContext(run_id='r', node_id='a', attempt=1)"
