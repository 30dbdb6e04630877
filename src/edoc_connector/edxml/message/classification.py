"""State secrets: the levels of the law, and their marks in texts. The exchange does not carry such documents.

Decision 28/2018/QĐ-TTg leaves documents with state secrets out; how they are handled is for the Law on Protection of
State Secrets (29/2018/QH14), which has the three levels. The standard has no element for a level: a caller says it to
have the document refused, and a mark in a text is a hint to a person.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import Any

from ..._core import Labelled, Text, label_members

MAX_LOOKED_AT = 2000
"""Characters of a text that are looked at: four times the longest subject, and few enough to normalise quickly."""


@label_members(
    {
        "Mật": Text("confidential", "Mật"),
        "Tối mật": Text("secret", "Tối mật"),
        "Tuyệt mật": Text("top secret", "Tuyệt mật"),
    }
)
class Classification(Labelled, StrEnum):
    """Level of a state secret (Law 29/2018/QH14, Article 8), by its Vietnamese name in any spelling of it."""

    CONFIDENTIAL = "Mật"
    SECRET = "Tối mật"  # noqa: S105  the name of a level
    TOP_SECRET = "Tuyệt mật"  # noqa: S105

    @classmethod
    def _missing_(cls, value: object) -> Any:
        text = " ".join(unicodedata.normalize("NFKC", value[:MAX_LOOKED_AT]).split()) if isinstance(value, str) else ""
        return next((level for level in cls if level.casefold() == text.casefold()), None)


_WORD = re.compile(r"[^\W_]+")
_BETWEEN_WORDS = re.compile(r"[\s_-]+")
_MARK = "MẬT"
_DEGREES = ("TỐI", "TUYỆT")
_ORDINARY_BEFORE = frozenset(
    "bảo bí cơ thân trăng chu trù nghiêm kín nội độ túi ống sỏi gan đường ngọt rỉ dịch viêm".split()  # noqa: SIM905
)
_ORDINARY_AFTER = frozenset(
    "mã khẩu độ thiết vụ ong báo thư hiệu danh đàm ước lệnh tông giáo thám gấu mía rỉ".split()  # noqa: SIM905
)
"""Words that make an ordinary word of *mật* beside them: bảo mật, bí mật, mật mã, mật khẩu, mật ong…"""


def find_mark(text: str) -> str | None:
    """Find a mark of secrecy that stands by itself in capitals, in any normal form of Unicode.

    Args:
        text: a subject, or the name of a file.

    Returns:
        ``MẬT``, ``TỐI MẬT`` or ``TUYỆT MẬT``; None where there is none.
    """
    normal = unicodedata.normalize("NFKC", text[:MAX_LOOKED_AT])
    words = list(_WORD.finditer(normal))
    for number, word in enumerate(words):
        if word.group() == _MARK:
            before = _get_neighbour(normal, words, number - 1, number)
            after = _get_neighbour(normal, words, number, number + 1)
            if before in _DEGREES:
                return f"{before} {_MARK}"
            if before.casefold() not in _ORDINARY_BEFORE and after.casefold() not in _ORDINARY_AFTER:
                return _MARK
    return None


def _get_neighbour(text: str, words: list[re.Match[str]], first: int, second: int) -> str:
    """Get the one of two words that is not the mark; empty where there is none, or other signs stand between them."""
    if first < 0 or second == len(words):
        return ""
    is_near = _BETWEEN_WORDS.fullmatch(text, words[first].end(), words[second].start())
    other = words[first] if words[second].group() == _MARK else words[second]
    return other.group() if is_near else ""
