"""What a command says when something is wrong with it or with the machine: a line in each language, no traceback."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from rich.text import Text

from edoc_connector.cli.app import app
from edoc_connector.cli.errors import name_commands
from edoc_connector.cli.output import use_utf8
from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A document as JSON."""
    path = tmp_path / "document.json"
    path.write_text(sample_document().model_dump_json(), encoding="utf-8")
    return path


def _told_once(ran: Any, *words: str) -> None:
    assert len(ran.errors) == 2, ran.err
    for word in words:
        assert word in ran.err


def test_a_folder_that_is_not_there(edoc: Edoc, document: Path, tmp_path: Path) -> None:
    """The path and what to do are named (command line: errors are a line that says what to do)."""
    ran = edoc("build", document, "--out", tmp_path / "no" / "x.edxml")
    assert ran.code == 1
    _told_once(ran, str(tmp_path / "no"), "cannot be used", "tệp hoặc thư mục không tồn tại")
    assert ".part" not in ran.err


def test_a_file_where_a_folder_should_be(edoc: Edoc, document: Path) -> None:
    """The demonstration in a file's place is an error of a line in each language."""
    ran = edoc("demo", "--folder", document)
    assert ran.code == 1
    _told_once(ran, "document.json", "Give another path", "không phải thư mục")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("send",), ("DOCUMENT.json", "thiếu VĂN-BẢN.json", "edoc send --help")),
        (("sned",), ("No such command 'sned'", "không có lệnh sned")),
        (("send", "x", "--agncy", "3"), ("--agncy", "không có tùy chọn --agncy (có phải --agency?)")),
        (("show", "x", "y", "z"), ("unexpected extra", "thừa tham số (y z)")),
        (("mockhub", "--data", "x", "--agency", "A:b", "--port", "99999"), ("--port", "giá trị của --port")),
        (("send", "x", "--attach"), ("--attach", "tùy chọn --attach")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_a_command_that_is_not_written_right(edoc: Edoc, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    """Usage errors are in both languages too, with exit code 2 (command line, "wrong options")."""
    ran = edoc(*arguments)
    assert ran.code == 2
    _told_once(ran, *words)


def test_output_is_utf_8_on_every_code_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table sent to a file on a Vietnamese Windows (cp1258) does not fail on a letter that the page lacks."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="cp1258")
    monkeypatch.setattr(sys, "stdout", stream)
    use_utf8()
    stream.write("Đã gửi: Nguyễn ở Huế – ễ")
    stream.flush()
    assert raw.getvalue().decode("utf-8") == "Đã gửi: Nguyễn ở Huế – ễ"


def test_errors_name_commands() -> None:
    """What the library says to a program is said to a person with the command's name."""
    assert name_commands("call receive(), or look for it with receipts().") == (
        "run `edoc receive`, or look for it with `edoc receipts`."
    )
    assert name_commands("hãy gọi receive() hoặc tra bằng receipts().") == (
        "hãy chạy `edoc receive` hoặc tra bằng `edoc receipts`."
    )
    assert name_commands("Look there, then call settle().") == "Look there, then run `edoc settle`."


def test_logs_are_for_verbose(edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --verbose an error is told once, by the command, and not by the log as well."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as in a process of its own
    (tmp_path / "edoc.toml").write_text(
        '[agency]\nid = "A"\nname = "A"\n[hub]\nendpoint = "http://127.0.0.1:9"\nsystem_id = "A"\n'
        'secret = "env:EDOC_TEST_SECRET"\n[http]\nattempts = 2\nbackoff = 0.01\n'
    )
    monkeypatch.setenv("EDOC_TEST_SECRET", "throwaway")
    ran = edoc("receive")
    assert (ran.code, ran.out) == (os.EX_TEMPFAIL, "")
    _told_once(ran, "cannot be reached", "Không kết nối được")


def test_help_is_set_for_the_terminal(edoc: Edoc, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sections in brackets stay, and paragraphs are broken by the terminal, not where the source was."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    out = " ".join(edoc("db", "upgrade", "--help").out.split())
    assert 'With [worker] engine = "procrastinate", that engine\'s tables too.' in out


def test_brackets_in_the_help_of_options_are_shown() -> None:
    """A section that an option names is no markup, in any command."""
    commands: list[Any] = [typer.main.get_command(app)]
    swallowed: list[str] = []
    for command in commands:
        commands += getattr(command, "commands", {}).values()
        texts = [getattr(one, "help", None) or "" for one in command.params]
        swallowed += [
            f"{command.name}: {one}" for one in texts if Text.from_markup(one).plain != one.replace("\\[", "[")
        ]
    assert swallowed == []
    assert len(commands) > 60


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"issued_on": "20/11/2026"}, ("issued_on: write the date as 2026-11-20", "hãy ghi ngày theo dạng 2026-11-20")),
        ({"subjct": "x"}, ("subjct: there is no such field", "subjct: không có trường này")),
        ({"number": 7816}, ("number: it must be a text in quotes", "phải là chuỗi ký tự trong dấu nháy")),
        ({"recipients": "G22"}, ("recipients: it must be a list", "recipients: phải là danh sách")),
        ({"signer": "Nguyễn Văn A"}, ("signer: it must be an object", "signer: phải là nhóm trường")),
        ({"sender": {"id": "G22"}}, ("sender.name: it is missing", "sender.name: thiếu trường này")),
    ],
)
def test_json_faults_are_in_both_languages(
    edoc: Edoc, tmp_path: Path, change: dict[str, Any], words: tuple[str, str]
) -> None:
    """Each names the field and what to write; what follows from another fault is not said."""
    fields = json.loads(sample_document().model_dump_json(exclude={"id"})) | change
    (tmp_path / "d.json").write_text(json.dumps(fields), encoding="utf-8-sig")
    ran = edoc("build", tmp_path / "d.json", "--out", tmp_path / "x.edxml")
    assert ran.code == 1
    assert all(one in ran.err for one in words), ran.err
    assert "default factory" not in ran.err


@pytest.mark.parametrize("module", ["sqlalchemy", "httpx", "lxml"])
def test_a_library_that_does_not_load_is_said(office: Path, module: str) -> None:
    """A broken installation is a line in each language with the command that mends it, not a traceback."""
    code = f"import sys; sys.modules[{module!r}] = None; sys.argv = ['edoc', 'receive']\n"
    command = [sys.executable, "-c", code + "from edoc_connector.cli import main\nmain()"]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert (ran.returncode, "Traceback" in ran.stderr) == (1, False)
    english, vietnamese = ran.stderr.strip().splitlines()
    assert "a library that this command needs does not load" in english
    assert "không nạp được thư viện" in vietnamese
    assert all(module in one and "pip install --upgrade" in one for one in (english, vietnamese))
