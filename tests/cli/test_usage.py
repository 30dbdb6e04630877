"""Errors in how a command was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


def test_with_json_a_mistake_in_the_command_line_is_json(edoc: Edoc) -> None:
    """A program that asks for JSON gets JSON for every error, that of its own command line too."""
    ran = edoc("explain", "--json", "--nonsense")
    told = json.loads(ran.err)
    assert (ran.code, told["exit_code"], told["error"]) == (2, 2, "UsageError")
    assert "--nonsense" in told["message"]
    assert "--nonsense" in told["message_vi"]
    assert not edoc("explain", "--nonsense").err.startswith("{")


@pytest.mark.parametrize("command", ["show", "explain", "recall", "take-back", "status", "settle", "resend"])
def test_a_command_that_takes_a_number_says_so(edoc: Edoc, command: str) -> None:
    """The help names the number beside the id where either will do."""
    assert "DOCUMENT-ID|NUMBER" in edoc(command, "--help").out


@pytest.mark.parametrize(
    "words", ["keys -c {} status", "keys --json list", "gateway -c {} keys list", "web --agency A user list"]
)
def test_options_before_the_command_of_a_group(words: str, edoc: Edoc, tmp_path: Path) -> None:
    """The command would not see them, and read another configuration: they are refused (design, errors)."""
    ran = edoc(*words.format(tmp_path / "other.toml").split())
    assert ran.code == 2
    assert "after the command" in ran.err
    assert "sau tên lệnh" in ran.err
