"""Texts in two languages, and enumerations whose members have them, for forms (in other software, point 2)."""

from __future__ import annotations

import json
from enum import Enum, StrEnum
from importlib import import_module

import pytest

import edoc_connector as edoc
from edoc_connector._core import Labelled, Text, describe_error, escape_json, escape_line, escape_lines, label_members
from edoc_connector.errors import PacketRefused
from edoc_connector.signing import SignatureAlgorithm
from edoc_connector.worker import MetricKind


def test_words_of_persons_stay_as_they_are() -> None:
    """A reason that somebody wrote is the same in both languages; a text is taken as it is."""
    assert Text.of("Gửi nhầm") == Text("Gửi nhầm", "Gửi nhầm")
    assert Text.of(Text("told", "đã báo")) == Text("told", "đã báo")


def test_an_error_says_the_same_in_both_languages() -> None:
    """Its message and its words in Vietnamese (issue, "edoc explain")."""
    assert describe_error(PacketRefused("bad", vi="hỏng")) == Text("bad", "hỏng")


HIDDEN = {
    "line feed": "\n",
    "carriage return": "\r",
    "escape": "\x1b",
    "delete": "\x7f",
    "next line (C1)": "\x85",
    "control sequence (C1)": "\x9b",
    "no-break space": "\xa0",
    "soft hyphen": "\xad",
    "grapheme joiner": "\u034f",
    "Arabic letter mark": "\u061c",
    "Hangul filler": "\u3164",
    "zero width space": "\u200b",
    "zero width joiner": "\u200d",
    "right-to-left mark": "\u200f",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "right-to-left override": "\u202e",
    "word joiner": "\u2060",
    "right-to-left isolate": "\u2067",
    "Braille blank": "\u2800",
    "variation selector": "\ufe0f",
    "byte order mark": "\ufeff",
    "lone surrogate": "\ud800",
    "tag letter": "\U000e0041",
    "private use": "\U000f0000",
}
"""Letters that a screen does not show as what they are."""


@pytest.mark.parametrize("letter", HIDDEN.values(), ids=HIDDEN)
def test_words_and_screens_what_is_not_seen_is_spelt_out(letter: str) -> None:
    """Controls, marks of direction and letters without a width are escaped, one by one ("Words and screens")."""
    shown = escape_line(f"Sở{letter}Nội vụ")
    assert shown.isprintable()
    assert shown.startswith("Sở\\")
    assert f"{ord(letter):x}" in shown.lower() or letter in "\n\r"
    assert escape_lines(f"a{letter}b\nc") == ("a\nb\nc" if letter == "\n" else f"{escape_line(f'a{letter}b')}\nc")


@pytest.mark.parametrize("letter", HIDDEN.values(), ids=HIDDEN)
def test_words_and_screens_json_reads_the_same_and_hides_nothing(letter: str) -> None:
    """An escaped JSON text has the same value, and no letter that a screen does not show (RFC 8259, 7)."""
    value = {"name": f"a{letter}b"}
    text = escape_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert all(line.isprintable() for line in text.split("\n"))
    assert letter == "\n" or letter not in text
    assert json.loads(text) == value


def test_words_and_screens_what_people_write_stays() -> None:
    """Vietnamese, other scripts and marks that belong to letters are left as they are ("Words and screens")."""
    text = "V/v kết nối, liên thông văn bản → 7816/SNV-VP; e\u0302\u0301, Кириллица, 漢字, 🖂"
    assert escape_line(text) == escape_json(text) == escape_lines(text) == text


DOORS = ("edxml", "signing", "hubs", "connector", "worker", "store", "evidence")
NAMES_OF_STANDARDS = {SignatureAlgorithm, MetricKind}  # no words: they are the same in every language


def _list_enumerations() -> list[type[Enum]]:
    doors = [edoc, *(import_module(f"edoc_connector.{name}") for name in DOORS)]
    found = [getattr(door, name) for door in doors for name in door.__all__]
    enumerations = [one for one in found if isinstance(one, type) and issubclass(one, Enum)]
    return sorted(set(enumerations) - NAMES_OF_STANDARDS, key=lambda one: one.__name__)


@pytest.mark.parametrize("enumeration", _list_enumerations(), ids=lambda one: one.__name__)
def test_every_public_enumeration_has_names(enumeration: type[Enum]) -> None:
    """Each member has a name in Vietnamese and English (in other software, point 2)."""
    assert issubclass(enumeration, Labelled)
    assert all(one.vi and one.en for one in enumeration)
    assert enumeration.choices() == tuple((one.value, one.vi) for one in enumeration)
    assert enumeration.choices("en") == tuple((one.value, one.en) for one in enumeration)


def test_names_are_choices_of_a_form() -> None:
    """Values are stored, names are shown (in other software, point 2)."""
    assert ("sent", "đã gửi") in edoc.DeliveryState.choices()
    assert (0, "Thường") in edoc.Priority.choices()


def test_a_member_without_a_name_is_refused() -> None:
    """A member that is added later cannot be forgotten (in other software, point 2)."""

    class Colour(Labelled, StrEnum):
        RED = "red"
        BLUE = "blue"

    with pytest.raises(ValueError, match="Colour"):
        label_members({"red": Text("red", "đỏ")})(Colour)
