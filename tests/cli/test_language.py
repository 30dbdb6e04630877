"""Commands speak the language that the environment or the configuration names (words, last paragraph)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command

from edoc_connector.cli.app import app
from edoc_connector.cli.help import pick_help

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


pytestmark = pytest.mark.usefixtures("language_as_before")


def test_the_environment_and_the_file_choose(edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file's `lang`, before it `EDOC_LANG`, and both without either; a name that is none is an error."""
    config = tmp_path / "edoc.toml"
    config.write_text('lang = "vi"\n[agency]\nid = "H29.05"\n')
    ran = edoc("show", "x", "-c", config)
    assert ran.code == 1
    assert "thiếu mục bắt buộc" in ran.err
    assert "missing" not in ran.err
    monkeypatch.setenv("EDOC_LANG", "en")
    ran = edoc("show", "x", "-c", config)
    assert "thiếu" not in ran.err
    assert ran.err.count("\n") == 1
    monkeypatch.delenv("EDOC_LANG")
    config.write_text('[agency]\nid = "H29.05"\n')
    told = edoc("show", "x", "-c", config).err.splitlines()
    assert len(told) == 2
    assert "thiếu" in told[1]
    monkeypatch.setenv("EDOC_LANG", "fr")
    ran = edoc("show", "x", "-c", config)
    assert (ran.code, "EDOC_LANG" in ran.err) == (2, True)


def test_help_is_in_the_language_that_is_set(edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One language with `EDOC_LANG`, both without."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for named, has_english, has_vietnamese in (("vi", False, True), ("en", True, False), ("", True, True)):
        monkeypatch.setenv("EDOC_LANG", named)
        told = edoc("fsck", "--help").out
        assert ("Check database" in told, "Mend what can" in told) == (has_english, has_english)
        assert ("Kiểm tra cơ sở" in told, "Sửa những gì" in told) == (has_vietnamese, has_vietnamese)
        told = edoc("--help").out
        assert ("Exchange official" in told, "Gửi, nhận văn bản" in told) == (has_english, has_vietnamese)


def _walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A command and those below it, with the words by which each is called."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _walk(inner, (*path, name))


COMMANDS = dict(_walk(get_command(app)))
NAMES_IN_HELP = re.compile(
    r"`[^`]*`|\[[a-z_. ]*\][^;.]*= \"[^\"]*\"|--[a-z-]+|[a-z]+(?:\|[a-z0-9]+)+|các cột [a-z_, ]+|hash-file"
)
"""Commands, settings, options, choices and columns, which have one name in both languages."""
UNTRANSLATED = re.compile(
    r"\b(usage|options?|arguments?|commands?|default|required|environment|show|this|message|exit|the|of|and|with|where"
    r"|file|name|TEXT|FILE|DIR|PATH|CODE|NUMBER|TIME|HOST|PORT|WORDS)\b"
)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_help_is_in_one_language(
    edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...]
) -> None:
    """With `vi` nothing of it is English but names, with `en` nothing is Vietnamese but names; both are whole."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    command = COMMANDS[path]
    monkeypatch.setenv("EDOC_LANG", "vi")
    told = edoc(*path, "--help").out
    assert told.count("Cách dùng: ") == 1
    assert "Tùy chọn" in told
    assert "Hiển thị phần trợ giúp này." in told
    prose = NAMES_IN_HELP.sub("", told)
    english = [line for line in prose.splitlines()[2:] if UNTRANSLATED.search(_strip_commands(line, command))]
    assert english == []
    monkeypatch.setenv("EDOC_LANG", "en")
    told = edoc(*path, "--help").out
    assert told.count("Usage: ") == 1
    assert [line for line in told.splitlines() if re.search("[ăđơưạảấầậếềệịọốồộớờợụứừửữỳ]", _without_names(line))] == []


def _strip_commands(line: str, command: Any) -> str:
    """A line without the name of a command or option at its beginning."""
    return re.sub(r"^[│ ]+[a-z-]+ {2,}", "", line) if hasattr(command, "commands") else line


def _without_names(line: str) -> str:
    """A line without the names that stay Vietnamese in English: those of statuses, laws and levels of secrecy."""
    return re.sub(r"\(Đã đến\)|NĐ-CP|\(Mật, Tối mật, Tuyệt mật\)", "", line)


def test_every_text_of_the_help_falls_apart_in_two_languages() -> None:
    """Each paragraph and each option has an English and a Vietnamese half, which differ."""
    texts = [text for command in COMMANDS.values() for text in _list_texts(command)]
    assert len(texts) > 400
    for text in texts:
        english, vietnamese = pick_help(text, "en"), pick_help(text, "vi")
        assert text == f"{english} / {vietnamese}", text
        assert english, text
        assert vietnamese not in ("", english), text


def _list_texts(command: Any) -> list[str]:
    own = [one for one in command.params if not {"--install-completion", "--show-completion"} & set(one.opts)]
    return [*command.help.split("\n\n"), *(one.help for one in own)]


def test_every_value_has_a_placeholder() -> None:
    """What is no flag says what it takes, in words that the help knows."""
    bare = [
        f"{' '.join(path)} {one.name}"
        for path, command in COMMANDS.items()
        for one in command.params
        if one.param_type_name == "option" and not one.is_flag and not one.metavar and one.name not in _TEXTS
    ]
    assert bare == []


_TEXTS = ("reason", "location", "name", "code")
"""Options that take any text."""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fsck", "--nonsense"), "không có tùy chọn --nonsense; xem `edoc fsck --help`"),
        (("show",), "thiếu MÃ-VĂN-BẢN|SỐ-KÝ-HIỆU; xem `edoc show --help`"),
        (("send",), "thiếu VĂN-BẢN.json; xem `edoc send --help`"),
        (("nonsense",), "không có lệnh nonsense; xem `edoc --help`"),
        (("agencies", "nonsense"), "không có lệnh nonsense; xem `edoc agencies --help`"),
        (("fsck", "x"), "thừa tham số (x); xem `edoc fsck --help`"),
        (("keys", "request", "--out"), "tùy chọn --out dùng chưa đúng, hoặc thiếu giá trị; xem `edoc --help`"),
        (("worker", "--engine", "x"), "giá trị của --engine không hợp lệ: chỉ dùng own, procrastinate"),
        (("mockhub", "--data", "d", "--port", "x"), "giá trị của --port không hợp lệ; xem `edoc mockhub --help`"),
    ],
)
def test_errors_of_the_command_line_are_in_the_language_that_is_set(
    edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    """One line, in Vietnamese, whether the variable or the file says so."""
    monkeypatch.chdir(tmp_path)
    for by_file in (False, True):
        monkeypatch.delenv("EDOC_LANG", raising=False)
        if by_file:
            (tmp_path / "edoc.toml").write_text('lang = "vi"\n')
        else:
            monkeypatch.setenv("EDOC_LANG", "vi")
        ran = edoc(*arguments)
        (line,) = ran.err.splitlines()
        assert (ran.code, line.startswith(words)) == (2, True), line


def test_a_group_alone_prints_its_help_once(edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`edoc agencies` is asked what it has, and says so one time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDOC_LANG", "vi")
    assert edoc("agencies").out.count("Cách dùng: ") == 1
    assert edoc().out.count("Cách dùng: ") == 1
