"""Attachments as values ("Body and attachments")."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

import edoc_connector.edxml as edxml
from edoc_connector.errors import AttachmentError

Attached = Callable[..., str]


def test_from_path(tmp_path: Path) -> None:
    """Name and type follow from the path; size and hash are those of the file."""
    path = tmp_path / "Công văn.PDF"
    path.write_bytes(b"content")
    one = edxml.Attachment.from_path(path)
    assert (one.name, one.content_type, one.size) == ("Công văn.PDF", "application/pdf", 7)
    assert one.sha256 == "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    other = edxml.Attachment.from_path(path, name="x", content_type="a/b", description="d", content_id="9")
    assert (other.name, other.content_type, other.description, other.content_id) == ("x", "a/b", "d", "9")
    assert edxml.Attachment.from_bytes(b"x", name="no extension").content_type == "application/octet-stream"


@pytest.mark.parametrize("name", ["none.pdf", "."])
def test_a_path_that_is_no_file(name: str, tmp_path: Path) -> None:
    """A path that does not exist, or is a folder, is an AttachmentError at once."""
    with pytest.raises(AttachmentError, match="cannot read") as caught:
        edxml.Attachment.from_path(tmp_path / name)
    assert "không đọc được" in caught.value.vi


def test_a_file_that_vanished(tmp_path: Path) -> None:
    """A file that vanished before it is read is an AttachmentError."""
    path = tmp_path / "a.pdf"
    path.write_bytes(b"content")
    one = edxml.Attachment.from_path(path)
    path.unlink()
    with pytest.raises(AttachmentError):
        one.open()


def test_attachments_are_values() -> None:
    """Attachments are frozen, compared by fields and content, and can be copied and pickled."""
    one, same = (edxml.Attachment.from_bytes(b"x", name="a.pdf", description="d") for _ in range(2))
    other = edxml.Attachment.from_bytes(b"y", name="a.pdf", description="d")
    assert one == same == copy.deepcopy(one) == pickle.loads(pickle.dumps(one))
    assert hash(one) == hash(same)
    assert one != other
    assert one != "a.pdf"
    assert repr(one) == "Attachment(name='a.pdf', content_type='application/pdf')"
    with pytest.raises(AttributeError, match="frozen"):
        one.name = "b"


def test_attachments_of_a_packet_can_be_pickled(attached: Attached) -> None:
    """An attachment that was read can go to another process."""
    (one,) = edxml.read(attached().encode()).attachments
    assert pickle.loads(pickle.dumps(one)) == one


def test_save(attached: Attached, folder: Path) -> None:
    """Saving writes the whole file; where that fails, a file of that name stays as it was and none is left over."""
    target = folder / "a.pdf"
    target.write_bytes(b"before")
    (bad,) = edxml.read(attached("QUJD" * 1_000_000 + "*").encode()).attachments
    with pytest.raises(AttachmentError):
        bad.save(target)
    assert target.read_bytes() == b"before"
    (good,) = edxml.read(attached().encode()).attachments
    good.save(target)
    assert target.read_bytes() == b"content"
