"""Sign a PDF file, stamp it, and check what came out: python sign_pdf.py in.pdf out.pdf p12:agency.p12 ca.pem

The key's password is in the environment as KEY_PASSWORD.
"""

from __future__ import annotations

import os
import sys

import edoc_connector as edoc
from edoc_connector.pdf import Stamp, sign_pdf, verify_pdf


def main(source: str, target: str, key: str, *anchors: str) -> None:
    """Sign, then print who signed when, and the verdict."""
    signer = edoc.load_signer(key, secrets=lambda _name: os.environ.get("KEY_PASSWORD"))
    sign_pdf(source, target, signer=signer, stamp=Stamp(code="7816/SNV-VP"))
    policy = edoc.VerifyPolicy.load(anchors) if anchors else edoc.VerifyPolicy()
    found = verify_pdf(target, policy)
    for one in found.signatures:
        print(one.signer, one.signed_at, one.status, one.reason)
    print(found.status, found.explanation_vi)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
