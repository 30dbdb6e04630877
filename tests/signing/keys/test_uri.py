"""Key URIs: paths and attributes as they are written."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from edoc_connector.signing import KeyUri, load_signer
from edoc_connector.testing.keys import AgencyKeys


def test_odd_file_names_can_be_written(agency: AgencyKeys, tmp_path: Path) -> None:
    """Paths are percent-decoded, so a name may hold a question mark or an ampersand; a plus sign stays one."""
    agency.write_pem(tmp_path / "a?b.pem")
    (tmp_path / "c+d&e.pem").write_bytes(agency.certificate.public_bytes(Encoding.PEM))
    signer = load_signer(f"pem:{tmp_path}/a%3Fb.pem?cert={tmp_path}/c+d%26e.pem")
    assert signer.certificates == (agency.certificate,)


def test_a_uri_is_shown_without_what_may_be_secret() -> None:
    """Attributes, and a PIN in the body, do not get into lists and logs."""
    uri = KeyUri.parse("pkcs11:token=edoc;object=agency-key;pin-value=1234?pin-source=env:PIN&cert=a%20b.pem")
    assert uri.redacted == "pkcs11:token=edoc;object=agency-key"
    assert uri.query == {"pin-source": ("env:PIN",), "cert": ("a b.pem",)}
