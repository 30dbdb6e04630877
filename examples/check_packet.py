"""See what a packet says and whether its signature holds: python check_packet.py packet.edxml ca.pem"""

from __future__ import annotations

import sys

import edoc_connector as edoc


def main(file: str, *anchors: str) -> None:
    """Print the subject, the findings and the verdict."""
    packet = edoc.edxml.read(file)
    policy = edoc.VerifyPolicy.load(anchors) if anchors else edoc.VerifyPolicy()
    verification = edoc.signing.verify(packet, policy)
    print(packet.kind, verification.status.name, verification.explanation)
    for finding in (*packet.findings, *packet.content_findings()):
        print(finding.code, finding.xpath, finding.message)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
