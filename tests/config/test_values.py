"""The names that an editor completes are those that settings take (in other software, point 2)."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

import pytest
from pydantic import BaseModel, SecretStr

from edoc_connector.config import Settings, values
from edoc_connector.config.sections import RevocationSettings, build_auth_model, build_dialect_model
from edoc_connector.errors import ConfigError
from edoc_connector.hubs import AUTHENTICATORS, REGISTRY
from edoc_connector.hubs.registry import BUILT_IN

NOT_SECTIONS = ("profile", "lang", "hubs")
SECTIONS = {name: field.annotation for name, field in Settings.model_fields.items() if name not in NOT_SECTIONS}


def _name_values(section: type[BaseModel]) -> str:
    return section.__name__.replace("Settings", "Values")


@pytest.mark.parametrize("section", [*SECTIONS.values(), RevocationSettings], ids=lambda one: one.__name__)
def test_the_names_of_a_section_are_completed(section: type[BaseModel]) -> None:
    """Each section has a dictionary of its names, no more and no fewer (in other software, point 2)."""
    names = set(get_type_hints(getattr(values, _name_values(section))))
    known = set(section.model_fields)
    if section.__name__ == "HubSettings":
        assert set(AUTHENTICATORS) == {"oauth2", "lgspaccesstoken", "login"}
        known |= {name for dialect in BUILT_IN for name in build_dialect_model(dialect).model_fields}
        kinds = {name for kind in AUTHENTICATORS for name in build_auth_model(kind).model_fields}
        assert set(get_type_hints(values.AuthValues)) == kinds | {"kind"}
    assert names == known


def test_the_constructor_names_each_section() -> None:
    """`inspect.signature`, which editors and `help` show, has the sections by name (in other software, point 2)."""
    parameters = inspect.signature(Settings.__init__).parameters
    assert [name for name in parameters if name not in ("self", "unknown")] == list(Settings.model_fields)
    assert all(parameters[name].default is None for name in Settings.model_fields)


def test_the_constructor_makes_settings() -> None:
    """Sections as dictionaries, a secret at hand, and nothing read from anywhere (in other software, point 2)."""
    settings = Settings(
        agency={"id": "H29.05", "name": "Sở Nội vụ"},
        hub={"endpoint": "https://hub.example", "system_id": "H29.05", "secret": SecretStr("bí mật")},
        receive={"policy": "valid"},
    )
    dialect: Any = settings.dialect()
    assert dialect.secret == "bí mật"
    assert settings.receive.policy == "valid"
    assert settings.store.url == "sqlite:///edoc.db"
    assert REGISTRY[settings.hub.dialect] is type(dialect)


def test_what_is_missing_or_unknown_is_a_typed_error() -> None:
    """The constructor names a section that is missing, and one that there is not (configuration, errors)."""
    with pytest.raises(ConfigError, match=r"agency.*\n?.*hub") as caught:
        Settings()
    assert "thiếu" in caught.value.vi
    with pytest.raises(ConfigError, match="sections"):
        Settings(agency={"id": "G22", "name": "VPCP"}, hub={"endpoint": "https://hub"}, sections={})  # type: ignore[arg-type]
