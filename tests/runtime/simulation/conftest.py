"""No test of the simulation leaves an actor behind."""

from collections.abc import Iterator

import pytest
from pykka import ActorRegistry


@pytest.fixture(autouse=True)
def nobody_is_left() -> Iterator[None]:
    """Look at pykka's registry after each test, where what it left is its own."""
    before = ActorRegistry.get_all()
    yield
    assert [actor for actor in ActorRegistry.get_all() if actor not in before] == []
