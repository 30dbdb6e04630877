"""Packs of the second form, checked without a database: good ones, and each way in which one is bad."""

from __future__ import annotations

import base64
import json
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Checked, check_pack
from edoc_connector.errors import EvidenceError
from edoc_connector.evidence import build_folder_name, hash_leaf
from edoc_connector.testing.keys import AgencyKeys, agency_keys, authority

if TYPE_CHECKING:
    from tests.evidence.conftest import Change, Flip, Log, PackOf


def places(checked: Checked) -> list[str]:
    """Where something is wrong."""
    return [one.where for one in checked.problems]


def test_a_good_pack(log: Log, pack_of: PackOf, keys: AgencyKeys) -> None:
    """Files, entries, packets, signatures and the head hold, and the signer is the agency (issue, "3.")."""
    checked = check_pack(pack_of(log), anchors=[keys.root])
    assert checked.problems == ()
    assert (checked.form, checked.entries, checked.size, checked.kept) == (2, 2, 43, 0)
    assert (checked.signed_by, checked.trusted, checked.is_agency) == ("Sở Nội vụ", True, True)
    assert [status for _, status in checked.packets] == ["VALID"]
    assert checked.head == base64.b64encode(log.tiles.open().compute_root()).decode()


def test_a_pack_is_small_beside_its_packets(log: Log, pack_of: PackOf, packet: bytes) -> None:
    """At most 100 KB, however long the log (issue, "3.")."""
    for number in range(3000):
        log.note(number)
    assert pack_of(log).stat().st_size < 100_000


