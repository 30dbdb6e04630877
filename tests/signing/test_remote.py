"""A signer whose key a signing service keeps: the worked example, against a small real service over HTTP."""

from __future__ import annotations

import base64
import importlib.util
import json
import logging
import secrets
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

import edoc_connector as edoc
from edoc_connector import edxml
from edoc_connector.errors import SigningError
from edoc_connector.signing import Signer, VerifyPolicy, enveloped, key_status, seal_maker, verify
from edoc_connector.testing import RunningHub, sample_document
from edoc_connector.testing.keys import AgencyKeys, Kind, agency_keys, get_default_authority

TOKEN = "access-token-rất-bí-mật".encode().hex()
PIN = "24681357"
HASHES: dict[str, type[HashAlgorithm]] = {
    "2.16.840.1.101.3.4.2.1": SHA256,
    "2.16.840.1.101.3.4.2.2": SHA384,
    "2.16.840.1.101.3.4.2.3": SHA512,
}
ALGORITHMS = {
    "1.2.840.113549.1.1.11": SHA256,
    "1.2.840.113549.1.1.12": SHA384,
    "1.2.840.113549.1.1.13": SHA512,
    "1.2.840.10045.4.3.2": SHA256,
    "1.2.840.10045.4.3.3": SHA384,
}


class Refusal(Exception):
    """An error of the standard's."""

    def __init__(self, code: str, status: int = 400) -> None:
        self.code, self.status = code, status


