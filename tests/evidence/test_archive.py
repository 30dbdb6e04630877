"""Files of archives: what was written is read, and nothing else is."""

from __future__ import annotations

import base64
import json
import random
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edoc_connector.errors import ArchiveRefused
from edoc_connector.evidence import (
    ArchivedLeaf,
    ArchiveFacts,
    ArchiveWriter,
    Checkpoint,
    LogEntry,
    LogEvent,
    MemoryTiles,
    format_entry,
    hash_leaf,
    is_archive,
    open_archive,
    sign_checkpoint,
)

ORIGIN = "edoc-evidence/H29.05/9f2c61d07be94a35"
AT = datetime(2026, 11, 29, tzinfo=UTC)
Files = dict[str, bytes]
Change = Callable[[Files], None]


def canonical(number: int) -> bytes:
    """Make the bytes of an entry."""
    event = LogEvent("change", "H29.05", {"new": f"state {number}"})
    return format_entry(LogEntry(agency="H29.05", at=AT, subject="delivery", subject_id=number, events=(event,)))


def write_archive(path: Path, *, first: int, end: int, size: int, held: frozenset[int] = frozenset()) -> Path:
    """Write an archive of a log of some size."""
    tree = MemoryTiles()
    for number in range(size):
        tree.append(hash_leaf(canonical(number)))
    reader = tree.open()
    head = sign_checkpoint(Checkpoint(origin=ORIGIN, size=size, root=reader.compute_root(), at=AT), None)
    facts = ArchiveFacts(
        origin=ORIGIN, agency="H29.05", first=first, end=end, entries=end - first - len(held), before=AT.isoformat(),
        made_at=AT.isoformat(), by="an", signed=False, peaks=tuple(reader.load_range(first).peaks),
        proof=tuple(reader.prove_consistency(end)),
    )  # fmt: skip
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        writer = ArchiveWriter(file)
        for number in range(first, end):
            body = None if number in held else canonical(number)
            writer.add(ArchivedLeaf(number, hash_leaf(canonical(number)), body))
        writer.finish(facts, head, certificates=b"", minutes="Biên bản")
    return path


def rewrite(path: Path, change: Change) -> Path:
    """Write a file anew with other contents."""
    with zipfile.ZipFile(path) as old:
        files = {name: old.read(name) for name in old.namelist()}
    change(files)
    with zipfile.ZipFile(path, "w") as new:
        for name, content in files.items():
            new.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("first", "end", "size"), [(0, 1, 1), (0, 5, 9), (3, 4, 4), (7, 2100, 2500), (1024, 2048, 2048)]
)
def test_what_was_written_is_read(tmp_path: Path, first: int, end: int, size: int) -> None:
    """Every entry in its place, one by one and all in a row, and led to the head (issue, "files with their proofs")."""
    path = write_archive(tmp_path / "x.zip", first=first, end=end, size=size, held=frozenset({end - 1} - {first}))
    assert is_archive(path)
    with open_archive(path) as archive:
        archive.require_proven()
        leaves = list(archive.read_leaves())
        assert [leaf.index for leaf in leaves] == list(range(first, end))
        assert {leaf.index for leaf in leaves if leaf.canonical is None} == {end - 1} - {first}
        for index in random.Random(1).sample(range(first, end), min(5, end - first)):
            assert archive.read_leaf(index) == leaves[index - first]


def change_entry(files: Files) -> None:
    """Let an entry say something else."""
    name = min(name for name in files if name.startswith("entries/"))
    files[name] = files[name].replace(b"state 5", b"state 6")


def drop_entry(files: Files) -> None:
    """Leave an entry out."""
    name = min(name for name in files if name.startswith("entries/"))
    lines = files[name].splitlines(keepends=True)
    files[name] = b"".join(lines[:2] + lines[3:])


def hide_entry(files: Files) -> None:
    """Give the hash of an entry in place of the entry."""
    name = min(name for name in files if name.startswith("entries/"))
    lines = files[name].splitlines(keepends=True)
    body = json.loads(lines[0])["entry"].encode()
    lines[0] = json.dumps({"index": 4, "leaf": base64.b64encode(hash_leaf(body)).decode()}).encode() + b"\n"
    files[name] = b"".join(lines)


def drop_last_lines(files: Files) -> None:
    """Cut the last entries off."""
    name = max(name for name in files if name.startswith("entries/"))
    files[name] = b"".join(files[name].splitlines(keepends=True)[:-2])


def change_facts(**values: object) -> Change:
    """Let the archive say something else of itself."""

    def change(files: Files) -> None:
        files["archive.json"] = json.dumps(json.loads(files["archive.json"]) | values).encode()

    return change


def drop(name: str) -> Change:
    """Leave a file out."""

    def change(files: Files) -> None:
        del files[name]

    return change


@pytest.mark.parametrize(
    "change",
    [
        change_entry, drop_entry, hide_entry, drop_last_lines, drop("checkpoint"), drop("archive.json"),
        change_facts(origin="edoc-evidence/G22/9f2c61d07be94a35"), change_facts(agency="G22"), change_facts(first=3),
        change_facts(end=19), change_facts(range=[]), change_facts(proof=[]), change_facts(format="x"),
        change_facts(first=-1), change_facts(entries="16"), change_facts(proof=["x"]), change_facts(range=["AA=="]),
        lambda files: files.update({"archive.json": b"[" * 100_000}),
        lambda files: files.update({"certificates.pem": b"x" * (1 << 21)}),
    ],
)  # fmt: skip
def test_a_changed_archive_is_refused(tmp_path: Path, change: Change) -> None:
    """Whatever was changed, the entries do not lead to the head any more, or the file is none."""
    path = rewrite(write_archive(tmp_path / "x.zip", first=4, end=20, size=33), change)

    def check() -> None:
        with open_archive(path) as archive:
            archive.require_proven()
            archive.read_certificates()

    with pytest.raises(ArchiveRefused) as caught:
        check()
    assert str(path) in caught.value.message
    assert caught.value.vi != caught.value.message


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    """Cut off anywhere, or with bytes turned over, it is a typed error and never half an archive."""
    path = write_archive(tmp_path / "x.zip", first=0, end=40, size=64)
    whole, draw = path.read_bytes(), random.Random(2)
    for _ in range(60):
        path.write_bytes(whole[: draw.randrange(len(whole))])
        with pytest.raises(ArchiveRefused), open_archive(path) as archive:
            archive.require_proven()
    path.write_bytes(b"")
    with pytest.raises(ArchiveRefused), open_archive(path):
        pass
    with pytest.raises(ArchiveRefused), open_archive(tmp_path / "nowhere.zip"):
        pass


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    """What would unpack to gigabytes is refused before anything is unpacked."""
    path = write_archive(tmp_path / "x.zip", first=0, end=4, size=4)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("entries/000000000000000000.jsonl").file_size
    path.write_bytes(content.replace(size.to_bytes(4, "little"), (3 << 30).to_bytes(4, "little")))
    with pytest.raises(ArchiveRefused, match="far more"), open_archive(path):
        pass
