"""Packets of any size are signed, read, verified and extracted right ("Correctness at size").

EDOC_TEST_LARGE gives the size of the attachment in GiB: with 3 the packet's last attachment lies beyond 4 GiB.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

import edoc_connector.edxml as edxml
from edoc_connector import signing
from edoc_connector.edxml import CHUNK_SIZE
from edoc_connector.signing import VerificationStatus, VerifyPolicy
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys

_GIB = float(os.environ.get("EDOC_TEST_LARGE", "0"))
_BLOCK = hashlib.shake_256(b"large").digest(3 * 100_003)  # no multiple of any piece, so that every boundary is met
_BLOCKS = max(int(_GIB * (1 << 30)) // len(_BLOCK) + 1, 4 * CHUNK_SIZE // len(_BLOCK))
_REST = b"the end"
_TEXT = base64.b64encode(_BLOCK)
_AT = datetime.now(UTC)


@dataclass(frozen=True)
class _Form:
    """How a base64 text is written, and how Canonical XML has it."""

    block: bytes
    canonical: bytes
    before: bytes = b""
    behind: bytes = b""


def _lines(end: bytes) -> bytes:
    return b"".join(_TEXT[place : place + 76] + end for place in range(0, len(_TEXT), 76))


_FORMS = {
    "as it is": _Form(_TEXT, _TEXT),
    "lines": _Form(_lines(b"\n"), _lines(b"\n")),
    "lines of CR LF": _Form(_lines(b"\r\n"), _lines(b"\n")),
    "one CDATA section": _Form(_lines(b"\r\n"), _lines(b"\n"), b"<![CDATA[", b"]]>"),
    "CDATA sections": _Form(b"<![CDATA[" + _TEXT + b"]]>", _TEXT),
    "comments": _Form(_TEXT[:77] + b"<!--b\r\n-->" + _TEXT[77:] + b"<!-- c -->", _TEXT),
    "references": _Form(_TEXT + b"&#xA;&#13;", _TEXT + b"\n&#xD;"),
}

_NS = f'xmlns="{edxml.NS}"'
_PARTS = """<edXML %s><edXMLEnvelope><edXMLHeader><MessageHeader><From><OrganId>H29.05</OrganId></From></MessageHeader>\
|</edXMLHeader></edXMLEnvelope><AttachmentEncoded><Attachment><ContentId>cid:1</ContentId>\
<AttachmentName>large.bin</AttachmentName><ContentTransferEncoded>|</ContentTransferEncoded></Attachment>\
<Attachment><ContentId>cid:2</ContentId><AttachmentName>small.bin</AttachmentName><ContentTransferEncoded>QUJD\
</ContentTransferEncoded></Attachment></AttachmentEncoded></edXML>"""


def _data() -> Iterator[bytes]:
    for _ in range(_BLOCKS):
        yield _BLOCK
    yield _REST


def _sha256() -> str:
    digest = hashlib.sha256()
    for piece in _data():
        digest.update(piece)
    return digest.hexdigest()


def _written(packet: Path, form: _Form, keys: AgencyKeys) -> None:
    """A packet with a signature whose digest is taken of the canonical form as it is known to be."""
    before, between, behind = (_PARTS % _NS).encode().split(b"|")
    rest = base64.b64encode(_REST)
    digest = hashlib.sha256(before + between)
    for _ in range(_BLOCKS):
        digest.update(form.canonical)
    digest.update(rest + behind)
    with packet.open("wb") as out:
        out.write(before + signing.enveloped(keys.signer()).signature(digest.digest()) + between + form.before)
        for _ in range(_BLOCKS):
            out.write(form.block)
        out.write(form.behind + rest + behind)


@pytest.mark.parametrize("form", _FORMS)
def test_a_large_text_in_every_form(form: str, agency: AgencyKeys, tmp_path: Path) -> None:
    """Line ends, CDATA sections, comments and references in a text: the signature holds, the content is whole."""
    packet = tmp_path / "large.edxml"
    _written(packet, _FORMS[form], agency)
    read = edxml.read(packet)
    policy = VerifyPolicy(second_verifier_limit=0)
    # a text that comments cut in two is read whole, but no signature over it counts, whatever its size
    assert signing.verify(read, policy).reason == ("SIG-COMMENT" if form == "comments" else "SIG-OK")
    large, small = read.attachments
    assert (large.size, large.sha256) == (_BLOCKS * len(_BLOCK) + len(_REST), _sha256())
    with small.open() as stream:
        assert stream.read() == b"ABC"
    if not _GIB and form != "comments":
        assert signing.verify(read, VerifyPolicy(second_verifier_limit=1 << 30)).status is VerificationStatus.VALID
        with packet.open("r+b") as file:
            file.seek(packet.stat().st_size // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(b"Q" if byte != b"Q" else b"R")
        assert signing.verify(edxml.read(packet), policy).status is VerificationStatus.INVALID


def test_a_large_packet_of_ours(agency: AgencyKeys, tmp_path: Path) -> None:
    """What is built, signed and sealed is read, verified and extracted, byte for byte."""
    data, packet, extracted = tmp_path / "data.bin", tmp_path / "packet.edxml", tmp_path / "extracted.bin"
    with data.open("wb") as file:
        file.writelines(_data())
    small = edxml.Attachment.from_bytes(b"ABC", name="small.bin")
    document = sample_document(attachments=(edxml.Attachment.from_path(data), small))
    signer = agency.signer()
    seal = signing.seal_maker(document, signer=signer, at=_AT)
    edxml.write(document, packet, at=_AT, signature=signing.enveloped(signer), seal=seal)
    if _GIB >= 3:
        assert packet.stat().st_size > 1 << 32
    verification = signing.verify(edxml.read(packet))
    assert (verification.status, verification.method) == (VerificationStatus.VALID, "packet")
    assert verification.signed_at is not None
    verification.attachments[0].save(extracted)
    digest = hashlib.sha256()
    with extracted.open("rb") as file:
        while piece := file.read(CHUNK_SIZE):
            digest.update(piece)
    assert (extracted.stat().st_size, digest.hexdigest()) == (data.stat().st_size, _sha256())
