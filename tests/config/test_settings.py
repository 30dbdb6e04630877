"""Settings from a file and from the environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from edoc_connector.config import SecretRef, Settings
from edoc_connector.edxml import Directory, Limits
from edoc_connector.errors import ConfigError
from edoc_connector.hubs import Vxp
from edoc_connector.signing import VerifyMode
from edoc_connector.testing.keys import agency_keys

Write = Callable[..., Path]
MINIMAL = """
[agency]
id = "H29.05"
name = "Sở Nội vụ"

[hub]
endpoint = "https://hub.example.gov.vn/api"
system_id = "H29.05"
secret = "env:TEST_HUB_SECRET"
"""
HUB: dict[str, dict[str, Any]] = {
    "agency": {"id": "H29.05", "name": "Sở Nội vụ"},
    "hub": {"endpoint": "https://hub", "system_id": "H29.05", "secret": "env:TEST_HUB_SECRET"},
}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a configuration and return its path."""

    def make(text: str = MINIMAL) -> Path:
        path = tmp_path / "edoc.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def test_the_least_configuration(write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An agency and a hub are enough; the rest has defaults (configuration)."""
    monkeypatch.setenv("TEST_HUB_SECRET", "c2VjcmV0")
    settings = Settings.load(write())
    dialect = settings.dialect()
    assert isinstance(dialect, Vxp)
    assert (dialect.endpoint, dialect.system_id, dialect.secret) == (
        "https://hub.example.gov.vn/api",
        "H29.05",
        "c2VjcmV0",
    )
    assert settings.organization().name == "Sở Nội vụ"
    assert settings.signer() is None
    assert settings.policy().mode is VerifyMode.ANY
    assert settings.store_url() == f"sqlite:///{tmp_path / 'edoc.db'}"
    assert settings.spool() == tmp_path / "spool"
    assert settings.client_settings().attempts == 4
    assert settings.packet_limits() == Limits()


def test_limits_of_packets(write: Write) -> None:
    """Every limit of reading can be set in [packets] (configuration, packets)."""
    given = {field.name: number for number, field in enumerate(dataclasses.fields(Limits), 9)}
    text = MINIMAL + "[packets]\n" + "".join(f"{name} = {number}\n" for name, number in given.items())
    assert dataclasses.asdict(Settings.load(write(text)).packet_limits()) == given


def test_the_environment_overrides_the_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """``EDOC_SECTION__NAME`` goes before the file, known names only (configuration)."""
    monkeypatch.setenv("EDOC_HUB__ENDPOINT", "https://other.example.gov.vn")
    monkeypatch.setenv("EDOC_HUB__SDK_COMPATIBLE", "false")
    monkeypatch.setenv("EDOC_LIMITS__GRACE", "0.5")
    monkeypatch.setenv("EDOC_SOMETHING_ELSE", "x")
    monkeypatch.setenv("TEST_HUB_SECRET", "s")
    settings = Settings.load(write())
    dialect = settings.dialect()
    assert isinstance(dialect, Vxp)
    assert (dialect.endpoint, dialect.sdk_compatible) == ("https://other.example.gov.vn", False)
    assert settings.limits.grace == 0.5
    assert settings.agency.id == "H29.05"


