"""What the tests of each framework share."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Which event loop runs the test."""
    return "asyncio"
