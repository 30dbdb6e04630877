"""Sample documents for tests, demonstrations and trials against a mock hub."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Any

from ..edxml import VIETNAM, Attachment, Document, Organization, SignerInfo

SENDER = Organization(id="H29.05", name="Sở Nội vụ")
RECIPIENT = Organization(id="G22", name="Văn phòng Chính phủ")


def sample_document(**changes: Any) -> Document:
    """Make a small, complete document that every rule of the standard lets through.

    Args:
        **changes: fields of `Document` to set otherwise, e.g. ``number="12"``.
    """
    fields: dict[str, Any] = {
        "sender": SENDER,
        "recipients": (RECIPIENT,),
        "number": "7816",
        "notation": "SNV-VP",
        "place": "Hà Nội",
        "issued_on": get_today(),
        "type_name": "Công văn",
        "subject": "V/v kết nối, liên thông văn bản",
        "signer": SignerInfo(full_name="Nguyễn Văn A", position="Giám đốc"),
        "attachments": (Attachment.from_bytes(sample_pdf(["CONG VAN 7816/SNV-VP"]), name="cong-van.pdf"),),
    }
    return Document(**(fields | changes))


@cache
def get_today() -> date:
    """Get the date in Vietnam when this process first asked: a sample made after midnight is the same document."""
    return datetime.now(VIETNAM).date()


def sample_pdf(lines: Sequence[str]) -> bytes:
    """Make a one-page PDF 1.4 with a few lines of text (ISO 32000-1, 7.5: header, objects, cross-references, trailer).

    Args:
        lines: printable ASCII; the page uses a font that every reader has, which lacks Vietnamese letters.

    Raises:
        UnicodeEncodeError: a line has other characters.
    """
    operators = "\n".join(f"({line.translate(_ESCAPES)}) Tj T*" for line in lines)
    text = f"BT /F1 14 Tf 18 TL 72 760 Td\n{operators}\nET".encode("ascii")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    entries = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, entries)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


_ESCAPES = str.maketrans({"\\": "\\\\", "(": "\\(", ")": "\\)"})
