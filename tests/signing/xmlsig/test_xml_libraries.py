"""lxml and xmlsec that do not fit together: verifying says so and names the cure, and no packet is blamed."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edoc_connector.edxml import write
from edoc_connector.signing import enveloped
from edoc_connector.signing.xmlsig.xml_libraries import BAD_PAIRS, compare_builds, find_known_pair, parse_release
from edoc_connector.testing import agency_keys, sample_document

VERIFY = """
import sys
sys.path.insert(0, sys.argv[2])
from edoc_connector import ConfigError, edxml, signing
try:
    signing.verify(edxml.read(sys.argv[1]), signing.VerifyPolicy())
except ConfigError as error:
    print(error.message)
    print(error.vi)
"""
BROKEN = {
    "an import that fails": {"xmlsec.py": "raise ImportError('libxml2.so.2: cannot open shared object file')"},
    "a mismatch": {"xmlsec.py": "raise RuntimeError('lxml & xmlsec libxml2 library version mismatch')"},
    "a pair that crashes": {
        "xmlsec-1.3.17.dist-info/METADATA": "Metadata-Version: 2.1\nName: xmlsec\nVersion: 1.3.17",
        "lxml-5.4.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: lxml\nVersion: 5.4.0",
        "xmlsec.py": "import os; os._exit(9)",
    },
}


@pytest.mark.parametrize("broken", BROKEN)
def test_verifying_with_a_broken_pair_names_the_cure(broken: str, tmp_path: Path) -> None:
    """The error is typed, in both languages, says what is wrong and the line that mends it."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256")
    packet = tmp_path / "packet.edxml"
    write(sample_document(attachments=()), packet, at=datetime.now(UTC), signature=enveloped(keys.signer()))
    for name, text in BROKEN[broken].items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    command = [sys.executable, "-c", VERIFY, str(packet), str(tmp_path / "site")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(told) == 2
    assert "packets cannot be verified: " in told[0]
    assert "không kiểm tra được gói tin: " in told[1]
    assert all("pip install --upgrade --force-reinstall --only-binary lxml,xmlsec" in one for one in told)


@pytest.mark.parametrize(
    ("builds", "words"),
    [
        ({"lxml": (2, 14, 6), "xmlsec": (2, 14, 4), "libxmlsec": (1, 3, 9)}, None),
        ({"lxml": (2, 14, 6), "xmlsec": (2, 12, 9), "libxmlsec": (1, 3, 9)}, "libxml2 2.14.6 and 2.12.9"),
        ({"lxml": (2, 9, 14), "xmlsec": (2, 9, 14), "libxmlsec": (1, 2, 37)}, "libxmlsec 1.2.37"),
    ],
)
def test_builds_are_compared(builds: dict[str, tuple[int, ...]], words: str | None) -> None:
    """Both must be built on one libxml2 major.minor; libxmlsec 1.2 trusts a key that the packet brings (Versions)."""
    problem = compare_builds(**builds)
    assert (problem is None) is (words is None)
    assert problem is None or (words or "") in problem.en


@pytest.mark.parametrize(
    ("lxml", "xmlsec", "is_bad"),
    [
        ("6.0.0", "1.3.16", False),
        ("6.1.3", "1.3.17", False),
        ("5.4.0", "1.3.16", True),
        ("5.3.1", "1.3.17", True),
        ("6.0.2", "1.3.14", True),
        ("5.2.1", "1.3.14", False),
    ],
)
def test_the_table_of_pairs(lxml: str, xmlsec: str, is_bad: bool) -> None:
    """The pairs that were measured are told as they were; of others the builds decide."""
    assert (find_known_pair(lxml, xmlsec) is not None) is is_bad


def test_releases_are_read() -> None:
    """Only the numbers count; the table's spans are not empty."""
    assert parse_release("6.1.0.post1") == (6, 1, 0)
    assert parse_release("1.3.17rc1") == (1, 3)
    assert all(first < end for pair in BAD_PAIRS for first, end in (pair.lxml, pair.xmlsec))
