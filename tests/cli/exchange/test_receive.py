"""The commands receive and recheck, and their words about packets that were set aside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.testing import RunningHub, agency_keys

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


@pytest.fixture
def strict(offices: dict[str, Path], tmp_path: Path) -> Path:
    """The receiver's configuration, letting in only what somebody trusted signed."""
    agency_keys("Một tổ chức khác").write_root(tmp_path / "G22" / "ca.pem")
    path = offices["G22"]
    path.write_text(path.read_text(encoding="utf-8") + '[receive]\npolicy = "trusted"\ntrust = ["ca.pem"]\n', "utf-8")
    return path


def test_a_document_that_is_set_aside_is_named(strict: Path, sent: str, edoc: Edoc) -> None:
    """Its unverified sender, number and subject are in the table and the warning, in both languages."""
    ran = edoc("receive", "-c", strict)
    assert ran.code == 0
    assert "H29.05 (?)" in ran.out
    assert sent in ran.out
    assert "set aside, and its sender, number and subject are not verified: 7816/SNV-VP" in ran.err
    assert "chưa được xác minh: 7816/SNV-VP" in ran.err
    assert "edoc recheck" in ran.err
    assert "recheck()" not in ran.err


def test_what_was_set_aside_is_found_by_its_document_id(strict: Path, sent: str, edoc: Edoc) -> None:
    """show, receipts and JSON tell of it, in whatever state it is."""
    (entry,) = json.loads(edoc("receive", "-c", strict, "--json").out)
    assert (entry["state"], entry["document_id"], entry["saved"]) == ("quarantined", sent, [])
    shown = json.loads(edoc("show", sent, "-c", strict, "--json").out)
    assert (shown["kind"], shown["sender"], shown["state"]) == ("new", "H29.05", "quarantined")
    assert "set aside / đã cách ly" in edoc("show", entry["hub_doc_id"], "-c", strict).out
    (listed,) = json.loads(edoc("receipts", "--state", "quarantined", "-c", strict, "--json").out)["items"]
    assert listed["document_id"] == sent
    assert "H29.05 (?)" in edoc("receipts", "-c", strict).out
    assert json.loads(edoc("receipts", "--state", "confirmed", "-c", strict, "--json").out)["items"] == []


def test_a_packet_is_let_in_after_all(strict: Path, sent: str, edoc: Edoc) -> None:
    """recheck says why not, or lets it in for the next receive."""
    edoc("receive", "-c", strict)
    refused = edoc("recheck", sent, "-c", strict)
    assert (refused.code, len(refused.errors)) == (1, 2)
    strict.write_text(strict.read_text(encoding="utf-8").replace('"trusted"', '"any"'), "utf-8")
    assert edoc("recheck", sent, "-c", strict).code == 0
    (entry,) = json.loads(edoc("receive", "-c", strict, "--json").out)
    assert entry["document_id"] == sent


def test_statuses_that_came_are_told(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """A poll that brings only statuses says whose and which, and prints no empty table."""
    edoc("receive", "-c", offices["G22"])
    edoc("status", sent, "03", "-c", offices["G22"])
    ran = edoc("receive", "-c", offices["H29.05"])
    assert "2 trạng thái: 7816/SNV-VP ← G22 01, 03" in ran.out
    assert "Đã nhận" not in ran.out
    assert "nothing waits" in edoc("receive", "-c", offices["H29.05"]).out


def test_an_error_is_not_preceded_by_an_empty_table(offices: dict[str, Path], edoc: Edoc, mock_hub: RunningHub) -> None:
    """A hub that is down is a line in each language on stderr, or one of JSON, and nothing on stdout."""
    mock_hub.stop()
    for options in ((), ("--json",)):
        ran = edoc("receive", "-c", offices["H29.05"], *options)
        assert (ran.code, ran.out) == (75, "")
        assert len(ran.errors) == 2 - len(options)
    told = json.loads(ran.errors[0])
    assert (told["error"], told["exit_code"], "message_vi" in told) == ("NotSent", 75, True)
    mock_hub.start()


def test_the_signature_column_says_whether_the_signer_was_checked(
    offices: dict[str, Path], sent: str, edoc: Edoc
) -> None:
    """An unsigned document is said to be one; see `edoc verify` for what VALID says without --trust."""
    assert "UNSIGNED" in edoc("receive", "-c", offices["G22"]).out
