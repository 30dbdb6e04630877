"""Key files of old software: PKCS#12 with RC2-40, as `openssl pkcs12 -legacy` and old browsers write it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from edoc_connector.errors import SigningError
from edoc_connector.signing import load_signer
from edoc_connector.signing.algorithms import is_valid_signature
from edoc_connector.testing.keys import AgencyKeys, agency_keys

PASSWORD = "mật-khẩu-Rất-Bí-Mật-8"
RC2_40 = "pbeWithSHA1And40BitRC2-CBC"
FORMS = {
    "-legacy": (RC2_40, "pbeWithSHA1And3-KeyTripleDES-CBC"),
    "-legacy -keypbe PBE-SHA1-RC2-40": (RC2_40,),
    "-legacy -certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES": ("pbeWithSHA1And3-KeyTripleDES-CBC",),
    "-macalg sha1 -certpbe AES-128-CBC -keypbe AES-128-CBC": ("AES-128-CBC",),
    "": ("AES-256-CBC",),
}


def _openssl(*arguments: str | Path) -> str:
    if shutil.which("openssl") is None and "CI" not in os.environ:
        pytest.skip("the openssl command is not installed")
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def _exported(keys: AgencyKeys, folder: Path, form: str) -> Path:
    keys.write_pem(folder / "plain.pem")
    target = folder / "agency.p12"
    password = ("-passout", f"pass:{PASSWORD}")
    _openssl("pkcs12", "-export", "-in", folder / "plain.pem", "-out", target, *password, *form.split())
    return target


@pytest.mark.parametrize("kind", ["rsa", "p256"])
@pytest.mark.parametrize("form", FORMS)
def test_old_and_new_encryption_is_read(form: str, kind: Any, tmp_path: Path) -> None:
    """The file has the encryption it is meant to have, and its key signs (building blocks, xmlsec defaults)."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind=kind)
    path = _exported(keys, tmp_path, form)
    password = ("-passin", f"pass:{PASSWORD}")
    described = _openssl(
        "pkcs12", "-in", path, "-info", "-noout", *password, *(["-legacy"] if "legacy" in form else [])
    )
    assert all(name in described for name in FORMS[form])
    signer = load_signer(f"p12:{path}", secrets=lambda _name: PASSWORD)
    assert signer.certificates == keys.certificates[:-1]
    public: Any = keys.certificate.public_key()
    assert is_valid_signature(public, signer.algorithm, b"x", signer.sign(b"x"))
    with pytest.raises(SigningError, match="password"):
        load_signer(f"p12:{path}", secrets=lambda _name: "wrong")


def test_a_file_without_password_asks_for_none(tmp_path: Path) -> None:
    """A PKCS#12 file with an empty password loads without asking."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    keys.write_pem(tmp_path / "plain.pem")
    _openssl("pkcs12", "-export", "-in", tmp_path / "plain.pem", "-out", tmp_path / "a.p12", "-passout", "pass:")
    assert load_signer(f"p12:{tmp_path}/a.p12", secrets=lambda _name: "").certificates[0] == keys.certificate


def test_a_certificate_file_that_is_none_is_named(tmp_path: Path) -> None:
    """``cert=`` pointing to something else says which file it is."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    uri = keys.write_pem(tmp_path / "key.pem")
    (tmp_path / "odd.der").write_bytes(b"\x30\x00")
    with pytest.raises(SigningError, match=r"odd\.der"):
        load_signer(f"{uri}?cert={tmp_path}/odd.der")
    (tmp_path / "der.cer").write_bytes(
        agency_keys("Sở Nội vụ", organ_id="H29.05").certificate.public_bytes(Encoding.DER)
    )
    assert load_signer(f"{uri}?cert={tmp_path}/der.cer")
