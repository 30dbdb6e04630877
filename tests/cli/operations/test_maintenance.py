"""The commands reconcile, settle, prune and fsck."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edoc_connector.mockhub import Fault
from edoc_connector.testing import RunningHub, sample_document

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc, Ran


ID = sample_document().id


def test_unknown_outcomes_are_settled(office: Path, edoc: Edoc, send: Callable[[], Ran], mock_hub: RunningHub) -> None:
    """The hub is asked; what it will not tell a person settles (issue, "edoc reconcile")."""
    mock_hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    assert send().code == 75
    told = mock_hub.hub.config
    mock_hub.hub.config = told.__class__(data=told.data, recent_sent=False)
    asked = edoc("reconcile")
    assert (asked.code, "a person must decide" in asked.out, "cần người" in asked.out) == (1, True, True)
    assert edoc("settle", ID, "--not-arrived").code == 0
    mock_hub.hub.config = told
    assert send().code == 0
    assert "0 settled, 0 waiting, 0 for a person" in edoc("reconcile").out
    assert edoc("settle", ID, "--arrived").code == 1


def test_reconcile_prints_what_was_settled_and_what_waits(
    office: Path, edoc: Edoc, send: Callable[[], Ran], mock_hub: RunningHub
) -> None:
    """Exit code 0: nobody has to do anything (issue, "edoc reconcile")."""
    mock_hub.faults.add(Fault(kind="drop-before-accepting", path="/sendEdoc"))
    send()
    waits = edoc("reconcile")
    assert (waits.code, "waits until" in waits.out, ID in waits.out) == (0, True, True)
    mock_hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    (office / "document.json").write_text(
        sample_document(number="2", attachments=()).model_dump_json(), encoding="utf-8"
    )
    send()
    assert "settled: " + sample_document(number="2").id in edoc("reconcile").out


def test_what_was_refused_is_sent_again(
    office: Path, edoc: Edoc, send: Callable[[], Ran], mock_hub: RunningHub
) -> None:
    """`edoc resend` sends what failed; what the hub has it does not send (faults, rows 29 and 36)."""
    body = '{"status": "FAIL", "ErrorCode": "22", "ErrorDesc": "refused", "DocId": ""}'
    mock_hub.faults.add(Fault(kind="answer", path="/sendEdoc", body=body, media_type="application/json"))
    assert send().code != 0
    sent = edoc("resend", ID, "--by", "Văn thư A")
    assert (sent.code, ID in sent.out) == (0, True)
    again = edoc("resend", ID)
    assert (again.code, "nothing was sent" in again.out, "không gửi gì" in again.out) == (0, True, True)
    assert len(mock_hub.packets()) == 1
    assert edoc("resend", ID, "--what", "05").code == 1


def test_old_packets_are_removed_when_told_to(office: Path, edoc: Edoc, send: Callable[[], Ran]) -> None:
    """Dry by default (issue, "edoc prune")."""
    send()
    assert "would be removed" in edoc("prune", "--older-than", "0d").out
    assert "0 packets" in edoc("prune", "--older-than", "365d").out
    ran = edoc("prune", "--older-than", "0h", "--yes", "--minutes", "bb.txt", "--by", "Văn thư")
    assert "1 packets" in ran.out
    assert list((office / "spool").glob("??/*")) == []
    minutes = Path("bb.txt").read_text(encoding="utf-8")
    assert ("Văn thư" in minutes, ID in minutes) == (True, True)
    assert edoc("prune", "--older-than", "0h", "--yes", "--minutes", "bb.txt").code == 1
    assert edoc("prune", "--older-than", "soon").code == 1


def test_the_spool_is_checked(office: Path, edoc: Edoc, send: Callable[[], Ran]) -> None:
    """Exit code 1 as long as something is wrong (issue, "edoc fsck")."""
    send()
    assert edoc("fsck", "--deep").code == 0
    (packet,) = (office / "spool").glob("??/*")
    packet.write_bytes(b"x")
    ran = edoc("fsck", "--deep")
    assert (ran.code, "altered" in ran.out, "bản sao lưu" in ran.out) == (1, True, True)
    assert edoc("fsck", "--deep", "--repair").code == 1
