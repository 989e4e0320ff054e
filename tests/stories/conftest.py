"""What every story runs with."""

from collections.abc import AsyncIterator

import pytest

import playbill
from tests.stories import support


@pytest.fixture
async def manager() -> AsyncIterator[playbill.PipelineRunManager]:
    """A manager with short graces; whatever a story leaves behind is let go at its end."""
    resources = support.resources()
    async with playbill.PipelineRunManager(
        types=support.ALL, resources=resources, grace=0.05, kill_bound=0.05, secrets={"token": "hunter2"}
    ) as made:
        yield made
        resources["let_go"].set()
        resources["wake"].set()