def test_a_misspelt_section_in_the_environment(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that overrides nothing is an error with the name that was meant; other programs' are let be."""
    monkeypatch.setenv("EDOC_ARCHIVE__FOLDER", "x")
    Settings.load(write())
    monkeypatch.setenv("EDOC_HUBB__ENDPOINT", "https://other.example.gov.vn")
    with pytest.raises(ConfigError, match="Is EDOC_HUB__ENDPOINT meant") as caught:
        Settings.load(write())
    assert "Có phải EDOC_HUB__ENDPOINT không" in caught.value.vi
    assert "other.example" not in caught.value.message


@pytest.mark.parametrize(
    ("endpoint", "warned"),
    [
        ("http://hub.example.gov.vn", True),
        ("http://10.0.0.7:8080", True),
        ("https://hub.example.gov.vn", False),
        ("http://localhost:8091", False),
        ("http://127.0.0.1:8091", False),
        ("http://[::1]:8091", False),
    ],
)
def test_a_hub_without_tls(
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    endpoint: str,
    warned: bool,
) -> None:
    """Documents in the clear are a warning, but on this machine (security, "TLS")."""
    monkeypatch.setenv("EDOC_HUB__ENDPOINT", endpoint)
    monkeypatch.setenv("TEST_HUB_SECRET", "s")
    Settings.load(write()).dialect()
    assert ("without TLS" in caplog.text) is warned


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[hub]\nendpoint = "https://h"\n', "agency is missing"),
        (MINIMAL.replace('system_id = "H29.05"', ""), "hub.system_id is missing"),
        (MINIMAL.replace("endpoint", "endpont"), "hub.endpont: there is no such setting (did you mean hub.endpoint?)"),
        (MINIMAL + "[agancy]\n", "agancy: there is no such setting (did you mean agency?)"),
        (MINIMAL + "[limits]\nlese = 3\n", "limits.lese: there is no such setting (did you mean limits.lease?)"),
        (MINIMAL + "[limits]\nzzzzzz = 3\n", "limits.zzzzzz: there is no such setting."),
        (MINIMAL + "[limits]\nlease = 0\n", "limits.lease: Input should be greater than 0"),
        (MINIMAL.replace("[hub]", '[hub]\ndialect = "morse"'), "there is none of that name; known are"),
        (MINIMAL.replace("[hub]", "[hub]\nnow = 1"), "hub.now: there is no such setting"),
        (MINIMAL + '[receive]\npolicy = "some"\n', "receive.policy: Input should be 'trusted', 'valid' or 'any'"),
    ],
)
def test_what_is_wrong_is_named(write: Write, text: str, named: str) -> None:
    """Unknown, missing and wrong settings are errors that name the key, in both languages (configuration)."""
    with pytest.raises(ConfigError) as caught:
        Settings.load(write(text))
    assert named in str(caught.value)
    assert caught.value.vi.startswith("Cấu hình chưa đúng: ")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (MINIMAL.replace("env:TEST_HUB_SECRET", "hunter2"), "hub.secret"),
        (MINIMAL.replace("env:TEST_HUB_SECRET", "https:hunter2"), "hub.secret"),
        (MINIMAL + '[signing]\nsecret = "hunter2"\n', "signing.secret"),
        (MINIMAL + '[http]\nproxy = "http://me:hunter2@proxy:3128"\n', "proxy_password"),
        (MINIMAL + '[http]\nclient_key_password = "hunter2"\n', "http.client_key_password"),
        (MINIMAL + '[store]\nurl = "postgresql+psycopg://me:hunter2@db/edoc"\n', "set password"),
        (
            MINIMAL + '[store]\nurl = "postgresql+psycopg://me@db/edoc?password=hunter2"\n',
            "set password",
        ),
        (MINIMAL.replace("https://", "https://me:hunter2@"), "endpoint: the URL holds a password"),
        (MINIMAL.replace('"env:TEST_HUB_SECRET"', "7"), "hub.secret"),
    ],
)
def test_a_secret_in_the_file_is_refused(write: Write, text: str, named: str) -> None:
    """Secrets by reference only; the error says how, and does not repeat the secret (configuration, secrets)."""
    with pytest.raises(ConfigError, match=r"env:NAME, file:PATH or cmd:PROGRAM") as caught:
        Settings.load(write(text))
    assert named in str(caught.value)
    assert "hunter2" not in f"{caught.value} {caught.value.vi} {caught.value.__cause__} {caught.value.__context__!r}"


