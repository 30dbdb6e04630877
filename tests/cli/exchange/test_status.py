"""The command status, between two agencies on a real hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


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
