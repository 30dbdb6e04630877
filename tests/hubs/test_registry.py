"""Dialects of other packages by entry point."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edoc_connector import Settings
from edoc_connector.errors import ConfigError
from edoc_connector.hubs import BUILT_IN, ENTRY_POINTS, REGISTRY

PLUGIN = """
from dataclasses import dataclass, field
from edoc_connector.hubs import SECRET, WireRequest, SendResult

@dataclass(frozen=True, slots=True, kw_only=True)
class Pigeon:
    endpoint: str
    secret: str = field(repr=False, metadata=SECRET)
    loft: int = 1

    def send(self, packet, *, message_type, sender, recipients=(), on_progress=None):
        answer = yield WireRequest("POST", self.endpoint, {})
        return SendResult(doc_id="1")
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages with the metadata of one that brings dialects, as an installation leaves it."""
    info = tmp_path / "pigeon-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{ENTRY_POINTS}]\npigeon = pigeon_hub:Pigeon\nbroken = no_such_module:X\nodd = pigeon_hub:ODD\n"
        "vxp = pigeon_hub:Pigeon\n"
    )
    (tmp_path / "pigeon_hub.py").write_text(f"{PLUGIN}\nODD = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PIGEON", "corn")
    yield tmp_path
    sys.modules.pop("pigeon_hub", None)


def test_a_dialect_of_another_package(install: Path) -> None:
    """A file and an entry point make a dialect: its settings are checked, its secret a reference."""
    settings = Settings.of(
        {
            "agency": {"id": "H29", "name": "A"},
            "hub": {"dialect": "pigeon", "endpoint": "https://l.test", "secret": "env:PIGEON", "loft": 7},
        },
        folder=install,
    )
    made = settings.dialect()
    assert (type(made).__name__, made.loft, made.secret) == ("Pigeon", 7, "corn")  # type: ignore[attr-defined]
    assert {*BUILT_IN, "pigeon", "broken", "odd"} <= set(REGISTRY)
    assert len(REGISTRY) == len(set(REGISTRY))


def test_its_settings_are_checked_as_ours(install: Path) -> None:
    """A wrong setting of another package's dialect is named."""
    hub = {"dialect": "pigeon", "endpoint": "x", "secret": "env:PIGEON", "lofty": 1}
    with pytest.raises(ConfigError, match=r"hub\.lofty: there is no such setting"):
        Settings.of({"agency": {"id": "H29", "name": "A"}, "hub": hub})


@pytest.mark.parametrize("name", ["broken", "odd"])
def test_a_package_that_cannot_be_loaded(install: Path, name: str) -> None:
    """A package that does not load is a ConfigError that names it, in both languages."""
    with pytest.raises(ConfigError, match=name) as caught:
        REGISTRY[name]
    assert name in caught.value.vi


def test_nobody_takes_a_name_of_ours(install: Path) -> None:
    """An entry point called vxp does not take the dialect's place."""
    assert REGISTRY["vxp"] is BUILT_IN["vxp"]


def test_an_unknown_name(install: Path) -> None:
    """A name that nobody brings is no dialect."""
    assert "no-such" not in REGISTRY
    with pytest.raises(KeyError):
        REGISTRY["no-such"]
