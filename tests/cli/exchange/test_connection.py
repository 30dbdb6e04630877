"""What every command that opens a connector tells its user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


@pytest.mark.parametrize("verbose", [[], ["--verbose"]])
@pytest.mark.parametrize("command", [["receive"], ["deliveries", "--json"]])
def test_words_and_screens_warnings_reach_the_user_once_a_run(
    office: Path, edoc: Edoc, command: list[str], verbose: list[str]
) -> None:
    """The policy `any` is told on stderr, once, in both languages, with a log and without ("Words and screens")."""
    for _ in range(2):
        ran = edoc(*verbose, *command)
        assert ran.code == 0
        assert ran.err.count("policy is any") == ran.err.count("[receive] policy là any") == 1
        assert "policy is any" not in ran.out


def test_words_and_screens_a_hub_without_tls_is_told(office: Path, edoc: Edoc, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is a hub that is reached without TLS, and one for production that is used with less ("Words and screens")."""
    monkeypatch.setenv("EDOC_HUB__ENDPOINT", "http://hub.example.gov.vn")
    ran = edoc("deliveries", "--json")
    assert json.loads(ran.out) == {"items": [], "next": None}
    assert ran.err.count("without TLS") == ran.err.count("không có TLS") == 1
    assert ran.err.count("is taken for a production hub") == 1
    assert "receive.revocation.mode is not" in ran.err