def test_any_change_to_any_file_is_found(
    log: Log, pack_of: PackOf, keys: AgencyKeys, change: Change, flip: Flip
) -> None:
    """A flipped bit in any file, or any file left out (issue, "Tampering with any file")."""
    pack = pack_of(log)
    with zipfile.ZipFile(pack) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    for name, size in sizes.items():
        for place in {0, size // 3, size // 2, size - 3}:
            flipped = change(pack, name, partial(flip, place))
            assert check_pack(flipped, anchors=[keys.root]).problems, (name, place)
        assert check_pack(change(pack, name, lambda old: None), anchors=[keys.root]).problems, name


def test_an_entry_taken_out_or_exchanged(log: Log, pack_of: PackOf, change: Change) -> None:
    """An entry of the log that stands elsewhere, and one that was never in it, are named."""
    pack = pack_of(log)
    lines = zipfile.ZipFile(pack).read("entries.jsonl").splitlines(keepends=True)
    moved = change(pack, "entries.jsonl", lambda old: b"".join(reversed(lines)))
    assert places(check_pack(moved)) == ["entries.jsonl:42", "manifest.json"]
    first = json.loads(lines[0])
    forged = json.dumps(first | {"entry": first["entry"].replace("stored", "storod")}).encode() + b"\n"
    assert places(check_pack(change(pack, "entries.jsonl", lambda old: forged + lines[1]))) == ["entries.jsonl:42"]
    gone = change(pack, "entries.jsonl", lambda old: lines[1])
    assert places(check_pack(gone)) == [json.loads(zipfile.ZipFile(pack).read("manifest.json"))["packets"][0]["file"]]


def test_an_unsigned_head_is_said(log: Log, pack_of: PackOf, change: Change) -> None:
    """Nobody is named as the signer; and where a signature was taken off, that is a problem (issue, "unsigned")."""
    checked = check_pack(pack_of(log, signer=None))
    assert (checked.problems, checked.signed_by, checked.is_agency) == ((), None, False)
    log.heads.pop()
    stripped = change(pack_of(log, name="y.zip"), "checkpoint", lambda old: old.partition(b"\n\n")[0] + b"\n\n")
    assert places(check_pack(stripped)) == ["checkpoint"]


def test_a_foreign_head_is_said(log: Log, pack_of: PackOf, keys: AgencyKeys) -> None:
    """Another agency's signature over this agency's log is not the agency's (issue, "foreign")."""
    other = agency_keys("Văn phòng Chính phủ", organ_id="G22")
    log.keys = replace(keys, certificates=(*other.certificates, *keys.certificates))
    pack = pack_of(log, signer=other.signer())
    checked = check_pack(pack, anchors=[keys.root])
    assert (checked.problems, checked.trusted, checked.is_agency) == ((), True, False)
    checked = check_pack(pack, anchors=[keys.root], organisations={"H29.05": ("code:H29.05",)})
    assert places(checked) == ["checkpoint"]


def test_a_signer_without_its_certificate_is_said(log: Log, pack_of: PackOf) -> None:
    """A signature that no certificate in the pack made is none."""
    log.keys = agency_keys("Văn phòng Chính phủ", organ_id="G22")
    checked = check_pack(pack_of(log))
    assert "checkpoint" in places(checked)
    assert checked.signed_by is None


def test_an_authority_that_is_not_the_signers(log: Log, pack_of: PackOf) -> None:
    """Head and packets are named where other authorities are given as trusted."""
    checked = check_pack(pack_of(log), anchors=[authority("Somebody else").certificates[-1]])
    assert places(checked)[0] == "checkpoint"
    assert places(checked)[1].startswith("packets/")
    assert checked.trusted is False


def test_kept_checkpoints_agree(log: Log, pack_of: PackOf, tmp_path: Path) -> None:
    """Heads of the pack that were kept too are compared, and who signed them before is the agency (issue, "3.")."""
    pack = pack_of(log)
    log.keep(tmp_path / "kept")
    checked = check_pack(pack, checkpoints=tmp_path / "kept")
    assert (checked.problems, checked.kept, checked.is_agency, checked.trusted) == ((), 2, True, None)


def test_kept_leaves_reach_a_head_in_between(log: Log, pack_of: PackOf, tmp_path: Path, keys: AgencyKeys) -> None:
    """Where only later heads were kept, the leaves kept with them lead to the pack's own head."""
    pack = pack_of(log)
    for number in range(10):
        log.note(number)
    log.heads.clear()
    log.sign_head(keys.signer())
    log.keep(tmp_path / "kept")
    checked = check_pack(pack, checkpoints=tmp_path / "kept")
    assert (checked.problems, checked.kept) == ((), 1)


def test_a_rewritten_log_does_not_agree(log: Log, pack_of: PackOf, tmp_path: Path) -> None:
    """A log that was rewritten and signed anew fits together, and a kept head shows it (issue, "forked")."""
    log.keep(tmp_path / "kept")
    log.rewrite(5)
    log.heads.clear()
    pack = pack_of(log)
    assert check_pack(pack).problems == ()
    checked = check_pack(pack, checkpoints=tmp_path / "kept")
    assert places(checked) == ["checkpoint"]  # nothing kept can be compared: that is a problem too


def test_a_rewritten_log_that_shows_an_old_head(log: Log, pack_of: PackOf) -> None:
    """Its own earlier head does not lead to the new one: the pack shows the fork by itself."""
    log.rewrite(5)
    assert places(check_pack(pack_of(log))) == ["checkpoints.jsonl:1"]


def test_a_fork_at_a_kept_size(log: Log, pack_of: PackOf, tmp_path: Path, keys: AgencyKeys) -> None:
    """A head of the size of a kept one, and with another root, is named."""
    log.keep(tmp_path / "kept")
    log.rewrite(5)
    log.heads.clear()
    entries, log.entries = log.entries, log.entries[:21]
    log.link_anew()
    log.sign_head(keys.signer())
    for entry in entries[21:]:
        log.entries.append(entry)
        log.tiles.append(hash_leaf(entry))
    checked = check_pack(pack_of(log), checkpoints=tmp_path / "kept")
    assert (places(checked), checked.kept) == (["000000000000000021.checkpoint"], 1)


def test_a_kept_folder_half_deleted(log: Log, pack_of: PackOf, tmp_path: Path) -> None:
    """What is left still counts; with nothing left of this log that is said (issue, "half deleted")."""
    pack = pack_of(log)
    log.keep(tmp_path / "kept")
    own = tmp_path / "kept" / build_folder_name(log.origin)
    (own / "000000000000000021.checkpoint").unlink()
    assert (check_pack(pack, checkpoints=own).problems, check_pack(pack, checkpoints=own).kept) == ((), 1)
    (own / "000000000000000043.checkpoint").unlink()
    assert places(check_pack(pack, checkpoints=own)) == ["checkpoint"]


def test_a_kept_head_that_was_forged(log: Log, pack_of: PackOf, tmp_path: Path) -> None:
    """A file in the folder that was changed, or is none, accuses nobody: it is named itself."""
    pack = pack_of(log)
    log.keep(tmp_path / "kept")
    own = tmp_path / "kept" / build_folder_name(log.origin)
    path = own / "000000000000000021.checkpoint"
    path.write_bytes(path.read_bytes().replace(b"time 2", b"time 3"))
    (own / "000000000000000022.checkpoint").write_bytes(b"x")
    checked = check_pack(pack, checkpoints=tmp_path / "kept")
    assert sorted(places(checked)) == ["000000000000000021.checkpoint", "000000000000000022.checkpoint"]


def test_a_folder_that_is_not_there(log: Log, pack_of: PackOf, tmp_path: Path) -> None:
    """The folder is the user's own: an error says that it cannot be read."""
    with pytest.raises(EvidenceError, match="cannot be read"):
        check_pack(pack_of(log), checkpoints=tmp_path / "none")


def test_the_certificates_that_an_agency_listed_travel(log: Log, pack_of: PackOf, keys: AgencyKeys) -> None:
    """A packet is judged again as the agency did, by the certificates of senders that it knew (`organisations`)."""
    listed = {"H29.05": {"name": "Sở Nội vụ", "certificates": ["sha256:" + "0" * 64]}}
    pack = pack_of(log, organisations=listed)
    (problem,) = check_pack(pack, anchors=[keys.root]).problems
    assert problem.text == "its signatures are INVALID now, and were VALID when it was packed"
    assert check_pack(pack).problems == ()


def test_a_pack_of_another_agency(log: Log, pack_of: PackOf) -> None:
    """Manifest, entries and head must be of one agency."""
    assert places(check_pack(pack_of(log, agency="G22"))) == ["manifest.json"]


@pytest.mark.parametrize("name", ["manifest.json", "entries.jsonl", "checkpoint", "checkpoints.jsonl"])
@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"null", b"{}", b"{}\n", b"{", b"\xff", b"[" * 200_000, b"[" + b"[]," * 600_000 + b"[]]",
        b'{"format":"edoc-evidence/2"}', b'{"index":0,"entry":"{}","proof":[]}\n', b'{"index":true,"entry":1}\n',
        b'{"index":0,"entry":"{}","proof":["eA=="]}\n', b'{"index":0,"entry":"{}","proof":[1]}\n',
        b'{"checkpoint":"a","proof":[]}\n', b'{"checkpoint":"a","timestamp":1,"proof":[]}\n', b"a\n1\nb\n\n",
    ],
    ids=lambda one: repr(one[:30]),
)  # fmt: skip
def test_parts_of_another_shape(log: Log, pack_of: PackOf, name: str, content: bytes, change: Change) -> None:
    """What is inside comes from anybody, and is named as a problem whatever it is."""
    has_problems = bool(check_pack(change(pack_of(log), name, lambda old: content)).problems)
    assert has_problems or (name, content) == ("checkpoints.jsonl", b"")  # a log may have no earlier head
