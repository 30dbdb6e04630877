"""Enumerations whose members have a name in both languages, beside the value that is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeVar, cast

from .text import Text

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
