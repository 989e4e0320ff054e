"""What every test shares: asyncio as the only loop, and one Hypothesis profile."""

import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator

import pytest
from hypothesis import Phase, settings

from tests.warm import programs

settings.register_profile("dev", deadline=None)
# On CI the same examples every time, and a failure as it was found: making it smaller takes minutes.
found = tuple(phase for phase in Phase if phase is not Phase.shrink)
settings.register_profile("ci", deadline=None, derandomize=True, phases=found)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
# Commands that tests call leave nothing in the project's folder; who tests what they keep says where.
os.environ["PLAYBILL_JOURNAL"] = "memory"
# A shell's background job ignores it, and hands that on to all programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Name the thread after its test: of one that hangs, the stacks are all that is left."""
    threading.main_thread().name = item.nodeid
    return (yield)


@pytest.fixture
def anyio_backend() -> str:
    """Async tests say ``pytestmark = pytest.mark.anyio``."""
    return "asyncio"


@pytest.fixture(autouse=True, scope="session")
def no_server_is_left() -> Iterator[None]:
    """End the server that has become the programs of tests, if there was one."""
    yield
    programs.close()


@pytest.fixture(autouse=True)
def no_types_of_other_tests() -> Iterator[None]:
    """Forget the node types that a test has defined: a manager without `types=` would find them."""
    yield
    if (discovery := sys.modules.get("playbill.runtime.definitions.discovery")) is not None:
        for origin in [origin for origin in discovery.DECORATED if "<" in origin]:
            del discovery.DECORATED[origin]
