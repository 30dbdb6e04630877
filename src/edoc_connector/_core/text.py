"""Texts in English and Vietnamese, enumerations with such names, and the escapes for a stranger's text on a screen.

Controls move a cursor, end a line, or change a terminal; marks of direction and letters without a width make a text
look like another one. Whatever prints or logs uses the escapes here, and no rule of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeVar, cast

from ..errors import EdocError, choose_words


@dataclass(frozen=True, slots=True)
class Text:
    """A text in both languages; `str()` is the one that this process speaks, or both in one line."""

    en: str
    vi: str

    def __str__(self) -> str:
        return choose_words(self.en, self.vi, between=" / ")

    @classmethod
    def of(cls, words: Text | str) -> Text:
        """Take a text as it is, and a person's own words as the same in both languages."""
        return cls(words, words) if isinstance(words, str) else words


def describe_error(error: EdocError) -> Text:
    """Take the messages of an error as a text."""
    return Text(error.full, error.full_vi)


# Letters that count as printable and are not seen (Unicode, Default_Ignorable_Code_Point, outside category C): the
# grapheme joiner, fillers of Hangul, vowels of Khmer that are not drawn, selectors of variants; and a blank of Braille.
_UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
_IS_UNSEEN = re.compile(f"[{_UNSEEN}]").search
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape_line(text: str) -> str:
    r"""Escape a text into one line: what is not seen, or ends a line, is spelt out (``\n``, ``\x1b``, ``\u202e``).

    Escaped are controls (C0, C1, DEL), line and paragraph separators, spaces other than the plain one, marks of
    direction, characters without a width, and those that Unicode has not assigned. Everything else stays.
    """
    if _is_seen(text):
        return text
    return "".join(letter if _is_seen(letter) else _spell_out(letter) for letter in text)


def escape_lines(text: str) -> str:
    """Escape a text of several lines, each as `escape_line` does; only line feeds end a line."""
    return text if _is_seen(text) else "\n".join(map(escape_line, text.split("\n")))


def escape_json(text: str) -> str:
    r"""Escape a JSON text, so that it reads the same and hides nothing on a screen (RFC 8259, 7: ``\u202e``).

    Args:
        text: JSON; its line feeds stand between values only, and stay.
    """
    if _is_seen(text):
        return text
    return "".join(letter if letter == "\n" or _is_seen(letter) else _spell_out_json(letter) for letter in text)


def _is_seen(text: str) -> bool:
    return text.isprintable() and (text.isascii() or not _IS_UNSEEN(text))


def _spell_out(letter: str) -> str:
    code = ord(letter)
    if letter in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[letter]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _spell_out_json(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


LabelledEnum = TypeVar("LabelledEnum", bound="type[Labelled]")


class Labelled:
    """The part of an enumeration that gives its members names: ``vi``, ``en``, and `choices` for a form."""

    _texts: ClassVar[Mapping[Any, Text]] = MappingProxyType({})

    @property
    def text(self) -> Text:
        """Its name in both languages."""
        return self._texts[self]

    @property
    def vi(self) -> str:
        """Its name in Vietnamese, as clerks know it."""
        return self.text.vi

    @property
    def en(self) -> str:
        """Its name in English."""
        return self.text.en

    @classmethod
    def choices(cls, language: Literal["vi", "en"] = "vi") -> tuple[tuple[Any, str], ...]:
        """List values with their names, as the ``choices`` of a Django field or of a form.

        Args:
            language: of the names.
        """
        members = cast("Iterable[Any]", cls)
        return tuple((one.value, one.vi if language == "vi" else one.en) for one in members)


def label_members(texts: Mapping[Any, Text]) -> Callable[[LabelledEnum], LabelledEnum]:
    """Name each member of an enumeration by its value.

    Args:
        texts: the names, by value.

    Raises:
        ValueError: a member has no name, or a name no member.
    """

    def label(enumeration: LabelledEnum) -> LabelledEnum:
        kind = cast("type[Enum]", enumeration)
        if {one.value for one in kind} != set(texts):
            raise ValueError(f"{enumeration.__name__}: its members and their names differ")
        enumeration._texts = MappingProxyType({kind(value): text for value, text in texts.items()})
        return enumeration

    return label
