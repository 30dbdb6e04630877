"""Signers loaded by URI: key files that load and that do not, and that nothing tells a secret."""

from __future__ import annotations

import logging
import shutil
import subprocess
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from edoc_connector.errors import SigningError
from edoc_connector.signing import load_signer
from edoc_connector.signing.algorithms import is_valid_signature
from edoc_connector.signing.keys.load import LOADERS
from edoc_connector.testing.keys import AgencyKeys, get_default_authority, make_throwaway_key

PASSWORD = "mật-khẩu-Rất-Bí-Mật-7"
DATA = b"what is signed"


def _holds(signer: Any, keys: AgencyKeys) -> bool:
    key: Any = keys.certificate.public_key()
    return is_valid_signature(key, signer.algorithm, DATA, signer.sign(DATA))


def _answer(_name: str) -> str:
    return PASSWORD


@pytest.fixture(scope="module", params=["rsa", "p256", "p384"])
def keys(request: pytest.FixtureRequest) -> AgencyKeys:
    """Keys of every kind that signs."""
    return get_default_authority().agency("Sở Nội vụ", organ_id="H29.05", kind=request.param, key_name="signer tests")


def _openssl(*arguments: str | Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed")
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode and "legacy" in done.stderr:
        pytest.skip("this openssl has no legacy provider")
    assert done.returncode == 0, done.stderr


def _pkcs12_by_openssl(*options: str) -> Callable[[AgencyKeys, Path], str]:
    def make(keys: AgencyKeys, folder: Path) -> str:
        plain, target = folder / "plain.pem", folder / "by-openssl.p12"
        keys.write_pem(plain)
        _openssl("pkcs12", "-export", "-in", plain, "-out", target, "-passout", f"pass:{PASSWORD}", *options)
        return f"p12:{target}"

    return make


def _pem_by_openssl(*command: str) -> Callable[[AgencyKeys, Path], str]:
    def make(keys: AgencyKeys, folder: Path) -> str:
        plain, target = folder / "plain.pem", folder / "by openssl.pem"
        keys.write_pem(plain)
        _openssl(*command, "-in", plain, "-out", target, "-passout", f"pass:{PASSWORD}")
        return f"pem:{folder}/by%20openssl.pem?cert={plain}"

    return make


def _traditional(keys: AgencyKeys, folder: Path) -> str:
    form = PrivateFormat.TraditionalOpenSSL
    encrypted = keys.key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(PASSWORD.encode()))
    (folder / "traditional.pem").write_bytes(encrypted)
    (folder / "cert.der").write_bytes(keys.certificate.public_bytes(Encoding.DER))
    return f"pem:{folder}/traditional.pem?cert={folder}/cert.der&secret=env:KEY_PASSWORD"


FILES: dict[str, Callable[[AgencyKeys, Path], str]] = {
    "PEM, plain": lambda keys, folder: keys.write_pem(folder / "key.pem"),
    "PEM, PKCS#8 encrypted": lambda keys, folder: keys.write_pem(folder / "key.pem", password=PASSWORD),
    "PEM, traditional encrypted": _traditional,
    "PEM, PBES2 AES by openssl": _pem_by_openssl("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256"),
    "PEM, scrypt by openssl": _pem_by_openssl("pkcs8", "-topk8", "-scrypt"),
    "PKCS#12, PBES2 AES": lambda keys, folder: keys.write_p12(folder / "key.p12", password=PASSWORD),
    "PKCS#12, 3DES SHA-1": lambda keys, folder: keys.write_p12(folder / "key.p12", password=PASSWORD, legacy=True),
    "PKCS#12, PBES2 by openssl": _pkcs12_by_openssl(),
    "PKCS#12, RC2-40 by openssl": _pkcs12_by_openssl("-legacy"),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_key_file_signs(kind: str, keys: AgencyKeys, tmp_path: Path) -> None:
    """PEM and PKCS#12 files, of old and of new software, load and sign (building blocks, xmlsec defaults)."""
    signer = load_signer(FILES[kind](keys, tmp_path), secrets=_answer)
    assert signer.certificates[0] == keys.certificate
    assert _holds(signer, keys)


def test_the_chain_is_put_in_order(agency: AgencyKeys, tmp_path: Path) -> None:
    """The signer's certificate comes first and the ones above it follow, however the file has them."""
    issuing, leaf = tmp_path / "issuing.pem", tmp_path / "leaf.pem"
    agency.write_pem(tmp_path / "key.pem")
    issuing.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in reversed(agency.certificates[1:])))
    leaf.write_bytes(agency.certificate.public_bytes(Encoding.PEM))
    signer = load_signer(f"pem:{tmp_path}/key.pem?cert={issuing}&cert={leaf}")
    assert signer.certificates == agency.certificates


