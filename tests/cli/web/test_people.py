"""The commands web user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


def test_people_are_administered(
    offices: dict[str, Path], edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Added with a password from a file, listed, changed and removed; no password is shown or kept."""
    config = offices["H29.05"]
    secret = tmp_path / "password"
    secret.write_text("mật khẩu đủ dài 1\n")
    monkeypatch.setenv("EDOC_NEW_PASSWORD", "mật khẩu đủ dài 2")
    added = edoc(
        "web", "user", "add", "van.thu", "--name", "Trần Thị Mai", "--role", "clerk", "--password", f"file:{secret}",
        "-c", config,
    )  # fmt: skip
    assert added.code == 0, added.err
    assert edoc("web", "user", "password", "van.thu", "--password", "env:EDOC_NEW_PASSWORD", "-c", config).code == 0
    assert edoc("web", "user", "role", "van.thu", "leader", "-c", config).code == 0
    listed = edoc("web", "user", "list", "--json", "-c", config)
    (person,) = json.loads(listed.out)
    assert (person["name"], person["full_name"], person["role"]) == ("van.thu", "Trần Thị Mai", "leader")
    assert "password" not in person
    assert "Trần Thị Mai" in edoc("web", "user", "list", "-c", config).out
    assert edoc("web", "user", "remove", "van.thu", "-c", config).code == 0
    assert json.loads(edoc("web", "user", "list", "--json", "-c", config).out) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--role", "king", "--password", "env:EDOC_NEW_PASSWORD"], "administrator"),
        (["--role", "clerk", "--password", "in the clear"], "env:NAME"),
        (["--role", "clerk", "--password", "env:EDOC_SHORT"], "12"),
    ],
)
def test_what_cannot_be_is_one_error(
    offices: dict[str, Path], edoc: Edoc, arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown role, a password in the arguments and a short one are refused, and not repeated."""
    monkeypatch.setenv("EDOC_NEW_PASSWORD", "mật khẩu đủ dài 2")
    monkeypatch.setenv("EDOC_SHORT", "ngắn")
    ran = edoc("web", "user", "add", "a", "--name", "A", *arguments, "-c", offices["H29.05"])
    assert (ran.code, words in ran.err, "in the clear" in ran.err) == (1, True, False)
