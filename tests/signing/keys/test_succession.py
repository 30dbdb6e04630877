"""The word of the key of before for the key that follows it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edoc_connector.errors import SigningError
from edoc_connector.signing import (
    Keyring,
    build_subject,
    fingerprint,
    fingerprint_key,
    load_signer,
    open_request_key,
    read_succession,
    state_succession,
)
from edoc_connector.testing.keys import AgencyKeys, agency_keys, authority
from edoc_connector.testing.tokens import SoftToken

AT = datetime(2026, 11, 20, 3, tzinfo=UTC)
SUBJECT = build_subject(name="Sở Nội vụ", organ_id="H29.05")

State = Callable[..., Path]


@pytest.fixture
def new_key(tmp_path: Path) -> str:
    """A new key in a file, without a certificate."""
    keys = authority().agency("Sở Nội vụ", organ_id="H29.05", kind="p256", key_name="new of succession")
    (tmp_path / "new.pem").write_bytes(keys.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return f"pem:{tmp_path / 'new.pem'}"


def _state(folder: Path, signer: object, new_key: str) -> Path:
    with open_request_key(new_key, lambda _: None) as key:
        statement = state_succession(signer, agency="H29.05", key=key, subject=SUBJECT, at=AT)  # type: ignore[arg-type]
    (folder / "succession.json").write_bytes(statement)
    return folder / "succession.json"


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384"])
def test_the_old_key_names_the_new_one(kind: str, tmp_path: Path, new_key: str) -> None:
    """A receiver reads which key follows which, by the certificate that it knows (point 6)."""
    old = agency_keys("Sở Nội vụ", organ_id="H29.05", kind=kind)  # type: ignore[arg-type]  # one of three
    found = read_succession(_state(tmp_path, Keyring([old.signer()]), new_key))
    with open_request_key(new_key, lambda _: None) as key:
        assert found.new_key == fingerprint_key(key.public_key)
    assert fingerprint(found.old_certificate) == fingerprint(old.certificate)
    assert (found.agency, found.stated_at) == ("H29.05", AT)
    assert "Sở Nội vụ" in found.subject


def test_a_token_states_it_too(soft_token: SoftToken, tmp_path: Path, new_key: str) -> None:
    """The old key may live on a token: what it signs there is read alike."""
    signer = load_signer(soft_token.build_uri("agency-key"), secrets=lambda _: soft_token.pin)
    path = _state(tmp_path, signer, new_key)
    signer.close()  # type: ignore[attr-defined]  # of a token
    assert read_succession(path).agency == "H29.05"


def _change_payload(statement: dict[str, str]) -> None:
    payload = base64.urlsafe_b64decode(statement["payload"] + "==").replace(b"H29.05", b"H29.06")
    statement["payload"] = base64.urlsafe_b64encode(payload).decode().rstrip("=")


def _change_header(**values: object) -> Callable[[dict[str, str]], None]:
    def change(statement: dict[str, str]) -> None:
        header = json.loads(base64.urlsafe_b64decode(statement["protected"] + "==")) | values
        statement["protected"] = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")

    return change


def _drop_signature(statement: dict[str, str]) -> None:
    del statement["signature"]


def _put_other_certificate(statement: dict[str, str]) -> None:
    other: AgencyKeys = authority("Stranger CA").agency("Kẻ lạ", kind="p256")
    _change_header(x5c=[base64.b64encode(other.certificate.public_bytes(Encoding.DER)).decode()])(statement)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_change_payload, "does not hold"),
        (_put_other_certificate, "does not hold"),
        (_change_header(alg="none"), "no statement of succession"),
        (_change_header(alg="RS256"), "no statement of succession"),
        (_change_header(typ="JWT"), "no statement of succession"),
        (_change_header(x5c=[]), "no statement of succession"),
        (_drop_signature, "no statement of succession"),
    ],
)
def test_what_was_changed_is_not_believed(
    change: Callable[[dict[str, str]], None], words: str, tmp_path: Path, new_key: str
) -> None:
    """Another agency, certificate, algorithm or form: refused, in both languages."""
    old = agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256")
    path = _state(tmp_path, old.signer(), new_key)
    statement = json.loads(path.read_text(encoding="ascii"))
    change(statement)
    path.write_text(json.dumps(statement), encoding="ascii")
    with pytest.raises(SigningError, match=words) as caught:
        read_succession(path)
    assert caught.value.vi


def test_a_key_does_not_follow_itself(tmp_path: Path) -> None:
    """The key of before named as the new one is a slip that is told; so is an algorithm without a name there."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256")
    uri = keys.write_pem(tmp_path / "same.pem")
    with pytest.raises(SigningError, match="are one"):
        _state(tmp_path, keys.signer(), uri)
    with pytest.raises(SigningError, match="not signed with ecdsa-sha512"):
        _state(tmp_path, load_signer(f"{uri}?algorithm=ecdsa-sha512"), uri)


