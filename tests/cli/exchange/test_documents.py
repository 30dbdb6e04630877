"""The commands deliveries, receipts and show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


def test_tables_are_for_people(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """Without --json, lists are tables in both languages."""
    assert "Đã nhận: 1" in edoc("receive", "-c", offices["G22"], "--save", "in").out
    assert "Đã gửi: 1" in edoc("deliveries", "-c", offices["H29.05"]).out


def test_without_a_configuration_the_error_says_so(edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line names the file that is missing."""
    monkeypatch.chdir(tmp_path)
    ran = edoc("deliveries")
    assert ran.code == 1
    assert "edoc.toml" in ran.err


def test_an_unknown_state_names_the_known_ones(offices: dict[str, Path], edoc: Edoc) -> None:
    """The states are those of the library."""
    ran = edoc("receipts", "--state", "lost", "-c", offices["G22"])
    assert ran.code == 1
    assert "quarantined" in ran.err


def test_an_id_nobody_knows(offices: dict[str, Path], edoc: Edoc) -> None:
    """The error names the commands that look further."""
    ran = edoc("show", "nothing", "-c", offices["G22"])
    assert ran.code == 1
    assert "run `edoc receive`, or look for it with `edoc receipts`" in ran.err


def test_a_received_document_is_shown_for_a_person(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """Its fields have names, states and statuses words, and times are of Vietnam."""
    edoc("receive", "-c", offices["G22"])
    out = edoc("show", sent, "-c", offices["G22"]).out
    assert "confirmed / đã xác nhận với trục" in out
    assert "01 arrived / Đã đến" in out
    assert "+00:00" not in out
