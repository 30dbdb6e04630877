"""The commands send, receive, status, deliveries and show, between two agencies on a real hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.testing import RunningHub

Edoc = Callable[..., Any]


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
    assert json.loads(edoc("receive", "-c", ours, "--json").out) == []
    (delivery,) = json.loads(edoc("deliveries", "-c", ours, "--json").out)
    assert delivery["recipients"][0]["status"] == "06"
    shown = edoc("show", sent, "-c", ours)
    assert "Hoàn thành" in shown.out
    assert "Trục đã nhận" in shown.out
    assert sent in edoc("show", sent, "-c", theirs).out
    assert json.loads(edoc("show", sent, "-c", theirs, "--json").out)["status"] == "06"


def test_tables_are_for_people(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """Without --json, lists are tables in both languages."""
    assert "Đã nhận: 1" in edoc("receive", "-c", offices["G22"], "--save", "in").out
    assert "Đã gửi: 1" in edoc("deliveries", "-c", offices["H29.05"]).out


def test_sending_again_makes_no_second_document(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """The same command is one delivery."""
    again = edoc("send", "document.json", "--attach", "a.pdf", "-c", offices["H29.05"])
    assert again.code == 0
    assert len(json.loads(edoc("deliveries", "-c", offices["H29.05"], "--json").out)) == 1


def test_a_status_out_of_order_is_refused_with_what_is_allowed(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """06 before 03: the error names where the document stands and what may follow (business rules, "Allowed order")."""
    edoc("receive", "-c", offices["G22"], "--save", "in")
    ran = edoc("status", sent, "06", "-c", offices["G22"])
    assert ran.code == 1
    assert "03" in ran.err


def test_a_rejection_needs_a_reason(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """02 without --reason is refused, with it it arrives."""
    edoc("receive", "-c", offices["G22"], "--save", "in")
    assert edoc("status", sent, "02", "-c", offices["G22"]).code == 1
    assert edoc("status", sent, "02", "--reason", "Gửi nhầm nơi nhận", "-c", offices["G22"]).code == 0
    edoc("receive", "-c", offices["H29.05"])
    assert "Gửi nhầm nơi nhận" in edoc("show", sent, "-c", offices["H29.05"]).out


def test_taking_a_document_back(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """13 by the sender, 15 by the receiver (business rules)."""
    edoc("receive", "-c", offices["G22"], "--save", "in")
    assert edoc("status", sent, "13", "--reason", "Sai phụ lục", "-c", offices["H29.05"]).code == 0
    (asked,) = json.loads(edoc("receive", "-c", offices["G22"], "--save", "in", "--json").out)
    assert asked["kind"] == "take_back"
    assert edoc("status", sent, "15", "-c", offices["G22"]).code == 0
    edoc("receive", "-c", offices["H29.05"])
    shown = edoc("show", sent, "-c", offices["H29.05"]).out
    assert "Đồng ý" in shown
    assert "H29.05 → G22" in shown  # who asked, and whom


def test_an_unknown_status_names_the_known_ones(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """07 is no code."""
    ran = edoc("status", sent, "07", "-c", offices["H29.05"])
    assert ran.code == 1
    assert "02, 03" in ran.err


def test_a_status_file_is_not_sent_as_a_document(offices: dict[str, Path], edoc: Edoc, tmp_path: Path) -> None:
    """`edoc send` says which command is the right one."""
    (tmp_path / "status.json").write_text(
        '{"sender": {"id": "G22", "name": "x"}, "response_for": {}, "code": "03", "timestamp": null}'
    )
    ran = edoc("send", "status.json", "-c", offices["H29.05"])
    assert ran.code == 1
    assert "edoc status" in ran.err


def test_without_a_configuration_the_error_says_so(edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line names the file that is missing."""
    monkeypatch.chdir(tmp_path)
    ran = edoc("deliveries")
    assert ran.code == 1
    assert "edoc.toml" in ran.err


def test_a_hub_that_is_down_loses_nothing(offices: dict[str, Path], edoc: Edoc, mock_hub: RunningHub) -> None:
    """The document is stored, the error says what to do, and the same command later succeeds."""
    mock_hub.stop()
    ran = edoc("send", "document.json", "--attach", "a.pdf", "-c", offices["H29.05"])
    assert ran.code == 1
    (kept,) = json.loads(edoc("deliveries", "-c", offices["H29.05"], "--json").out)
    assert kept["state"] == "ready"
    mock_hub.start()
    assert edoc("send", "document.json", "--attach", "a.pdf", "-c", offices["H29.05"]).code == 0
