"""Fixtures of the command's tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from edoc_connector.cli import main


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


Edoc = Callable[..., Ran]


@pytest.fixture
def edoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Edoc:
    """Run `edoc` with arguments, in this process, and give its exit code and output."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["edoc", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        printed = capsys.readouterr()
        return Ran(int(stop.value.code or 0), printed.out, printed.err)

    return run
