"""Memory does not grow with attachments ("Streams, not strings")."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

import edoc_connector.edxml as edxml

SIZE = 64 << 20
ALLOWED = 40 << 20

_SCRIPT = """
import sys
from datetime import UTC, date, datetime
from pathlib import Path
import edoc_connector.edxml as edxml

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))

folder, work = Path(sys.argv[1]), sys.argv[2]
packet = folder / "x.edxml"
before = peak()
if work == "write":
    document = edxml.Document(
        sender=edxml.Organization(id="H29", name="A"), recipients=(edxml.Organization(id="G22", name="B"),),
        number="1", notation="A", issued_on=date(2026, 11, 20), type_name="T", subject="S",
        signer=edxml.SignerInfo(full_name="F"),
        attachments=(edxml.Attachment.from_path(folder / "file.bin"),),
    )
    edxml.write(document, packet, at=datetime(2026, 11, 21, tzinfo=UTC), seal=lambda digests: b"<Seal/>")
elif work == "extract":
    edxml.read(packet).attachments[0].save(folder / "again.bin")
else:
    for piece in edxml.read(packet).skeleton.iter_canonical(exclusive=True):
        pass
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
def test_memory_stays_small(tmp_path: Path) -> None:
    """Writing, reading, extracting and canonicalising 64 MB takes less than 40 MB more than the import."""
    with (tmp_path / "file.bin").open("wb") as out:
        for number in range(SIZE >> 20):
            out.write(bytes([number]) * (1 << 20))
    for work in ("write", "extract", "canonical"):
        command = [sys.executable, "-c", _SCRIPT, str(tmp_path), work]
        grown = int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)
        assert grown < ALLOWED, (work, grown)
    assert (tmp_path / "again.bin").stat().st_size == SIZE
    assert (tmp_path / "again.bin").read_bytes() == (tmp_path / "file.bin").read_bytes()


def test_many_attachments_cost_no_memory_each(tmp_path: Path) -> None:
    """A thousand attachments are read without keeping any content ("Gigabyte attachments")."""
    content = f"<ContentTransferEncoded>{'QUJD' * 5000}</ContentTransferEncoded>"
    part = f"<Attachment><ContentId>cid:%d</ContentId>{content}</Attachment>"
    packet = tmp_path / "x.edxml"
    with packet.open("w", encoding="utf-8") as out:
        out.write(
            f'<edXML xmlns="{edxml.NS}"><edXMLEnvelope><edXMLHeader><MessageHeader/></edXMLHeader></edXMLEnvelope>'
        )
        out.write(
            "<AttachmentEncoded>" + "".join(part % number for number in range(1000)) + "</AttachmentEncoded></edXML>"
        )
    tracemalloc.start()
    try:
        read = edxml.read(packet)
        assert len(read.attachments) == 1000
        assert {one.size for one in read.attachments} == {15_000}
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
