"""The forms of certificate files, made by openssl where it makes them."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from edoc_connector._core import split_certificates
from edoc_connector.signing import load_signer, read_certificates
from edoc_connector.signing.pki import VerifyPolicy
from edoc_connector.testing.keys import AgencyKeys, agency_keys


@pytest.fixture(scope="module")
def keys() -> AgencyKeys:
    """An agency's certificates."""
    return agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256")


def _pem(keys: AgencyKeys) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in keys.certificates)


def _openssl(keys: AgencyKeys, folder: Path, *arguments: str) -> bytes:
    if shutil.which("openssl") is None and "CI" not in os.environ:
        pytest.skip("the openssl command is not installed")
    (folder / "in.pem").write_bytes(_pem(keys))
    out = folder / "out"
    command = [one.format(pem=folder / "in.pem") for one in arguments]
    subprocess.run(["openssl", *command, "-out", str(out)], check=True, capture_output=True)
    return out.read_bytes()


def _p7b(form: str) -> Callable[[AgencyKeys, Path], bytes]:
    return lambda keys, folder: _openssl(keys, folder, "crl2pkcs7", "-nocrl", "-certfile", "{pem}", "-outform", form)


CHAINS: dict[str, Callable[[AgencyKeys, Path], bytes]] = {
    "PEM": lambda keys, _: _pem(keys),
    "PEM, words between": lambda keys, _: b"Bag Attributes\n  friendlyName: x\n" + _pem(keys).replace(b"\n", b"\r\n"),
    "PEM, UTF-16": lambda keys, _: _pem(keys).decode().encode("utf-16"),
    "PEM, UTF-16 big endian without mark": lambda keys, _: _pem(keys).decode().encode("utf-16-be"),
    "PEM, UTF-8 with mark": lambda keys, _: b"\xef\xbb\xbf" + _pem(keys),
    "p7b, PEM": _p7b("PEM"),
    "p7b, DER": _p7b("DER"),
    "p7b, base64": lambda keys, folder: base64.encodebytes(_p7b("DER")(keys, folder)),
    "p7b, UTF-16": lambda keys, folder: _p7b("PEM")(keys, folder).decode().encode("utf-16"),
    "TRUSTED CERTIFICATE and others": lambda keys, folder: (
        _openssl(keys, folder, "x509", "-in", "{pem}", "-trustout", "-addtrust", "emailProtection")
        + b"".join(one.public_bytes(Encoding.PEM) for one in keys.certificates[1:])
    ),
    "X509 CERTIFICATE": lambda keys, _: _pem(keys).replace(b" CERTIFICATE", b" X509 CERTIFICATE"),
}
SINGLE: dict[str, Callable[[bytes], bytes]] = {
    "DER": lambda der: der,
    "DER and a line end": lambda der: der + b"\r\n",
    "base64": base64.b64encode,
    "base64 in lines": lambda der: base64.encodebytes(der).replace(b"\n", b"\r\n"),
    "base64, UTF-16": lambda der: base64.encodebytes(der).decode().encode("utf-16"),
    "base64, UTF-16 without mark": lambda der: base64.encodebytes(der).decode().encode("utf-16-le"),
}


@pytest.mark.parametrize("form", CHAINS)
def test_chains_in_every_form_that_authorities_hand_out(form: str, keys: AgencyKeys, tmp_path: Path) -> None:
    """Each form of a chain gives its certificates (security.md, chains; field cases, keys and trust)."""
    data = CHAINS[form](keys, tmp_path)
    assert set(read_certificates(data)) == set(keys.certificates)
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "chain.p7b").write_bytes(data)
    assert set(VerifyPolicy.load([tmp_path / "trust"]).anchors) == set(keys.certificates)


@pytest.mark.parametrize("form", SINGLE)
def test_one_certificate_in_every_form(form: str, keys: AgencyKeys) -> None:
    """Each form of a single certificate gives its very bytes."""
    der = keys.certificate.public_bytes(Encoding.DER)
    assert split_certificates(SINGLE[form](der)) == [der]


def test_a_key_and_its_certificates_in_utf16(keys: AgencyKeys, tmp_path: Path) -> None:
    """A PEM key file that Windows' editor saved in UTF-16, with its chain beside it as .p7b, signs."""
    path = tmp_path / "key.pem"
    uri = keys.write_pem(path)
    assert load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(path.read_bytes().decode().encode("utf-16"))
    (tmp_path / "chain.p7b").write_bytes(_p7b("DER")(keys, tmp_path))
    for one in (uri, f"{uri}?cert={tmp_path}/chain.p7b"):
        assert load_signer(one).certificates == keys.certificates[: len(load_signer(one).certificates)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"\xff\xfe\x00",
        b"-\x00-",
        b"no certificate",
        b"\x30\x82\x01",
        b"\x02\x01\x05",
        b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02",
        b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01",
        b"-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n",
        b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ],
)
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    """A file that is empty, cut, of something else or damaged is a ValueError, whatever it holds."""
    with pytest.raises(ValueError):  # noqa: PT011 - several words
        read_certificates(data)
