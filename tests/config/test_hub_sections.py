"""Several hubs in the settings: which one `hub` is, their roles, and their connections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edoc_connector.config import Settings
from edoc_connector.errors import ConfigError

AGENCY = {"id": "H29.05", "name": "Sở Nội vụ"}
OLD = {"endpoint": "https://old.example.gov.vn", "system_id": "H29.05", "secret": "env:OLD"}
NEW = {"dialect": "edocservice", "endpoint": "https://new.example.gov.vn/E", "system_id": "H29.05", "secret": "env:NEW"}


def _settings(**sections: Any) -> Settings:
    return Settings.of({"agency": AGENCY, **sections})


def test_the_lone_section_is_the_hub_named_hub() -> None:
    """Settings of before have one hub, which sends."""
    settings = _settings(hub=OLD)
    assert list(settings.hub_sections) == ["hub"]
    assert settings.hub.role == "active"


def test_a_new_hub_stands_beside_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """`[hub]` may stay; each makes its own dialect, with its own connection."""
    monkeypatch.setenv("OLD", "a")
    monkeypatch.setenv("NEW", "b")
    settings = _settings(hub=OLD, hubs={"new": NEW | {"role": "drain", "http": {"attempts": 7}}})
    assert list(settings.hub_sections) == ["hub", "new"]
    assert settings.hub == settings.hub_sections["hub"]
    assert [type(settings.dialect(name)).__name__ for name in settings.hub_sections] == ["Vxp", "Edocservice"]
    assert settings.client_settings("new").attempts == 7
    assert settings.client_settings("hub").attempts == settings.client_settings().attempts == 4
    assert settings.authenticator("new") is None


def test_hubs_with_names_only() -> None:
    """The one that sends stands for `hub`; where none does, the first."""
    hubs = {"old": OLD | {"role": "drain"}, "new": NEW}
    settings = _settings(hubs=hubs)
    assert list(settings.hub_sections) == ["old", "new"]
    assert settings.hub == settings.hubs["new"]
    waiting = _settings(hubs={name: section | {"role": "drain"} for name, section in hubs.items()})
    assert waiting.hub == waiting.hubs["old"]


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"hub": OLD, "hubs": {"new": NEW}}, "only one of hub, new can send"),
        ({"hub": OLD, "hubs": {"new": NEW | {"role": "off"}}}, "hubs.new.role"),
        ({"hub": OLD, "hubs": {"Trục": NEW | {"role": "drain"}}}, "hubs.Trục"),
        ({"hub": OLD, "hubs": {"new": {"role": "drain", "dialect": "edocservice"}}}, "hubs.new.endpoint"),
        ({"hub": OLD, "hubs": {"new": NEW | {"role": "drain", "secret": "open"}}}, "hubs.new.secret"),
        ({"hub": OLD, "hubs": {"new": NEW | {"role": "drain", "colour": "red"}}}, "hubs.new.colour"),
        ({"hubs": {}}, "hub"),
    ],
)
def test_a_wrong_hub_is_named(sections: dict[str, Any], words: str) -> None:
    """The error names the setting of the hub that is meant, in both languages."""
    with pytest.raises(ConfigError) as caught:
        _settings(**sections)
    assert words in caught.value.message
    assert caught.value.vi


def test_a_hub_that_is_not_there() -> None:
    """Whoever asks for it is told which there are."""
    with pytest.raises(ConfigError, match="known are hub") as caught:
        _settings(hub=OLD).dialect("new")
    assert "new" in caught.value.vi


def test_every_hub_counts_for_warnings_and_secrets(tmp_path: Path) -> None:
    """No TLS is warned of, and open files of secrets are found, at whichever hub they are."""
    new = NEW | {"role": "drain", "endpoint": "http://new.example.gov.vn/E", "secret": "file:new"}
    settings = Settings.of(
        {"agency": AGENCY, "hub": OLD | {"secret": "file:old"}, "hubs": {"new": new}}, folder=tmp_path
    )
    assert any("new.example.gov.vn" in warning.en for warning in settings.list_warnings())
    assert {path.name for path in settings.list_secret_files()} == {"old", "new"}


def test_production_asks_every_hub_for_tls() -> None:
    """A hub without TLS is refused by the profile, also where another one has it."""
    new = NEW | {"role": "drain", "endpoint": "http://new.example.gov.vn/E"}
    with pytest.raises(ConfigError, match=r"hub\.endpoint"):
        _settings(profile="production", hub=OLD, hubs={"new": new})
