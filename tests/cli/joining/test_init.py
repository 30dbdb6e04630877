"""The command init."""

from __future__ import annotations

import errno
import io
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
import typer

from edoc_connector import errors
from edoc_connector._core import write_private
from edoc_connector.config import Settings
from edoc_connector.testing import RunningHub
from edoc_connector.testing.keys import agency_keys

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc

SECRET = "secret-of-the-test-hub"


@pytest.fixture
def options(mock_hub: RunningHub, tmp_path: Path) -> list[object]:
    """Give what init has to know for an agency of the mock hub, but for the secret."""
    mock_hub.add_agency("H29.07", SECRET, "Sở Tài chính")
    file = tmp_path / "edoc.toml"
    return ["-c", file, "--id", "H29.07", "--name", "Sở Tài chính", "--dialect", "vxp", "--endpoint", mock_hub.url,
            "--system-id", "H29.07", "--lang", "both"]  # fmt: skip


def _type(monkeypatch: pytest.MonkeyPatch, text: str, *, terminal: bool = False) -> None:
    stdin = io.StringIO(text)
    stdin.isatty = lambda: terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", stdin)


def test_a_configuration_is_written_and_tried(
    options: list[object], edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """edoc.toml without a secret, files for their user alone, a connection that stands, and the next step."""
    _type(monkeypatch, SECRET + "\n")
    ran = edoc("init", *options, "--secret", "-")
    assert ran.code in (0, 5), ran.out + ran.err
    text = (tmp_path / "edoc.toml").read_text(encoding="utf-8")
    assert SECRET not in text + ran.out + ran.err
    assert 'secret = "file:test/hub.secret"' in text
    assert "edoc acceptance --env test" in ran.out
    modes = {path: stat.S_IMODE((tmp_path / path).stat().st_mode) for path in ("edoc.toml", "test/hub.secret", "test")}
    assert modes == {"edoc.toml": 0o600, "test/hub.secret": 0o600, "test": 0o700}
    assert Settings.load(tmp_path / "edoc.toml", env="test").lang == "both"
    assert edoc("doctor", "-c", tmp_path / "edoc.toml", "--env", "test").code in (0, 5)


def test_what_does_not_work_is_named(
    options: list[object], edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong secret is written, seen at once and named; the exit code is 1, the next step is to mend it."""
    _type(monkeypatch, "wrong\n")
    ran = edoc("init", *options, "--secret", "-")
    assert ran.code == 1
    assert "CHK-HUB-LOGIN" in ran.out
    assert "edoc doctor --env test" in ran.out


def test_questions_on_a_terminal(
    mock_hub: RunningHub, edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the options leave out is asked for; the secret is not shown."""
    mock_hub.add_agency("H29.07", SECRET, "Sở Tài chính")
    answers = iter(["H29.07", "Sở Tài chính", "vxp", mock_hub.url, "H29.07", SECRET, ""])
    asked: list[tuple[str, bool]] = []

    def prompt(text: str, *, hide_input: bool, **_: object) -> str:
        asked.append((text, hide_input))
        return next(answers)

    _type(monkeypatch, "", terminal=True)
    monkeypatch.setattr("typer.prompt", prompt)
    assert edoc("init", "-c", tmp_path / "edoc.toml").code in (0, 5)
    (hidden,) = (words for words, is_hidden in asked if is_hidden)
    assert hidden == "secret of the hub account / mã bí mật của tài khoản trên trục"
    assert len(asked) == 7


def test_stopped_at_a_question(edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C or Ctrl-D at a question ends the command with a line in each language, exit code 130, and no file."""

    def stop(*_: object, **__: object) -> str:
        raise typer.Abort

    _type(monkeypatch, "", terminal=True)
    monkeypatch.setattr("typer.prompt", stop)
    ran = edoc("init", "-c", tmp_path / "edoc.toml")
    assert (ran.code, ran.err) == (130, "\nstopped\nđã dừng\n")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_option_is_named_where_nobody_can_be_asked(edoc: Edoc, tmp_path: Path) -> None:
    """Exit code 2, both languages, and nothing is written."""
    ran = edoc("init", "-c", tmp_path / "edoc.toml", "--id", "H29.07")
    assert ran.code == 2
    assert "--name is missing" in ran.err
    assert "Thiếu --name" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_the_secret_itself_is_no_option(options: list[object], edoc: Edoc, tmp_path: Path) -> None:
    """Others see the command line: a value that is no reference is refused, and not repeated."""
    ran = edoc("init", *options, "--secret", SECRET)
    assert ran.code == 2
    assert SECRET not in ran.out + ran.err
    assert not (tmp_path / "edoc.toml").exists()


def test_production_beside_the_test(
    options: list[object], edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes into the same file; not with the secret of the test, nor with less than its profile."""
    monkeypatch.setenv("HUB_SECRET", SECRET)
    assert edoc("init", *options, "--secret", "env:HUB_SECRET").code in (0, 5)
    before = (tmp_path / "edoc.toml").read_text(encoding="utf-8")
    production = ["--env", "production", "--offline", *options]
    ran = edoc("init", *production, "--secret", "env:HUB_SECRET", "--trust", "ca.pem", "--revocation-host", "ca.gov.vn")
    assert (ran.code, "a credential belongs to one environment" in ran.err) == (2, True)
    ran = edoc("init", *production, "--secret", "env:OTHER")
    assert (ran.code, 'profile = "production" asks for more' in ran.err) == (2, True)
    assert (tmp_path / "edoc.toml").read_text(encoding="utf-8") == before
    agency_keys("Sở Tài chính", organ_id="H29.07").write_root(tmp_path / "ca.pem")
    monkeypatch.setenv("OTHER", "another")
    ran = edoc("init", *production, "--secret", "env:OTHER", "--trust", "ca.pem", "--revocation-host", "ca.gov.vn")
    assert ran.code in (0, 5), ran.err
    assert Settings.load(tmp_path / "edoc.toml", env="production").profile == "production"
    assert "going-live" in ran.out
    again = edoc("init", *production, "--secret", "env:OTHER", "--trust", "ca.pem", "--revocation-host", "ca.gov.vn")
    assert (again.code, "has the environment production already" in again.err) == (2, True)


def test_a_file_of_one_environment_is_left_alone(options: list[object], edoc: Edoc, tmp_path: Path) -> None:
    """A [hub] of its own would lie below every environment."""
    text = '[agency]\nid = "A"\nname = "A"\n[hub]\nendpoint = "https://hub"\n'
    (tmp_path / "edoc.toml").write_text(text, encoding="utf-8")
    ran = edoc("init", *options, "--secret", "env:X")
    assert (ran.code, "[env.test.hub]" in ran.err) == (2, True)
    assert (tmp_path / "edoc.toml").read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("further", "words"),
    [
        (("--set", 'x = 1\n[env.test.store]\nurl = "sqlite:////tmp/x"'), "--set"),
        (("--set", 'x"=1'), "no name of a setting"),
        (("--set", "a.b=1"), "no name of a setting"),
        (("--set", "nonsense=1"), "hub.nonsense"),
        (("--set", "nonsense"), "NAME=VALUE"),
        (("--set", "username=a", "--set", "username=b"), "stands twice"),
        (("--name", "Sở\nTài chính"), "--name"),
        (("--name", "Sở\x7f"), "--name"),
        (("--name", "\udcff"), "--name"),
        (("--env", ".."), "small letters"),
        (("--env", "test/../production"), "small letters"),
        (("--lang", "fr"), "--lang"),
        (("-c", "no-such-folder/edoc.toml"), "no-such-folder"),
        (("-c", "."), "cannot be used"),
    ],
)
def test_odd_values_write_nothing(
    options: list[object], edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, further: tuple[str, ...],
    words: str,
) -> None:  # fmt: skip
    """A clumsy or a clever value is a typed error, and no file or folder is there afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_SECRET", SECRET)
    before = set(tmp_path.rglob("*"))
    ran = edoc("init", *options, "--offline", "--secret", "env:HUB_SECRET", *further)
    assert ran.code in (1, 2)
    assert words in ran.err
    assert len(ran.err.splitlines()) == 2
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("agency = 3\n", "agency is no table"),
        ('[agency]\nid = "H29.07"\nname = "x"\n[nonsense]\na = 1\n', "nonsense: there is no such setting"),
        ('env = {production = {lang = "vi"}}\n[agency]\nid = "H29.07"\nname = "x"\n', "no environment can be added"),
        ('[agency]\nid = "H29.07"\nname = "x"\n[env."test".hub]\nx = 1\n', "has the environment test already"),
    ],
)
def test_odd_files_are_left_as_they_are(
    options: list[object], edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    """A file that cannot take an environment is named itself, not a draft of it, and is not touched."""
    monkeypatch.setenv("HUB_SECRET", SECRET)
    (tmp_path / "edoc.toml").write_text(text, encoding="utf-8")
    ran = edoc("init", *options, "--offline", "--secret", "env:HUB_SECRET")
    assert (ran.code, words in ran.err, ".draft" in ran.err) == (2, True, False)
    assert (tmp_path / "edoc.toml").read_text(encoding="utf-8") == text
    assert not (tmp_path / "test").exists()


def test_a_secret_that_is_there_is_not_replaced(
    options: list[object], edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of a secret may be the only copy; without it the same command works."""
    _type(monkeypatch, SECRET + "\n")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "hub.secret").write_text("the old one")
    ran = edoc("init", *options, "--offline", "--secret", "-")
    assert (ran.code, "is there already" in ran.err) == (2, True)
    assert (tmp_path / "test" / "hub.secret").read_text() == "the old one"
    assert not (tmp_path / "edoc.toml").exists()


def test_what_cannot_be_written_whole_is_not_written(
    options: list[object], edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the configuration cannot be written at the end, the secrets' files go again."""
    _type(monkeypatch, SECRET + "\n")

    def fill_the_disk(path: Path, content: str | bytes) -> None:
        if path.name == "edoc.toml":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write_private(path, content)

    monkeypatch.setattr("edoc_connector.joining.setup.write_private", fill_the_disk)
    ran = edoc("init", *options, "--offline", "--secret", "-")
    assert (ran.code, "edoc.toml cannot be used" in ran.err) == (1, True)
    assert list(tmp_path.rglob("*secret*")) == []
    assert not (tmp_path / "test").exists()


@pytest.mark.parametrize("lang", ["vi", "en"])
def test_the_language_that_is_chosen_is_spoken_at_once(
    options: list[object], edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    """From the first line on, not from the next command."""
    monkeypatch.setenv("HUB_SECRET", SECRET)
    before = errors.get_language()
    try:
        ran = edoc("init", *options, "--offline", "--secret", "env:HUB_SECRET", "--lang", lang)
    finally:
        errors.set_language(cast("errors.Language", before))
    assert ("đã ghi" in ran.out, "bước tiếp theo" in ran.out) == (lang == "vi", lang == "vi")
    assert ("written" in ran.out, "next:" in ran.out) == (lang == "en", lang == "en")
