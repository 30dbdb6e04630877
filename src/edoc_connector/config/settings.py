"""Settings: ``edoc.toml``, overridden by ``EDOC_…`` variables of the environment."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from ..client import ClientSettings
from ..edxml import Limits, Organization
from ..errors import ConfigError, describe_system_error, describe_system_error_vi
from ..hubs import REGISTRY, Dialect
from ..signing import Keyring, Revocation, TimestampAuthority, VerifyMode, VerifyPolicy
from .checks import refuse_misspelt_variables, warn_without_tls
from .messages import build_config_error, build_dialect_model
from .secret_refs import REFERENCE_HINT, REFERENCE_HINT_VI, SecretRef, UnusableSetting
from .sections import (
    AgencySettings,
    HttpSettings,
    LimitSettings,
    PacketSettings,
    RevocationSettings,
    Seconds,
    Section,
    WorkerSettings,
)

ENV_PREFIX = "EDOC_"
ENV_NESTING = "__"
FLEET_SECTION = "agencies"

# Told from the text alone: an error of a URL's parser may repeat it.
_PASSWORD_IN_URL = re.compile(r"://[^/?#]*:[^/?#]*@")
_SECRETS_IN_QUERY = frozenset({"password", "passwd", "sslpassword"})


class HubSettings(BaseModel):
    """``[hub]``: the dialect by its name, and the dialect's own settings.

    Args:
        dialect: a name of `hubs.REGISTRY`.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    dialect: str = "vxp"

    @model_validator(mode="after")
    def _check_dialect(self) -> Self:
        if self.dialect not in REGISTRY:
            known = ", ".join(sorted(REGISTRY))
            raise UnusableSetting(
                f"dialect: there is none of that name; known are {known}",
                vi=f"dialect: không có giao thức tên này; hiện có: {known}",
            )
        return self

    @model_validator(mode="after")
    def _refuse_password_in_urls(self) -> Self:
        for name, value in (self.model_extra or {}).items():
            if isinstance(value, str) and _PASSWORD_IN_URL.search(value):
                raise UnusableSetting(
                    f"{name}: the URL holds a password; leave it out and set secret: {REFERENCE_HINT}",
                    vi=f"{name}: URL có chứa mật khẩu; hãy bỏ mật khẩu khỏi URL và đặt secret: {REFERENCE_HINT_VI}",
                )
        return self


class SigningSettings(Section):
    """``[signing]``: the key that packets are signed with.

    Args:
        key: URI of the key (`load_signer`); none, and packets go out unsigned.
        keys: URIs of several keys instead, of which the right one signs (`signing.Keyring`).
        secret: where the password or PIN of keys is whose URI does not say.
        seal: whether documents carry a seal too, which survives hubs that rebuild packets.
        require_pdf_signature: refuse to send a document with a PDF file that is not validly signed (`pdf.demanded`).
        timestamp_url: address of a time-stamp authority (RFC 3161) whose word each seal carries; none, and seals only
            claim when they were made.
        timestamp_timeout: seconds for a time-stamp.
    """

    key: str | None = None
    keys: tuple[str, ...] = ()
    secret: SecretRef | None = None
    seal: bool = True
    require_pdf_signature: bool = False
    timestamp_url: str | None = None
    timestamp_timeout: Seconds = 10.0

    @model_validator(mode="after")
    def _refuse_key_beside_keys(self) -> Self:
        if self.key is not None and self.keys:
            raise UnusableSetting(
                "keys: give either key or keys, not both", vi="keys: chỉ dùng key hoặc keys, không dùng cả hai"
            )
        return self


class ReceiveSettings(Section):
    """``[receive]``: which packets come in.

    Args:
        policy: ``any`` lets everything in and records what was found; ``valid`` asks for a signature; ``trusted`` for
            one whose certificate leads to an authority in `trust`.
        trust: files or folders of certificates trusted by themselves.
        intermediates: files or folders of further certificates of authorities.
        organisations: by OrganId, the certificates an organisation signs with (`VerifyPolicy`).
        legacy_sha1: accept SHA-1, and report it.
        require_pdf_signature: let no document in with a PDF file that is not validly signed (`pdf.demanded`).
        timestamp_trust: files or folders of certificates trusted for time-stamps; left out, those of `trust` are.
        revocation: whether certificates are checked for having been revoked.
    """

    policy: VerifyMode = VerifyMode.ANY
    trust: tuple[Path, ...] = ()
    intermediates: tuple[Path, ...] = ()
    organisations: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    legacy_sha1: bool = False
    require_pdf_signature: bool = False
    timestamp_trust: tuple[Path, ...] = ()
    revocation: RevocationSettings = RevocationSettings()

    @model_validator(mode="before")
    @classmethod
    def _lower_policy(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("policy"), str):
            return {**data, "policy": data["policy"].lower()}
        return data


