"""Whatever a handler, its config or its output does when it is looked at, the attempt ends, and says why."""

from collections import UserDict
from collections.abc import Callable, Iterator
from typing import Any

import pydantic
import pytest

import playbill
from playbill.model.plain_text import MAX_TEXT_BYTES
from tests.stories.support import finished, node, pipeline

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager
EVILS = [KeyError("x"), SystemExit(3), KeyboardInterrupt()]
evils = pytest.mark.parametrize("evil", EVILS, ids=lambda evil: type(evil).__name__)
kinds = pytest.mark.parametrize(
    "threaded", [False, pytest.param(True, marks=pytest.mark.real("a handler in a thread"))]
)


def made(body: Callable[[], Any], *, threaded: bool) -> Any:
    """Return a node type whose handler does nothing but `body`."""

    async def on_loop(node: Any, inputs: Any, context: Any) -> Any:
        return body()

    def in_thread(node: Any, inputs: Any, context: Any) -> Any:
        return body()

    return playbill.node_type("odd")(in_thread if threaded else on_loop)


async def ended(body: Callable[[], Any], *, threaded: bool) -> Any:
    """Run a handler once and return how its node ended; nothing is left of the attempt."""
    async with playbill.PipelineRunManager(types=[made(body, threaded=threaded)]) as manager:
        definition = pipeline(node("a", "odd", retry={"max_attempts": 1}), timeout=20)
        result = await finished(manager, definition)
        assert manager.orphans == 0
        assert result.status == "failed"
        return result.node_results["a"].error


def raising(place: str, evil: BaseException) -> Callable[[], Any]:
    """Return a body that raises an error which raises `evil` when it is asked for `place`."""

    def fails(self: Any, *_: Any) -> Any:
        raise evil

    value: Any = property(fails) if place in {"__notes__", "retry_after", "__class__"} else fails
    kind = type("Evil", (Exception,), {place: value})

    def body() -> Any:
        raise kind("evil")

    return body


@kinds
@evils
@pytest.mark.parametrize("place", ["__getattr__", "retry_after", "__notes__", "__str__", "__repr__", "__class__"])
async def test_an_error_that_raises_when_it_is_asked_fails_its_node(
    place: str, evil: BaseException, *, threaded: bool
) -> None:
    error = await ended(raising(place, evil), threaded=threaded)
    assert (error.type, error.retryable) == ("Evil", True)


class Odd(UserDict[str, Any]):
    """An output that raises when it is read."""

    def __init__(self, evil: BaseException) -> None:
        self.evil = evil

    def __iter__(self) -> Iterator[str]:
        raise self.evil


@kinds
@evils
async def test_an_output_that_raises_when_it_is_read_fails_its_node(evil: BaseException, *, threaded: bool) -> None:
    error = await ended(lambda: Odd(evil), threaded=threaded)
    if isinstance(evil, Exception):
        assert (error.type, error.retryable) == ("NodeConfigError", False)
        assert "its output is Odd, which cannot be read: KeyError" in error.message
    else:
        assert error.type == type(evil).__name__


