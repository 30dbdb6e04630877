"""Enumerations have names in both languages, for forms and Django's choices (in other software, point 2)."""

from __future__ import annotations

from enum import Enum, StrEnum
from importlib import import_module

import pytest

import edoc_connector as edoc
from edoc_connector._core import Labelled, Text, label_members
from edoc_connector.signing import SignatureAlgorithm
from edoc_connector.worker import MetricKind

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
