"""The connector of a process (in other software, point 3)."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
from django.test import override_settings

from edoc_connector.config import Settings
from edoc_connector.contrib.django import close_connectors, get_connector
from edoc_connector.errors import ConfigError


def test_a_process_has_one_for_each_agency(dms: ModuleType) -> None:
    """It is opened once, is the same by its agency's code, and opened anew when it was closed."""
    first = get_connector()
    assert get_connector() is get_connector("H29.05") is first
    close_connectors()
    assert get_connector() is not first


def test_other_settings_are_another_one(dms: ModuleType, edoc_settings: Callable[..., Settings]) -> None:
    """`override_settings` closes what was opened before; a test cannot reach another one's store."""
    assert get_connector().settings.agency.id == "H29.05"
    with override_settings(EDOC=edoc_settings("G22")):
        assert get_connector().settings.agency.id == "G22"
    assert get_connector().settings.agency.id == "H29.05"


def test_an_agency_that_is_not_there_is_an_error_that_names_those_that_are(dms: ModuleType) -> None:
    """An unknown code is a ConfigError in both languages."""
    with pytest.raises(ConfigError, match=r"H29\.05") as caught:
        get_connector("H30")
    assert "H29.05" in caught.value.vi
