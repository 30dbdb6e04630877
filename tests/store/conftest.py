"""A store on a real SQLite file and on a real PostgreSQL server, with a clock that tests can turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from edoc_connector.store import NewDelivery, Store
from edoc_connector.testing.postgres import Tables


class Clock:
    """A time that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    """The store's clock."""
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, tables: bytes, database_kind: Tables) -> str:
    """URL of a database; tests run on both engines, unless one names one."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres_url")
        return url
    if database_kind == "store":
        (tmp_path / "edoc.db").write_bytes(tables)
    return f"sqlite:///{tmp_path / 'edoc.db'}"


@pytest.fixture
def store(url: str, tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """An empty store."""
    with Store.open(url, spool=tmp_path / "spool", clock=clock) as opened:
        yield opened


@pytest.fixture
def new_delivery() -> Callable[..., NewDelivery]:
    """Makes deliveries to store."""

    def make(**changes: object) -> NewDelivery:
        values: dict[str, object] = {
            "agency": "H29.05",
            "document_id": "H29.05,2026/11/20,7816/SNV-VP",
            "business": "new",
            "targets": (),
            "code": "7816/SNV-VP",
            "subject": "V/v kết nối",
            "issued_on": date(2026, 11, 20),
            "spool_file": "0" * 32 + ".edxml",
            "sha256": "a" * 64,
            "size": 10,
            "fingerprint": "f" * 64,
            "recipients": (("G22", "Văn phòng Chính phủ"), ("H30", "UBND")),
        }
        return NewDelivery(**{**values, **changes})  # type: ignore[arg-type]

    return make
