"""Files appear whole or not at all, and large ones are synced while they grow."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edoc_connector._core import files
from edoc_connector.errors import AttachmentError


def test_a_large_file_goes_to_the_disk_while_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A growing file is synced whenever a given size was added; a small file is synced at its end only."""
    brought: list[int] = []
    monkeypatch.setattr(files, "EARLY_SYNC_SIZE", 1000)
    monkeypatch.setattr(files, "_sync_data", lambda descriptor: brought.append(os.fstat(descriptor).st_size))
    for size, least in ((100, 0), (50, 0), (1_000_000, 1)):
        brought.clear()
        with files.open_atomic(tmp_path / "x", durable=True) as out, files.sync_early(out) as grown:
            for _ in range(9):
                out.write(bytes(size))
                out.flush()
                grown(size)
        assert len(brought) >= least
        assert brought == sorted(brought)
        assert (tmp_path / "x").stat().st_size == 9 * size


def _write(to: Path, times: int) -> None:
    with files.open_atomic(to, durable=True) as out, files.sync_early(out) as grown:
        for _ in range(times):
            out.write(bytes(100))
            grown(100)


@pytest.mark.parametrize("times", [1, 50])
def test_a_disk_that_fails_meanwhile_is_told(times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure of the disk, which a system may report once only, reaches the writer, and no file appears."""

    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files, "EARLY_SYNC_SIZE", 10)
    monkeypatch.setattr(files, "_sync_data", fail)
    with pytest.raises(OSError, match="Input/output"):
        _write(tmp_path / "x", times)
    assert list(tmp_path.iterdir()) == []


def _pieces() -> Iterator[bytes]:
    yield b"new "
    yield b"bytes"


@pytest.mark.parametrize("nameless", ["yes", "no", "refused", "no link"])
def test_a_saved_file_is_whole(nameless: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A saved file is whole and alone in its folder, on systems with nameless files and on others."""

    real_open = os.open

    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    def refuse_nameless(path: str, flags: int, mode: int) -> int:
        return refuse() if flags & os.O_TMPFILE == os.O_TMPFILE else real_open(path, flags, mode)

    if nameless == "no":
        monkeypatch.setattr(files, "_HAS_NAMELESS_FILES", False)
    if nameless == "refused":
        monkeypatch.setattr(os, "open", refuse_nameless)
    if nameless == "no link":
        monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "b").write_bytes(b"before, and longer")
    for name in ("a", "b"):
        files.save_atomic(str(tmp_path / name), _pieces)
        assert (tmp_path / name).read_bytes() == b"new bytes"
    assert {one.name for one in tmp_path.iterdir()} == {"a", "b"}


@pytest.mark.parametrize("name", ["is a folder", "not there/a", "a"])
def test_a_file_that_cannot_be_saved_leaves_nothing(name: str, tmp_path: Path) -> None:
    """A folder stays as it was where a file cannot take its name or its bytes fail."""

    def broken() -> Iterator[bytes]:
        yield b"some"
        raise AttachmentError("broken", vi="hỏng")

    (tmp_path / "is a folder").mkdir()
    with pytest.raises(AttachmentError if name == "a" else OSError):
        files.save_atomic(str(tmp_path / name), broken if name == "a" else _pieces)
    assert [one.name for one in tmp_path.iterdir()] == ["is a folder"]


def test_a_folder_of_files_appears_whole(tmp_path: Path) -> None:
    """A new folder takes its name with all files in it; an existing one with content stays unchanged."""
    wanted = [(str(number), [bytes([number]), b"."]) for number in range(20)]
    files.save_folder(tmp_path / "new", wanted)
    assert {one.name: one.read_bytes() for one in (tmp_path / "new").iterdir()} == {
        name: b"".join(pieces) for name, pieces in wanted
    }
    with pytest.raises(OSError, match="not empty"):
        files.save_folder(tmp_path / "new", wanted)
    with pytest.raises(FileExistsError):
        files.save_folder(tmp_path / "twice", [*wanted, wanted[0]])
    assert [one.name for one in tmp_path.iterdir()] == ["new"]