class StoreSettings(Section):
    """``[store]``: where everything is kept.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql+psycopg://USER@HOST/NAME``.
        password: where that user's password is.
        spool: folder for the packets.
    """

    url: str = "sqlite:///edoc.db"
    password: SecretRef | None = None
    spool: Path = Path("spool")

    @model_validator(mode="after")
    def _refuse_password_in_url(self) -> Self:
        query_names = {name.lower() for name, _ in parse_qsl(urlsplit(self.url).query, keep_blank_values=True)}
        if urlsplit(self.url).password or query_names & _SECRETS_IN_QUERY:
            raise UnusableSetting(
                f"url: it holds a password; leave it out and set password: {REFERENCE_HINT}",
                vi=f"url: có chứa mật khẩu; hãy bỏ mật khẩu khỏi URL và đặt password: {REFERENCE_HINT_VI}",
            )
        return self


class Settings(BaseSettings):
    """Everything a `Connector` needs to know.

    Args:
        agency: who we are.
        hub: the hub.
        http: the connection to it.
        signing: the key.
        receive: which packets come in.
        store: where everything is kept.
        limits: times and numbers.
        packets: how large a packet may be.
        worker: what `edoc worker` does, and how often.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, env_prefix=ENV_PREFIX, env_nested_delimiter=ENV_NESTING
    )

    agency: AgencySettings
    hub: HubSettings
    http: HttpSettings = HttpSettings()
    signing: SigningSettings = SigningSettings()
    receive: ReceiveSettings = ReceiveSettings()
    store: StoreSettings = StoreSettings()
    limits: LimitSettings = LimitSettings()
    packets: PacketSettings = PacketSettings()
    worker: WorkerSettings = WorkerSettings()

    _folder: Path = PrivateAttr(default_factory=Path.cwd)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the base class's signature, here and below
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what the caller gives: `load` mixes the environment in."""
        return (init_settings,)

    @classmethod
    def load(cls, path: str | Path, *, agency: str | None = None) -> Settings:
        """Read a TOML file; ``EDOC_SECTION__NAME`` in the environment overrides ``[section] name``.

        Args:
            path: the file. Relative paths in it start from its folder.
            agency: which of its ``[agencies.NAME]``, by its code or by NAME; a file of one agency needs none.

        Raises:
            ConfigError: it cannot be read, or something in it is missing or wrong; all problems are named, no value is.
        """
        path = Path(path)
        values, members = cls._read_sections(path)
        if not members and agency in (None, _find_agency_code(values)):
            return cls.of(values, folder=path.absolute().parent)
        by_name = {name: _merge_sections(values, sections) for name, sections in members.items()}
        chosen = [name for name, sections in by_name.items() if agency in (None, name, _find_agency_code(sections))]
        if len(chosen) != 1:
            raise _build_choice_error(path, by_name or {"": values}, agency)
        return cls._build_member(chosen[0], by_name[chosen[0]], path)

    @classmethod
    def fleet(cls, path: str | Path) -> tuple[Settings, ...]:
        """Read a TOML file with ``[agencies.NAME]``: each of them lays its sections over those of the file.

        A file without is one agency.

        Raises:
            ConfigError: as for `load`, with the agency's name in front.
        """
        path = Path(path)
        values, members = cls._read_sections(path)
        if not members:
            return (cls.of(values, folder=path.absolute().parent),)
        return tuple(
            cls._build_member(name, _merge_sections(values, sections), path) for name, sections in members.items()
        )

    @classmethod
    def _read_sections(cls, path: Path) -> tuple[dict[str, Any], Mapping[str, Mapping[str, Any]]]:
        """A file's sections, with those of the environment over them, and its agencies."""
        refuse_misspelt_variables(ENV_PREFIX, ENV_NESTING, [*cls.model_fields, FLEET_SECTION])
        values = _merge_sections(_read_toml(path), EnvSettingsSource(cls)())
        members = values.pop(FLEET_SECTION, {})
        if not isinstance(members, Mapping) or not all(isinstance(sections, Mapping) for sections in members.values()):
            raise ConfigError(
                "agencies: write [agencies.NAME.SECTION], as in [agencies.first.agency].",
                vi="agencies: hãy ghi [agencies.TÊN.MỤC], ví dụ [agencies.first.agency].",
            )
        return values, members

    @classmethod
    def _build_member(cls, name: str, values: Mapping[str, Any], path: Path) -> Settings:
        try:
            return cls.of(values, folder=path.absolute().parent)
        except ConfigError as error:
            raise ConfigError(f"agencies.{name}: {error.message}", vi=f"agencies.{name}: {error.vi}") from None

    @classmethod
    def of(cls, values: Mapping[str, Any], *, folder: Path | None = None) -> Settings:
        """Make settings of plain values, as the file would hold them.

        Args:
            values: sections and what is in them.
            folder: what relative paths start from; the working directory where it is left out.

        Raises:
            ConfigError: something is missing or wrong.
        """
        try:
            settings = cls(**values)
            build_dialect_model(settings.hub.dialect).model_validate(settings.hub.model_extra or {})
        except ValidationError as error:
            raise build_config_error(error, cls) from None
        if folder is not None:
            settings._folder = folder.absolute()
        return settings

    @property
    def folder(self) -> Path:
        """What relative paths start from."""
        return self._folder

    def organization(self) -> Organization:
        """Ourselves, as packets name us."""
        return Organization(**self.agency.model_dump())

    def dialect(self) -> Dialect:
        """The hub's dialect, with its secrets fetched.

        Raises:
            ConfigError: a secret is not where its reference points, or the dialect refuses a value.
        """
        dialect_settings = build_dialect_model(self.hub.dialect).model_validate(self.hub.model_extra or {})
        values = {name: getattr(dialect_settings, name) for name in dialect_settings.model_fields_set}
        warn_without_tls(str(values.get("endpoint", "")))
        return REGISTRY[self.hub.dialect](**{name: self._resolve_secret(value) for name, value in values.items()})

    def client_settings(self) -> ClientSettings:
        """Time-outs, TLS and proxy, with the secrets fetched."""
        values = {name: getattr(self.http, name) for name in HttpSettings.model_fields}
        values["proxy"] = self._insert_password(self.http.proxy, values.pop("proxy_password"))
        resolved = {
            name: self._resolve_path(value) if isinstance(value, Path) else value for name, value in values.items()
        }
        return ClientSettings(**{name: self._resolve_secret(value) for name, value in resolved.items()})

    def signer(self) -> Keyring | None:
        """The keys that packets are signed with; None where none is configured. Each is loaded when first needed.

        Raises:
            SigningError: what is configured is no key's URI.
        """
        uris = self.signing.keys or ((self.signing.key,) if self.signing.key is not None else ())
        if not uris:
            return None
        return Keyring.load([self._make_key_uri_absolute(uri) for uri in uris], secrets=self._find_key_password)

    def policy(self) -> VerifyPolicy:
        """Which packets come in.

        Raises:
            ConfigError: a certificate cannot be read, or ``trusted`` is asked for with nobody to trust.
        """
        receive = self.receive
        return VerifyPolicy.load(
            [self._resolve_path(path) for path in receive.trust],
            mode=receive.policy,
            intermediates=[self._resolve_path(path) for path in receive.intermediates],
            organisations=receive.organisations,
            legacy_sha1=receive.legacy_sha1,
            revocation=self._build_revocation(),
            timestamp_anchors=[self._resolve_path(path) for path in receive.timestamp_trust],
        )

    def packet_limits(self) -> Limits:
        """How large a packet from a stranger may be."""
        return Limits(**self.packets.model_dump())

    def timestamping(self) -> TimestampAuthority | None:
        """Where seals get their time-stamps; None where none is configured."""
        signing = self.signing
        if signing.timestamp_url is None:
            return None
        return TimestampAuthority(url=signing.timestamp_url, timeout=signing.timestamp_timeout)

    def store_url(self) -> str:
        """URL of the database, with its password fetched and a relative file made absolute."""
        scheme, slashes, path = self.store.url.partition(":///")
        if scheme.startswith("sqlite") and slashes and path and path != ":memory:":
            return f"{scheme}:///{self._resolve_path(Path(path))}"
        return self._insert_password(self.store.url, self.store.password) or ""

    def spool(self) -> Path:
        """Folder for the packets."""
        return self._resolve_path(self.store.spool)

    def _build_revocation(self) -> Revocation:
        values = {name: getattr(self.receive.revocation, name) for name in RevocationSettings.model_fields}
        return Revocation(**values | {"crl_files": tuple(map(self._resolve_path, values["crl_files"]))})

    def _resolve_path(self, path: Path) -> Path:
        return self._folder / path.expanduser()

    def _resolve_secret(self, value: Any) -> Any:
        return value.resolve(self._folder).get_secret_value() if isinstance(value, SecretRef) else value

    def _insert_password(self, url: str | None, password: SecretRef | None) -> str | None:
        if url is None or password is None:
            return url
        parts = urlsplit(url)
        user, _, host = parts.netloc.rpartition("@")
        secret = quote(str(self._resolve_secret(password)), safe="")
        return parts._replace(netloc=f"{user}:{secret}@{host}").geturl()

    def _make_key_uri_absolute(self, uri: str) -> str:
        """A key's URI with absolute paths, for the schemes whose keys are files."""
        from ..signing import KeyUri

        parsed = KeyUri.parse(uri)
        if parsed.scheme not in _FILE_KEY_SCHEMES:
            return uri
        query = [(name, item) for name, values in parsed.query.items() for item in values]
        query = [(name, str(self._resolve_path(Path(value))) if name == "cert" else value) for name, value in query]
        body = parsed.body if parsed.scheme == "pkcs11" else quote(str(self._resolve_path(Path(parsed.path))))
        return f"{parsed.scheme}:{body}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")

    def _find_key_password(self, name: str) -> str | None:
        ref = SecretRef.parse(name) if SecretRef.is_reference(name) else self.signing.secret
        return str(self._resolve_secret(ref)) if ref is not None else None


