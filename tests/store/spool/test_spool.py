"""Packets as files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

import pytest

from edoc_connector.errors import NotFound, StoreError
from edoc_connector.store import Spool, SpoolFile, SpoolKeys


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """An empty spool."""
    return Spool(tmp_path / "deep" / "spool")


def keep(spool: Spool, data: bytes) -> SpoolFile:
    with spool.draft_file() as draft:
        draft.write_bytes(data)
        return spool.keep_draft(draft)


def test_a_kept_file_is_found_again(spool: Spool) -> None:
    """A packet is kept with its hash and length (DESIGN, "spool")."""
    kept = keep(spool, b"packet")
    assert (kept.sha256, kept.size) == (hashlib.sha256(b"packet").hexdigest(), 6)
    assert spool.verify_file(kept.name, kept.sha256).read_bytes() == b"packet"
    assert spool.locate(kept.name).parent.name == kept.name[:2]


def test_a_draft_that_was_not_kept_is_removed(spool: Spool) -> None:
    """No partial packet stays (faults, row 14)."""
    with contextlib.suppress(RuntimeError), spool.draft_file() as draft:
        draft.write_bytes(b"half")
        raise RuntimeError
    assert [path for path in spool.root.rglob("*") if path.is_file()] == []


def test_a_changed_or_missing_file_is_noticed(spool: Spool) -> None:
    """Bytes that are not the stored ones are neither sent nor handed out (business rules, "keeps the bytes")."""
    kept = keep(spool, b"packet")
    spool.locate(kept.name).write_bytes(b"pocket")
    with pytest.raises(StoreError, match="not the one that was stored"):
        spool.verify_file(kept.name, kept.sha256)
    spool.delete_file(kept.name)
    with pytest.raises(NotFound, match="gone from the spool"):
        spool.verify_file(kept.name, kept.sha256)


@pytest.mark.parametrize("name", ["", "../x.edxml", "a/b", "0" * 32, "0" * 31 + "/.edxml", "0" * 32 + ".edxml\n"])
def test_names_from_elsewhere_are_refused(spool: Spool, name: str) -> None:
    """No name that is not ours becomes a path (style, "file names and ids from the network used in paths")."""
    with pytest.raises(StoreError, match="no name of a spool file"):
        spool.locate(name)


@pytest.mark.parametrize("found", ["another user's", "a link"])
def test_drafts_do_not_lie_in_a_folder_that_another_user_put_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    """Who owns the folder can exchange a packet that is being signed (threats, "another user")."""
    root, drafts = tmp_path / "spool", tmp_path / "shm"
    Spool(root)
    target = tmp_path / "others"
    target.mkdir(0o777)
    if found == "a link":
        drafts.symlink_to(target)
    else:
        drafts.mkdir()
        real = Path.lstat
        monkeypatch.setattr(Path, "lstat", lambda path: _OwnedBySeven(real(path)) if path == drafts else real(path))
    with pytest.raises(StoreError, match="not this user's own folder"):
        Spool(root, drafts=drafts)


def test_drafts_in_a_folder_of_ours_or_of_the_machines(tmp_path: Path) -> None:
    """One of ours is closed to others; one where each removes his own files alone, as /dev/shm, stays (spool.md)."""
    root, own, shared = tmp_path / "spool", tmp_path / "own", tmp_path / "shm"
    for folder, mode in ((own, 0o777), (shared, 0o1777)):
        folder.mkdir()
        folder.chmod(mode)
        Spool(root, drafts=folder)
    assert (own.stat().st_mode & 0o7777, shared.stat().st_mode & 0o7777) == (0o700, 0o1777)


class _OwnedBySeven:
    """What the system says of a folder, with another owner."""

    def __init__(self, found: os.stat_result) -> None:
        self.st_mode, self.st_uid = found.st_mode, 7


def test_a_full_disk_is_an_error(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An fsync error reaches the caller, and nothing counts as kept (faults, row 23)."""

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match="disk of the store is full") as caught:
        keep(spool, b"packet")
    assert "đã đầy" in caught.value.vi
    assert list(spool.root.rglob("*.edxml")) == []


def test_a_folder_that_was_taken_away_is_made_again(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who removes empty folders does not stop the store (faults, row 23)."""
    monkeypatch.setattr("secrets.token_hex", lambda size: "ab" * size)
    kept = keep(spool, b"packet")
    spool.delete_file(kept.name)
    spool.locate(kept.name).parent.rmdir()
    again = keep(spool, b"packet")
    assert spool.verify_file(again.name, again.sha256).read_bytes() == b"packet"


def test_bytes_in_memory_are_kept_as_a_draft_is(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small packet is written and flushed, and its name too, before it counts as kept; its bytes stay in memory."""
    flushed: list[str] = []
    sync = os.fsync

    def note(descriptor: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    kept = spool.keep_content(b"packet")
    path = spool.verify_file(kept.name, kept.sha256)
    assert path == spool.locate(kept.name)
    assert (kept.sha256, kept.size) == (hashlib.sha256(b"packet").hexdigest(), 6)
    assert kept.held is not None
    assert (kept.held.path, kept.held.content) == (path, b"packet")
    assert flushed[0].startswith(str(spool.drafts_folder))
    assert str(path.parent) in flushed[1:]
    assert list(spool.drafts_folder.iterdir()) == []


def test_bytes_in_memory_are_encrypted(tmp_path: Path) -> None:
    """With a key nothing of a packet in memory lies plain on the disk, not even for a moment."""
    keys = SpoolKeys.parse(secrets.token_hex(32), ())
    spool = Spool(tmp_path / "spool", keys=keys)
    kept = spool.keep_content(b"a secret packet")
    with spool.verify_file(kept.name, kept.sha256).open() as file:
        assert file.read() == b"a secret packet"
    assert all(b"secret" not in path.read_bytes() for path in spool.root.rglob("*") if path.is_file())
