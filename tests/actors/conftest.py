"""A world of fake ports for each test, gone with it, and machines that break on demand."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from playbill.model.facts import Now
from tests.actors.support import World


@pytest.fixture(params=[True, False], ids=["by-call", "by-queue"])
def world(request: pytest.FixtureRequest) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(pipeline: dict[str, Any], **settings: Any) -> World:
        made.append(World(pipeline, **settings))
        made[-1].dispatcher.by_call = request.param
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have a machine raise when it gets a message of this class: always, or `times` times."""

    def arrange(
        machine: type[Any], message: type[Any], error: BaseException | None = None, times: int = 10**6
    ) -> None:
        left = [times]

        def broken(real: Callable[..., Any]) -> Callable[..., Any]:
            def action(self: Any, received: Any, now: Now, out: Any) -> Any:
                if left[0] > 0:
                    left[0] -= 1
                    raise error or ZeroDivisionError("a bug")
                return real(self, received, now, out)

            return action

        for rows in machine.ACTIONS.values():
            if message in rows:
                monkeypatch.setitem(rows, message, broken(rows[message]))

    return arrange
