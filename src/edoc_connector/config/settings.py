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
from ..errors import ConfigError, system_words, system_words_vi
from ..hubs import REGISTRY, Dialect
from ..signing import Keyring, Revocation, TimestampAuthority, VerifyMode, VerifyPolicy
from .checks import refuse_misspelt, warn_unprotected
from .messages import config_error, dialect_model
from .secret_refs import HOW, HOW_VI, SecretRef, Unusable
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

PREFIX = "EDOC_"
NESTING = "__"
FLEET = "agencies"

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
            raise Unusable(
                f"dialect: there is none of that name; known are {known}",
                vi=f"dialect: không có giao thức tên này; hiện có: {known}",
            )
        return self

    @model_validator(mode="after")
    def _no_password_in_urls(self) -> Self:
        for name, value in (self.model_extra or {}).items():
            if isinstance(value, str) and _PASSWORD_IN_URL.search(value):
                raise Unusable(
                    f"{name}: the URL holds a password; leave it out and set secret: {HOW}",
                    vi=f"{name}: URL có chứa mật khẩu; hãy bỏ mật khẩu khỏi URL và đặt secret: {HOW_VI}",
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
    def _one_way_to_name_keys(self) -> Self:
        if self.key is not None and self.keys:
            raise Unusable(
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
    def _any_case(cls, data: Any) -> Any:
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
    def _no_password_in_url(self) -> Self:
        named = {name.lower() for name, _ in parse_qsl(urlsplit(self.url).query, keep_blank_values=True)}
        if urlsplit(self.url).password or named & _SECRETS_IN_QUERY:
            raise Unusable(
                f"url: it holds a password; leave it out and set password: {HOW}",
                vi=f"url: có chứa mật khẩu; hãy bỏ mật khẩu khỏi URL và đặt password: {HOW_VI}",
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
        frozen=True, extra="forbid", hide_input_in_errors=True, env_prefix=PREFIX, env_nested_delimiter=NESTING
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
        values, members = cls._read(path)
        if not members and agency in (None, _code_of(values)):
            return cls.of(values, folder=path.absolute().parent)
        merged = {name: _merged(values, one) for name, one in members.items()}
        chosen = [name for name, one in merged.items() if agency in (None, name, _code_of(one))]
        if len(chosen) != 1:
            raise _choose(path, merged or {"": values}, agency)
        return cls._member(chosen[0], merged[chosen[0]], path)

    @classmethod
    def fleet(cls, path: str | Path) -> tuple[Settings, ...]:
        """Read a TOML file with ``[agencies.NAME]``: each of them lays its sections over those of the file.

        A file without is one agency.

        Raises:
            ConfigError: as for `load`, with the agency's name in front.
        """
        path = Path(path)
        values, members = cls._read(path)
        if not members:
            return (cls.of(values, folder=path.absolute().parent),)
        return tuple(cls._member(name, _merged(values, one), path) for name, one in members.items())

    @classmethod
    def _read(cls, path: Path) -> tuple[dict[str, Any], Mapping[str, Mapping[str, Any]]]:
        """A file's sections, with those of the environment over them, and its agencies."""
        refuse_misspelt(PREFIX, NESTING, [*cls.model_fields, FLEET])
        values = _merged(_read_toml(path), EnvSettingsSource(cls)())
        members = values.pop(FLEET, {})
        if not isinstance(members, Mapping) or not all(isinstance(one, Mapping) for one in members.values()):
            raise ConfigError(
                "agencies: write [agencies.NAME.SECTION], as in [agencies.first.agency].",
                vi="agencies: hãy ghi [agencies.TÊN.MỤC], ví dụ [agencies.first.agency].",
            )
        return values, members

    @classmethod
    def _member(cls, name: str, values: Mapping[str, Any], path: Path) -> Settings:
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
            dialect_model(settings.hub.dialect).model_validate(settings.hub.model_extra or {})
        except ValidationError as error:
            raise config_error(error, cls) from None
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
        given = dialect_model(self.hub.dialect).model_validate(self.hub.model_extra or {})
        values = {name: getattr(given, name) for name in given.model_fields_set}
        warn_unprotected(str(values.get("endpoint", "")))
        return REGISTRY[self.hub.dialect](**{name: self._revealed(value) for name, value in values.items()})

    def client_settings(self) -> ClientSettings:
        """Time-outs, TLS and proxy, with the secrets fetched."""
        values = {name: getattr(self.http, name) for name in HttpSettings.model_fields}
        values["proxy"] = self._with_password(self.http.proxy, values.pop("proxy_password"))
        resolved = {name: self._path(value) if isinstance(value, Path) else value for name, value in values.items()}
        return ClientSettings(**{name: self._revealed(value) for name, value in resolved.items()})

    def signer(self) -> Keyring | None:
        """The keys that packets are signed with; None where none is configured. Each is loaded when first needed.

        Raises:
            SigningError: what is configured is no key's URI.
        """
        uris = self.signing.keys or ((self.signing.key,) if self.signing.key is not None else ())
        if not uris:
            return None
        return Keyring.load([self._key_uri(uri) for uri in uris], secrets=self._key_password)

    def policy(self) -> VerifyPolicy:
        """Which packets come in.

        Raises:
            ConfigError: a certificate cannot be read, or ``trusted`` is asked for with nobody to trust.
        """
        receive = self.receive
        return VerifyPolicy.load(
            [self._path(path) for path in receive.trust],
            mode=receive.policy,
            intermediates=[self._path(path) for path in receive.intermediates],
            organisations=receive.organisations,
            legacy_sha1=receive.legacy_sha1,
            revocation=self._revocation(),
            timestamp_anchors=[self._path(path) for path in receive.timestamp_trust],
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
            return f"{scheme}:///{self._path(Path(path))}"
        return self._with_password(self.store.url, self.store.password) or ""

    def spool(self) -> Path:
        """Folder for the packets."""
        return self._path(self.store.spool)

    def _revocation(self) -> Revocation:
        values = {name: getattr(self.receive.revocation, name) for name in RevocationSettings.model_fields}
        return Revocation(**values | {"crl_files": tuple(map(self._path, values["crl_files"]))})

    def _path(self, path: Path) -> Path:
        return self._folder / path.expanduser()

    def _revealed(self, value: Any) -> Any:
        return value.resolve(self._folder).get_secret_value() if isinstance(value, SecretRef) else value

    def _with_password(self, url: str | None, password: SecretRef | None) -> str | None:
        if url is None or password is None:
            return url
        parts = urlsplit(url)
        user, _, host = parts.netloc.rpartition("@")
        secret = quote(str(self._revealed(password)), safe="")
        return parts._replace(netloc=f"{user}:{secret}@{host}").geturl()

    def _key_uri(self, uri: str) -> str:
        """A key's URI with absolute paths, for the schemes whose keys are files."""
        from ..signing.signer import KeyUri

        parsed = KeyUri.parse(uri)
        if parsed.scheme not in _KEYS_WITH_FILES:
            return uri
        query = [(name, one) for name, values in parsed.query.items() for one in values]
        query = [(name, str(self._path(Path(value))) if name == "cert" else value) for name, value in query]
        body = parsed.body if parsed.scheme == "pkcs11" else quote(str(self._path(Path(parsed.path))))
        return f"{parsed.scheme}:{body}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")

    def _key_password(self, name: str) -> str | None:
        ref = SecretRef.parse(name) if SecretRef.known(name) else self.signing.secret
        return str(self._revealed(ref)) if ref is not None else None


_KEYS_WITH_FILES = frozenset({"pem", "p12", "pkcs11"})


def _code_of(values: Mapping[str, Any]) -> str | None:
    section = values.get("agency")
    return str(section["id"]) if isinstance(section, Mapping) and "id" in section else None


def _choose(path: Path, members: Mapping[str, Mapping[str, Any]], asked: str | None) -> ConfigError:
    known = ", ".join(_code_of(one) or name for name, one in members.items())
    if asked is None:
        return ConfigError(
            f"{path} has several agencies: {known}. Choose one of them: --agency ID.",
            vi=f"{path} có nhiều đơn vị: {known}. Hãy chọn một đơn vị: --agency MÃ.",
        )
    return ConfigError(
        f"{path} has no agency {asked}, or more than one of that name; it has {known}: choose one of them.",
        vi=f"{path} không có đơn vị {asked}, hoặc có nhiều đơn vị trùng tên; các đơn vị: {known}. Hãy chọn một đơn vị.",
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # as the editor of Windows writes it, too
    except OSError as error:
        why = f"{system_words(error)}. Give the path of an edoc.toml."
        why_vi = f"{system_words_vi(error)}. Hãy chỉ đường dẫn tới tệp edoc.toml."
    except UnicodeDecodeError:
        why, why_vi = "it is not UTF-8 text. Save it as UTF-8.", "tệp không phải văn bản UTF-8. Hãy lưu lại dạng UTF-8."
    except tomllib.TOMLDecodeError as error:
        # The parser's words name line and column; they repeat no value.
        why = f"it is not TOML: {error}. Correct it there."
        why_vi = f"tệp không đúng định dạng TOML: {error}. Hãy sửa tại vị trí đó."
    raise ConfigError(f"the configuration {path} cannot be read: {why}", vi=f"Không đọc được cấu hình {path}: {why_vi}")


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = {**under, **over}
    inner = {name for name in over if isinstance(over[name], Mapping) and isinstance(under.get(name), Mapping)}
    return both | {name: _merged(under[name], over[name]) for name in inner}
