"""Names with rows of combining marks, as asn1crypto and the packages on it compare them."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

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


ORDERS = {
    "asn1crypto first": ("asn1crypto.x509", "pyhanko.sign.validation", "edoc_connector.pdf"),
    "pyHanko first": ("pyhanko.sign.validation", "edoc_connector.pdf"),
    "the library first": ("edoc_connector.pdf", "edoc_connector.signing", "pyhanko.sign.validation"),
    "the validator last": ("edoc_connector.pdf", "asn1crypto.x509", "pyhanko_certvalidator"),
}
PROGRAM = """
import importlib, sys, unicodedata
normalize, modules = unicodedata.normalize, sys.argv[1:]
for name in modules[:-1]:
    importlib.import_module(name)
from edoc_connector.signing import bound_asn1_names
bound_asn1_names()
importlib.import_module(modules[-1])
from asn1crypto import x509
build = lambda text: x509.Name.build({'organization_name': text})
print(build('S\u1edf N\u1ed9i v\u1ee5') == build('S\u1ede  N\u1ed8I V\u1ee4'), unicodedata.normalize is normalize)
try:
    build('a' + chr(0x301) * 31).hashable
except ValueError as error:
    print(error)
"""


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_names_are_bounded_in_any_order_of_imports(order: tuple[str, ...]) -> None:
    """Whoever imports asn1crypto or pyHanko, before us or after, has names bounded, and compared as before."""
    ran = subprocess.run([sys.executable, "-c", PROGRAM, *order], capture_output=True, text=True, timeout=60)
    assert ran.stdout.splitlines() == ["True True", "a name with more than 30 combining marks in a row"], ran.stderr


def test_only_asn1crypto_has_another_unicodedata(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library's module stays as it is, and what asn1crypto asks of it besides is answered by it."""
    normalize = unicodedata.normalize
    bound_asn1_names()
    assert unicodedata.normalize is normalize
    assert x509.unicodedata is not unicodedata
    assert x509.unicodedata.ucd_3_2_0 is unicodedata.ucd_3_2_0
    assert len(unicodedata.normalize("NFKC", "a" + "\u0301" * 31)) == 31
    monkeypatch.setattr(x509, "unicodedata", unicodedata)  # as when it is loaded anew
    bound_asn1_names()
    assert x509.unicodedata is not unicodedata
