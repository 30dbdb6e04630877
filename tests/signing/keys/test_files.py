"""Key files of old software: PKCS#12 with RC2-40, as `openssl pkcs12 -legacy` and old browsers write it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import subprocess
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import pkcs12  # type: ignore[import-untyped]  # it ships no types
from cryptography.hazmat.primitives.serialization import Encoding

from edoc_connector.errors import SigningError
from edoc_connector.signing import load_signer
from edoc_connector.signing.algorithms import is_valid_signature
from edoc_connector.signing.pki import fingerprint
from edoc_connector.testing.keys import AgencyKeys, agency_keys, get_default_authority

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


# -- one password in other bytes


@pytest.mark.parametrize("kind", ["p12", "pem"])
@pytest.mark.parametrize(
    ("made_with", "given"),
    [("NFD", "NFC"), ("NFC", "NFD"), ("windows", "NFC"), ("windows", "NFD")],
)
def test_a_password_opens_in_nfc_nfd_and_as_windows_types_it(
    made_with: str, given: str, kind: str, tmp_path: Path
) -> None:
    """A file locked under one spelling of a Vietnamese password opens with another (keys in the forms handed out)."""
    spellings = {name: unicodedata.normalize(name, PASSWORD) for name in ("NFC", "NFD")}
    spellings["windows"] = "mâ\u0323t-khâ\u0309u-Râ\u0301t-Bi\u0301-Mâ\u0323t-8"
    assert len(set(spellings.values())) == 3
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    write = {"p12": keys.write_p12, "pem": keys.write_pem}[kind]
    uri = write(tmp_path / f"agency.{kind}", password=spellings[made_with])  # type: ignore[operator]  # two methods
    assert load_signer(uri, secrets=lambda _name: spellings[given]).certificates[0] == keys.certificate
    with pytest.raises(SigningError, match="password is wrong"):
        load_signer(uri, secrets=lambda _name: spellings[given] + "x")


# -- several keys in one file


def _derive(password: str, salt: bytes, rounds: int) -> bytes:
    """The key of a file's MAC with SHA-1 (RFC 7292, appendix B.2)."""
    secret = (password + "\0").encode("utf-16-be")
    padded = b"".join((one * 64)[: 64 * -(-len(one) // 64)] for one in (salt, secret))
    digest = hashlib.sha1(b"\x03" * 64 + padded).digest()
    for _ in range(rounds - 1):
        digest = hashlib.sha1(digest).digest()
    return digest


def _join(paths: Sequence[Path], target: Path) -> None:
    """Join PKCS#12 files of one password into one, as a browser's or Java's key store exports all that it holds."""
    parts = pkcs12.AuthenticatedSafe([])
    for path in paths:
        for part in pkcs12.Pfx.load(path.read_bytes()).authenticated_safe:
            parts.append(part)
    content, salt, rounds = parts.dump(force=True), b"8 octets", 2
    value = hmac.new(_derive(PASSWORD, salt, rounds), content, "sha1").digest()
    info = {"digest_algorithm": {"algorithm": "sha1"}, "digest": value}
    joined = {
        "version": "v3",
        "auth_safe": {"content_type": "data", "content": content},
        "mac_data": {"mac": info, "mac_salt": salt, "iterations": rounds},
    }
    target.write_bytes(pkcs12.Pfx(joined).dump())


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., str]:
    """Makes a file of several keys, and gives its URI."""

    def make(*several: AgencyKeys) -> str:
        paths = []
        for number, keys in enumerate(several):
            keys.write_p12(path := tmp_path / f"{number}.p12", password=PASSWORD, legacy=True)
            paths.append(path)
        _join(paths, tmp_path / "store.p12")
        return f"p12:{tmp_path}/store.p12"

    return make


def _give(_name: str) -> str:
    return PASSWORD


def test_of_two_keys_the_one_for_signing_signs(store: Callable[..., str], caplog: pytest.LogCaptureFixture) -> None:
    """Beside a key for encryption the one for signing is chosen by its certificate, and the log tells (two keys)."""
    caplog.set_level("INFO", "edoc_connector.signing")
    signs = agency_keys("Sở Nội vụ", organ_id="H29.05")
    authority = get_default_authority()
    other = authority.agency("Sở Nội vụ", organ_id="H29.05", kind="rsa3072", signing=False)
    for uri in (store(signs, other), store(other, signs)):
        signer = load_signer(uri, secrets=_give)
        assert signer.certificates == signs.certificates[:-1]
        public: Any = signs.certificate.public_key()
        assert is_valid_signature(public, signer.algorithm, b"x", signer.sign(b"x"))
        assert "holds 2 keys; that of Sở Nội vụ" in caplog.text


def test_of_two_holders_none_is_guessed(store: Callable[..., str], tmp_path: Path) -> None:
    """Keys of two holders that can both sign are listed, and ``fingerprint`` or ``cert`` chooses (two keys)."""
    one = agency_keys("Sở Nội vụ", organ_id="H29.05")
    two = agency_keys("Sở Tài chính", organ_id="H29.06", kind="p256")
    uri = store(one, two)
    with pytest.raises(SigningError, match="several holders") as caught:
        load_signer(uri, secrets=_give)
    for keys in (one, two):
        mark = fingerprint(keys.certificate)
        assert mark in caught.value.message
        assert mark in caught.value.vi
        assert load_signer(f"{uri}?fingerprint={mark}", secrets=_give).certificates[0] == keys.certificate
        (tmp_path / "leaf.cer").write_bytes(base64.b64encode(keys.certificate.public_bytes(Encoding.DER)))
        named = load_signer(f"{uri}?cert={tmp_path}/leaf.cer", secrets=_give)
        assert named.certificates == keys.certificates[:-1]
    with pytest.raises(SigningError, match="with that fingerprint"):
        load_signer(f"{uri}?fingerprint={'0' * 64}", secrets=_give)


def test_of_one_holders_keys_the_newest_signs(store: Callable[..., str], tmp_path: Path) -> None:
    """A renewed key in one file with the old one takes over, of PKCS#12 and of PEM (two keys)."""
    begins = datetime.now(UTC) - timedelta(hours=1)
    old = agency_keys("Sở Nội vụ", organ_id="H29.05")
    new = get_default_authority().agency("Sở Nội vụ", organ_id="H29.05", kind="p256", not_before=begins)
    assert load_signer(store(old, new), secrets=_give).certificates[0] == new.certificate
    old.write_pem(tmp_path / "old.pem")
    new.write_pem(tmp_path / "new.pem")
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "old.pem").read_bytes() + (tmp_path / "new.pem").read_bytes())
    assert load_signer(f"pem:{both}").certificates[0] == new.certificate


# -- advice


def test_a_file_of_the_other_kind_is_named(tmp_path: Path) -> None:
    """A PEM file named as PKCS#12, and the other way about, is told which scheme it needs (advice that fits)."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    keys.write_pem(tmp_path / "a.pem")
    keys.write_p12(tmp_path / "a.p12", password=PASSWORD)
    with pytest.raises(SigningError, match="name it as pem:"):
        load_signer(f"p12:{tmp_path}/a.pem", secrets=_give)
    with pytest.raises(SigningError, match="name it as p12:"):
        load_signer(f"pem:{tmp_path}/a.p12", secrets=_give)
    (tmp_path / "mailed.p12").write_bytes(base64.encodebytes((tmp_path / "a.p12").read_bytes()))
    assert load_signer(f"p12:{tmp_path}/mailed.p12", secrets=_give).certificates[0] == keys.certificate
    (tmp_path / "odd.p12").write_bytes(b"\x00\x01")
    with pytest.raises(SigningError, match="damaged"):
        load_signer(f"p12:{tmp_path}/odd.p12", secrets=_give)