@evils
async def test_a_config_whose_check_raises_anything_fails_its_node(evil: BaseException) -> None:
    class Picky(pydantic.BaseModel):
        x: int

        @pydantic.field_validator("x")
        @classmethod
        def check(cls, value: int) -> int:  # noqa: ARG003 (whatever is given)
            raise evil

    @playbill.node_type("picky", config=Picky)
    async def picky(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {}

    async with playbill.PipelineRunManager(types=[picky]) as manager:
        result = await finished(manager, pipeline(node("a", "picky", x="${1 + 1}")))
        assert result.node_results["a"].error is not None
        assert result.node_results["a"].error.type == type(evil).__name__


@kinds
async def test_the_texts_of_a_failure_are_bounded_and_say_what_was_cut(*, threaded: bool) -> None:
    def body() -> Any:
        raise OSError("x" * 10_000_000)

    error = await ended(body, threaded=threaded)
    for text in (error.message, error.traceback):
        assert len(text.encode()) <= MAX_TEXT_BYTES
        assert "bytes were cut" in text
    assert "in body" in error.traceback


def config_of(whole: str) -> dict[str, Any]:
    return node("a", "say", whole=whole, text=f"at {whole}!")


async def test_a_secret_may_be_a_number_and_keeps_its_type() -> None:
    async with playbill.PipelineRunManager(types=[made_say()], secrets={"port": 5432, "rate": 0.25}) as manager:
        result = await finished(manager, pipeline(config_of("${secrets.port}")))
        assert result.outputs["a"] == {"whole": 5432, "text": "at 5432!"}
        result = await finished(manager, pipeline(config_of("${secrets.rate}")))
        assert result.outputs["a"] == {"whole": 0.25, "text": "at 0.25!"}


def made_say() -> Any:
    @playbill.node_type("say")
    async def say(node: playbill.PipelineNode, inputs: Any, context: Any) -> dict[str, Any]:
        return dict(node.config)

    return say


@kinds
async def test_a_secret_that_is_a_number_is_hidden_and_the_attempt_ends(*, threaded: bool) -> None:
    def fails(node: playbill.PipelineNode, inputs: Any, context: Any) -> dict[str, Any]:
        raise ValueError(f"no answer at {node.config['port']!r}, {node.config['word']!r}")

    async def fails_on_loop(node: playbill.PipelineNode, inputs: Any, context: Any) -> dict[str, Any]:
        return fails(node, inputs, context)

    odd = playbill.node_type("odd")(fails if threaded else fails_on_loop)
    secrets: dict[str, str | float] = {"port": 5432, "short": "ab", "word": "abc\n'\"d"}
    async with playbill.PipelineRunManager(types=[odd], secrets=secrets) as manager:
        definition = pipeline(node("a", "odd", port="${secrets.port}", word="${secrets.word}"))
        result = await finished(manager, definition)
    assert str(result.error) == "ValueError: no answer at ***, '***'"


class Text(str):
    """A text of another class."""

    __slots__ = ()

    def __str__(self) -> str:
        return "***"


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ({"key": b"bytes"}, "secret 'key' is bytes: a secret is a text or a number"),
        ({"key": None}, "secret 'key' is NoneType"),
        ({"key": True}, "secret 'key' is bool"),
        ({"key": {"inner": "x"}}, "secret 'key' is dict"),
        ({"key": pydantic.SecretStr("x")}, "secret 'key' is SecretStr"),
        ({1: "x"}, "secrets: its key 1 is not text"),
        (["x"], "secrets is a mapping of names to texts or numbers, not list"),
        ({"key": 2**63}, "secret 'key' is a number that no config can hold"),
        ({"key": float("nan")}, "secret 'key' is a number that no config can hold"),
    ],
)
def test_a_secret_that_is_of_no_use_is_refused_where_it_is_given(secrets: Any, said: str) -> None:
    with pytest.raises(playbill.DefinitionError, match=said):
        playbill.PipelineRunManager(secrets=secrets)


async def test_a_secret_of_a_texts_subclass_is_that_text() -> None:
    async with playbill.PipelineRunManager(types=[made_say()], secrets={"key": Text("hunter2")}) as manager:
        result = await finished(manager, pipeline(config_of("${secrets.key}")))
        assert result.outputs["a"] == {"whole": "hunter2", "text": "at hunter2!"}


async def test_a_number_of_too_many_digits_is_no_output() -> None:
    @playbill.node_type("counts")
    async def counts(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {"n": 10**5000}

    async with playbill.PipelineRunManager(types=[counts]) as manager:
        result = await (await manager.start_run({"nodes": [{"id": "a", "type": "counts"}]})).result()
    assert str(result.error).startswith("NodeConfigError: node 'a'")


LONG = "k" + "0123456789" * 7
"""A secret that texts cut."""


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("top secret/é", "http://h/x?k=top%20secret%2F%C3%A9"),
        ("top secret/é", "k=top+secret%2F%C3%A9"),
        ("top secret/é", repr("top secret/é".encode())),
        ("top secret/é", ascii("top secret/é")),
        (LONG, f"not {LONG[:50]}..."),
        (LONG, f"...{LONG[-40:]} is all"),
    ],
)
async def test_a_secret_handed_on_is_hidden_in_every_form_also_cut(secret: str, shown: str) -> None:
    @playbill.node_type("tells")
    async def tells(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        raise playbill.NodeConfigError(shown)

    async with playbill.PipelineRunManager(types=[tells], secrets={"key": secret}) as manager:
        result = await (await manager.start_run({"nodes": [{"id": "a", "type": "tells"}]})).result()
    error = str(result.error)
    assert "***" in error
    assert not any(secret[start : start + 16] in error for start in range(len(secret) - 15))
    assert "secret" not in error