def _sign(old: AgencyKeys, *, header: bytes | None = None, payload: bytes | None = None, **changes: object) -> bytes:
    """Sign a statement as an attacker with a key of his own would: whatever it says, the signature holds."""
    x5c = [base64.b64encode(old.certificate.public_bytes(Encoding.DER)).decode()]
    said = {"agency": "H29.05", "new_key": "ab" * 32, "subject": "CN=x", "stated_at": AT.isoformat()} | changes
    parts = [
        header or json.dumps({"alg": "ES256", "typ": "edoc-key-succession", "x5c": x5c}).encode(),
        payload or json.dumps(said).encode(),
    ]
    protected, body = (base64.urlsafe_b64encode(one).decode().rstrip("=") for one in parts)
    value = base64.urlsafe_b64encode(old.signer().sign(f"{protected}.{body}".encode())).decode().rstrip("=")
    return json.dumps({"payload": body, "protected": protected, "signature": value}).encode()


def _edit_certificate(old: AgencyKeys, before: bytes, after: bytes) -> bytes:
    der = old.certificate.public_bytes(Encoding.DER)
    assert before in der
    changed = base64.b64encode(der.replace(before, after, 1)).decode()
    return json.dumps({"alg": "ES256", "typ": "edoc-key-succession", "x5c": [changed]}).encode()


CASES = """version, key type, curve, name, nested, nested outside, repeated, crit, huge, no key, a list, no hash,
agency, no zone, surrogate"""


@pytest.mark.parametrize("case", [case.strip() for case in CASES.split(",")])
def test_a_hostile_statement_is_refused_in_words(case: str, tmp_path: Path) -> None:
    """Whatever a stranger's file holds, it is a typed error: also a certificate that breaks when it is asked."""
    old = agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256")
    x5c = [base64.b64encode(old.certificate.public_bytes(Encoding.DER)).decode()]
    critical = {"alg": "ES256", "typ": "edoc-key-succession", "x5c": x5c, "crit": ["exp"], "exp": 1}
    twice = b'{"agency":"G22","agency":"H29.05","new_key":"%s","subject":"CN=x","stated_at":"%s"}'
    statements = {
        "version": lambda: _sign(old, header=_edit_certificate(old, bytes.fromhex("a003020102"), b"\xa0\x03\x02\1\5")),
        "key type": lambda: _sign(old, header=_edit_certificate(old, b"\xce\x3d\2\1", b"\xce\x3d\2\11")),
        "curve": lambda: _sign(old, header=_edit_certificate(old, b"\x3d\3\1\7", b"\x3d\3\1\11")),
        "name": lambda: _sign(old, header=_edit_certificate(old, "ở".encode(), b"\xff\xff\xff")),
        "nested": lambda: _sign(old, payload=b"[" * 200_000),
        "nested outside": lambda: b"[" * 200_000,
        "repeated": lambda: _sign(old, payload=twice % (b"ab" * 32, AT.isoformat().encode())),
        "crit": lambda: _sign(old, header=json.dumps(critical).encode()),
        "huge": lambda: _sign(old) + b" " * (1 << 20),
        "no key": lambda: _sign(old, new_key=None),
        "a list": lambda: _sign(old, new_key=["ab" * 32]),
        "no hash": lambda: _sign(old, new_key="\x1b[2J"),
        "agency": lambda: _sign(old, agency={"id": "H29.05"}),
        "no zone": lambda: _sign(old, stated_at="2026-11-20"),
        "surrogate": lambda: _sign(old, agency="\ud800"),
    }
    (tmp_path / "good.json").write_bytes(_sign(old))
    assert read_succession(tmp_path / "good.json").new_key == "ab" * 32
    (tmp_path / "bad.json").write_bytes(statements[case]())
    with pytest.raises(SigningError, match=r"no statement of succession that can be read"):
        read_succession(tmp_path / "bad.json")
