"""The stamp of a signature: signer and time of signing, top right of the first page.

Decree 30/2020/NĐ-CP, annex I, part I, section II, point 8: an organisation's signature on a file that goes with a
document shows no picture; it states number and symbol of the document and the time of signing (day, month, year; hour,
minute, second; Vietnam's time zone as in ISO 8601), upright, black, 10 points, top right of the first page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from .._core import to_nfc
from ..edxml import VIETNAM

FONT_SIZE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """The visible part of a signature.

    Args:
        name: the agency or person who signs; left out, the name in the certificate.
        code: number and symbol of the document, e.g. ``7816/SNV-VP``; left out, that line is.
        font: a TrueType or OpenType font; left out, Noto Serif, which the extra ``pdf`` brings. The decree asks for
            Times New Roman: name its file here where you have a licence for it. Its letters are embedded.
    """

    name: str | None = None
    code: str | None = None
    font: Path | None = None

    def lines(self, signer: str, at: datetime) -> tuple[str, ...]:
        """Compose the lines of the stamp, in Vietnamese and NFC.

        Args:
            signer: name in the certificate.
            at: the time of signing, aware.
        """
        lines = [f"Ký bởi: {self.name or signer}"]
        if self.code:
            lines.append(f"Số: {self.code}")
        lines.append(f"Thời gian ký: {at.astimezone(VIETNAM):%d.%m.%Y %H:%M:%S} +07:00")
        return tuple(to_nfc(" ".join(line.split())) for line in lines)
