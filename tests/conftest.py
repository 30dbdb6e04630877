"""Fixtures for every test."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Packets, captured requests and vectors of other people's software, which lie beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the collected samples are not beside this checkout")
    return SHARED
