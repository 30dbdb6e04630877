"""Texts of the command line that no document can hold are refused at the door, of every command alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Edoc


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("acceptance", "--partner", "G22", "--partner-name", "Văn\x1b phòng"), "--partner-name"),
        (("acceptance", "--partner", "G22", "--confirm", "B1", "--by", "An\nBình"), "--by"),
        (("recall", "id", "--reason", "sai\x00"), "--reason"),
        (("show", "\udcff"), "DOCUMENT-ID|NUMBER"),
        (("receipts", "--sender", "H29\x7f"), "--sender"),
        (("hub", "status", "--agency", "\ufffe"), "--agency"),
    ],
)
def test_what_no_document_can_hold_is_refused(
    edoc: Edoc, office: Path, arguments: tuple[str, ...], option: str
) -> None:
    """The error names the option and shows the text with its controls spelt out, in both languages."""
    ran = edoc(*arguments)
    if "No such option" in ran.err:
        pytest.fail(ran.err)
    english, vietnamese = ran.errors
    assert ran.code == 2
    assert english.startswith(f"edoc: {option}: control characters")
    assert vietnamese.startswith(f"{option}: không dùng được ký tự điều khiển")
    assert "\x1b" not in ran.err


def test_a_reason_may_have_lines(edoc: Edoc, office: Path) -> None:
    """Words may go over several lines; the command goes on to what it has to do."""
    ran = edoc("recall", "no-such-id", "--reason", "Dòng một\nDòng hai")
    assert ran.code == 1
    assert "--reason" not in ran.err
