"""Coverage-guided fuzzing of the reader: any bytes give a packet or a `PacketError`. See README.md beside this file.

An input that begins with ``PK`` is taken for a zip and read as the content of an attachment; every other is a packet.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

try:
    import atheris  # type: ignore[import-untyped]  # it ships no types
except ImportError:  # the target also runs without it, over given inputs
    atheris = None

if atheris is not None:
    with atheris.instrument_imports(include=["edoc_connector.edxml"]):
        import edoc_connector.edxml as edxml
else:
    import edoc_connector.edxml as edxml

from lxml import etree

from edoc_connector.errors import AttachmentError, PacketError

AT = datetime(2026, 11, 21, tzinfo=UTC)
SEEDS = Path(__file__).with_name("seeds")
# small bounds let a small input reach them
LIMITS = edxml.Limits(skeleton=1 << 20, unpacked=1 << 20)
_WRAPPED = """<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXMLEnvelope><edXMLHeader><MessageHeader/>
</edXMLHeader></edXMLEnvelope><AttachmentEncoded><Attachment><ContentId>cid:1</ContentId>
<AttachmentName>a.docx</AttachmentName><ContentType>application/zip</ContentType>
<ContentTransferEncoded>{}</ContentTransferEncoded></Attachment></AttachmentEncoded></edXML>"""


def one_input(data: bytes) -> None:
    """Read everything that the input offers.

    Raises:
        Exception: anything but the errors that reading promises; the fuzzer keeps the input.
    """
    packed = data.startswith(b"PK")
    source = _WRAPPED.format(base64.b64encode(data).decode()).encode() if packed else data
    try:
        packet = edxml.read(source, limits=LIMITS)
    except PacketError as error:
        _told(error.code.startswith("EDX-"), error.message, error.vi)
        return
    packet.message.model_dump_json()
    edxml.facts(packet.message)
    for remark in edxml.remarks(packet, at=AT):
        _told(remark.message, remark.message_vi, remark.xpath, remark.clause or remark.advice)
    for finding in (*packet.findings, *packet.content_findings()):
        _told(finding.message, finding.message_vi, finding.xpath)
    for attachment in packet.attachments:
        with suppress(AttachmentError):
            _told(attachment.size >= 0)
    for exclusive in (True, False):
        with suppress(etree.C14NError):
            for _ in packet.skeleton.iter_canonical(exclusive=exclusive):
                pass


def _told(*parts: object) -> None:
    if not all(parts):
        raise AssertionError(f"something is not said: {parts}")


def main(arguments: list[str], run: Callable[[bytes], None] = one_input) -> None:
    """Fuzz; without atheris, run over the files given, else over the seeds."""
    if atheris is not None:
        atheris.Setup(arguments, run)
        atheris.Fuzz()
        return
    for path in [Path(name) for name in arguments[1:]] or sorted(SEEDS.iterdir()):
        run(path.read_bytes())


if __name__ == "__main__":
    main(sys.argv)
