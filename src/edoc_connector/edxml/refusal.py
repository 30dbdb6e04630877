"""The errors for packets that cannot be read at all, made of the catalogue."""

from __future__ import annotations

from ..errors import PacketError
from .findings import REFUSALS


def packet_error(
    code: str,
    seen: str = "",
    seen_vi: str = "",
    *,
    understood: str = "",
    position: tuple[int, int | None] = (1, 1),
) -> PacketError:
    """An error that says what stands in the packet, where, and what to do.

    Args:
        code: code of `REFUSALS`.
        seen: what was found.
        seen_vi: the same in Vietnamese, where it is words.
        understood: the second part of the message, where it has one.
        position: line in the file and column in the line, counted from 1; the column may be unknown.
    """
    kind = REFUSALS[code]
    message = kind.en.format(seen=seen, understood=understood)
    message_vi = kind.vi.format(seen=seen_vi or seen, understood=understood)
    line, column = position
    position_text = f"line {line}" + (f", column {column}" if column else "")
    position_text_vi = f"dòng {line}" + (f", cột {column}" if column else "")
    return PacketError(
        f"{message} ({position_text}); {kind.advice}",
        vi=f"{message_vi} ({position_text_vi}); {kind.advice_vi}",
        code=code,
        line=line,
        column=column,
    )
