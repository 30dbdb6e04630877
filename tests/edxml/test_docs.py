"""The page "The edXML packet" says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def test_every_code_is_on_the_page() -> None:
    """Each code that the package can give stands on the page, and the page has no others."""
    source = "".join(path.read_text(encoding="utf-8") for path in (_ROOT / "src/edoc_connector/edxml").rglob("*.py"))
    page = (_ROOT / "docs" / "edxml.md").read_text(encoding="utf-8")
    codes = set(re.findall(r'"(ED[XR]-[A-Z0-9-]*[A-Z0-9])"', source)) | {"EDR-ID-DATE", "EDR-ID-FORM", "EDR-ORGAN-ID"}
    assert codes == set(re.findall(r"`(ED[XR]-[A-Z0-9-]+)`", page))
