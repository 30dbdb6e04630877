"""The commands recall and take-back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


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
