"""What every test shares: asyncio as the only loop, and one Hypothesis profile."""

import os

import pytest
from hypothesis import settings

settings.register_profile("ci", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("ci")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests say ``pytestmark = pytest.mark.anyio``."""
    return "asyncio"
