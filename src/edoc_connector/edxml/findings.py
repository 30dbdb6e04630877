"""Findings in a packet, and the error for one that cannot be read, as the catalogue words them."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import PacketError
from .finding_kinds import FINDING_KINDS, REFUSALS
from .severity import Severity


@dataclass(frozen=True, slots=True)
class Finding:
    """A deviation of a packet from the standard, and the way it was read.

    Args:
        code: stable code, ``EDX-…``.
        xpath: XPath of the element, with the names' namespaces left out.
        seen: the text or name in the packet.
        understood: the reading of it, empty where it was left out.
        line: line of the file, counted from 1, where known.
        column: column in the line, in characters, counted from 1, where known.
    """

    code: str
    xpath: str
    seen: str = ""
    understood: str = ""
    line: int | None = None
    column: int | None = None

    @property
    def severity(self) -> Severity:
        """Weight of the finding."""
        return FINDING_KINDS[self.code].severity

    @property
    def message(self) -> str:
        """Message in English."""
        return FINDING_KINDS[self.code].en.format(seen=self.seen, understood=self.understood)

    @property
    def message_vi(self) -> str:
        """Message in Vietnamese."""
        return FINDING_KINDS[self.code].vi.format(seen=self.seen, understood=self.understood)

    @property
    def advice(self) -> str:
        """Remedy in English; empty where none is needed."""
        return FINDING_KINDS[self.code].advice

    @property
    def advice_vi(self) -> str:
        """Remedy in Vietnamese; empty where none is needed."""
        return FINDING_KINDS[self.code].advice_vi


def packet_error(
    code: str,
    seen: str = "",
    seen_vi: str = "",
    *,
    understood: str = "",
    quoted: str = "",
    position: tuple[int, int | None] = (1, 1),
) -> PacketError:
    """Build the error for a packet that cannot be read, with its place in the packet and the remedy.

    Args:
        code: code of `REFUSALS`.
        seen: the field ``{seen}`` of the message.
        seen_vi: the same in Vietnamese, where it is a phrase.
        understood: the field ``{understood}`` of the message.
        quoted: what the packet has there, in the place of ``{quoted}`` in `seen`; only a person is told.
        position: line of the file and column in the line, counted from 1; the column may be unknown.
    """
    kind = REFUSALS[code]
    message = kind.en.format(seen=seen, understood=understood)
    message_vi = kind.vi.format(seen=seen_vi or seen, understood=understood)
    line, column = position
    position_text = f"line {line}" + (f", column {column}" if column else "")
    position_text_vi = f"dòng {line}" + (f", cột {column}" if column else "")
    return PacketError.withholding(
        f"{message} ({position_text}); {kind.advice}",
        vi=f"{message_vi} ({position_text_vi}); {kind.advice_vi}",
        hidden={"quoted": quoted},
        code=code,
        line=line,
        column=column,
    )
