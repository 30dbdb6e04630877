"""Sign with a key that a remote service keeps, over the Cloud Signature Consortium's API v2 (credentials, signHash).

    EDOC_CSC_TOKEN=… EDOC_CSC_PIN=… python remote_signer.py https://sign.example.vn/csc/v2 CREDENTIAL edoc.toml doc.json

Any object with `algorithm`, `certificates` and `sign` is a signer. This one sends the service a hash and gets the
signature value; give it to `Connector.open(settings, signer=…)`, and every packet is signed by it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

import edoc_connector as edoc
from edoc_connector.signing import (
    SIGNATURES,
    Certified,
    Clock,
    SignatureAlgorithm,
    choose_algorithm,
    coordinate_size,
    order_chain,
    raw_ecdsa,
    read_certificate,
)

HASHES = {"sha256": "2.16.840.1.101.3.4.2.1", "sha384": "2.16.840.1.101.3.4.2.2", "sha512": "2.16.840.1.101.3.4.2.3"}
ALGORITHMS = {
    "rsa-sha256": "1.2.840.113549.1.1.11",
    "rsa-sha384": "1.2.840.113549.1.1.12",
    "rsa-sha512": "1.2.840.113549.1.1.13",
    "ecdsa-sha256": "1.2.840.10045.4.3.2",
    "ecdsa-sha384": "1.2.840.10045.4.3.3",
    "ecdsa-sha512": "1.2.840.10045.4.3.4",
}
"""Object identifiers, as the service names algorithms (API v2, 11.11). RSA-PSS would need signAlgoParams too."""

Secret = Callable[[], str]


class CscSigner(Certified):
    """A signer whose key is at a signing service.

    Args:
        base: the service's base URI, which ends in ``/csc/v2``.
        credential: the id of the key at the service.
        token: gives the OAuth 2.0 access token; asked for every call, so that it may be renewed.
        pin: gives the key's PIN, for credentials that want one.
        algorithm: name of the signature algorithm; left out, the usual one of the key.
        clock: gives the moment the certificate must be valid at.
        timeout: seconds to wait for an answer.

    Raises:
        SigningError: the service cannot be reached or refuses, the credential is not enabled, or its key cannot sign
            packets.
    """

    def __init__(
        self,
        base: str,
        credential: str,
        *,
        token: Secret,
        pin: Secret | None = None,
        algorithm: str | None = None,
        clock: Clock = lambda: datetime.now(UTC),
        timeout: float = 30.0,
    ) -> None:
        self._credential = credential
        self._token = token
        self._pin = pin
        self._http = httpx.Client(base_url=base.rstrip("/") + "/", timeout=timeout)
        self.clock = clock
        try:
            info = self._call("credentials/info", certificates="chain", certInfo=True, authInfo=True)
            self.certificates = self._certificates(info)
            self.algorithm = _algorithm(self.certificate, algorithm)
            self._authorize_first = self._needs_authorization(info)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"CscSigner({str(self._http.base_url)!r}, {self._credential!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def sign(self, data: bytes) -> bytes:
        """Have the service sign the hash of the data.

        Raises:
            SigningError: the certificate is not valid now or not for signing, or the service does not sign.
        """
        self.refuse_unfit()
        digest = SIGNATURES[self.algorithm].digest
        what = {
            "hashes": [base64.b64encode(hashlib.new(digest, data).digest()).decode()],
            "hashAlgorithmOID": HASHES[digest],
        }
        # the authorisation names the very hash, so it is good for this signature alone (API v2, 11.6)
        granted = {"SAD": self._authorize(what)} if self._authorize_first else {}
        answer = self._call("signatures/signHash", signAlgo=ALGORITHMS[self.algorithm], **what, **granted)
        try:
            (value,) = answer["signatures"]
            return self._raw(base64.b64decode(value, validate=True))
        except (KeyError, TypeError, ValueError):
            raise _failed("it gave no signature that can be read", "không trả về chữ ký đọc được") from None

    def _raw(self, value: bytes) -> bytes:
        """The value as XML Signature has it; services give ECDSA values as DER or as r‖s."""
        key = self.certificate.public_key()
        if isinstance(key, ec.EllipticCurvePublicKey) and len(value) != 2 * coordinate_size(key):
            return raw_ecdsa(value, key)
        return value

    def _authorize(self, what: dict[str, Any]) -> str:
        if self._pin is None:
            raise _failed("the credential wants a PIN; give one", "khóa cần mã PIN; hãy cung cấp")
        answer = self._call(
            "credentials/authorize", numSignatures=1, authData=[{"id": "PIN", "value": self._pin()}], **what
        )
        return str(answer.get("SAD", ""))

    def _call(self, method: str, **body: Any) -> dict[str, Any]:
        """One call. Neither the token nor what was sent gets into an error."""
        try:
            response = self._http.post(
                method,
                json={"credentialID": self._credential, **body},
                headers={"Authorization": f"Bearer {self._token()}"},
            )
        except httpx.HTTPError as error:
            raise _failed(f"no answer ({type(error).__name__})", f"không có trả lời ({type(error).__name__})") from None
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if response.is_success and isinstance(answer, dict):
            return answer
        # the standard's own code, such as invalid_request or invalid_pin; not the description, which may repeat input
        code = str(answer.get("error", "")) if isinstance(answer, dict) else ""
        words = f"{method}: HTTP {response.status_code} {code if re.fullmatch('[a-z_]{1,40}', code) else ''}".rstrip()
        raise _failed(words, words)

    def _certificates(self, info: dict[str, Any]) -> tuple[x509.Certificate, ...]:
        status = info.get("key", {}).get("status")
        if status != "enabled":
            raise _failed(f"the credential is {status}, not enabled", f"khóa ở trạng thái {status}, chưa dùng được")
        try:
            chain = [read_certificate(base64.b64decode(one)) for one in info["cert"]["certificates"]]
            return order_chain(chain[0], chain)
        except (KeyError, IndexError, ValueError):
            raise _failed("it gave no certificate that can be read", "không trả về chứng thư số đọc được") from None

    @staticmethod
    def _needs_authorization(info: dict[str, Any]) -> bool:
        mode = info.get("auth", {}).get("mode", "implicit")
        return info.get("SCAL") == "2" or mode == "explicit"


def _algorithm(certificate: x509.Certificate, wanted: str | None) -> SignatureAlgorithm:
    algorithm = choose_algorithm(certificate.public_key(), wanted)
    if algorithm not in ALGORITHMS:
        raise _failed(f"it is not asked for {algorithm} here", f"ở đây không hỗ trợ {algorithm}")
    return algorithm


def _failed(why: str, vi: str) -> edoc.SigningError:
    return edoc.SigningError(
        f"the signing service did not do it: {why}; check its address, the credential and the access token",
        vi=f"dịch vụ ký số không thực hiện được: {vi}; kiểm tra địa chỉ, khóa và mã truy cập",
    )


def main(base: str, credential: str, settings: str, source: str) -> None:
    """Send a document that the service signs."""
    pin = os.environ.get("EDOC_CSC_PIN")
    document = edoc.Document.model_validate_json(Path(source).read_bytes())
    with (
        CscSigner(
            base, credential, token=lambda: os.environ["EDOC_CSC_TOKEN"], pin=(lambda: pin) if pin else None
        ) as signer,
        edoc.Connector.open(settings, signer=signer) as connector,
    ):
        print(f"{signer.algorithm}, {signer.days_left} days left, for {', '.join(signer.key_usage)}")
        print(document.id, connector.send(document).state)


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
