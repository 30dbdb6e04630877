"""What is written is for the user who runs the program alone, whatever the umask, and never through a link."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edoc_connector import _core
from edoc_connector._core import files
from edoc_connector.store import Spool, Store, upgrade
from edoc_connector.testing import agency_keys, sample_document

posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
pytestmark = posix


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def _open_atomic(path: Path) -> None:
    with files.open_atomic(path, durable=True) as out:
        out.write(b"x")


WRITERS: dict[str, Callable[[Path], object]] = {
    "atomic": _open_atomic,
    "nameless": lambda path: files.save_atomic(str(path), lambda: iter([b"x"])),
    "folder": lambda path: files.save_folder(path.parent / "folder", [(path.name, [b"x"])]),
    "private": lambda path: files.write_private(path, "x"),
    "key": lambda path: agency_keys("A", organ_id="H29", kind="p256").write_pem(path),
    "attachment": lambda path: sample_document().attachments[0].save(path),
}


@pytest.mark.parametrize("mask", [0, 0o022, 0o077, 0o777])
@pytest.mark.parametrize("writer", WRITERS)
def test_every_file_is_for_its_user_alone(writer: str, mask: int, tmp_path: Path) -> None:
    """Files have the mode 0600 and folders 0700 whatever the umask (issue "Nobody speaks for another", on the disk)."""
    with umask(mask):
        WRITERS[writer](tmp_path / "x")
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [mode(path) for path in found] == [0o600]
    assert {mode(path) for path in tmp_path.rglob("*") if path.is_dir()} <= {0o700}


@pytest.mark.parametrize("mask", [0, 0o022, 0o777])
def test_store_and_spool_are_for_their_user_alone(mask: int, tmp_path: Path) -> None:
    """Database, its journal files and the spool are private from the first byte (issue, on the disk)."""
    with umask(mask), Store.open(f"sqlite:///{tmp_path}/deep/edoc.db", spool=tmp_path / "other" / "spool") as store:
        with store.spool.draft_file() as draft:
            files.write_private(draft, "packet")
            store.spool.keep_draft(draft)
        with store.transaction():
            modes = {path: mode(path) for path in tmp_path.rglob("*")}
            folders = {path for path in modes if path.is_dir()}
    assert {path.suffix for path in modes if path not in folders} == {
        ".db",
        ".db-gate",
        ".db-shm",
        ".db-turn",
        ".db-wal",
        ".edxml",
    }
    assert {bits for path, bits in modes.items() if path not in folders} == {0o600}
    assert {modes[path] for path in folders} == {0o700}


def test_what_an_older_version_left_open_is_closed(tmp_path: Path) -> None:
    """Opening a store takes the rights of others from what we made ourselves, and changes no other mode (issue)."""
    root = tmp_path / "shared" / "spool"
    url = f"sqlite:///{tmp_path}/shared/edoc.db"
    with Store.open(url, spool=root) as store, store.spool.draft_file() as draft:
        draft.write_bytes(b"packet")
        kept = store.spool.keep_draft(draft)
    ours = [*root.rglob("*"), root, tmp_path / "shared" / "edoc.db"]
    for path in ours:
        path.chmod(0o755 if path.is_dir() else 0o664)
    (tmp_path / "shared").chmod(0o755)
    with Store.open(url, spool=root) as store:
        assert store.spool.has(kept.name, kept.sha256)
    assert {mode(path) for path in ours if path.is_dir()} == {0o700}
    assert {mode(path) for path in ours if path.is_file()} == {0o600}
    assert mode(tmp_path / "shared") == 0o755
    (tmp_path / "shared" / "edoc.db").chmod(0o644)
    upgrade(url)
    assert mode(tmp_path / "shared" / "edoc.db") == 0o600


def test_a_folder_of_others_keeps_its_mode(tmp_path: Path) -> None:
    """A folder that holds more than a spool, or was there empty, is not ours: what we make in it is private (issue)."""
    for name in ("empty", "mixed"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o755)
    (tmp_path / "mixed" / "notes.txt").touch(0o644)
    (tmp_path / "mixed" / "notes.txt").chmod(0o644)
    for name in ("empty", "mixed"):
        Spool(tmp_path / name)
        assert (mode(tmp_path / name), mode(tmp_path / name / "tmp")) == (0o755, 0o700)
    Spool(tmp_path / "mixed")
    assert (mode(tmp_path / "mixed"), mode(tmp_path / "mixed" / "notes.txt")) == (0o755, 0o644)


def test_what_another_user_owns_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only its owner's program changes a mode, and no link leads to one that is changed (issue, on the disk)."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.touch()
    target.chmod(0o644)
    link.symlink_to(target)
    assert not _core.tighten(link)
    assert not _core.tighten(tmp_path / "missing")
    monkeypatch.setattr(os, "geteuid", lambda: target.stat().st_uid + 1)
    assert not _core.tighten(target)
    assert mode(target) == 0o644


def test_unfinished_files_never_follow_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link laid where an unfinished file will be is an error, and what it leads to is untouched (issue)."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    monkeypatch.setattr(secrets, "token_hex", lambda _: "0")
    monkeypatch.setattr(files, "_HAS_NAMELESS_FILES", False)
    for writer in ("atomic", "nameless"):
        part = tmp_path / ".edoc-0.part"
        part.symlink_to(victim)
        with pytest.raises(FileExistsError):
            WRITERS[writer](tmp_path / "x")
        assert part.is_symlink()
        part.unlink()
    assert victim.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("bits", "owner", "expected"),
    [(0o600, 0, False), (0o400, 0, False), (0o644, 0, True), (0o620, 7, True), (0o640, 7, True), (0o640, 0, False)],
)
def test_a_secret_that_others_can_read_is_seen(
    bits: int, owner: int, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any right of others counts; a service's group may read what root gave it (issue, readable secrets)."""
    secret = tmp_path / "secret"
    secret.touch()
    secret.chmod(bits)
    monkeypatch.setattr(os, "geteuid", lambda: 7)
    if owner != secret.stat().st_uid:
        found = os.stat_result((*secret.stat()[:4], owner, *secret.stat()[5:]))
        monkeypatch.setattr(Path, "stat", lambda _: found)
    assert _core.is_open_to_others(secret) is expected


def test_a_file_that_is_not_there_is_open_to_nobody(tmp_path: Path) -> None:
    """Who reads the secret says that it is missing."""
    assert not _core.is_open_to_others(tmp_path / "missing")
