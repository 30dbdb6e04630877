"""The extra ``pdf``: nothing of it is loaded before it is needed, and a missing package is named."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edoc_connector import pdf
from edoc_connector.config import Settings
from edoc_connector.connector import Connector
from edoc_connector.errors import ConfigError
from edoc_connector.testing.keys import AgencyKeys


def test_importing_loads_no_pdf_code() -> None:
    """Neither the connector nor `edoc_connector.pdf` itself loads pyHanko or a font."""
    heavy = "{'pyhanko', 'fontTools', 'uharfbuzz', 'fontpkg'}"
    code = "import sys, edoc_connector.pdf, edoc_connector.connector, edoc_connector.cli.app;"
    code += f"print({heavy} & {{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_the_list_of_names() -> None:
    """Every name that the package exports is there."""
    assert all(getattr(pdf, name) is not None for name in pdf.__all__)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets a package be missing."""

    def hide(name: str) -> None:
        find = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda asked: None if asked == name else find(asked))

    return hide


def test_without_pyhanko(without: Any, plain: bytes, agency: AgencyKeys, tmp_path: Path) -> None:
    """Every use says what to install, in both languages."""
    without("pyhanko")
    for use in (
        lambda: pdf.verify_pdf(plain),
        lambda: pdf.sign_pdf(plain, tmp_path / "a.pdf", signer=agency.signer()),
    ):
        with pytest.raises(ConfigError, match=r'pip install "edoc-connector\[pdf\]"') as caught:
            use()
        assert "pyhanko" in caught.value.message
        assert "hãy cài đặt" in caught.value.vi


def test_without_the_font(without: Any, plain: bytes, agency: AgencyKeys, tmp_path: Path) -> None:
    """Only a stamp needs letters."""
    without("fontpkg_noto_serif")
    with pytest.raises(ConfigError, match="fontpkg_noto_serif"):
        pdf.sign_pdf(plain, tmp_path / "a.pdf", signer=agency.signer())
    pdf.sign_pdf(plain, tmp_path / "a.pdf", signer=agency.signer(), stamp=None)


@pytest.mark.parametrize("section", ["signing", "receive"])
def test_a_connector_that_will_need_it(section: str, without: Any, tmp_path: Path) -> None:
    """A demand that cannot be checked is found when the connector is opened, not with the first document."""
    without("pyhanko")
    values = {
        "agency": {"id": "H29.05", "name": "Sở Nội vụ"},
        "hub": {"endpoint": "http://127.0.0.1:9", "system_id": "x", "secret": "env:X"},
        section: {"require_pdf_signature": True},
    }
    with pytest.raises(ConfigError, match="pyhanko"):
        Connector.open(Settings.of(values, folder=tmp_path))
