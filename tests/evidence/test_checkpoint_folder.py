"""Checkpoints outside the database: kept whole, never written over, and read from anybody's folder."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from edoc_connector.errors import EvidenceError
from edoc_connector.evidence import (
    Checkpoint,
    CheckpointFolder,
    SignedCheckpoint,
    build_folder_name,
    checkpoint_folder,
    compute_root,
    hash_leaf,
    sign_checkpoint,
)
from edoc_connector.testing.keys import agency_keys

ORIGIN = "edoc-evidence/H29.05/9f2c61d07be94a35"
LEAVES = [hash_leaf(b"%d" % number) for number in range(40)]
KEYS = agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256")


def head(size: int, origin: str = ORIGIN) -> SignedCheckpoint:
    """A signed head of the first leaves."""
    at = datetime.now(UTC).replace(microsecond=0)
    return sign_checkpoint(Checkpoint(origin=origin, size=size, root=compute_root(LEAVES[:size]), at=at), KEYS.signer())


def keep(folder: Path, *sizes: int) -> CheckpointFolder:
    """A folder with heads of these sizes, and the leaves in between."""
    kept = CheckpointFolder(folder)
    for first, size in zip((0, *sizes), sizes, strict=False):
        kept.save(head(size), certificates=KEYS.certificates, first_leaf=first, leaf_hashes=LEAVES[first:size])
    return kept


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    """Heads in order, their certificates and time-stamps, and the leaves from any place to any other."""
    folder = keep(tmp_path / "kept", 10, 20, 40)
    folder.save(replace(head(5), timestamp=b"stamp"))
    log = folder.read(ORIGIN)
    assert [one.checkpoint.size for one in log.checkpoints] == [5, 10, 20, 40]
    assert [one.signed.timestamp for one in log.checkpoints] == [b"stamp", None, None, None]
    assert set(log.certificates) == set(KEYS.certificates)
    assert list(log.read_leaves(7, 25)) == LEAVES[7:25]
    assert list(log.read_leaves(0, 40)) == LEAVES
    assert list(log.read_leaves(38, 50)) == LEAVES[38:]
    assert log.damaged == ()


def test_it_is_for_this_user_alone(tmp_path: Path) -> None:
    """Files and folder are private, and nothing half-written stays (issue, "2.")."""
    folder = keep(tmp_path / "kept", 10)
    own = folder.path / build_folder_name(ORIGIN)
    assert own.name == "H29.05-9f2c61d07be94a35"
    assert own.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in own.iterdir()} == {0o600}
    assert {path.suffix for path in own.iterdir()} == {".checkpoint", ".leaves", ".pem"}


def test_a_head_is_kept_once(tmp_path: Path) -> None:
    """Saved again with the same root, the first file stays; with another, the log was forked and an error says so."""
    folder = keep(tmp_path, 10)
    (path,) = tmp_path.glob("*/*.checkpoint")
    before = path.read_bytes()
    folder.save(head(10))
    assert path.read_bytes() == before
    forked = Checkpoint(origin=ORIGIN, size=10, root=compute_root(LEAVES[1:11]))
    with pytest.raises(EvidenceError, match="rewritten"):
        folder.save(sign_checkpoint(forked, KEYS.signer()))
    assert path.read_bytes() == before


def test_logs_do_not_mix(tmp_path: Path) -> None:
    """Several agencies share a folder, and each reads its own; also where all files lie in one."""
    other = "edoc-evidence/G22/1"
    folder = keep(tmp_path, 10)
    folder.save(head(20, origin=other))
    assert [one.checkpoint.size for one in folder.read(other).checkpoints] == [20]
    assert [one.checkpoint.size for one in folder.read(ORIGIN).checkpoints] == [10]
    flat = CheckpointFolder(tmp_path / build_folder_name(other))
    assert [one.checkpoint.size for one in flat.read(other).checkpoints] == [20]
    assert flat.read(ORIGIN).checkpoints == ()


@pytest.mark.parametrize("origin", ["edoc-evidence/../1", "a/..", "/etc", "..", "edoc-evidence/" + "x" * 300 + "/1"])
def test_an_origin_leads_nowhere_else(tmp_path: Path, origin: str) -> None:
    """Whatever a log calls itself, its folder is one in the folder."""
    target = CheckpointFolder(tmp_path).save(head(1, origin=origin))
    assert target.resolve().parent.parent == tmp_path.resolve()


def test_a_strange_folder_is_read_within_bounds(tmp_path: Path) -> None:
    """Links, pipes, huge and damaged files, and names of another form do no harm, and damaged heads are named."""
    folder = keep(tmp_path, 10)
    own = tmp_path / build_folder_name(ORIGIN)
    note = (own / "000000000000000010.checkpoint").read_bytes()
    (own / "000000000000000011.checkpoint").write_bytes(note)  # another size than its name
    (own / "000000000000000012.checkpoint").write_bytes(b"nonsense")
    with (own / "000000000000000013.checkpoint").open("wb") as huge:
        huge.truncate(1 << 40)
    os.mkfifo(own / "000000000000000014.checkpoint")
    (own / "000000000000000015.checkpoint").symlink_to(own / "000000000000000010.checkpoint")
    (own / "000000000000000016.checkpoint").mkdir()
    (own / "readme.txt").write_text("x")
    (own / f"{'0' * 64}.pem").write_text("x")
    os.mkfifo(own / "000000000000000010.tsr")
    (own / "000000000000000020-000000000000000030.leaves").write_bytes(b"short")
    (own / "000000000000000030-000000000000000020.leaves").write_bytes(b"")
    log = folder.read(ORIGIN)
    assert [one.checkpoint.size for one in log.checkpoints] == [10]
    assert log.damaged == tuple(f"0000000000000000{number}.checkpoint" for number in (11, 12, 13))
    assert log.checkpoints[0].signed.timestamp is None
    assert list(log.read_leaves(20, 30)) == []
    assert set(log.certificates) == set(KEYS.certificates)


def test_a_folder_of_very_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is something else is not read for hours."""
    monkeypatch.setattr(checkpoint_folder, "MAX_NAMES", 3)
    for number in range(4):
        (tmp_path / str(number)).touch()
    with pytest.raises(EvidenceError, match="more than 3"):
        CheckpointFolder(tmp_path).read(ORIGIN)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A typed error, in reading and in writing, says what the system said."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "none"):
        with pytest.raises(EvidenceError, match="cannot be read"):
            CheckpointFolder(path).read(ORIGIN)
    with pytest.raises(EvidenceError, match="cannot be kept"):
        CheckpointFolder(tmp_path / "file").save(head(1))


def test_what_a_crash_left_is_completed(tmp_path: Path) -> None:
    """Leaves and certificates that came before the crash stay, and the head takes its name at last."""
    folder = keep(tmp_path, 10)
    (path,) = tmp_path.glob("*/*.checkpoint")
    path.unlink()
    assert folder.read(ORIGIN).checkpoints == ()
    keep(tmp_path, 10)
    assert [one.checkpoint.size for one in folder.read(ORIGIN).checkpoints] == [10]
    assert KEYS.certificate.public_bytes(Encoding.PEM) in {one.read_bytes() for one in tmp_path.glob("*/*.pem")}
