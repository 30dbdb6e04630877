"""Names with rows of combining marks, as asn1crypto and the packages on it compare them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from asn1crypto import x509  # type: ignore[import-untyped]

from edoc_connector.signing import bound_asn1_names


def _name(text: str) -> x509.Name:
    return x509.Name.build({"organization_name": text})


def test_names_of_people_are_compared() -> None:
    """Names are the same in any normal form and case, as before (RFC 5280, 7.1)."""
    bound_asn1_names()
    bound_asn1_names()
    assert _name("Sở Nội vụ") == _name("SỞ NỘI  VỤ")
    assert _name("Sở Nội vụ") != _name("Sở Nội")


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\uff9e\u0323"], ids=["marks", "letters that become marks"])
def test_endless_marks_are_refused(marks: str) -> None:
    """A name that takes a minute to normalise is refused before ("limits on reading before normalising")."""
    bound_asn1_names()
    with pytest.raises(ValueError, match="more than 30 combining marks"):
        _ = _name("a" + marks * 200_000) == _name("b")


def test_verifying_a_pdf_bounds_the_names() -> None:
    """Whoever examines a PDF file has names bounded, and loading the package alone loads no ASN.1 code (imports)."""
    program = (
        "import io, sys, edoc_connector.signing\n"
        "assert 'asn1crypto.x509' not in sys.modules\n"
        "from edoc_connector.pdf import verify_pdf\n"
        "verify_pdf(b'%PDF-1.7 nothing')\n"
        "from asn1crypto import x509\n"
        "x509.Name.build({'organization_name': 'a' + chr(0x301) * 31}).hashable\n"
    )
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=60)
    assert "more than 30 combining marks" in ran.stderr
