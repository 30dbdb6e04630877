"""A file appears whole or not at all, and a large one goes to the disk while it grows."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edoc_connector.edxml import files


def test_a_large_file_goes_to_the_disk_while_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once so much was added, what is there is brought to the disk; a small file is left to the end."""
    brought: list[int] = []
    monkeypatch.setattr(files, "EARLY", 1000)
    monkeypatch.setattr(files, "_to_disk", lambda descriptor: brought.append(os.fstat(descriptor).st_size))
    for size, least in ((100, 0), (50, 0), (1_000_000, 1)):
        brought.clear()
        with files.whole_file(tmp_path / "x", durable=True) as out, files.early_to_disk(out) as grown:
            for _ in range(9):
                out.write(bytes(size))
                out.flush()
                grown()
        assert len(brought) >= least
        assert brought == sorted(brought)
        assert (tmp_path / "x").stat().st_size == 9 * size


def _write(to: Path, times: int) -> None:
    with files.whole_file(to, durable=True) as out, files.early_to_disk(out) as grown:
        for _ in range(times):
            out.write(bytes(100))
            grown()


@pytest.mark.parametrize("times", [1, 50])
def test_a_disk_that_fails_meanwhile_is_told(times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk's failure, which a system may report once only, reaches the writer: there is no file."""

    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files, "EARLY", 10)
    monkeypatch.setattr(files, "_to_disk", fail)
    with pytest.raises(OSError, match="Input/output"):
        _write(tmp_path / "x", times)
    assert list(tmp_path.iterdir()) == []
