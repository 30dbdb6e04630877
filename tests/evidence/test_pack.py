"""Packs as files: what one holds, and the limits within which one is read."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import check_pack
from edoc_connector.errors import EvidenceError
from edoc_connector.evidence import UNLISTED_FILES, PackWriter, open_pack, pack, parse_json

if TYPE_CHECKING:
    from tests.evidence.conftest import Log, PackOf

MEBIBYTE = 1 << 20


def test_what_a_pack_holds(log: Log, pack_of: PackOf) -> None:
    """Packets, certificates, story, manifest, proven entries and heads; all but the holders are in the manifest."""
    path = pack_of(log)
    with open_pack(path) as reader:
        manifest = reader.read_json("manifest.json")
        assert {file["name"] for file in manifest["files"]} == reader.names - UNLISTED_FILES
        assert manifest["format"] == "edoc-evidence/2"
        assert manifest["organisations"] == {"H29.05": {"name": "Sở Nội vụ", "certificates": ["code:H29.05"]}}
        assert [entry.index for entry in reader.read_entries()] == [41, 42]
        assert len(list(reader.read_earlier_heads())) == 1
        assert reader.read_checkpoint() == log.heads[-1]


def test_a_file_is_added_once() -> None:
    """A certificate of several signers stands in the pack once."""
    with zipfile.ZipFile(io.BytesIO(), "w") as archive:
        writer = PackWriter(archive)
        writer.add("a", b"1")
        writer.add("a", b"1")
        writer.copy("b", io.BytesIO(b"x" * 3_000_000))
        assert [(file["name"], file["size"]) for file in writer.files] == [("a", 1), ("b", 3_000_000)]
        assert archive.namelist() == ["a", "b"]


def write_zeros(path: Path, name: str, size: int) -> Path:
    """A zip with one file of zeros, a thousandth of its size."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, archive.open(name, "w") as out:
        for _ in range(size // MEBIBYTE):
            out.write(bytes(MEBIBYTE))
    return path


def test_the_pack_of_nested_signatures_is_refused_in_little_memory(tmp_path: Path) -> None:
    """825 MB of signatures beside the packets are refused before one is unpacked (issue, "nested-signature pack")."""
    path = write_zeros(tmp_path / "x.zip", f"signatures/{'0' * 64}-1.xml", 825 * MEBIBYTE)
    tracemalloc.start()
    (problem,) = check_pack(path).problems
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "beside the packets" in problem.text
    assert peak < 2 * MEBIBYTE


def test_packets_far_larger_than_the_pack_are_refused(tmp_path: Path) -> None:
    """What a pack holds is text: more than a gigabyte and a hundred times its size is a bomb."""
    (problem,) = check_pack(write_zeros(tmp_path / "x.zip", "packets/x.edxml", 1100 * MEBIBYTE)).problems
    assert "packets would be" in problem.text


def test_hostile_packs_are_refused_in_little_memory(tmp_path: Path, log: Log, pack_of: PackOf) -> None:
    """A process that may use little more than it has at its start refuses each of them (issue, "limits")."""
    good = pack_of(log)
    bombs = {
        "values.zip": ("manifest.json", b"[" + b"[]," * 2_500_000 + b"[]]"),
        "lines.zip": ("entries.jsonl", b"[" + b"[]," * 2_500_000 + b"[]]\n"),
        "depth.zip": ("manifest.json", b"[" * 7_000_000),
        "heads.zip": ("checkpoints.jsonl", b'{"checkpoint":"","proof":[' + b'"",' * 900_000 + b'""]}\n'),
        "note.zip": ("checkpoint", b"x" * 7_000_000),
    }
    for name, (file, content) in bombs.items():
        with zipfile.ZipFile(good) as old, zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as new:
            for info in old.infolist():
                new.writestr(info.filename, content if info.filename == file else old.read(info))
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from edoc_connector.connector import check_pack\n"
        "assert not check_pack(Path(sys.argv[1])).problems\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert all(check_pack(Path(one)).problems for one in sys.argv[2:])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    arguments = [str(good), *(str(tmp_path / name) for name in bombs)]
    grown = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert int(grown.stdout) < 128 * 1024  # KiB


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_to_compress_are_refused(tmp_path: Path, kind: int) -> None:
    """They unpack in steps that nothing bounds."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w", kind) as archive:
        archive.writestr("manifest.json", b"{}")
    (problem,) = check_pack(tmp_path / "x.zip").problems
    assert "compressed" in problem.text


def test_a_list_of_very_many_files_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many files there are is asked before they are listed, also where the zip is a large one (ZIP64)."""
    monkeypatch.setattr(pack, "MAX_FILES", 3)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for number in range(4):
            archive.writestr(str(number), b"")
    (problem,) = check_pack(tmp_path / "x.zip").problems
    assert "too many files" in problem.text
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1 << 40, 1 << 40, 1 << 45, 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    (tmp_path / "y.zip").write_bytes(record + locator + end)
    (problem,) = check_pack(tmp_path / "y.zip").problems
    assert "too many files" in problem.text
    (tmp_path / "z.zip").write_bytes(b"nothing" + locator + end)
    (problem,) = check_pack(tmp_path / "z.zip").problems
    assert "no zip" in problem.text


def test_a_file_there_twice_is_not_chosen_between(tmp_path: Path, log: Log, pack_of: PackOf) -> None:
    """Two readers might take different ones."""
    path = pack_of(log)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("checkpoint", b"another")
    assert any("there twice" in one.text or "more than once" in one.text for one in check_pack(path).problems)


def test_too_many_values(tmp_path: Path) -> None:
    """Short JSON can be much in memory: it is counted before it is parsed."""
    assert parse_json(b"[1,2]", "x") == [1, 2]
    with pytest.raises(EvidenceError, match="too many values"):
        parse_json(b"[" + b"[]," * pack.MAX_VALUES + b"[]]", "x")
    with pytest.raises(EvidenceError, match="no JSON"):
        parse_json(json.dumps({"a": 1}).encode() + b"}", "x")
