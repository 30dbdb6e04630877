"""The commands recall, take-back and directory, and what send says of what it should not send."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from edoc_connector.testing import RunningHub, sample_document

Edoc = Callable[..., Any]


def test_a_document_is_recalled(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """The receiver gets the request and answers it (business rules, "Recall")."""
    edoc("receive", "-c", offices["G22"])
    ran = edoc("recall", sent, "--reason", "Ban hành nhầm", "-c", offices["H29.05"], "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["business"] == "recall"
    (asked,) = json.loads(edoc("receive", "-c", offices["G22"], "--json").out)
    assert asked["kind"] == "recall"
    assert edoc("status", sent, "15", "-c", offices["G22"]).code == 0
    edoc("receive", "-c", offices["H29.05"])
    assert "withdrawn / đã đồng ý" in edoc("deliveries", "-c", offices["H29.05"]).out


def test_a_document_is_taken_back(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """Status 13 goes to the recipient that is named, and the timeline shows who asked whom."""
    ran = edoc("take-back", sent, "--to", "G22", "-m", "Sai phụ lục", "-c", offices["H29.05"])
    assert ran.code == 0
    assert "H29.05 → G22" in ran.out
    assert "waits" not in ran.err


def test_the_directory(offices: dict[str, Path], edoc: Edoc) -> None:
    """It is taken over when asked for, and listed from the store otherwise."""
    assert "edoc directory --sync" in edoc("directory", "-c", offices["G22"]).out
    synced = edoc("directory", "--sync", "-c", offices["G22"])
    assert "Văn phòng Chính phủ" in synced.out
    codes = {one["code"] for one in json.loads(edoc("directory", "-c", offices["G22"], "--json").out)}
    assert {"G22", "H29.05"} <= codes


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
    """The same command meanwhile does not say that the hub has it: exit code 1, and when to try again."""
    ours = offices["H29.05"]
    ours.write_text(ours.read_text(encoding="utf-8") + "[limits]\nlease = 600\n", "utf-8")
    mock_hub.stop()
    edoc("send", "document.json", "--attach", "a.pdf", "-c", ours)
    mock_hub.start()
    _held_by_another(tmp_path / "H29.05" / "edoc.db")
    ran = edoc("send", "document.json", "--attach", "a.pdf", "-c", ours)
    assert ran.code == 1
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
