"""lxml and xmlsec: releases and builds that do not work together are found, also where loading them would crash."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import CheckOutcome
from edoc_connector.connector.checks.library_checks import BAD_PAIRS, compare_builds, find_known_pair, parse_release
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.checks.conftest import Find
    from tests.connector.conftest import Office

PASS, FAIL = CheckOutcome.PASS, CheckOutcome.FAIL


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that is looked at first."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def _install(site: Path, name: str, release: str) -> None:
    metadata = site / f"{name}-{release}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n", encoding="ascii")


def test_a_pair_that_is_known_not_to_work(office: Office, hub: RunningHub, find: Find, site: Path) -> None:
    """CHK-LIBRARIES is raised for xmlsec 1.3.17 beside lxml 5.4 before either is loaded (security facts, Versions)."""
    connector = office("H29.05")
    assert find(connector, "CHK-LIBRARIES") is PASS
    _install(site, "lxml", "5.4.0")
    _install(site, "xmlsec", "1.3.17")
    assert find(connector, "CHK-LIBRARIES") is FAIL


def test_an_xmlsec_that_does_not_load(
    office: Office, hub: RunningHub, find: Find, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What xmlsec says of itself when it is loaded is what is shown."""
    (site / "xmlsec.py").write_text("raise RuntimeError('lxml & xmlsec libxml2 library version mismatch')\n", "utf-8")
    monkeypatch.delitem(sys.modules, "xmlsec", raising=False)
    connector = office("H29.05")
    assert find(connector, "CHK-LIBRARIES") is FAIL
    (result,) = (one for one in connector.checks() if one.code == "CHK-LIBRARIES")
    assert "version mismatch" in result.text.en
    assert "version mismatch" in result.text.vi
    assert "pip install" in result.cure.vi


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
