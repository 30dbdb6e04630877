"""Commands speak the language that the environment or the configuration names (words, last paragraph)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from typer.main import get_command

from edoc_connector import errors
from edoc_connector.cli.app import app
from edoc_connector.cli.language import _is_vietnamese, _iterate_helped, pick_help

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


@pytest.fixture(autouse=True)
def language() -> Iterator[None]:
    """The language as it was before the test."""
    before = errors.get_language()
    yield
    errors.set_language(cast("errors.Language", before))


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


def test_every_help_text_falls_apart_in_two_languages() -> None:
    """What has a Vietnamese half has it behind the first stroke, and the halves are what they should be."""
    for one in _iterate_helped(get_command(app)):
        english, vietnamese = pick_help(one.help, "en"), pick_help(one.help, "vi")
        assert not _is_vietnamese(english), one.help
        if " / " in one.help.split("\n\n")[0]:
            assert vietnamese.split("\n\n")[0] not in ("", english.split("\n\n")[0]), one.help
