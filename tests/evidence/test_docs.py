"""The verifier of docs/evidence.md is run as it stands there, and agrees with the library's own."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from edoc_connector.connector import check_pack
from edoc_connector.signing import LocalSigner, SignatureAlgorithm, fingerprint
from edoc_connector.testing.keys import AgencyKeys, Kind, agency_keys

if TYPE_CHECKING:
    from tests.evidence.conftest import Change, Flip, Log, PackOf

PAGE = Path(__file__).parents[2] / "docs" / "evidence.md"
FENCE = re.compile(r"<!-- verifier -->\n```python\n(.*?)```\n", re.DOTALL)
CODE = "\n".join(FENCE.findall(PAGE.read_text(encoding="utf-8")))

Agree = Callable[[Path], bool]


@pytest.fixture
def agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: AgencyKeys) -> Agree:
    """Checks a pack with both, and gives the verdict on which they agree."""
    certificate = tmp_path / "agency.pem"
    certificate.write_bytes(keys.certificate.public_bytes(Encoding.PEM))
    known = {"H29.05": (f"sha256:{fingerprint(keys.certificate)}",)}

    def both(pack: Path) -> bool:
        checked = check_pack(pack, anchors=[keys.root], organisations=known)
        ours = not checked.problems and checked.is_agency
        monkeypatch.setattr(sys, "argv", ["check.py", str(pack), str(certificate)])
        theirs = True
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(CODE, "check.py", "exec"), {})
        except (Exception, SystemExit):
            theirs = False
        assert theirs is ours, (pack.name, checked.problems)
        return ours

    return both


def test_the_first_part_is_thirty_lines() -> None:
    """Who signed a checkpoint is found in thirty lines, those of imports and empty ones left out (issue, "2.")."""
    lines = [line for line in FENCE.findall(PAGE.read_text(encoding="utf-8"))[0].splitlines() if line.strip()]
    assert len([line for line in lines if not line.startswith(("import", "from"))]) <= 30


def test_it_runs_as_the_page_says(log: Log, pack_of: PackOf, tmp_path: Path, keys: AgencyKeys) -> None:
    """As a program with the pack and the agency's certificate, it ends with 0 and prints the root to compare."""
    pack = pack_of(log)
    (tmp_path / "check.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "agency.pem").write_bytes(keys.certificate.public_bytes(Encoding.PEM))
    command = [sys.executable, "check.py", pack.name, "agency.pem"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"43 entries, root {check_pack(pack).head}" in done.stdout


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        ("rsa", "rsa-sha256"),
        ("rsa", "rsa-pss-sha384"),
        ("p256", "ecdsa-sha256"),
        ("p384", "ecdsa-sha384"),
    ],
)
def test_both_take_each_kind_of_key(
    log: Log, pack_of: PackOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind, algorithm: str
) -> None:
    """RSA in both paddings, and both curves."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind=kind)
    log.heads.clear()
    log.keys = keys
    signer = LocalSigner(key=keys.key, certificates=keys.certificates, algorithm=SignatureAlgorithm(algorithm))
    pack = pack_of(log, signer=signer)
    (tmp_path / "agency.pem").write_bytes(keys.certificate.public_bytes(Encoding.PEM))
    monkeypatch.setattr(sys, "argv", ["check.py", str(pack), str(tmp_path / "agency.pem")])
    exec(compile(CODE, "check.py", "exec"), {})
    assert check_pack(pack).problems == ()


def list_changes(pack: Path, flip: Flip) -> Iterator[tuple[str, Callable[[bytes], bytes | None]]]:
    """Changes of each file: bits flipped, cut off, emptied, left out."""
    with zipfile.ZipFile(pack) as archive:
        for info in archive.infolist():
            size = info.file_size
            for place in sorted({0, size // 5, size // 3, size // 2, size - 3, size - 2}):
                yield info.filename, partial(flip, place)
            yield info.filename, lambda content: content[: len(content) // 2]
            yield info.filename, lambda content: None


def test_both_agree_on_changed_packs(log: Log, pack_of: PackOf, agree: Agree, change: Change, flip: Flip) -> None:
    """Whatever is changed in a good pack, both refuse it (issue, "agrees with ours on all packs, good and bad")."""
    pack = pack_of(log)
    assert agree(pack)
    for number, (name, how) in enumerate(list_changes(pack, flip)):
        assert not agree(change(pack, name, how)), (name, number)


def test_both_agree_on_what_is_added(log: Log, pack_of: PackOf, agree: Agree, change: Change) -> None:
    """A file that does not belong, and a line of an entry that is there twice."""
    pack = pack_of(log)
    lines = zipfile.ZipFile(pack).read("entries.jsonl").splitlines(keepends=True)
    assert not agree(change(pack, "entries.jsonl", lambda old: lines[0] + old))
    assert not agree(change(pack, "entries.jsonl", lambda old: old[::-1]))
    with zipfile.ZipFile(pack, "a") as archive:
        archive.writestr("packets/more.edxml", b"x")
    assert not agree(pack)


def test_both_agree_on_forged_packs(log: Log, pack_of: PackOf, agree: Agree) -> None:
    """A fork, a head by another agency, one by nobody, a pack for another agency, a packet that no entry names."""
    other = agency_keys("Văn phòng Chính phủ", organ_id="G22").signer()
    packed: list[dict[str, Any]] = [
        {"signer": None},
        {"signer": other},
        {"agency": "G22"},
        {"packets": [{"what": "delivery", "sha256": hashlib.sha256(b"x").hexdigest(), "missing": "lost"}]},
    ]
    for number, facts in enumerate(packed):
        assert not agree(pack_of(log, name=f"{number}.zip", **facts)), facts
        log.heads = log.heads[:1]
    log.rewrite(5)
    assert not agree(pack_of(log, name="fork.zip"))


def test_both_agree_that_a_rewritten_log_fits_together(log: Log, pack_of: PackOf, agree: Agree) -> None:
    """With no head from before, nothing in a pack shows it: that is what kept checkpoints are for."""
    log.rewrite(5)
    log.heads.clear()
    assert agree(pack_of(log))
    assert json.loads(log.entries[5])["events"][0]["details"]["new"] == "fake"
