"""Environments of a file: ``[env.NAME]`` laid over the rest, and what two of them may not share."""

from __future__ import annotations

from pathlib import Path

import pytest

from edoc_connector.config import Settings
from edoc_connector.errors import ConfigError

FILE = """
[agency]
id = "H29.05"
name = "Sở Nội vụ"

[http]
connect = 3.0

[env.test.hub]
endpoint = "https://test.example.gov.vn/api"
system_id = "T-H29.05"
secret = "file:test.secret"

[env.test.store]
url = "sqlite:///test/edoc.db"
spool = "test/spool"

[env.production.hub]
endpoint = "https://hub.example.gov.vn/api"
system_id = "H29.05"
secret = "file:production.secret"

[env.production.receive]
trust = ["ca.pem"]

[env.production.receive.revocation]
hosts = ["ca.example.gov.vn"]
"""


def _write(folder: Path, text: str = FILE) -> Path:
    path = folder / "edoc.toml"
    path.write_text(text, encoding="utf-8")
    (folder / "test.secret").write_text("of the test hub", encoding="utf-8")
    (folder / "production.secret").write_text("of the production hub", encoding="utf-8")
    return path


def test_the_environment_that_is_named_is_laid_over_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`env` or EDOC_ENV chooses; what the tables do not say is the root's; the file's own variables go over both."""
    path = _write(tmp_path)
    settings = Settings.load(path, env="test")
    assert (settings.environment, settings.http.connect) == ("test", 3.0)
    assert (settings.hub.model_extra or {})["system_id"] == "T-H29.05"
    assert settings.profile is None
    monkeypatch.setenv("EDOC_ENV", "test")
    monkeypatch.setenv("EDOC_HUB__SYSTEM_ID", "OTHER")
    assert Settings.load(path).environment == "test"
    (member,) = Settings.fleet(path)
    assert (member.environment, (member.hub.model_extra or {})["system_id"]) == ("test", "OTHER")


def test_production_implies_the_profile(tmp_path: Path) -> None:
    """Its defaults hold, and a setting that says less is an error."""
    settings = Settings.load(_write(tmp_path), env="production")
    assert (settings.profile, settings.receive.policy, settings.files.open_secrets) == (
        "production",
        "trusted",
        "refuse",
    )
    weak = FILE.replace("[env.production.receive]", "[env.production.receive]\nlegacy_sha1 = true")
    with pytest.raises(ConfigError, match="legacy_sha1"):
        Settings.load(_write(tmp_path, weak), env="production")


@pytest.mark.parametrize(
    ("env", "words"), [(None, "has the environments test, production"), ("stage", "has no environment stage")]
)
def test_one_has_to_be_named(tmp_path: Path, env: str | None, words: str) -> None:
    """A file of several environments is never used in none, and the error lists them in both languages."""
    with pytest.raises(ConfigError, match=words) as caught:
        Settings.load(_write(tmp_path), env=env)
    assert "production" in caught.value.vi


def test_a_file_without_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has none that could be named; an empty name asks for none, whatever EDOC_ENV says."""
    text = FILE.partition("[env.test.hub]")[0] + '[hub]\nendpoint = "https://hub"\nsystem_id = "H"\nsecret = "env:X"\n'
    path = _write(tmp_path, text)
    assert Settings.load(path).environment == ""
    monkeypatch.setenv("EDOC_ENV", "production")
    with pytest.raises(ConfigError, match="has no environments"):
        Settings.load(path)
    assert Settings.load(path, env="").environment == ""


@pytest.mark.parametrize(
    "change",
    [
        ('"file:production.secret"', '"file:test.secret"'),
        ('"file:production.secret"', '"env:COPY"'),
        (
            "[env.production.receive]",
            '[env.production.http]\nsecret_headers = {X = "file:./test.secret"}\n[env.production.receive]',
        ),
    ],
)
def test_credentials_are_of_one_environment(
    tmp_path: Path, change: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same reference, or another to the same secret, is refused in either; the secret is not repeated."""
    monkeypatch.setenv("COPY", "of the test hub")
    path = _write(tmp_path, FILE.replace(*change))
    for env in ("test", "production"):
        with pytest.raises(ConfigError, match="a credential belongs to one environment") as caught:
            Settings.load(path, env=env)
        assert "of the test hub" not in str(caught.value)


def test_credentials_of_each_agency_count(tmp_path: Path) -> None:
    """An agency of a fleet that uses in production what another has in the test is refused too."""
    member = (
        '[env.production.agencies.a.agency]\nid = "A"\n[env.production.agencies.a.hub]\nsecret = "file:test.secret"\n'
    )
    text = FILE.replace("[env.production.hub]", member + "[env.production.hub]")
    with pytest.raises(ConfigError, match="a credential belongs"):
        Settings.fleet(_write(tmp_path, text), env="production")


def test_a_secret_that_is_not_there_yet_is_compared_with_nothing(tmp_path: Path) -> None:
    """Production credentials come later than the test."""
    path = _write(tmp_path)
    (tmp_path / "production.secret").unlink()
    assert Settings.load(path, env="test").environment == "test"


@pytest.mark.parametrize(
    "kept", ['url = "sqlite:///edoc.db"\nspool = "test/spool"', 'url = "sqlite:///a.db"\nspool = "spool"']
)
def test_a_store_is_of_one_environment(tmp_path: Path, kept: str) -> None:
    """What was sent for a test would stand in the registers of production; the defaults count as well."""
    text = FILE.replace('url = "sqlite:///test/edoc.db"\nspool = "test/spool"', kept)
    with pytest.raises(ConfigError, match=r"store\.\w+ is the same in"):
        Settings.load(_write(tmp_path, text), env="test")


def test_env_holds_tables(tmp_path: Path) -> None:
    """Anything else is one error that shows the form."""
    with pytest.raises(ConfigError, match=r"write \[env.NAME.SECTION\]"):
        Settings.load(_write(tmp_path, "env = 3\n" + FILE.partition("[env.")[0]))


@pytest.mark.parametrize(
    ("root", "member", "is_refused"),
    [
        ('id = "H29.05"', 'id = "G22"', True),
        ('id = "H29.05"', 'id = "H29.05"\nname = "Sở Nội vụ"', False),
        ('id = "H29.05"', 'name = "Văn phòng Chính phủ"', False),
        ('name = "Sở Nội vụ"', 'id = "G22"', False),
    ],
)
def test_no_agency_is_left_out_beside_others(tmp_path: Path, root: str, member: str, *, is_refused: bool) -> None:
    """An id in [agency] that none of [agencies.NAME] has is an error, not an agency that nobody serves."""
    text = FILE.replace('id = "H29.05"\nname = "Sở Nội vụ"', root, 1)
    path = _write(tmp_path, f"{text}\n[env.test.agencies.a.agency]\n{member}\n")
    if not is_refused:
        assert len(Settings.fleet(path, env="test")) == 1
        return
    for read in (Settings.load, Settings.fleet):
        with pytest.raises(ConfigError, match=r"write that one as \[agencies.NAME.agency\] too") as caught:
            read(path, env="test")
        assert "mọi đơn vị đều phải khai báo ở đó" in caught.value.vi
