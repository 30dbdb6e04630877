"""lxml and xmlsec: releases and builds that do not work together are found, also where loading them would crash."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import CheckOutcome
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
