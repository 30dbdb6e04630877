"""Fixtures for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edoc_connector.testing.postgres import PostgresServer

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Packets, captured requests and vectors of other people's software, which lie beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the collected samples are not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server; each process of a parallel run has its own."""
    with PostgresServer() as server:
        yield server


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their kind only: made at import, with the time in them, they would differ between processes."""
    return "bytes" if isinstance(val, bytes) else None
