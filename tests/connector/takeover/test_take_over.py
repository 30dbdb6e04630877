"""Documents in flight are taken over from an older connector, run beside it, undone and done again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.connector.takeover.old_connector import OldConnector

from edoc_connector.config import Settings
from edoc_connector.connector import Connector, ImportFileError, check_pack
from edoc_connector.errors import DocumentIdConflict, NotFound
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys
from edoc_connector.testing.office import MockOffice
from edoc_connector.worker import AgencyJobs

OURS, THEIRS = "H29.05", "G22"
COUNT = int(os.environ.get("EDOC_TEST_IMPORT", "8"))


class Beside:
    """The older connector and ours beside it, and the other agency."""

    def __init__(self, hub: RunningHub, settings: Settings, folder: Path) -> None:
        self.partner = MockOffice(hub, THEIRS, "Văn phòng Chính phủ")
        self.old = OldConnector(settings, folder / "old", self.partner.organization)
        self.new = Connector(settings)
        self.folder = folder
        self.hub = hub
        self.kept = 0  # checkpoints

    def close(self) -> None:
        """End both."""
        self.old.close()
        self.new.close()

    def poll(self) -> None:
        """Poll with ours, and tell the hub what came."""
        jobs = AgencyJobs(self.new)
        jobs.recover()
        jobs.poll(only_due=False)
        for work in (jobs.fetch, jobs.report):
            while work():
                pass

    def export(self) -> Path:
        """What the older connector exports now."""
        return self.old.export(self.folder / "export.csv")

    def find_status(self, document_id: str) -> str | None:
        """The last status of a document here."""
        status = self.new.delivery(document_id).recipients[0].status
        return None if status is None else str(status)

    def list_codes(self, document_id: str) -> list[str]:
        """The codes in the timeline of a document here."""
        return [one.to for one in self.new.delivery(document_id).timeline if one.recipient and one.to.isdigit()]

    def check_evidence(self, document_id: str) -> None:
        """Keep a checkpoint outside, and check the evidence here, and a pack of it, against all that were kept."""
        self.new.context.checkpoints.keep()
        assert self.new.fsck(deep=True) == []
        pack = self.new.evidence(document_id, out=self.folder / f"{len(list(self.folder.iterdir()))}.zip")
        checked = check_pack(pack, checkpoints=self.folder / "kept")
        assert checked.problems == ()
        assert checked.kept > self.kept
        self.kept = checked.kept


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> dict[str, str]:
    """Section ``store`` of the settings: SQLite, unless a test names the other database."""
    is_usual = getattr(request, "param", "sqlite") == "sqlite"
    return {} if is_usual else {"url": request.getfixturevalue("postgres_url")}


@pytest.fixture
def beside(
    mock_hub: RunningHub, edoc_settings: Callable[..., Settings], backend: dict[str, str], tmp_path: Path
) -> Iterator[Beside]:
    """An older connector and ours, of the same agency."""
    sections = {"store": backend, "evidence": {"checkpoints": str(tmp_path / "kept")}}
    key = agency_keys("Sở Nội vụ", organ_id=OURS, kind="p256").write_pem(tmp_path / "key.pem")
    settings = edoc_settings(OURS, name="Sở Nội vụ", signing={"key": key}, **sections)
    both = Beside(mock_hub, settings, tmp_path)
    yield both
    both.close()


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)
def test_documents_in_flight_run_beside_the_older_connector(beside: Beside) -> None:
    """Taken over, run beside until it is drained, undone and done again: nothing lost, nothing doubled.

    500 documents with ``EDOC_TEST_IMPORT=500``.
    """
    ids = [beside.old.draft(number) for number in range(1, COUNT + 1)]
    held, sent = ids[: COUNT // 8], ids[COUNT // 8 :]
    for one in sent:
        beside.old.send(one)
        beside.partner.answer(one, "01")
    beside.old.poll(COUNT // 2)  # the older one knows half of them
    beside.poll()  # ours took the rest, which it knows nothing of yet
    first = beside.new.import_documents(beside.export(), batch="first")
    assert (set(first.added), set(first.left), first.known) == (set(sent), set(held), ())
    assert {beside.find_status(one) for one in sent} == {"01"}
    assert first.adopted == len(sent) - COUNT // 2
    assert beside.new.import_documents(beside.export(), batch="first").unchanged == len(sent)
    # both poll while the older one is drained
    for one in held:
        beside.old.send(one)
    for one in ids:
        beside.partner.answer(one, "03", force=True)
    beside.old.poll(COUNT // 3)
    beside.poll()
    drained = beside.new.import_documents(beside.export(), batch="first")
    assert (set(drained.added), drained.left) == (set(held), ())
    assert {beside.find_status(one) for one in ids} == {"03"}
    assert len(beside.new.find_import("first").open) == COUNT
    beside.check_evidence(ids[0])
    # undone: what ours learnt goes back with the file, and what comes meanwhile is kept
    undone = beside.new.undo_import("first")
    assert (len(undone.documents), undone.kept) == (COUNT, ())
    assert {one.recipients[0].status for one in undone.documents} == {"03"}
    assert not list(beside.new.iter_deliveries())
    with pytest.raises(NotFound):
        beside.new.delivery(ids[0])
    beside.check_evidence(ids[0])
    for one in ids[: COUNT // 2]:
        beside.partner.answer(one, "06", force=True)
    beside.poll()
    again = beside.new.import_documents(beside.export(), batch="second")
    assert (set(again.added), again.adopted) == (set(ids), COUNT // 2)
    for one in ids[COUNT // 2 :]:
        beside.partner.answer(one, "06", force=True)
    beside.poll()
    assert {beside.find_status(one) for one in ids} == {"06"}
    assert beside.new.find_import("second").open == ()
    for one in ids:
        assert Counter(beside.list_codes(one)) <= Counter(["01", "03", "06"]), one
        assert beside.list_codes(one)[-1] == "06"
    at_hub = Counter(packet.message.id for packet in beside.partner.list_received())
    assert at_hub == Counter(ids)
    assert beside.new.flush().sent == 0
    assert len(list(beside.new.iter_deliveries())) == COUNT
    beside.check_evidence(ids[0])


def test_what_was_taken_over_is_never_sent_again(beside: Beside) -> None:
    """The document system sends once more what the older connector sent: that is refused, and nothing leaves."""
    document_id = beside.old.draft(1)
    beside.old.send(document_id)
    beside.new.import_documents(beside.export())
    document = sample_document(id=document_id, number="1")
    with pytest.raises(DocumentIdConflict):
        beside.new.send(document)
    assert len(beside.partner.list_received()) == 1
    taken_back = beside.new.take_back(document_id, reason="Gửi nhầm")
    assert taken_back.recipients[0].change == "asked"


def test_what_is_worked_on_here_stays_when_it_is_undone(beside: Beside) -> None:
    """A request that has not left keeps its document here; the others go."""
    ids = [beside.old.draft(number) for number in (1, 2)]
    for one in ids:
        beside.old.send(one)
    beside.new.import_documents(beside.export(), batch="b")
    beside.new.take_back(ids[0], reason="Gửi nhầm", queue=True)
    undone = beside.new.undo_import("b")
    assert (undone.kept, [one.document_id for one in undone.documents]) == ((ids[0],), [ids[1]])
    beside.new.flush()
    assert beside.new.undo_import("b").kept == ()
    assert beside.new.undo_import("b").documents == ()


def test_a_document_of_ours_is_left_as_it_is(beside: Beside) -> None:
    """What was sent from here, and stands in the file too, is not taken over: who sent it knows more."""
    document = sample_document(recipients=(beside.partner.organization,))
    beside.new.send(document)
    beside.old.documents[document.id] = beside.old.documents.pop(beside.old.draft(7816))
    beside.old.documents[document.id].hub_doc_id = "7"
    imported = beside.new.import_documents(beside.export(), batch="b")
    assert (imported.known, imported.added) == ((document.id,), ())
    assert beside.new.undo_import("b").documents == ()
    assert beside.new.delivery(document.id).state == "sent"


def test_received_documents_are_answered_from_here(beside: Beside) -> None:
    """A document that the older connector received and confirmed is finished here; undone, it is not seen."""
    document_id = beside.partner.send(to=OURS)
    (packet,) = [one for one in beside.hub.hub.storage.list_packets() if one.document_id == document_id]
    line = {"direction": "received", "document_id": document_id, "hub_doc_id": str(packet.id), "code": "7816/SNV-VP"}
    line |= {"issued_on": "2026-11-20", "sender": THEIRS, "status": "03", "register_number": "1234", "subject": "V/v"}
    path = beside.folder / "received.json"
    path.write_text(repr([line]).replace("'", '"'), encoding="utf-8")
    assert beside.new.import_documents(path, batch="b").added == (document_id,)
    assert beside.new.undo_import("b").documents[0].register_number == "1234"
    assert not list(beside.new.iter_receipts())
    assert beside.new.import_documents(path, batch="b").added == (document_id,)
    beside.new.receipt(document_id).complete()
    assert beside.partner.list_statuses(document_id)[-1] == "06"
    assert beside.new.find_import("b").open == ()


def test_a_file_with_bad_lines_changes_nothing(beside: Beside) -> None:
    """Every bad line is named, in both languages, and nothing is taken over."""
    good = ["id-1", "7", "1/A", "S", "2026-11-20", THEIRS, "01"]
    bad = [["id-2", "", "1/A", "S", "2026-11-20", THEIRS, ""], ["id-3", "8", "1/A", "S", "soon", THEIRS, "99"], good]
    heads = ["document_id", "hub_doc_id", "code", "subject", "issued_on", "recipient", "status"]
    path = beside.folder / "bad.csv"
    path.write_text("\n".join(",".join(line) for line in [heads, good, *bad]), encoding="utf-8")
    with pytest.raises(ImportFileError) as raised:
        beside.new.import_documents(path)
    assert [one.en.partition(":")[0] for one in raised.value.problems] == ["3", "4", "5"]
    assert "hub_doc_id" in raised.value.vi
    assert not list(beside.new.iter_deliveries())
    for content in ("a,b\n1,2\n", "{", "[1]"):
        other = path.with_suffix(".csv" if "," in content else ".json")
        other.write_text(content, encoding="utf-8")
        with pytest.raises(ImportFileError):
            beside.new.import_documents(other)
    with pytest.raises(ImportFileError, match="cannot be read"):
        beside.new.import_documents(path.with_name("gone.csv"))
    with pytest.raises(NotFound):
        beside.new.undo_import("nowhere")