_FILE_KEY_SCHEMES = frozenset({"pem", "p12", "pkcs11"})


def _find_agency_code(values: Mapping[str, Any]) -> str | None:
    section = values.get("agency")
    return str(section["id"]) if isinstance(section, Mapping) and "id" in section else None


def _build_choice_error(path: Path, members: Mapping[str, Mapping[str, Any]], agency: str | None) -> ConfigError:
    known = ", ".join(_find_agency_code(sections) or name for name, sections in members.items())
    if agency is None:
        return ConfigError(
            f"{path} has several agencies: {known}. Choose one of them: --agency ID.",
            vi=f"{path} có nhiều đơn vị: {known}. Hãy chọn một đơn vị: --agency MÃ.",
        )
    return ConfigError(
        f"{path} has no agency {agency}, or more than one of that name; it has {known}: choose one of them.",
        vi=f"{path} không có đơn vị {agency}, hoặc có nhiều đơn vị trùng tên; các đơn vị: {known}. Hãy chọn một "
        "đơn vị.",
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # as the editor of Windows writes it, too
    except OSError as error:
        why = f"{describe_system_error(error)}. Give the path of an edoc.toml."
        why_vi = f"{describe_system_error_vi(error)}. Hãy chỉ đường dẫn tới tệp edoc.toml."
    except UnicodeDecodeError:
        why, why_vi = "it is not UTF-8 text. Save it as UTF-8.", "tệp không phải văn bản UTF-8. Hãy lưu lại dạng UTF-8."
    except tomllib.TOMLDecodeError as error:
        # The parser's words name line and column; they repeat no value.
        why = f"it is not TOML: {error}. Correct it there."
        why_vi = f"tệp không đúng định dạng TOML: {error}. Hãy sửa tại vị trí đó."
    raise ConfigError(f"the configuration {path} cannot be read: {why}", vi=f"Không đọc được cấu hình {path}: {why_vi}")


def _merge_sections(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**base, **overrides}
    inner = {name for name in overrides if isinstance(overrides[name], Mapping) and isinstance(base.get(name), Mapping)}
    return merged | {name: _merge_sections(base[name], overrides[name]) for name in inner}
