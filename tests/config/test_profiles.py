"""Profiles of settings ("Security model", "Profiles")."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.config import PRODUCTION, Settings, is_production
from edoc_connector.errors import ConfigError
from edoc_connector.signing import VerifyMode
from edoc_connector.testing import agency_keys

Values = dict[str, dict[str, Any]]


@pytest.fixture
def values(tmp_path: Path) -> Values:
    """The least that the profile production wants to be told."""
    root = agency_keys("Sở Nội vụ", organ_id="H29.05").write_root(tmp_path / "ca.pem")
    return {
        "agency": {"id": "H29.05", "name": "Sở Nội vụ"},
        "hub": {"endpoint": "https://hub.example.gov.vn", "system_id": "H29.05", "secret": "env:S"},
        "receive": {"trust": [str(root)], "revocation": {"hosts": ["pki.example.vn"]}},
    }


def test_profile_production_sets_what_is_not_set(values: Values) -> None:
    """`profile = "production"` gives policy trusted, revocation that is not soft, and no SHA-1 ("Profiles")."""
    settings = Settings.of({"profile": "production", **values})
    assert settings.receive.policy is VerifyMode.TRUSTED
    assert settings.receive.organisations_others == "refuse"
    assert settings.receive.revocation.mode == "either"
    assert settings.receive.revocation.soft is False
    assert settings.policy().mode is VerifyMode.TRUSTED
    assert settings.list_warnings() == ()
    assert Settings.of(values).receive.policy is VerifyMode.ANY
    assert "policy" not in values["receive"]


def test_profile_production_keeps_what_is_as_strict(values: Values) -> None:
    """A setting that says as much in another way stays ("Profiles")."""
    values["receive"]["revocation"] |= {"mode": "crl", "crl_files": ["crl/"]}
    values["receive"]["policy"] = "TRUSTED"
    assert Settings.of({"profile": "production", **values}).receive.revocation.mode == "crl"


@pytest.mark.parametrize(
    ("section", "change", "named"),
    [
        ("hub", {"endpoint": "http://hub.example.gov.vn"}, "hub.endpoint"),
        ("receive", {"policy": "any"}, "receive.policy"),
        ("receive", {"policy": "valid"}, "receive.policy"),
        ("receive", {"trust": []}, "receive.trust"),
        ("receive", {"organisations_others": "report"}, "receive.organisations_others"),
        ("receive", {"legacy_sha1": True}, "receive.legacy_sha1"),
        ("receive", {"revocation": {"mode": "none", "hosts": ["a"]}}, "receive.revocation.mode"),
        ("receive", {"revocation": {"soft": True, "hosts": ["a"]}}, "receive.revocation.soft"),
        ("receive", {"revocation": {}}, "receive.revocation must be"),
    ],
)
def test_profile_production_refuses_less(values: Values, section: str, change: Values, named: str) -> None:
    """A setting that contradicts the profile is an error that names it, in both languages ("Profiles")."""
    values[section] |= change
    with pytest.raises(ConfigError) as caught:
        Settings.of({"profile": "production", **values})
    assert caught.value.message.count(" must be ") == 1
    assert named in caught.value.message
    assert named.removesuffix(" must be") in caught.value.vi
    assert "yêu cầu cao hơn" in caught.value.vi
    assert "example" not in caught.value.message


def test_profile_production_names_all_that_is_missing(values: Values) -> None:
    """One error lists everything that the profile still wants to be told ("Profiles")."""
    del values["receive"]
    with pytest.raises(ConfigError, match=r"receive\.trust must be .* receive\.revocation must be"):
        Settings.of({"profile": "production", **values})


def test_profile_production_of_the_file_and_of_the_environment(
    values: Values, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file's first lines name it, or EDOC_PROFILE; another name is an error ("Profiles")."""
    path = tmp_path / "edoc.toml"
    lines = [
        '[agency]\nid = "H29.05"\nname = "Sở"\n[hub]\nendpoint = "https://hub.example.gov.vn"\nsystem_id = "H29.05"',
        'secret = "env:S"\n[receive]\ntrust = ["ca.pem"]\nrevocation.ocsp_url = "http://ocsp.example.vn/"\n',
    ]
    path.write_text("\n".join(['profile = "production"', *lines]), encoding="utf-8")
    assert Settings.load(path).receive.policy is VerifyMode.TRUSTED
    path.write_text("\n".join(lines), encoding="utf-8")
    assert Settings.load(path).receive.policy is VerifyMode.ANY
    monkeypatch.setenv("EDOC_PROFILE", "production")
    assert Settings.load(path).receive.policy is VerifyMode.TRUSTED
    monkeypatch.setenv("EDOC_PROFILE", "produktion")
    with pytest.raises(ConfigError, match="profile"):
        Settings.load(path)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://hub.example.gov.vn", True),
        ("https://api.ngsp.gov.vn/vdxp-product/1.0", True),
        ("http://10.55.12.7:8080/vdxp", True),
        ("https://testament.gov.vn", True),
        ("https://hub.example.gov.vn/api", True),
        ("https://hub-test.example.gov.vn", False),
        ("https://test2.vxp.gov.vn", False),
        ("https://api.ngsp.gov.vn/vdxp-test/1.0", False),
        ("https://sandbox.lgsp.example.gov.vn", False),
        ("https://uat-lgsp.gov.vn", False),
        ("https://hub.test", False),
        ("http://localhost:8480", False),
        ("http://127.0.0.1:8480", False),
        ("http://[::1]:8480", False),
        ("", False),
    ],
)
def test_profile_production_is_missed_where_real_documents_may_be(endpoint: str, expected: bool) -> None:
    """Hosts for tests, sandboxes and this machine are no production hubs; all others are taken for one ("Profiles")."""
    assert is_production(endpoint) is expected


def test_profile_production_is_missed_where_less_is_set(values: Values, caplog: pytest.LogCaptureFixture) -> None:
    """A production endpoint used with less is warned of, and the warning lists what is missing ("Profiles")."""
    values["hub"]["endpoint"] = "http://hub.example.gov.vn"
    settings = Settings.of(values)
    tls, policy, shortfall = settings.list_warnings()
    assert "without TLS" in tls.en
    assert "policy is any" in policy.en
    assert "hub.endpoint is not https://…; receive.policy is not" in shortfall.en
    assert "được coi là trục chính thức" in shortfall.vi
    settings.warn_of_shortfall()
    assert shortfall.en in caplog.text
    values["hub"]["endpoint"] = "http://127.0.0.1:8480"
    assert [one.en for one in Settings.of(values).list_warnings()] == [policy.en]


def _is_known(setting: str) -> bool:
    section, _, name = setting.partition(".")
    inner: Any = Settings.model_fields[section].annotation if section in Settings.model_fields else None
    return name.partition(".")[0] in getattr(inner, "model_fields", ())


def test_profile_production_is_on_the_page() -> None:
    """The table of docs/security-model.md has the settings that the profile asks for, and no others that there are."""
    page = (Path(__file__).parents[2] / "docs" / "security-model.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| `production` asks for |")
    listed = set(re.findall(r"^\| `([a-z0-9_.]+)` \|", table.partition("\n\n")[0], re.M))
    asked = {row.setting for row in PRODUCTION}
    assert asked <= listed
    assert [setting for setting in listed - asked if _is_known(setting)] == []
    assert all(row.default is None or row.is_met(row.default) for row in PRODUCTION)