def test_secrets_do_not_show(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """No repr holds a secret (configuration)."""
    monkeypatch.setenv("TEST_HUB_SECRET", "hunter2")
    settings = Settings.load(write(MINIMAL + '[http]\nproxy="http://me@p:1"\nproxy_password="env:TEST_HUB_SECRET"\n'))
    client = settings.client_settings()
    assert client.proxy == "http://me:hunter2@p:1"
    shown = f"{settings!r} {settings.dialect()!r} {client!r} {SecretRef.parse('env:TEST_HUB_SECRET').resolve(Path())!r}"
    assert "hunter2" not in shown
    assert "env:TEST_HUB_SECRET" in settings.model_dump_json()


@pytest.mark.parametrize("text", [None, "[agency", b"\xff\xfe"])
def test_a_file_that_cannot_be_read(tmp_path: Path, text: str | bytes | None) -> None:
    """A missing or broken file is a typed error with its name (configuration)."""
    path = tmp_path / "edoc.toml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=r"edoc\.toml cannot be read") as caught:
        Settings.load(path)
    assert "Không đọc được cấu hình" in caught.value.vi


def test_relative_paths_start_from_the_file(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing depends on the working directory (configuration)."""
    text = (
        MINIMAL + '[store]\nurl = "sqlite:///data/edoc.db"\nspool = "/var/spool/edoc"\n[http]\nca_bundle = "ca.pem"\n'
    )
    path = write(text)
    monkeypatch.chdir("/")
    settings = Settings.load(path)
    assert settings.folder == tmp_path
    assert settings.store_url() == f"sqlite:///{tmp_path}/data/edoc.db"
    assert settings.spool() == Path("/var/spool/edoc")
    assert settings.client_settings().ca_bundle == tmp_path / "ca.pem"


def test_the_password_of_a_database_is_put_in_late(write: Write, tmp_path: Path) -> None:
    """The URL with its password exists only where the store is opened (configuration, secrets)."""
    (tmp_path / "pw").write_text("p@ss/word")
    store = '[store]\nurl = "postgresql+psycopg://me@db/edoc"\npassword = "file:pw"\n'
    settings = Settings.load(write(MINIMAL + store))
    assert settings.store_url() == "postgresql+psycopg://me:p%40ss%2Fword@db/edoc"


def test_settings_in_code_do_not_look_at_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only `load` mixes the environment in (configuration)."""
    monkeypatch.setenv("EDOC_AGENCY__ID", "X")
    hub = {"endpoint": "https://h", "system_id": "s", "secret": "env:X"}
    settings = Settings.of({"agency": {"id": "G22", "name": "VPCP"}, "hub": hub})
    assert settings.agency.id == "G22"
    assert settings.folder == Path.cwd()


def test_settings_made_directly_fail_as_those_of_a_file() -> None:
    """Every error that a caller can meet is an EdocError in both languages, and repeats no value (small ones)."""
    makers: list[Callable[[dict[str, Any]], Settings]] = [lambda values: Settings(**values), Settings.model_validate]
    for make in makers:
        with pytest.raises(ConfigError, match="agency") as caught:
            make({"agency": {"id": "G 22"}, "hub": {"endpoint": "https://hub.test", "secret": "hunter2"}})
        assert caught.value.vi != caught.value.message
        assert "hunter2" not in f"{caught.value} {caught.value.vi}"


def test_trusted_needs_somebody_to_trust() -> None:
    """``trusted`` without authorities lets nothing in, and says so at once (trust)."""
    hub = {"endpoint": "https://h", "system_id": "s", "secret": "env:X"}
    settings = Settings.of({"agency": {"id": "G22", "name": "V"}, "hub": hub, "receive": {"policy": "TRUSTED"}})
    with pytest.raises(ConfigError, match="trusted"):
        settings.policy()


@pytest.fixture
def trusting(tmp_path: Path) -> Callable[..., Settings]:
    """Makes settings under policy `trusted`, with more in [receive]."""
    root = agency_keys("Sở Nội vụ", organ_id="H29.05").write_root(tmp_path / "root.pem")
    hub = {"endpoint": "https://h", "system_id": "s", "secret": "env:X"}

    def make(**receive: Any) -> Settings:
        values = {"policy": "trusted", "trust": [str(root)], **receive}
        return Settings.of({"agency": {"id": "G22", "name": "V"}, "hub": hub, "receive": values})

    return make


def test_trusted_says_what_it_has_come_to_refuse(
    trusting: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    """Where `trusted` stands without a decision about unbound signers, they are refused and the log says so."""
    policy = trusting().policy()
    assert (policy.organisations_others, policy.refuses_others) == (None, True)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("edoc_connector.config", "WARNING")
    assert all(word in record.getMessage() for word in ("SIG-UNBOUND", "organisations_others", "docs/trust.md"))


@pytest.mark.parametrize(
    ("receive", "refuses"),
    [
        ({"organisations_others": "report"}, False),
        ({"organisations_others": "refuse"}, True),
        ({"policy": "valid"}, False),
        ({"policy": "valid", "organisations_others": "refuse"}, True),
        ({"policy": "any"}, False),
    ],
)
def test_unbound_signers_as_they_are_set(
    receive: dict[str, str], refuses: bool, trusting: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    """`[receive] organisations_others` reaches the policy, and whoever has decided hears no warning."""
    assert trusting(**receive).policy().refuses_others is refuses
    assert caplog.records == []


def test_organisations_and_the_directory_reach_the_policy(trusting: Callable[..., Settings]) -> None:
    """The entries of `[receive] organisations` and the hub's directory are what a signer is bound by."""
    directory = Directory([])
    listed = {"H29.05": ("tax:0400260612", "code:H29.05")}
    policy = trusting(organisations=listed, organisations_others="refuse").policy(directory=directory)
    assert (policy.organisations, policy.directory) == (listed, directory)
    for wrong, said in (({"\u041d29.05": ()}, "u041d29.05"), ({"H29.05": ["tax:1"]}, "tax:1")):
        with pytest.raises(ConfigError, match=said):
            trusting(organisations=wrong, organisations_others="refuse").policy()


@pytest.mark.parametrize(
    ("text", "vi"),
    [
        (
            MINIMAL.replace("[hub]", '[hub]\ndialect = "morse"'),
            "dialect: không có giao thức tên này; hiện có: edocservice, lgsp, vxp",
        ),
        (MINIMAL + "[limits]\nlease = 0\n", "limits.lease: phải lớn hơn 0"),
        (MINIMAL + '[receive]\nstatuses = "any"\n', "receive.statuses: phải là một trong"),
        (MINIMAL + '[receive]\nnot_addressed = "drop"\n', "receive.not_addressed: phải là một trong"),
        (MINIMAL + "[receive]\nsignature_days = 0\n", "receive.signature_days: phải lớn hơn 0"),
        (MINIMAL + "[limits]\nlease = 99999999\n", "limits.lease: không được lớn hơn 86400"),
        (MINIMAL + "[worker]\nsweep = 0\n", "worker.sweep: phải từ 1 trở lên"),
        (MINIMAL + "[store]\nconnections = 2\n", "store.connections: phải từ 3 trở lên"),
        (MINIMAL + '[receive]\npolicy = "some"\n', "receive.policy: phải là một trong 'trusted', 'valid' hoặc 'any'"),
        (
            MINIMAL + '[receive]\norganisations_others = "x"\n',
            "receive.organisations_others: phải là một trong 'refuse' hoặc 'report'",
        ),
        (MINIMAL + '[signing]\nkey = "pem:a"\nkeys = ["pem:b"]\n', "keys: chỉ dùng key hoặc keys"),
        (MINIMAL + '[store]\nurl = "postgresql+psycopg://me:x@db/e"\n', "url: có chứa mật khẩu"),
        (MINIMAL + '[http]\nproxy = "http://me:x@p:1"\n', "proxy: URL có chứa mật khẩu"),
    ],
)
def test_what_is_wrong_is_said_in_vietnamese(write: Write, text: str, vi: str) -> None:
    """The Vietnamese says what the English says: limits, names that are known, what to write instead."""
    with pytest.raises(ConfigError) as caught:
        Settings.load(write(text))
    assert vi in caught.value.vi


def test_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    """A byte order mark, which the editor of Windows writes, is read over."""
    (tmp_path / "edoc.toml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert Settings.load(tmp_path / "edoc.toml").agency.name == "Sở Nội vụ"


def test_a_mistake_in_the_file_is_to_be_corrected_there(write: Write) -> None:
    """A file with a mistake is to be corrected, not replaced by another path."""
    with pytest.raises(ConfigError, match="line 2") as caught:
        Settings.load(write("[agency]\nid = = 1\n"))
    assert "Give the path" not in str(caught.value)
    assert "Hãy sửa tại vị trí đó" in caught.value.vi


@pytest.mark.parametrize("code", ["H29 .05", " H29.05", "H29.05\\n", "H29\\u200b.05", "H29\\u202e.05", "H29\\t05"])
def test_a_code_with_spaces(code: str, write: Write) -> None:
    """Spaces, line ends and invisible letters in our own code are an error in both languages: the hub knows no such."""
    with pytest.raises(ConfigError, match=r"agency\.id: a code has no spaces") as caught:
        Settings.load(write(MINIMAL.replace('id = "H29.05"', f'id = "{code}"', 1)))
    assert "mã định danh không có dấu cách" in caught.value.vi


def test_secrets_come_from_a_function(tmp_path: Path) -> None:
    """``secret:NAME`` is asked of the program, when it is needed and each time (in other software, point 2)."""
    asked: list[str] = []
    kept: dict[str, str | SecretStr] = {"hub": "mot", "db": SecretStr("h:a/i")}

    def give(name: str) -> str | SecretStr | None:
        asked.append(name)
        return kept.get(name)

    values = HUB | {
        "hub": HUB["hub"] | {"secret": "secret:hub"},
        "store": {"url": "postgresql+psycopg://edoc@db/edoc", "password": "secret:db"},
        "http": {"secret_headers": {"X-Key": "secret:gone"}},
    }
    settings = Settings.of(values, folder=tmp_path, secrets=give)
    assert asked == []
    assert _secret_of(settings) == "mot"
    kept["hub"] = SecretStr("hai")  # it was changed in the vault
    assert _secret_of(settings) == "hai"
    assert settings.store_url() == "postgresql+psycopg://edoc:h%3Aa%2Fi@db/edoc"
    with pytest.raises(
        ConfigError, match="secret:gone cannot be had: the function for secrets knows no such"
    ) as caught:
        settings.client_settings()
    assert "không biết tên này" in caught.value.vi
    assert asked == ["hub", "hub", "db", "gone"]
    with pytest.raises(ConfigError, match="nobody gives secrets by name here"):
        Settings.of(values).dialect()


def test_the_password_of_a_key_comes_from_a_function(tmp_path: Path) -> None:
    """A reference in a key's URI is asked of the program too, as is ``signing.secret`` (other software, point 2)."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256")
    uri = keys.write_p12(tmp_path / "key.p12", password="mật khẩu")
    for signing in ({"key": f"{uri}?secret=secret:key"}, {"key": uri, "secret": "secret:key"}):
        settings = Settings.of(HUB | {"signing": signing}, folder=tmp_path, secrets={"key": "mật khẩu"}.get)
        assert settings.signer().statuses()[0].problem is None


def test_secrets_at_hand_are_never_shown(tmp_path: Path) -> None:
    """A ``SecretStr`` works where a reference does, and no text of the settings has it (other software, point 2)."""
    shown = SecretStr("rất-bí-mật")
    values = HUB | {
        "hub": HUB["hub"] | {"secret": shown},
        "store": {"url": "postgresql+psycopg://edoc@db/edoc", "password": shown},
        "http": {"secret_headers": {"X-Key": SecretStr("rat-bi-mat")}},
    }
    settings = Settings.of(values, folder=tmp_path)
    assert _secret_of(settings) == "rất-bí-mật"
    assert ("X-Key", "rat-bi-mat") in settings.client_settings().headers
    for text in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert "rất-bí-mật" not in text
        assert "rat-bi-mat" not in text
    with pytest.raises(ConfigError) as caught:
        Settings.of(HUB | {"hub": HUB["hub"] | {"secret": "rất-bí-mật"}})
    assert "rất-bí-mật" not in caught.value.full + caught.value.full_vi


def _secret_of(settings: Settings) -> str:
    dialect: Any = settings.dialect()
    return str(dialect.secret)
