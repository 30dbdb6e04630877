"""The servers of a throwaway authority: revocation lists, OCSP and time-stamps, over loopback. Never for real use.

They answer as real ones do, by RFC 5280, RFC 6960 and RFC 3161::

    with Responders(authority("My CA")) as pki:
        Revocation(mode=RevocationMode.OCSP, ocsp_url=pki.ocsp_url)
        seal_maker(document, signer=signer, at=at, timestamp=TimestampAuthority(url=pki.tsa_url))
        pki.revoke(agency.certificate)
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from .keys import AgencyKeys, Authority, PrivateKey, make_throwaway_key

_DAY = timedelta(days=1)


def make_root_key(name: str = "Throwaway CA") -> PrivateKey:
    """Make the key of the root that `authority` made under a name."""
    return make_throwaway_key("p256", f"{name} root")


@dataclass(slots=True)
class Responders:
    """An authority's servers on one loopback port.

    Args:
        authority: whose.
        name: the name it was made under.
    """

    authority: Authority
    name: str = "Throwaway CA"
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC), kw_only=True)
    revoked: dict[int, datetime] = field(default_factory=dict, init=False)
    """Serial numbers and when they were revoked."""
    requested_paths: list[str] = field(default_factory=list, init=False)
    """Paths asked for, in order."""
    answer_overrides: dict[str, tuple[int, bytes]] = field(default_factory=dict, init=False)
    """By path, a status and body to answer instead."""
    delegate: AgencyKeys | None = field(default=None, init=False)
    """Who signs OCSP answers instead of the issuer."""
    tsa: AgencyKeys = field(init=False)
    """Keys of the time-stamp authority."""
    _server: ThreadingHTTPServer = field(init=False, repr=False)

    def __post_init__(self) -> None:
        uses = [ExtendedKeyUsageOID.TIME_STAMPING]
        self.tsa = self.authority.agency(f"{self.name} TSA", uses=uses, not_before=self.clock() - 30 * _DAY)

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _build_handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def crl_urls(self) -> tuple[str, str]:
        """Addresses of the issuing authority's list and of the root's."""
        return f"{self.url}/issuing.crl", f"{self.url}/root.crl"

    @property
    def ocsp_url(self) -> str:
        """Address of the OCSP responder."""
        return f"{self.url}/ocsp"

    @property
    def tsa_url(self) -> str:
        """Address of the time-stamp authority."""
        return f"{self.url}/tsa"

    def revoke(self, certificate: x509.Certificate, *, at: datetime | None = None) -> None:
        """Revoke a certificate, from now or from a stated moment."""
        self.revoked[certificate.serial_number] = at or self.clock() - timedelta(minutes=1)

    def build_answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Build status and body of an answer."""
        self.requested_paths.append(path)
        answers: dict[str, Callable[[bytes], bytes]] = {
            "/issuing.crl": lambda _: self.build_crl(),
            "/root.crl": lambda _: self.build_crl(root=True),
            "/ocsp": self.build_ocsp_answer,
            "/tsa": self.build_timestamp,
        }
        if path in self.answer_overrides:
            return self.answer_overrides[path]
        return (200, answers[path](body)) if path in answers else (404, b"")

    def build_crl(self, *, root: bool = False, lasts: timedelta = _DAY) -> bytes:
        """Build a revocation list, DER.

        Args:
            root: the root's instead of the issuing authority's.
            lasts: from now until the next one; negative for a list out of date.
        """
        issuer, key = self._select_issuer(root)
        now = self.clock()
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.subject)
            .last_update(now - _DAY)
            .next_update(now + lasts)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        for serial, moment in self.revoked.items():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)

    def build_ocsp_answer(self, body: bytes) -> bytes:
        """Build an OCSP answer, DER, signed by the certificate's issuer or its delegate."""
        request = ocsp.load_der_ocsp_request(body)
        for root in (False, True):
            issuer, key = self._select_issuer(root)
            if request.issuer_key_hash == _compute_key_hash(issuer):
                return self._build_ocsp_status(request, issuer, key)
        unauthorized = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
        return unauthorized.public_bytes(Encoding.DER)

    def _build_ocsp_status(self, request: ocsp.OCSPRequest, issuer: x509.Certificate, key: PrivateKey) -> bytes:
        moment = self.revoked.get(request.serial_number)
        now = self.clock()
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            issuer_name_hash=request.issuer_name_hash,
            issuer_key_hash=request.issuer_key_hash,
            serial_number=request.serial_number,
            algorithm=request.hash_algorithm,
            cert_status=ocsp.OCSPCertStatus.REVOKED if moment else ocsp.OCSPCertStatus.GOOD,
            this_update=now,
            next_update=now + _DAY,
            revocation_time=moment,
            revocation_reason=None,
        )
        if self.delegate is not None:
            issuer, key = self.delegate.certificate, self.delegate.key
            builder = builder.certificates([issuer])
        answer = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer).sign(key, hashes.SHA256())
        return answer.public_bytes(Encoding.DER)

    def build_timestamp(self, body: bytes) -> bytes:
        """Build a time-stamp answer, DER (RFC 3161, 2.4.2)."""
        from asn1crypto import tsp  # type: ignore[import-untyped]  # it ships no types

        request = tsp.TimeStampReq.load(body)
        info = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": "1.3.6.1.4.1.99999.1",
                "message_imprint": request["message_imprint"],
                "serial_number": x509.random_serial_number(),
                "gen_time": self.clock().replace(microsecond=0),
                "nonce": request["nonce"].native,
            }
        )
        token = build_timestamp_token(info, self.tsa)
        return bytes(tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token}).dump())

    def _select_issuer(self, root: bool) -> tuple[x509.Certificate, PrivateKey]:
        if root:
            return self.authority.certificates[-1], make_root_key(self.name)
        return self.authority.certificates[0], self.authority.key