class Service:
    """A signing service of the Cloud Signature Consortium's API v2: small, and strict in what it takes."""

    def __init__(self, keys: AgencyKeys) -> None:
        self.keys = keys
        self.calls: list[str] = []
        self.granted: dict[str, list[str]] = {}
        self.enabled = True
        self.explicit = False
        self.answer: Any = None  # instead of what is right
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                try:
                    answer, status = service.call(self.path, self.headers["Authorization"], body), 200
                except Refusal as refusal:
                    answer, status = {"error": refusal.code, "error_description": str(body)}, refusal.status
                octets = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

            def log_message(self, *_arguments: Any) -> None:
                """Nothing on stderr."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/csc/v2"

    def call(self, path: str, authorization: str | None, body: dict[str, Any]) -> Any:
        method = path.removeprefix("/csc/v2/")
        self.calls.append(method)
        if authorization != f"Bearer {TOKEN}":
            raise Refusal("invalid_token", 401)
        if body.get("credentialID") != "agency":
            raise Refusal("invalid_request")
        if self.answer is not None and method in self.answer:
            return self.answer[method]
        return {
            "credentials/info": self.info,
            "credentials/authorize": self.authorize,
            "signatures/signHash": self.sign_hash,
        }[method](body)

    def info(self, body: dict[str, Any]) -> Any:
        assert body["certificates"] == "chain"
        chain = [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in self.keys.certificates]
        return {
            "key": {"status": "enabled" if self.enabled else "disabled", "algo": list(ALGORITHMS)},
            "cert": {"status": "valid", "certificates": chain},
            "auth": {"mode": "explicit" if self.explicit else "implicit", "expression": "PIN"},
            "SCAL": "2" if self.explicit else "1",
            "multisign": 1,
        }

    def authorize(self, body: dict[str, Any]) -> Any:
        if body["authData"] != [{"id": "PIN", "value": PIN}]:
            raise Refusal("invalid_pin")
        assert body["numSignatures"] == len(body["hashes"]) == 1
        sad = secrets.token_urlsafe()
        self.granted[sad] = body["hashes"]
        return {"SAD": sad, "expiresIn": 300}

    def sign_hash(self, body: dict[str, Any]) -> Any:
        if self.explicit and self.granted.pop(body.get("SAD", ""), None) != body["hashes"]:
            raise Refusal("invalid_request")
        digest = HASHES[body["hashAlgorithmOID"]]()
        assert isinstance(digest, ALGORITHMS[body["signAlgo"]])
        return {
            "signatures": [base64.b64encode(self._sign(base64.b64decode(h), digest)).decode() for h in body["hashes"]]
        }

    def _sign(self, hashed: bytes, digest: HashAlgorithm) -> bytes:
        key = self.keys.key
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(hashed, padding.PKCS1v15(), Prehashed(digest))
        return key.sign(hashed, ec.ECDSA(Prehashed(digest)))


@pytest.fixture(scope="module")
def example() -> Any:
    """The example, as a module."""
    path = Path(__file__).parents[2] / "examples" / "remote_signer.py"
    spec = importlib.util.spec_from_file_location("remote_signer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _serving(keys: AgencyKeys) -> Iterator[Service]:
    service = Service(keys)
    thread = threading.Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield service
    service.server.shutdown()
    thread.join()
    service.server.server_close()


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """A service that keeps a key of the kind asked for, RSA if none is."""
    kind: Kind = getattr(request, "param", "rsa")
    yield from _serving(agency_keys("Sở Nội vụ", organ_id="H29.05", kind=kind))


def _signer(example: Any, service: Service, **options: Any) -> Any:
    return example.CscSigner(service.url, "agency", **{"token": lambda: TOKEN, **options})


@pytest.mark.parametrize(
    ("service", "algorithm"),
    [
        ("rsa", "rsa-sha256"),
        ("rsa", "rsa-sha384"),
        ("rsa", "rsa-sha512"),
        ("p256", "ecdsa-sha256"),
        ("p384", "ecdsa-sha384"),
    ],
    indirect=["service"],
)
@pytest.mark.parametrize("explicit", [False, True], ids=["implicit", "PIN"])
def test_a_packet_signed_by_the_service_verifies(
    explicit: bool, algorithm: str, service: Service, example: Any, tmp_path: Path
) -> None:
    """Packet signature and seal made by signatures/signHash hold, with and without authorisation (Signers)."""
    service.explicit = explicit
    at, packet, document = datetime.now(UTC), tmp_path / "p.edxml", sample_document()
    with _signer(example, service, pin=lambda: PIN, algorithm=algorithm) as signer:
        seal = seal_maker(document, signer=signer, at=at)
        edxml.write(document, packet, at=at, signature=enveloped(signer), seal=seal)
        status = key_status(signer)
    verification = verify(edxml.read(packet), VerifyPolicy(anchors=(service.keys.root,)))
    assert (verification.reason, verification.trusted) == ("SIG-OK", True)
    assert algorithm in verification.algorithms
    assert (status.signs, status.days_left, status.usage[0]) == (True, 364, "digitalSignature")
    authorised = ["credentials/authorize"] if explicit else []
    assert service.calls == ["credentials/info", *[*authorised, "signatures/signHash"] * 2]


def test_the_example_sends_a_document(
    mock_hub: RunningHub, service: Service, example: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Run as its first lines say, the example sends a packet that the service signed."""
    document = sample_document()
    for party in (document.sender, *document.recipients):
        mock_hub.add_agency(party.id, "throwaway", party.name)
    (tmp_path / "secret").write_text("throwaway")
    (tmp_path / "edoc.toml").write_text(
        f'[agency]\nid = "{document.sender.id}"\nname = "{document.sender.name}"\n'
        f'[hub]\nendpoint = "{mock_hub.url}"\nsystem_id = "{document.sender.id}"\nsecret = "file:secret"\n'
        '[receive]\npolicy = "valid"\n',
        encoding="utf-8",
    )
    (tmp_path / "document.json").write_text(document.model_dump_json(exclude={"attachments"}), encoding="utf-8")
    monkeypatch.setenv("EDOC_CSC_TOKEN", TOKEN)
    monkeypatch.setenv("EDOC_CSC_PIN", PIN)
    service.explicit = True
    arguments = [service.url, "agency", str(tmp_path / "edoc.toml"), str(tmp_path / "document.json")]
    example.main(*arguments)
    printed = capsys.readouterr().out
    assert "rsa-sha256, 364 days left" in printed
    assert "sent" in printed
    packet = max(
        (path for path in (tmp_path / "spool").rglob("*") if path.is_file()), key=lambda one: one.stat().st_size
    )
    assert verify(edxml.read(packet)).status.name == "VALID"


