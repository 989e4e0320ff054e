"""A real HTTP server on the loopback, stopped with its test."""

import threading
from collections.abc import Iterator

import pytest

from tests.runtime.handlers.support import Server


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    thread = threading.Thread(target=found.http.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.go_on.set()
    found.http.shutdown()
    found.http.server_close()
    thread.join()
