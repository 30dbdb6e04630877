"""Secrets by reference: variables, files and programs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edoc_connector.config import SecretRef
from edoc_connector.errors import ConfigError


def test_a_file_secret_is_relative_to_the_configuration(tmp_path: Path) -> None:
    """``file:`` starts from the configuration's folder, without the last line end (configuration, secrets)."""
    (tmp_path / "secret").write_text("bí mật\n", encoding="utf-8")
    assert SecretRef.parse("file:secret").resolve(tmp_path).get_secret_value() == "bí mật"


def test_a_command_is_run_without_a_shell(tmp_path: Path) -> None:
    """``cmd:`` is a list of words (configuration, secrets)."""
    ref = SecretRef.parse(f'cmd:{sys.executable} -c "import sys; print(sys.argv[1])" "$HOME;ls"')
    assert ref.resolve(tmp_path).get_secret_value() == "$HOME;ls"


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("env:EDOC_TEST_NOT_SET", "the variable is not set"),
        ("file:missing", "No such file"),
        ("file:binary", "not UTF-8"),
        ("file:empty", "it is empty"),
        ("cmd:/no/such/program", "did not run"),
        ('cmd:"unbalanced', "did not run"),
        (f'cmd:{sys.executable} -c "print(chr(104)); raise SystemExit(3)"', "ended with code 3"),
        (f"cmd:{sys.executable} -c \"import sys; sys.stdout.buffer.write(b'\\xff')\"", "did not print UTF-8"),
    ],
)
def test_a_reference_that_leads_nowhere(tmp_path: Path, reference: str, why: str) -> None:
    """An unusable reference is an error with the reason (configuration, secrets)."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match=why) as caught:
        SecretRef.parse(reference).resolve(tmp_path)
    assert "Không lấy được" in caught.value.vi
