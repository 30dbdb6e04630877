"""``[hub.auth]``, further headers and other packages' dialects in the configuration, as an office writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edoc_connector import Settings
from edoc_connector.errors import ConfigError
from edoc_connector.hubs import ClientCredentials, Lgsp, LgspAccessToken, TokenLogin

AGENCY = '[agency]\nid = "H29.05"\nname = "Sở Nội vụ"\n'
HUB = (
    '[hub]\nendpoint = "https://hub.example.gov.vn/vdxp-product/1.0"\nsystem_id = "H29.05"\nsecret = "env:HUB_SECRET"\n'
)


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Load settings from the text of a file; secrets stand in the environment."""
    for name in ("HUB_SECRET", "GATE_SECRET", "API_KEY"):
        monkeypatch.setenv(name, f"value-of-{name}")

    def load_text(text: str) -> Settings:
        path = tmp_path / "edoc.toml"
        path.write_text(AGENCY + text, encoding="utf-8")
        return Settings.load(path)

    return load_text


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        ('kind = "oauth2"\ntoken_url = "https://g.vn/token"\nkey = "k"\nsecret = "env:GATE_SECRET"', ClientCredentials),
        (
            'kind = "lgspaccesstoken"\ntoken_url = "https://g.vn/token"\naccess_key = "a"\n'
            'secret_key = "env:GATE_SECRET"',
            LgspAccessToken,
        ),
        (
            'kind = "login"\nlogin_url = "https://g.gov.vn/login"\nusername = "u"\npassword = "env:GATE_SECRET"\n'
            "members = { applicationCode = \"QLVB\" }",
            TokenLogin,
        ),
    ],
)  # fmt: skip
def test_each_authenticator_by_its_section(load: Any, section: str, kind: type) -> None:
    """An authenticator is a section of the hub, for any dialect; its secret is a reference and in no repr."""
    settings = load(f"{HUB}[hub.auth]\n{section}\n")
    made = settings.authenticator()
    assert isinstance(made, kind)
    assert "value-of-GATE_SECRET" in {getattr(made, name, "") for name in ("secret", "secret_key", "password")}
    assert "value-of" not in repr(made) + repr(settings)


def test_a_hub_without_authenticator(load: Any) -> None:
    """Most hubs have none."""
    assert load(HUB).authenticator() is None


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('kind = "kerberos"', "lgspaccesstoken, login, oauth2"),
        ('kind = "oauth2"\nkey = "k"\nsecret = "env:GATE_SECRET"', "hub.auth.token_url is missing"),
        ('kind = "oauth2"\ntoken_url = "https://g/t"\nkey = "k"\nsecret = "open-secret"', "hub.auth.secret: a secret"),
        ('kind = "oauth2"\ntoken_ulr = "https://g/t"\nkey = "k"\nsecret = "env:GATE_SECRET"', "hub.auth.token_url?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(load: Any, section: str, said: str) -> None:
    """Wrong settings of an authenticator are errors that name them, in both languages, without the secret."""
    with pytest.raises(ConfigError) as caught:
        load(f"{HUB}[hub.auth]\n{section}\n")
    assert said in caught.value.message
    assert caught.value.vi != caught.value.message
    assert "open-secret" not in caught.value.message + caught.value.vi


def test_a_login_url_that_cannot_be_used(load: Any) -> None:
    """A login with a password in its URL is refused when it is made, and the URL not repeated."""
    text = 'kind = "oauth2"\ntoken_url = "https://u:pass-word@g/t"\nkey = "k"\nsecret = "env:GATE_SECRET"'
    with pytest.raises(ConfigError) as caught:
        load(f"{HUB}[hub.auth]\n{text}\n").authenticator()
    assert "pass-word" not in str(caught.value)


def test_a_login_without_tls_is_warned_of(load: Any) -> None:
    """Credentials that leave without TLS are a warning, as documents are."""
    text = (
        '[hub.auth]\nkind = "oauth2"\ntoken_url = "http://gate.gov.vn/token"\nkey = "k"\nsecret = "env:GATE_SECRET"\n'
    )
    assert any("gate.gov.vn" in warning.en for warning in load(HUB + text).list_warnings())


def test_further_headers(load: Any) -> None:
    """Further headers are settings, those with secrets by reference; none is in a repr."""
    settings = load(
        f'{HUB}[http]\nheaders = {{ "X-Env" = "prod" }}\nsecret_headers = {{ "X-Api-Key" = "env:API_KEY" }}\n'
    )
    made = settings.client_settings()
    assert dict(made.headers) == {"X-Env": "prod", "X-Api-Key": "value-of-API_KEY"}
    assert "value-of" not in repr(made)


@pytest.mark.parametrize(
    "header", ['"Host" = "x"', '"Content-Length" = "1"', '"X Y" = "1"', '"X" = "điện"', '"X" = " a"']
)
def test_headers_that_no_request_can_carry(load: Any, header: str) -> None:
    """Names that the connection decides, and values that no header carries, are refused when the file is read."""
    with pytest.raises(ConfigError, match="printable ASCII"):
        load(f"{HUB}[http]\nheaders = {{ {header} }}\n")


def test_a_header_that_a_secret_cannot_be(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that no header carries is refused without being repeated."""
    monkeypatch.setenv("API_KEY", "khóa bí mật")
    with pytest.raises(ConfigError) as caught:
        load(f'{HUB}[http]\nsecret_headers = {{ "X-Api-Key" = "env:API_KEY" }}\n').client_settings()
    assert "khóa bí mật" not in str(caught.value) + caught.value.vi


def test_the_dialect_lgsp(load: Any) -> None:
    """A platform is a section too; the login's password is a reference, and the path of the base URL is kept."""
    made = load(
        '[hub]\ndialect = "lgsp"\nendpoint = "https://lgsp.gov.vn/apithunghiem/"\nsystem_id = "s"\n'
        'secret = "env:HUB_SECRET"\nusername = "qlvb"\npassword = "env:GATE_SECRET"\napplication_code = "QLVB"\n'
    ).dialect()
    assert isinstance(made, Lgsp)
    assert (made.secret, made.password) == ("value-of-HUB_SECRET", "value-of-GATE_SECRET")
    assert made.authenticator is not None
    assert made.authenticator.login_url == "https://lgsp.gov.vn/apithunghiem/v1/auth/login?allow_anonymous=true"
    assert "value-of" not in repr(made) + repr(made.authenticator)
