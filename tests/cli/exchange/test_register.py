"""The command register."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


def test_a_register_is_shown_and_written(offices: dict[str, Path], sent: str, edoc: Edoc, tmp_path: Path) -> None:
    """On screen for a person, as JSON, as CSV with the mark that Excel looks for, and as a workbook."""
    config = offices["H29.05"]
    assert "Sổ văn bản đi: 1" in edoc("register", "outgoing", "-c", config).out.replace("sổ", "Sổ")
    (entry,) = json.loads(edoc("register", "outgoing", "-c", config, "--json").out)
    assert (entry["document_id"], entry["remarks_vi"]) == (sent, "")
    csv, xlsx = tmp_path / "so.csv", tmp_path / "so.xlsx"
    ran = edoc("register", "outgoing", "-c", config, "--csv", csv, "--xlsx", xlsx)
    assert ran.code == 0
    assert csv.read_bytes().startswith(b"\xef\xbb\xbf")
    assert xlsx.read_bytes().startswith(b"PK")
    assert json.loads(edoc("register", "outgoing", "--search", "khong co", "-c", config, "--json").out) == []


def test_only_two_registers_are_known(offices: dict[str, Path], edoc: Edoc) -> None:
    """Another word is one error that names the two."""
    ran = edoc("register", "all", "-c", offices["H29.05"])
    assert (ran.code, "incoming" in ran.err) == (1, True)
