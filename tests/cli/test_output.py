"""What the command prints."""

from __future__ import annotations

import sys
import time

import pytest

from edoc_connector.cli.output import printable, progress


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_shows_on_a_terminal_only(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Work that takes longer than the delay gets a bar on stderr; output that is piped stays clean."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress("sending", after=0.0) as told:
        time.sleep(0.2)
        told(50, 100)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ("sending" in printed.err) is terminal


def test_quick_work_shows_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A bar that would flash by is not shown."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with progress("sending") as told:
        told(1, 1)
    assert "sending" not in capsys.readouterr().err


def test_control_characters_are_spelt_out() -> None:
    """A text from a packet cannot drive the terminal."""
    assert printable("a\x1b[31mb\nễ") == "a\\x1b[31mb\nễ"
