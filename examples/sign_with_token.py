"""Sign a document with the key on a USB token: python sign_with_token.py KEY document.json signed.edxml [file…]

KEY is the key's URI (RFC 7512), for example
pkcs11:token=edoc;object=agency-key?module-path=/usr/lib/softhsm/libsofthsm2.so
The PIN is asked for, once; or taken from the environment variable EDOC_TOKEN_PIN.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from getpass import getpass
from pathlib import Path

import edoc_connector as edoc


def pin(name: str) -> str:
    """The token's PIN. What is refused once is never tried again, because tokens lock."""
    return os.environ.get("EDOC_TOKEN_PIN") or getpass(f"PIN of {name}: ")


def main(key: str, source: str, target: str, *files: str) -> None:
    """Write a packet whose signature and seal are made on the token, and check it."""
    attachments = tuple(edoc.Attachment.from_path(file) for file in files)
    document = edoc.Document.model_validate_json(Path(source).read_bytes())
    document = document.model_copy(update={"attachments": attachments})
    signer = edoc.load_signer(key, secrets=pin)
    status = edoc.signing.key_status(signer, name="token")
    if status.problem is not None:  # a wrong PIN, for one: the token was asked once and is not asked again
        sys.exit(f"{status.problem.message} / {status.problem.vi}")
    print(f"{status.algorithm}, {status.days_left} days left, for {', '.join(status.usage)}")
    at = datetime.now(UTC)
    edoc.edxml.write(
        document,
        Path(target),
        at=at,
        signature=edoc.signing.enveloped(signer),
        seal=edoc.signing.seal_maker(document, signer=signer, at=at),
    )
    verification = edoc.signing.verify(edoc.edxml.read(Path(target)))
    print(verification.status.name, "by", verification.signer)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
