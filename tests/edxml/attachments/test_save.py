"""Attachments are written to a folder under names that no packet can abuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edoc_connector import edxml
from edoc_connector.errors import AttachmentError

_NAMES = ("a.txt", "A.TXT", "../a.txt", "", "c.txt")


def _files() -> tuple[edxml.Attachment, ...]:
    return tuple(edxml.Attachment.from_bytes(name.encode() + b"!", name=name) for name in _NAMES)


def test_a_new_folder_holds_all_attachments(tmp_path: Path) -> None:
    """Names are made safe and distinct ("Hostile names"); the files come in the attachments' order."""
    written = edxml.save_all(_files(), tmp_path / "out")
    assert [path.name for path in written] == ["a.txt", "A (2).TXT", "_a.txt", "attachment", "c.txt"]
    assert [path.read_bytes().decode() for path in written] == [f"{name}!" for name in _NAMES]
    assert sorted(written) == sorted((tmp_path / "out").iterdir())


def test_nothing_in_a_folder_is_replaced(tmp_path: Path) -> None:
    """An existing file stays, and a new one of its name gets a number."""
    (tmp_path / "C.txt").write_bytes(b"before")
    written = edxml.save_all(_files(), tmp_path)
    assert [path.name for path in written] == ["a.txt", "A (2).TXT", "_a.txt", "attachment", "c (2).txt"]
    assert (tmp_path / "C.txt").read_bytes() == b"before"


def test_an_attachment_that_cannot_be_decoded_leaves_no_folder(tmp_path: Path, attached: Callable[..., str]) -> None:
    """A new folder appears with all files or not at all."""
    bad = edxml.read(attached("!!").encode()).attachments
    with pytest.raises(AttachmentError):
        edxml.save_all((*_files(), *bad), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
