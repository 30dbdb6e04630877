"""Sections of the configuration: bounds of their numbers, and the settings of dialects."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from edoc_connector.config import LimitSettings, SecretRef, Settings, WorkerSettings
from edoc_connector.config import sections as sections_module
from edoc_connector.config.sections import HttpSettings, build_dialect_model
from edoc_connector.errors import ConfigError
from edoc_connector.hubs import SECRET

NUMBERS = [
    f"{section}.{name}"
    for section, model in (("http", HttpSettings), ("limits", LimitSettings), ("worker", WorkerSettings))
    for name, field in model.model_fields.items()
    if field.annotation in (int, float) and name not in ("slowest",)
]


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e12])
@pytest.mark.parametrize("name", NUMBERS)
def test_no_number_is_without_end(name: str, value: float) -> None:
    """A number that makes no time is refused when the settings are read, not after a packet left (configuration)."""
    section, _, key = name.partition(".")
    number = value if math.isnan(value) or math.isinf(value) else int(value)
    with pytest.raises(ConfigError, match=rf"{section}\.{key}"):
        Settings.of({"agency": {"id": "X", "name": "X"}, "hub": {"endpoint": "https://x"}, section: {key: number}})


@dataclass(frozen=True)
class OtherDialect:
    """A dialect of somebody else, as far as its fields go."""

    address: str
    token: str = field(metadata={"secret": True})
    pin: str | None = field(default=None, repr=False, metadata=SECRET)
    note: str = field(default="", repr=False)
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC), repr=False)


def test_the_settings_of_a_dialect_that_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fields are settings, the secret ones are references, and its clock is none (configuration, secrets)."""
    monkeypatch.setattr(sections_module, "REGISTRY", {"other": OtherDialect})
    fields = build_dialect_model("other").model_fields
    assert {name: known.annotation for name, known in fields.items()} == {
        "address": str,
        "token": SecretRef,
        "pin": SecretRef,
        "note": str,
    }
    assert [name for name, known in fields.items() if known.is_required()] == ["address", "token"]
