"""Settings (Design, "Names of things outside": secrets by reference, never in a repr or an error)."""

from __future__ import annotations

from pathlib import Path

import pytest

from edoc_connector.errors import ConfigError
from edoc_connector.mockhub import AgencySpec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("H29.05:s3cret", ("H29.05", "H29.05", "s3cret", "")),
        ("H29.05:s3cret:Sở Nội vụ", ("H29.05", "H29.05", "s3cret", "Sở Nội vụ")),
        ("H29.05@SYS:s3cret", ("H29.05", "SYS", "s3cret", "")),
        ("H29.05:env:KEY", ("H29.05", "H29.05", "from-env", "")),
        ("H29.05:env:KEY:Sở: Nội vụ", ("H29.05", "H29.05", "from-env", "Sở: Nội vụ")),
    ],
)
def test_agencies_on_the_command_line(text: str, expected: tuple[str, str, str, str]) -> None:
    """Issue "One document travels", mock hub: `--agency H29.05:secret[:name]`, the secret by reference too."""
    spec = AgencySpec.parse(text, environ={"KEY": "from-env"})
    assert (spec.code, spec.system, spec.secret, spec.name) == expected


def test_a_secret_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Design, "Names of things outside": `file:` references; a line end after the secret is not part of it."""
    (tmp_path / "key").write_text("from-file\n", encoding="utf-8")
    assert AgencySpec.parse(f"G22:file:{tmp_path / 'key'}").secret == "from-file"
    monkeypatch.setenv("HUB_KEY", "process")
    assert AgencySpec.parse("G22:env:HUB_KEY").secret == "process"


@pytest.mark.parametrize("text", ["G22", "G22:", ":s3cret", "G22:env:NOT_SET", "G22:file:/no/such/file", ""])
def test_a_wrong_agency_says_what_to_write(text: str) -> None:
    """House rules for errors: what to do, in both languages, and no secret."""
    with pytest.raises(ConfigError, match="CODE:SECRET") as caught:
        AgencySpec.parse(text, environ={})
    assert "MÃ:BÍ_MẬT" in caught.value.vi
    assert "s3cret" not in str(caught.value)


def test_a_secret_is_in_no_repr() -> None:
    """Design, "Names of things outside": a secret is never in a repr."""
    assert "s3cret" not in repr(AgencySpec.parse("G22:s3cret"))
