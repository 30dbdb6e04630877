"""What tells that another store is used for the agency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import OtherStore, OtherStoreSigns
from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connector.conftest import Handle, Office


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)
def test_row_40_what_recipients_report_on_and_this_store_never_sent(
    office: Office, tmp_path: Path, handle: Handle
) -> None:
    """Another machine sent a document: its statuses come here, and tell of it (faults, row 40)."""
    other = office("H29.05", store={"url": f"sqlite:///{tmp_path / 'other.db'}", "spool": str(tmp_path / "other")})
    strange = other.send(sample_document(number="1")).id
    other.close()
    ours = office("H29.05")
    ours.send(sample_document(number="2"))
    assert not ours.find_other_store()
    partner = office("G22", store={"url": f"sqlite:///{tmp_path / 'G22.db'}", "spool": str(tmp_path / "G22")})
    handle(partner)
    handle(ours)
    found = ours.find_other_store()
    assert found
    assert found == OtherStoreSigns(seen=None, unknown_documents=(strange,))


def test_row_40_a_store_that_is_in_use_now(office: Office, tmp_path: Path, handle: Handle) -> None:
    """What is seen is told as data, and nothing is refused by asking (faults, row 40)."""
    first = office("H29.05")
    handle(first)
    second = office("H29.05", store={"url": f"sqlite:///{tmp_path / 'other.db'}", "spool": str(tmp_path / "other")})
    found = second.find_other_store()
    assert found.seen is not None
    assert isinstance(found.seen, OtherStore)
    assert found.seen.database == first.context.store.database
    assert not first.find_other_store()