def test_the_newest_certificate_of_a_key_is_used(agency: AgencyKeys, tmp_path: Path) -> None:
    """A certificate that was renewed for the same key takes the old one's place."""
    ends = datetime.now(UTC) + timedelta(days=900)
    renewed = get_default_authority().agency("Sở Nội vụ", organ_id="H29.05", not_after=ends)
    path = tmp_path / "both.pem"
    uri = agency.write_pem(path)
    path.write_bytes(path.read_bytes() + renewed.certificate.public_bytes(Encoding.PEM))
    assert load_signer(uri).certificates[0] == renewed.certificate


CHOICES = {
    "rsa": (
        "rsa-sha256",
        "rsa-sha384",
        "rsa-sha512",
        "rsa-pss-sha256",
        "rsa-pss-sha384",
        "rsa-pss-sha512",
    ),
    "p256": ("ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512"),
    "p384": ("ecdsa-sha384", "ecdsa-sha256", "ecdsa-sha512"),
}


@pytest.mark.parametrize("kind", CHOICES)
@pytest.mark.parametrize("form", ["pem", "p12"])
def test_the_uri_chooses_the_algorithm(form: str, kind: Any, tmp_path: Path) -> None:
    """``algorithm=`` chooses among those of the key, SHA-1 not among them; the first is the usual one (Signers)."""
    keys = get_default_authority().agency("Sở", kind=kind, key_name="choices")
    write = keys.write_pem if form == "pem" else keys.write_p12
    uri = write(tmp_path / "key", password=PASSWORD)
    assert load_signer(uri, secrets=_answer).algorithm == CHOICES[kind][0]
    for name in CHOICES[kind]:
        signer = load_signer(f"{uri}?algorithm={name}", secrets=_answer)
        assert signer.algorithm == name
        assert _holds(signer, keys)
    for name in {"rsa-sha1", "rsa-sha256", "ecdsa-sha256", "x"} - set(CHOICES[kind]):
        with pytest.raises(SigningError, match=CHOICES[kind][-1]) as error:
            load_signer(f"{uri}?algorithm={name}", secrets=_answer)
        assert name in error.value.vi


def test_the_password_is_asked_for_by_name(agency: AgencyKeys, tmp_path: Path) -> None:
    """The callback gets the URI's secret reference, or else scheme and path, and only for an encrypted key."""
    asked: list[str] = []

    def secrets(name: str) -> str:
        asked.append(name)
        return PASSWORD

    uri = agency.write_p12(tmp_path / "a.p12", password=PASSWORD)
    load_signer(uri, secrets=secrets)
    load_signer(f"{uri}?secret=env:X", secrets=secrets)
    load_signer(agency.write_pem(tmp_path / "plain.pem"), secrets=secrets)
    assert asked == [uri, "env:X"]