ODD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "wrong token": ({}, {"token": lambda: "x"}, "HTTP 401 invalid_token"),
    "wrong PIN": ({"explicit": True}, {"pin": lambda: "1111"}, "invalid_pin"),
    "no PIN": ({"explicit": True}, {}, "wants a PIN"),
    "credential disabled": ({"enabled": False}, {}, "disabled"),
    "no certificate": ({"answer": {"credentials/info": {"key": {"status": "enabled"}}}}, {}, "no certificate"),
    "an empty chain": (
        {"answer": {"credentials/info": {"key": {"status": "enabled"}, "cert": {"certificates": []}}}},
        {},
        "no certificate",
    ),
    "a page instead of JSON": ({"answer": {"credentials/info": b"<html>"}}, {}, "HTTP 200"),
    "a list instead of an object": ({"answer": {"signatures/signHash": []}}, {}, "HTTP 200"),
    "no signature": ({"answer": {"signatures/signHash": {}}}, {}, "no signature"),
    "two signatures": ({"answer": {"signatures/signHash": {"signatures": ["AA==", "AA=="]}}}, {}, "no signature"),
    "no base64": ({"answer": {"signatures/signHash": {"signatures": ["~"]}}}, {}, "no signature"),
    "algorithm not there": ({}, {"algorithm": "rsa-pss-sha256"}, "rsa-pss-sha256"),
    "algorithm of another kind": ({}, {"algorithm": "ecdsa-sha256"}, "rsa-sha256"),
}


@pytest.mark.parametrize("case", ODD)
def test_what_the_service_does_wrong_is_told(
    case: str, service: Service, example: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Every refusal and every odd answer is a SigningError in both languages, and tells neither token nor PIN."""
    caplog.set_level(logging.DEBUG)
    settings, options, words = ODD[case]
    for name, value in settings.items():
        setattr(service, name, value)
    with pytest.raises(SigningError, match=words) as error, _signer(example, service, **options) as signer:
        signer.sign(b"data")
    assert error.value.vi
    told = caplog.text + "".join(traceback.format_exception(error.value))
    assert TOKEN not in told
    assert PIN not in told


def test_a_service_that_is_not_there(example: Any) -> None:
    """No answer at all is a SigningError too."""
    with pytest.raises(SigningError, match="ConnectError"):
        example.CscSigner("http://127.0.0.1:9/csc/v2", "agency", token=lambda: TOKEN)


def test_a_certificate_that_is_not_valid_is_not_even_asked_for(service: Service, example: Any) -> None:
    """The signer refuses by itself; the service gets no signHash (Signers)."""
    later = datetime.now(UTC) + timedelta(days=700)
    with _signer(example, service, clock=lambda: later) as signer, pytest.raises(SigningError, match="expired"):
        signer.sign(b"data")
    assert service.calls == ["credentials/info"]


def test_a_signature_of_another_key_is_found_out(service: Service, example: Any, tmp_path: Path) -> None:
    """What the service signs is checked with the certificate before it is written."""
    with _signer(example, service) as signer:
        service.keys = get_default_authority().agency("Khóa khác", key_name="another key at the service")
        with pytest.raises(SigningError, match="does not belong"):
            edxml.write(sample_document(), tmp_path / "p.edxml", at=datetime.now(UTC), signature=enveloped(signer))


def test_the_signer_shows_no_secret(service: Service, example: Any) -> None:
    """Its repr names service and credential, not the token."""
    with _signer(example, service, pin=lambda: PIN) as signer:
        one: Signer = signer
        assert isinstance(one, edoc.signing.Certified)
        assert repr(signer) == f"CscSigner('{service.url}/', 'agency')"
