"""What the command prints."""

from __future__ import annotations

import json
import sys
import time

import pytest

from edoc_connector.cli.output import print_json, print_table, say, show_progress


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_shows_on_a_terminal_only(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Work that takes longer than the delay gets a bar on stderr; output that is piped stays clean."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with show_progress("sending", delay=0.0) as told:
        time.sleep(0.2)
        told(50, 100)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ("sending" in printed.err) is terminal


def test_work_without_bytes_shows_how_long_it_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check of the store counts no bytes: its line says what goes on, and since when."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with show_progress("checking", delay=0.0):
        time.sleep(0.3)
    printed = capsys.readouterr().err
    assert "checking" in printed
    assert "0:00:00" in printed
    assert "bytes" not in printed


def test_quick_work_shows_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A bar that would flash by is not shown."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with show_progress("sending") as told:
        told(1, 1)
    assert "sending" not in capsys.readouterr().err


def test_control_characters_are_spelt_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A text from a packet cannot drive the terminal."""
    print_table("", ("name",), [("a\x1b[31mb\nễ",)])
    printed = capsys.readouterr().out
    assert "a\\x1b[31mb" in printed
    assert "ễ" in printed
    assert "\x1b" not in printed


def test_words_and_screens_a_line_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    """A number or an id with a line end in it makes no second line of what the command says ("Words and screens")."""
    say("set aside: 7816\nall is well\u2028", "đã cách ly: 7816\x85")
    assert capsys.readouterr().out == "set aside: 7816\\nall is well\\u2028\nđã cách ly: 7816\\x85\n"


def test_words_and_screens_json_hides_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON on a terminal holds no C1 control, mark of direction or letter without a width ("Words and screens")."""
    value = {"name": "cong-van\u202efdp.exe\x9b2J\u200b\u2028"}
    print_json(value)
    printed = capsys.readouterr().out
    assert all(line.isprintable() for line in printed.splitlines())
    assert json.loads(printed) == value


_ROWS = [
    ("H29.05,2026/11/20,7816/SNV-VP", "V/v kết nối, liên thông văn bản giữa các cơ quan nhà nước", "đã gửi", "G22 01")
]
_HEADS = ("document / văn bản", "subject / trích yếu", "state / tình trạng", "recipients / nơi nhận")


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_ids_are_never_broken(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person copies a DocumentId from a narrow terminal; other columns are broken, or the rows become blocks."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    print_table("Sent / Đã gửi: 1", _HEADS, _ROWS)
    printed = capsys.readouterr().out
    assert "H29.05,2026/11/20,7816/SNV-VP" in printed
    assert ("document / văn bản: H29.05" in printed) is (columns < 80)
    if columns == 80:
        assert max(len(line) for line in printed.splitlines() if line.startswith("│")) <= 80
