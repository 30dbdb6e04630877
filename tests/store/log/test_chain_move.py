"""Chains of the first form become the beginning of the log, also when the upgrade is interrupted."""

from __future__ import annotations

import hashlib
import json
import os
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from edoc_connector.errors import StoreError
from edoc_connector.evidence import GENESIS, as_canonical_json, compute_chain_hash, compute_digest
from edoc_connector.store import Store, migrate, upgrade
from edoc_connector.store.log import chain_move

pytestmark = pytest.mark.database("none")

AGENCY, OTHER = "H29.05", "G22"
DOCUMENTS = int(os.environ.get("EDOC_TEST_CHAIN", "5000"))
_AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
_INSERT = text(
    "INSERT INTO evidence (agency, sequence, at, kind, subject, subject_id, entry, digest, hash) VALUES "
    "(:agency, :sequence, :at, 'change', 'receipt', :subject_id, :entry, :digest, :hash)"
)


def chain(agency: str, entries: int) -> Iterator[dict[str, Any]]:
    """The rows of a chain, three entries for each document."""
    previous = GENESIS
    for sequence in range(1, entries + 1):
        document, step = divmod(sequence - 1, 3)
        values = {
            "agency": agency, "sequence": sequence, "actor": agency, "kind": "change", "subject": "receipt",
            "at": (_AT + timedelta(seconds=sequence)).isoformat(timespec="microseconds"), "subject_id": document + 1,
            "document_id": f"G22,2026/11/20,{document}/VPCP", "new": ("listed", "waiting", "handled")[step],
            "sha256": hashlib.sha256(str(document).encode()).hexdigest(), "detail": "nhận ‖ received",
        }  # fmt: skip
        entry = as_canonical_json(values)
        digest = compute_digest(entry)
        previous = compute_chain_hash(previous, digest)
        yield {
            "agency": agency, "sequence": sequence, "at": str(values["at"]).replace("T", " ")[:26],
            "subject_id": document + 1, "entry": entry, "digest": digest, "hash": previous,
        }  # fmt: skip


@pytest.fixture
def old(url: str) -> str:
    """A database of the revision before, without entries."""
    engine = create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0009")
    engine.dispose()
    return url


def fill(url: str, rows: list[dict[str, Any]]) -> None:
    """Put rows into the chain."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(_INSERT, rows)
    engine.dispose()


@pytest.mark.parametrize("url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.nightly)], indirect=True)
def test_thousands_of_documents_interrupted_in_the_middle(
    old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was moved stays moved, the rest follows, in little memory; every entry is as it was ("Old stores")."""
    rows = list(chain(AGENCY, 3 * DOCUMENTS))
    fill(old, rows + list(chain(OTHER, 7)))
    move_batch, moved = chain_move._move_batch, 0

    def interrupted(*args: Any) -> Any:
        nonlocal moved
        found = move_batch(*args)
        moved += 1
        if moved == 6:
            raise KeyboardInterrupt
        return found

    with monkeypatch.context() as patch:
        patch.setattr(chain_move, "_move_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            upgrade(old)
    with pytest.raises(StoreError, match="edoc db upgrade"):
        Store.open(old, spool=tmp_path / "spool")
    tracemalloc.start()
    assert upgrade(old) == migrate.SCHEMA_REVISION
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20
    with Store.open(old, spool=tmp_path / "spool") as store, store.snapshot() as tx:
        *leaves, sealed = tx.evidence_log.read_entries(AGENCY)
        assert [one.canonical.decode() for one in leaves] == [row["entry"] for row in rows]
        facts = sealed.parse().list_facts()[0]
        assert (facts["sealed_sequence"], facts["sealed_hash"]) == (len(rows), rows[-1]["hash"])
        assert tx.evidence_log.find_fault(AGENCY) is None
        assert tx.evidence_log.find_fault(OTHER) is None
        assert tx.evidence_log.read_size(OTHER) == 8
        found = tx.evidence_log.list_entries_about(AGENCY, {"receipt": [5000]})
        assert [json.loads(one.canonical)["new"] for one in found] == ["listed", "waiting", "handled"]
    with Store.open(old, spool=tmp_path / "spool") as store:
        with store.transaction("clerk") as tx:
            tx.audit_log.record("packet", None, 0, {}, agency=AGENCY)
        store.link_evidence(AGENCY)
        with store.snapshot() as tx:
            assert tx.evidence_log.read_size(AGENCY) == len(rows) + 2
            assert tx.evidence_log.find_fault(AGENCY) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"entry": '{"agency":"H29.05"}'}, "entry 4 was changed"),
        ({"hash": "0" * 64}, "entry 4 does not follow"),
        (None, "entry 4 is missing; 5 follows"),
    ],
)
def test_a_chain_that_was_broken_before_stays_so(
    old: str, tmp_path: Path, change: dict[str, str] | None, words: str
) -> None:
    """The upgrade heals nothing: where the chain broke is sealed with it, and checking says so."""
    rows = list(chain(AGENCY, 9))
    if change is None:
        del rows[3]
    else:
        rows[3] |= change
    fill(old, rows)
    upgrade(old)
    with Store.open(old, spool=tmp_path / "spool") as store, store.snapshot() as tx:
        fault = tx.evidence_log.find_fault(AGENCY)
        assert fault is not None
        *_, sealed = tx.evidence_log.read_entries(AGENCY)
        assert words in sealed.parse().list_facts()[0]["broken"]


def test_a_store_without_entries(old: str, tmp_path: Path) -> None:
    """It gets a log with its first entry."""
    upgrade(old)
    with Store.open(old, spool=tmp_path / "spool") as store, store.snapshot() as tx:
        assert tx.evidence_log.read_origin(AGENCY) is None
        assert tx.evidence_log.find_fault(AGENCY) is None
