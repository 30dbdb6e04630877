"""The command send, between two agencies on a real hub."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.testing import RunningHub, sample_document

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


def test_a_document_goes_there_and_its_statuses_come_back(
    offices: dict[str, Path], sent: str, edoc: Edoc, tmp_path: Path
) -> None:
    """send, receive, status 03 to 06, show: what a clerk would type (business rules, "Status codes")."""
    ours, theirs = offices["H29.05"], offices["G22"]
    (received,) = json.loads(edoc("receive", "-c", theirs, "--save", "in", "--json").out)
    assert received["document_id"] == sent
    assert Path(received["saved"][0]).read_bytes() == (tmp_path / "a.pdf").read_bytes()
    for code in ("03", "04", "05", "06"):
        assert edoc("status", sent, code, "-c", theirs).code == 0
    (came,) = json.loads(edoc("receive", "-c", ours, "--json").out)
    assert (came["kind"], came["sender"], came["statuses"]) == ("status", "G22", ["01", "03", "04", "05", "06"])
    (delivery,) = json.loads(edoc("deliveries", "-c", ours, "--json").out)["items"]
    assert delivery["recipients"][0]["status"] == "06"
    shown = edoc("show", sent, "-c", ours)
    assert "Hoàn thành" in shown.out
    assert "Trục đã nhận" in shown.out
    assert sent in edoc("show", sent, "-c", theirs).out
    assert json.loads(edoc("show", sent, "-c", theirs, "--json").out)["status"] == "06"


def test_sending_again_makes_no_second_document(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """The same command is one delivery."""
    again = edoc("send", "document.json", "--attach", "a.pdf", "-c", offices["H29.05"])
    assert again.code == 0
    assert len(json.loads(edoc("deliveries", "-c", offices["H29.05"], "--json").out)["items"]) == 1


def test_a_status_file_is_not_sent_as_a_document(offices: dict[str, Path], edoc: Edoc, tmp_path: Path) -> None:
    """`edoc send` says which command is the right one."""
    (tmp_path / "status.json").write_text(
        '{"sender": {"id": "G22", "name": "x"}, "response_for": {}, "code": "03", "timestamp": null}'
    )
    ran = edoc("send", "status.json", "-c", offices["H29.05"])
    assert ran.code == 1
    assert "edoc status" in ran.err


def test_a_hub_that_is_down_loses_nothing(offices: dict[str, Path], edoc: Edoc, mock_hub: RunningHub) -> None:
    """The document is stored, the error says what to do, and the same command later succeeds."""
    mock_hub.stop()
    ran = edoc("send", "document.json", "--attach", "a.pdf", "-c", offices["H29.05"])
    assert ran.code == 75
    (kept,) = json.loads(edoc("deliveries", "-c", offices["H29.05"], "--json").out)["items"]
    assert kept["state"] == "ready"
    mock_hub.start()
    assert edoc("send", "document.json", "--attach", "a.pdf", "-c", offices["H29.05"]).code == 0


def test_a_document_without_files_is_warned_of(offices: dict[str, Path], edoc: Edoc) -> None:
    """It goes out all the same: a document may be its fields only."""
    ran = edoc("send", "document.json", "-c", offices["H29.05"])
    assert ran.code == 0
    assert "no file is attached" in ran.err
    assert "chưa đính kèm tệp nào" in ran.err


def test_a_request_in_json_is_pointed_to_its_command(offices: dict[str, Path], edoc: Edoc, tmp_path: Path) -> None:
    """`edoc send` sends new documents; a recall has a command of its own."""
    recall = json.loads(sample_document().model_dump_json()) | {"business": {"type": 1, "reason": "x"}}
    (tmp_path / "recall.json").write_text(json.dumps(recall), encoding="utf-8")
    ran = edoc("send", "recall.json", "-c", offices["H29.05"])
    assert ran.code == 1
    assert "edoc recall" in ran.err


def test_a_document_another_process_is_sending(
    offices: dict[str, Path], edoc: Edoc, tmp_path: Path, mock_hub: RunningHub
) -> None:
    """The same command meanwhile does not say that the hub has it: exit code 75, and when to try again."""
    ours = offices["H29.05"]
    ours.write_text(ours.read_text(encoding="utf-8") + "[limits]\nlease = 600\n", "utf-8")
    mock_hub.stop()
    edoc("send", "document.json", "--attach", "a.pdf", "-c", ours)
    mock_hub.start()
    _held_by_another(tmp_path / "H29.05" / "edoc.db")
    ran = edoc("send", "document.json", "--attach", "a.pdf", "-c", ours)
    assert ran.code == 75
    assert "another process may be sending it. Run the command again after 600 seconds" in ran.err
    assert "1 being sent" in edoc("reconcile", "-c", ours).out


def _held_by_another(database: Path) -> None:
    """The delivery in the hands of another process, as Ctrl-C in the middle of a send leaves it."""
    until = datetime.now(UTC) + timedelta(seconds=300)
    connection = sqlite3.connect(database)
    with connection:
        connection.execute(
            "UPDATE deliveries SET state = 'sending', lease_owner = 'another', fence = 1, lease_until = ?",
            (f"{until:%Y-%m-%d %H:%M:%S.%f}",),
        )
    connection.close()


@pytest.mark.parametrize("level", ["Mật", "TỐI MẬT", "tuyệt mật"])
def test_a_state_secret_is_refused(level: str, office: Path, edoc: Edoc) -> None:
    """With --classification, or the same in the JSON, nothing is stored or sent (Decision 28/2018/QĐ-TTg)."""
    ran = edoc("send", "document.json", "--classification", level)
    assert ran.code == 1
    assert "classification is" in ran.err
    assert "Decision 28/2018" in ran.err
    document = json.loads((office / "document.json").read_text(encoding="utf-8"))
    (office / "document.json").write_text(json.dumps(document | {"classification": level}), encoding="utf-8")
    assert "a state secret" in edoc("send", "document.json").err
    assert edoc("build", "document.json", "--out", "x.edxml").code == 1
    assert list((office / "spool").glob("??/*")) == []


def test_an_unknown_level_is_named(office: Path, edoc: Edoc) -> None:
    """A level that is none is an error with the levels, not a document that goes out."""
    ran = edoc("send", "document.json", "--classification", "Khẩn")
    assert ran.code == 1
    assert "Mật, Tối mật, Tuyệt mật" in ran.err


def test_a_mark_is_warned_of_and_sent(office: Path, edoc: Edoc) -> None:
    """A mark in the subject is a warning in both languages; the document goes (issue, never a refusal)."""
    document = json.loads((office / "document.json").read_text(encoding="utf-8"))
    (office / "document.json").write_text(json.dumps(document | {"subject": "Báo cáo MẬT"}), encoding="utf-8")
    ran = edoc("send", "document.json")
    assert ran.code == 0
    assert "the mark MẬT" in ran.err
    assert "bí mật nhà nước" in ran.err


def test_a_deadline_is_set_and_shown(offices: dict[str, Path], edoc: Edoc) -> None:
    """`--deadline` takes a span or a time, and shows in JSON; what is neither, or over, is an error."""
    command = ("send", "document.json", "--attach", "a.pdf", "-c", offices["H29.05"], "--json")
    for text in ("soon", "2020-01-01"):
        wrong = edoc(*command, "--deadline", text)
        assert wrong.code != 0
        assert "2026-11-20" in wrong.err or "is over already" in wrong.err
    assert json.loads(edoc("deliveries", "-c", offices["H29.05"], "--json").out)["items"] == []
    sent = json.loads(edoc(*command, "--deadline", "4h").out)
    assert sent["deadline"] > sent["created_at"]
    assert sent["expired_at"] is None
    assert sent["recipients"][0]["refused_at"] is None


def test_a_dry_run_says_what_would_be_sent(
    offices: dict[str, Path], edoc: Edoc, mock_hub: RunningHub, tmp_path: Path
) -> None:
    """--dry-run checks and builds, stores nothing, and calls no hub (in other software, point 8)."""
    mock_hub.stop()
    ours = offices["H29.05"]
    command = ("send", "document.json", "--attach", "a.pdf", "--dry-run", "-c", ours)
    ran = edoc(*command, "--json")
    told = json.loads(ran.out)
    assert (ran.code, told["known_state"], told["is_signed"]) == (0, None, False)
    assert told["size"] > (tmp_path / "a.pdf").stat().st_size
    shown = edoc(*command).out
    assert "Nothing was stored or sent" in shown
    assert "Chưa lưu, chưa gửi" in shown
    assert json.loads(edoc("deliveries", "-c", ours, "--json").out)["items"] == []
    assert list((tmp_path / "H29.05" / "spool").rglob("*.edxml")) == []
    wrong = json.loads((tmp_path / "document.json").read_text(encoding="utf-8")) | {"subject": ""}
    (tmp_path / "wrong.json").write_text(json.dumps(wrong), encoding="utf-8")
    assert edoc("send", "wrong.json", "--dry-run", "-c", ours).code == 1
    edoc("send", "document.json", "--attach", "a.pdf", "--queue", "-c", ours)
    assert json.loads(edoc(*command, "--json").out)["known_state"] == "ready"
    mock_hub.start()


def test_a_document_is_queued(offices: dict[str, Path], edoc: Edoc, mock_hub: RunningHub) -> None:
    """--queue stores it and ends with 0 while the hub is down; the worker sends it (in other software, point 8)."""
    ours = offices["H29.05"]
    mock_hub.stop()
    ran = edoc("send", "document.json", "--attach", "a.pdf", "--queue", "--json", "-c", ours)
    assert (ran.code, json.loads(ran.out)["state"]) == (0, "ready")
    mock_hub.start()
    assert edoc("worker", "--once", "-c", ours).code == 0
    (sent,) = json.loads(edoc("deliveries", "-c", ours, "--json").out)["items"]
    assert sent["state"] == "sent"


def _write_changed(path: Path, **changes: str) -> None:
    """Write another document than the one in document.json beside it."""
    document = json.loads(path.with_name("document.json").read_text(encoding="utf-8")) | changes
    del document["id"]
    path.write_text(json.dumps(document), encoding="utf-8")


def test_documents_are_updated_and_replaced_by_number(
    offices: dict[str, Path], sent: str, edoc: Edoc, tmp_path: Path
) -> None:
    """update and replace name the document by 7816/SNV-VP, and so does show (in other software, point 8)."""
    ours, theirs = offices["H29.05"], offices["G22"]
    _write_changed(tmp_path / "newer.json", number="7817")
    common = ("--attach", "a.pdf", "-m", "Sửa", "-c", ours, "--json")
    updated = json.loads(edoc("update", "7816/SNV-VP", "document.json", *common).out)
    assert (updated["business"], updated["targets"]) == ("update", [sent])
    replaced = json.loads(edoc("replace", "7816/SNV-VP", "newer.json", *common).out)
    assert (replaced["business"], replaced["targets"]) == ("replace", [sent])
    assert json.loads(edoc("show", "7816/SNV-VP", "--json", "-c", ours).out)["document_id"] == sent
    edoc("receive", "-c", theirs)
    assert edoc("status", "7816/SNV-VP", "03", "-c", theirs).code == 0
    assert edoc("explain", "7816/SNV-VP", "-c", theirs).out.startswith("Received 7816/SNV-VP from H29.05")


def test_a_number_that_several_documents_have_is_no_name(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """Two documents of one number, of two years: the ids are named, nothing is guessed (in other software, point 8)."""
    ours = offices["H29.05"]
    _write_changed(Path("again.json"), issued_on="2025-11-20")
    assert edoc("send", "again.json", "--attach", "a.pdf", "-c", ours).code == 0
    ran = edoc("recall", "7816/SNV-VP", "-m", "Nhầm", "-c", ours)
    assert ran.code == 1
    assert sent in ran.err
    assert "có nhiều văn bản mang số 7816/SNV-VP" in ran.err
