"""`edoc gateway keys` and `edoc gateway webhooks`, as an operator uses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.gateway import describe_interface

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc

CONFIGURATION = """\
[agency]
id = "H29.05"
name = "Sở Nội vụ"

[hub]
endpoint = "https://hub.example.vn"
system_id = "H29.05"
secret = "env:SECRET"
"""
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration, and the secrets that it names."""
    monkeypatch.setenv("SECRET", "hub")
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    path = tmp_path / "edoc.toml"
    path.write_text(CONFIGURATION)
    return path


def test_a_key_is_shown_once_and_listed_without_it(edoc: Edoc, config: Path) -> None:
    """A key is made, rotated and revoked; the list tells of each, and never shows one."""
    made = json.loads(edoc("gateway", "keys", "add", "DMS", "-c", config, "--json").out)
    rotated = json.loads(edoc("gateway", "keys", "rotate", made["key_id"], "-c", config, "--json").out)
    assert edoc("gateway", "keys", "revoke", rotated["key_id"], "-c", config).code == 0
    listed = edoc("gateway", "keys", "list", "-c", config, "--json").out
    found = {one["key_id"]: one for one in json.loads(listed)}
    assert found[made["key_id"]]["expires_at"]
    assert found[rotated["key_id"]]["revoked_at"]
    assert made["token"] not in listed
    assert edoc("gateway", "keys", "revoke", "none", "-c", config).code == 1
    assert "DMS" in edoc("gateway", "keys", "list", "-c", config).out


def test_a_webhook_is_added_listed_replayed_and_removed(edoc: Edoc, config: Path) -> None:
    """The list shows the reference of the secret, never the secret."""
    added = edoc(
        "gateway", "webhooks", "add", "https://dms.example.vn/hook", "--secret", "env:HOOK_SECRET", "-c", config
    )
    assert added.code == 0, added.err
    listed = edoc("gateway", "webhooks", "list", "-c", config, "--json").out
    assert json.loads(listed)[0]["secrets"] == ["env:HOOK_SECRET"]
    assert SECRET not in listed
    since = edoc("gateway", "webhooks", "replay", "1", "--since", "2026-11-20T08:00+07:00", "-c", config)
    assert since.out.startswith("0 messages")
    assert edoc("gateway", "webhooks", "replay", "1", "--since", "yesterday", "-c", config).code == 1
    assert edoc("gateway", "webhooks", "list", "--failures", "1", "-c", config, "--json").out.strip() == "[]"
    assert edoc("gateway", "webhooks", "remove", "1", "-c", config).code == 0
    assert edoc("gateway", "webhooks", "remove", "1", "-c", config).code == 1


def test_the_description_is_printed(edoc: Edoc, tmp_path: Path) -> None:
    """Generators of clients get the description without a running gateway."""
    assert json.loads(edoc("gateway", "openapi").out) == describe_interface()
    assert edoc("gateway", "openapi", "--out", tmp_path / "openapi.json").code == 0
    assert json.loads((tmp_path / "openapi.json").read_text())["openapi"].startswith("3.1")
