"""Search of agencies, by the full-text index of either database."""

from __future__ import annotations

import pytest

from edoc_connector.store import DirectoryEntry, Store

AGENCY = "H29.05"
ENTRIES = [
    DirectoryEntry(code="H29.06", name="Sở Nội vụ", other_code="000.00.06.H29"),
    DirectoryEntry(code="H29.06.01", name="Phòng Tổ chức, Sở Nội vụ"),
    DirectoryEntry(code="H30.06", name="Sở Nội vụ tỉnh Đắk Lắk"),
    DirectoryEntry(code="H29.62", name="Văn phòng 06"),
    DirectoryEntry(code="vxp.saas.03", name="Đơn vị kiểm thử"),
]


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with a directory, and another agency's."""
    with store.transaction() as tx:
        tx.directory.take_list(AGENCY, "hub", ENTRIES)
        tx.directory.take_list("H31", "other hub", [DirectoryEntry(code="H31", name="Sở Nội vụ khác")])
    return store


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("so noi vu", ["H29.06", "H30.06", "H29.06.01"]),
        ("Sở NỘI vụ", ["H29.06", "H30.06", "H29.06.01"]),
        ("noi vu dak", ["H30.06"]),
        ("dong don vi", []),
        ("don vi kiem", ["vxp.saas.03"]),
        ("H29.06", ["H29.06", "H29.06.01", "H29.62"]),
        ("000.00.06.h29", ["H29.06"]),
        ("h30", ["H30.06"]),
        ('" OR NEAR(', []),
        ("so & ! | :* ' noi", ["H29.06", "H30.06", "H29.06.01"]),
        ("%_", []),
        ("", []),
    ],
)
def test_found(filled: Store, text: str, codes: list[str]) -> None:
    """Beginnings of words, without diacritics, code or name, the best first (issue, "so noi vu")."""
    with filled.snapshot() as tx:
        assert [row.code for row in tx.directory.search(AGENCY, text, limit=10)] == codes


def test_ended_ones_come_last(filled: Store) -> None:
    """Codes that ended are found behind those that live, or alone, or not at all (issue, "life of a code")."""
    with filled.transaction() as tx:
        tx.directory.take_list(AGENCY, "hub", ENTRIES[1:])
        tx.directory.take_own_list(
            AGENCY, [DirectoryEntry(code="H30.06", name="Sở Nội vụ Tây Nguyên", successor="H29.06")]
        )
        found = {
            ended: [row.code for row in tx.directory.search(AGENCY, "so noi vu", ended=ended, limit=10)]
            for ended in (None, True, False)
        }
        assert found[None][0] == "H29.06.01"
        assert (set(found[True]), found[False]) == ({"H29.06", "H30.06"}, ["H29.06.01"])
        assert [row.code for row in tx.directory.search(AGENCY, "tay nguyen", limit=10)] == ["H30.06"]
