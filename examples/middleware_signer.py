"""Sign with a key that only a vendor's own program can reach: it is given a hash, and gives the signature.

    python middleware_signer.py agency.cer edoc.toml document.json -- powershell -File sign-hash.ps1

The program reads the hash from its standard input and writes the signature to its standard output, both in base64; the
last argument names the hash, e.g. ``sha256``. Of an ECDSA key it may write DER or r‖s. Whatever wraps the vendor's
middleware in that way is a signer: give it to `Connector.open(settings, signer=…)`, and every packet is signed by it.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

import edoc_connector as edoc
from edoc_connector.signing import (
    SIGNATURES,
    Certified,
    Clock,
    choose_algorithm,
    coordinate_size,
    order_chain,
    raw_ecdsa,
    read_certificates,
)


class ProgramSigner(Certified):
    """A signer whose key a program reaches.

    Args:
        command: the program and its arguments; no PIN stands in them, as others see the command line.
        certificates: file of the key's certificate, and of those above it.
        clock: gives the moment the certificate must be valid at.
        timeout: seconds to wait for the program, a person's PIN included.

    Raises:
        SigningError: the certificate's key cannot sign packets.
    """

    def __init__(
        self,
        command: Sequence[str],
        certificates: Path,
        *,
        clock: Clock = lambda: datetime.now(UTC),
        timeout: float = 60.0,
    ) -> None:
        found = read_certificates(certificates.read_bytes())
        self._command = tuple(command)
        self._timeout = timeout
        self.certificates = order_chain(found[0], found)
        self.clock = clock
        self.algorithm = choose_algorithm(self.certificate.public_key())

    def sign(self, data: bytes) -> bytes:
        """Have the program sign the hash of the data.

        Raises:
            SigningError: the certificate is not valid now or not for signing, or the program does not sign.
        """
        self.refuse_unfit()
        name = SIGNATURES[self.algorithm].digest
        try:
            return _as_raw(self.certificate, self._run(name, hashlib.new(name, data).digest()))
        except ValueError as error:
            raise _failed("it gave no signature that can be read", "không trả về chữ ký đọc được") from error

    def _run(self, name: str, digest: bytes) -> bytes:
        try:
            ran = subprocess.run(  # noqa: S603 - the command is the operator's own
                [*self._command, name],
                input=base64.b64encode(digest),
                capture_output=True,
                timeout=self._timeout,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _failed(type(error).__name__, type(error).__name__) from error
        if ran.returncode != 0:  # what it wrote may hold a PIN, and is not repeated
            raise _failed(f"exit code {ran.returncode}", f"mã thoát {ran.returncode}")
        return base64.b64decode(b"".join(ran.stdout.split()), validate=True)  # programs break long lines


def _as_raw(certificate: x509.Certificate, value: bytes) -> bytes:
    """Give the value as XML Signature has it."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey) and len(value) != 2 * coordinate_size(key):
        return raw_ecdsa(value, key)
    return value


def _failed(why: str, vi: str) -> edoc.SigningError:
    return edoc.SigningError(
        f"the program that signs did not do it: {why}; run it by hand, and see that the token is in and its PIN right",
        vi=f"chương trình ký không thực hiện được: {vi}; hãy chạy thử bằng tay, kiểm tra thiết bị và mã PIN",
    )


def main(certificates: str, settings: str, source: str, *command: str) -> None:
    """Send a document that the program signs."""
    signer = ProgramSigner([part for part in command if part != "--"], Path(certificates))
    document = edoc.Document.model_validate_json(Path(source).read_bytes())
    with edoc.Connector.open(settings, signer=signer) as connector:
        print(connector.send(document).id)


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
