"""A signer whose key only a vendor's program reaches: the worked example, with openssl in the program's place."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edoc_connector import edxml
from edoc_connector.errors import SigningError
from edoc_connector.signing import VerifyPolicy, enveloped, seal_maker, verify
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys, Kind, agency_keys

EXAMPLE = Path(__file__).parents[2] / "examples" / "middleware_signer.py"
PIN = "24681357"
PROGRAM = """\
#!/bin/sh
set -e
umask 077
base64 -d > "$(dirname "$0")/hash"
openssl pkeyutl -sign -inkey "$(dirname "$0")/key.pem" -pkeyopt "digest:$1" -in "$(dirname "$0")/hash" | base64
"""


@pytest.fixture(scope="module")
def example() -> Any:
    """The example, as a module."""
    spec = importlib.util.spec_from_file_location("middleware_signer", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _install(folder: Path, keys: AgencyKeys, program: str = PROGRAM) -> tuple[list[str], Path]:
    """Write the program, its key, and the file of the certificates."""
    private = keys.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(private)
    (folder / "sign-hash").write_text(program, encoding="ascii")
    (folder / "agency.cer").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in keys.certificates))
    return ["sh", str(folder / "sign-hash")], folder / "agency.cer"


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384"])
def test_a_packet_that_a_program_signs_verifies(kind: Kind, example: Any, tmp_path: Path) -> None:
    """Signature and seal hold in both verifiers, whatever the middleware is (keys of the Cipher Committee, point 7)."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind=kind)
    signer = example.ProgramSigner(*_install(tmp_path, keys))
    at, packet, document = datetime.now(UTC), tmp_path / "packet.edxml", sample_document()
    seal = seal_maker(document, signer=signer, at=at)
    edxml.write(document, packet, at=at, signature=enveloped(signer), seal=seal)
    verification = verify(edxml.read(packet), VerifyPolicy(anchors=(keys.root,)))
    assert (verification.reason, verification.trusted, verification.findings) == ("SIG-OK", True, ())


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (f"echo {PIN}; exit 3\n", "exit code 3"),
        ("echo not base64 !\n", "no signature that can be read"),
        ("sleep 5\n", "TimeoutExpired"),
    ],
)
def test_a_program_that_does_not_sign(program: str, words: str, example: Any, tmp_path: Path) -> None:
    """What it says is not repeated, since a PIN may stand in it; the error says what to do in both languages."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256")
    signer = example.ProgramSigner(*_install(tmp_path, keys, program), timeout=1.0)
    with pytest.raises(SigningError, match=words) as caught:
        signer.sign(b"data")
    assert PIN not in f"{caught.value}"
    assert "thiết bị và mã PIN" in caught.value.vi


def test_a_program_that_is_not_there(example: Any, tmp_path: Path) -> None:
    """A wrong path is told as that."""
    _, certificates = _install(tmp_path, agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256"))
    signer = example.ProgramSigner([str(tmp_path / "gone")], certificates)
    with pytest.raises(SigningError, match="FileNotFoundError"):
        signer.sign(b"data")


def test_a_program_that_signs_with_another_key(example: Any, tmp_path: Path) -> None:
    """Whatever a signer returns is checked with its certificate before a packet is written."""
    own, other = (agency_keys(name, organ_id="H29.05", kind="rsa") for name in ("Sở Nội vụ", "Sở Tài chính"))
    command, certificates = _install(tmp_path, own)
    signer = example.ProgramSigner(command, certificates)
    _install(tmp_path, other)
    document = sample_document()
    with pytest.raises(SigningError):
        edxml.write(document, tmp_path / "packet.edxml", at=datetime.now(UTC), signature=enveloped(signer))
    assert not (tmp_path / "packet.edxml").exists()
