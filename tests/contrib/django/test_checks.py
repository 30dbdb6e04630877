"""`manage.py check` reports what is wrong with the settings (in other software, point 3)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.core.checks import Tags, run_checks
from django.test import override_settings
from django.utils.translation import override

from edoc_connector.config import Settings
from edoc_connector.contrib.django import document_received, load_agencies

Said = dict[str, str]


def _run() -> Said:
    assert "edoc" not in vars(Tags).values()
    return {str(message.id): str(message.msg) for message in run_checks(tags=["edoc"])}


def test_settings_that_can_be_used_are_no_error(dms: ModuleType) -> None:
    """What they leave open is a warning: here, that unsigned packets come in."""
    assert set(_run()) == {"edoc.W001"}


@pytest.mark.parametrize(
    ("settings", "words", "words_vi"),
    [
        ({"EDOC": None}, "set EDOC", "Hãy đặt EDOC"),
        ({"EDOC_CONFIG": "edoc.toml"}, "one of them", "chỉ một trong hai"),
        ({"EDOC": ["agency"]}, "dictionary of sections", "từ điển các mục"),
        ({"EDOC": {"agency": {"id": "H29.05", "name": "Sở"}, "hub": {"endpoit": "x"}}}, "endpoit", "endpoit"),
        ({"EDOC": None, "EDOC_CONFIG": "/nowhere/edoc.toml"}, "cannot be read", "Không đọc được"),
    ],
)
def test_settings_that_cannot_be_used_are_an_error(
    dms: ModuleType, settings: dict[str, Any], words: str, words_vi: str
) -> None:
    """Each is edoc.E001, in the language that is active, and says what to do."""
    with override_settings(**settings):
        assert words in _run()["edoc.E001"]
        with override("vi"):
            assert words_vi in _run()["edoc.E001"]


def test_documents_that_nobody_takes_are_a_warning(dms: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a receiver of `document_received` documents wait, and edoc.W002 says so."""
    monkeypatch.setattr(document_received, "receivers", [])
    document_received.sender_receivers_cache.clear()
    assert "document_received" in _run()["edoc.W002"]


def test_a_dictionary_and_a_file_say_the_same(
    dms: ModuleType, edoc_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """`EDOC` is as `edoc.toml` would be; relative paths start from BASE_DIR, or from the file's folder."""
    values = {"agency": {"id": "G22", "name": "VP"}, "hub": {"endpoint": "http://127.0.0.1:1", "system_id": "G22"}}
    values["hub"]["secret"] = "file:secret"
    text = (
        '[agency]\nid="G22"\nname="VP"\n[hub]\nendpoint="http://127.0.0.1:1"\nsystem_id="G22"\nsecret="file:secret"\n'
    )
    (tmp_path / "edoc.toml").write_text(text)
    with override_settings(EDOC=values, BASE_DIR=tmp_path):
        (by_values,) = load_agencies()
    with override_settings(EDOC=None, EDOC_CONFIG=tmp_path / "edoc.toml"):
        (by_file,) = load_agencies()
    assert by_values == by_file
    assert by_values.folder == by_file.folder == tmp_path