def _broken(folder: Path, agency: AgencyKeys) -> dict[str, str]:
    pem, p12 = folder / "ok.pem", folder / "ok.p12"
    agency.write_pem(pem, password=PASSWORD)
    agency.write_p12(p12, password=PASSWORD)
    other = make_throwaway_key("rsa", "other")
    (folder / "other.pem").write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    ed = ed25519.Ed25519PrivateKey.generate()
    (folder / "ed.pem").write_bytes(ed.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "garbage.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    (folder / "empty.pem").write_text("nothing")
    (folder / "certs.pem").write_bytes(agency.certificate.public_bytes(Encoding.PEM))
    p12_without_key = folder / "no-key.p12"
    p12_without_key.write_bytes(
        pkcs12.serialize_key_and_certificates(None, None, agency.certificate, None, NoEncryption())
    )
    return {
        "no scheme": "agency",
        "only a scheme": "pem:",
        "unknown scheme": "token:serial=1",
        "remote scheme": "csc:credential",
        "file missing": f"p12:{folder}/gone.p12",
        "PEM file missing": f"pem:{folder}/gone.pem",
        "folder": f"pem:{folder}",
        "no key in it": f"pem:{folder}/certs.pem",
        "nothing in it": f"pem:{folder}/empty.pem",
        "damaged key": f"pem:{folder}/garbage.pem?cert={folder}/certs.pem",
        "no certificate": f"pem:{folder}/other.pem",
        "another's certificate": f"pem:{folder}/other.pem?cert={folder}/certs.pem",
        "damaged PKCS#12": f"p12:{folder}/empty.pem",
        "PKCS#12 without key": f"p12:{p12_without_key}",
        "key of another kind": f"pem:{folder}/ed.pem?cert={folder}/certs.pem",
        "unknown attribute": f"p12:{p12}?password={PASSWORD}",
        "unknown attribute of PEM": f"pem:{pem}?pin={PASSWORD}",
    }


BROKEN = (
    "no scheme",
    "only a scheme",
    "unknown scheme",
    "remote scheme",
    "file missing",
    "PEM file missing",
    "folder",
    "no key in it",
    "nothing in it",
    "damaged key",
    "no certificate",
    "another's certificate",
    "damaged PKCS#12",
    "PKCS#12 without key",
    "key of another kind",
    "unknown attribute",
    "unknown attribute of PEM",
)


@pytest.mark.parametrize("case", BROKEN)
def test_a_key_that_cannot_be_loaded_says_why(case: str, agency: AgencyKeys, tmp_path: Path) -> None:
    """Each failure is one SigningError in both languages, and tells no password (Design, Names of things outside)."""
    with pytest.raises(SigningError) as error:
        load_signer(_broken(tmp_path, agency)[case], secrets=_answer)
    assert error.value.message
    assert error.value.vi
    assert PASSWORD not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize("answer", [None, "wrong"], ids=["no password", "wrong password"])
@pytest.mark.parametrize("form", ["pem", "p12"])
def test_a_wrong_password_says_so_and_does_not_repeat_it(
    form: str, answer: str | None, agency: AgencyKeys, tmp_path: Path
) -> None:
    """A missing or wrong password is a SigningError that holds neither the wrong nor the right one."""
    write = agency.write_pem if form == "pem" else agency.write_p12
    uri = write(tmp_path / "key", password=PASSWORD)
    with pytest.raises(SigningError) as error:
        load_signer(uri, secrets=lambda _: f"{PASSWORD}x" if answer else None)
    assert PASSWORD not in "".join(traceback.format_exception(error.value))
    assert ("password" in error.value.message, "mật khẩu" in error.value.vi) == (True, True)
    with pytest.raises(SigningError, match="password"):
        load_signer(uri)


def test_nothing_tells_the_key_or_the_password(
    agency: AgencyKeys, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither repr nor log of a signer holds key material or the password."""
    caplog.set_level(logging.DEBUG)
    signer = load_signer(agency.write_p12(tmp_path / "a.p12", password=PASSWORD), secrets=_answer)
    signer.sign(DATA)
    assert PASSWORD not in repr(signer) + caplog.text + repr(agency)
    assert "private" not in (repr(signer) + repr(agency)).lower()


def test_a_scheme_can_be_added(agency: AgencyKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry maps a scheme to a loader; a further one needs no other change (Design, signing)."""
    monkeypatch.setitem(LOADERS, "mine", lambda uri, secrets, clock: agency.signer(clock=clock))
    assert load_signer("mine:anything").certificates[0] == agency.certificate