def build_timestamp_token(info: Any, keys: AgencyKeys, *, digest: str = "sha256") -> Any:
    """Build a time-stamp token (asn1crypto ContentInfo) around a TSTInfo, with the certificates below the root.

    Args:
        info: the TSTInfo, of asn1crypto.
        keys: the time-stamp authority's.
        digest: the hash that it says the signed attributes are of.
    """
    from asn1crypto import cms, tsp
    from asn1crypto import x509 as asn1_x509

    certificates = [
        asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER)) for certificate in keys.certificates[:-1]
    ]
    content, leaf = info.dump(), certificates[0]
    signing_certificate = tsp.SigningCertificateV2({"certs": [{"cert_hash": hashlib.sha256(leaf.dump()).digest()}]})
    attributes = cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["tst_info"]},
            {"type": "message_digest", "values": [hashlib.new(digest, content).digest()]},
            {"type": "signing_certificate_v2", "values": [signing_certificate]},
        ]
    )
    signer = {
        "version": "v1",
        "sid": {"issuer_and_serial_number": {"issuer": leaf.issuer, "serial_number": leaf.serial_number}},
        "digest_algorithm": {"algorithm": digest},
        "signed_attrs": attributes,
        "signature_algorithm": {
            "algorithm": "sha256_rsa" if isinstance(keys.key, rsa.RSAPrivateKey) else "sha256_ecdsa"
        },
        "signature": _sign(keys.key, attributes.dump()),
    }
    signed = {
        "version": "v3",
        "digest_algorithms": [{"algorithm": "sha256"}],
        "encap_content_info": {"content_type": "tst_info", "content": info},
        "certificates": certificates,
        "signer_infos": [signer],
    }
    return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)})


def _sign(key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def _compute_key_hash(issuer: x509.Certificate) -> bytes:
    return x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for answers under way, so that no socket is left open


def _build_handler(responders: Responders) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(b"")

        def do_POST(self) -> None:
            self._reply(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

        def _reply(self, body: bytes) -> None:
            status, answer = responders.build_answer(self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Log nothing: tests read `asked`."""

    return Handler
