"""One loop and one warm spawner for a module's tests, except for those that hurt it."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from playbill.runtime.processes.spawner_client import SpawnerClient
from tests.runtime.processes.support import Bank, Lifeline, nothing_left, opened


@pytest.fixture(scope="module", params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(scope="module")
async def client(anyio_backend: object) -> AsyncIterator[SpawnerClient]:
    with nothing_left():
        made = SpawnerClient(asyncio.get_running_loop())
        yield made
        await made.aclose()


@pytest.fixture
async def bank(client: SpawnerClient) -> AsyncIterator[Bank]:
    async with opened(client=client) as made:
        yield made


@pytest.fixture
async def own_bank() -> AsyncIterator[Bank]:
    """A bank with a spawner of its own."""
    async with opened() as made:
        yield made


@pytest.fixture
def lifeline(tmp_path: Path) -> Iterator[Lifeline]:
    found = Lifeline(tmp_path / "lifeline")
    yield found
    os.close(found.descriptor)
