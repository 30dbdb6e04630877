"""The command init."""

from __future__ import annotations

import io
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

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
