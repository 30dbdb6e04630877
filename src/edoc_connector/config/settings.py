"""The settings of a connector, read from ``edoc.toml`` and from ``EDOC_…`` variables of the environment."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

from pydantic import BaseModel, PrivateAttr, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from .._core import ABOUT_SETTINGS, Text, get_logger
from ..client import ClientSettings
from ..edxml import Limits, Organization
from ..errors import ConfigError
from ..hubs import AUTHENTICATORS, REGISTRY, Authenticator, Dialect
from ..signing import CodeDirectory, Keyring, KeyUri, Revocation, TimestampAuthority, VerifyMode, VerifyPolicy
from .checks import (
    build_config_error,
    describe_missing_tls,
    find_references,
    refuse_misspelt_variables,
    warn_of_open_secrets,
    warn_of_unbound_signers,
    warn_without_tls,
)
from .messages import (
    FILE_NOT_UTF8,
    POLICY_ANY,
    UNBOUND_SIGNERS,
    UnusableSetting,
    build_agencies_form_error,
    build_choice_error,
    build_unreadable_error,
    describe_shortfall,
    describe_toml_error,
    describe_unmet,
    describe_unreadable_file,
)
from .profiles import Profile, Requirement, fill_defaults, is_production, list_unmet
from .secret_refs import SecretRef
from .sections import (
    AgencySettings,
    CheckSettings,
    EvidenceSettings,
    FileSettings,
    HttpSettings,
    HubSettings,
    LimitSettings,
    LogSettings,
    PacketSettings,
    ReceiveSettings,
    RevocationSettings,
    SigningSettings,
    StoreSettings,
    WorkerSettings,
    build_auth_model,
    build_dialect_model,
)

log = get_logger("edoc_connector.config")

ENV_PREFIX = "EDOC_"
ENV_NESTING = "__"
FLEET_SECTION = "agencies"

_PRIVATE_KEY_SCHEMES = frozenset({"pem", "p12"})
_FILE_KEY_SCHEMES = frozenset({"pem", "p12", "pkcs11"})


class Settings(BaseSettings):
    """All settings of a `Connector`, a field for each section of the file.

    Args:
        profile: ``production``: what it asks for is the default, and a setting that says less is an error.
        agency: who we are.
        hub: the hub.
        http: the connection to it.
        signing: the key.
        receive: which packets come in.
        store: where everything is kept.
        evidence: checkpoints of the log.
        limits: times and numbers.
        packets: how large a packet may be.
        worker: what `edoc worker` does, and how often.
        files: what becomes of secrets that others can read.
        logs: what errors and logs may say.
        checks: from when on an operator must know of something.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, env_prefix=ENV_PREFIX, env_nested_delimiter=ENV_NESTING
    )

    profile: Profile | None = None
    agency: AgencySettings
    hub: HubSettings
    http: HttpSettings = HttpSettings()
    signing: SigningSettings = SigningSettings()
    receive: ReceiveSettings = ReceiveSettings()
    store: StoreSettings = StoreSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    limits: LimitSettings = LimitSettings()
    packets: PacketSettings = PacketSettings()
    worker: WorkerSettings = WorkerSettings()
    files: FileSettings = FileSettings()
    logs: LogSettings = LogSettings()
    checks: CheckSettings = CheckSettings()

    _folder: Path = PrivateAttr(default_factory=Path.cwd)

    def __init__(self, **values: Any) -> None:
        """Make settings of their sections.

        Raises:
            ConfigError: a setting is missing or wrong. The error names every such setting and repeats no value.
        """
        try:
            super().__init__(**values)
            self._list_component_settings()
        except ValidationError as error:
            raise build_config_error(error, type(self)) from None

    @model_validator(mode="before")
    @classmethod
    def _fill_profile(cls, data: Any) -> Any:
        return fill_defaults(data.get("profile"), data) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _check_profile(self) -> Self:
        if self.profile is not None:
            unmet = tuple(map(_as_columns, list_unmet(self.profile, self)))
            if unmet:
                raise UnusableSetting(describe_unmet(self.profile, unmet))
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the base class's signature, here and below
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing but the caller's values; `load` lays those of the environment over them."""
        return (init_settings,)

    @classmethod
    def load(cls, path: str | Path, *, agency: str | None = None) -> Settings:
        """Read a TOML file; ``EDOC_SECTION__NAME`` in the environment overrides ``[section] name``.

        Args:
            path: the file. Relative paths in it start from its folder.
            agency: code or NAME of one of its ``[agencies.NAME]``; a file of one agency needs none.

        Raises:
            ConfigError: the file cannot be read, or a setting is missing or wrong. The error names every such setting
                and repeats no value.
        """
        path = Path(path)
        values, members = cls._read_sections(path)
        if not members and agency in (None, _find_agency_code(values)):
            return cls.of(values, folder=path.absolute().parent)
        by_name = {name: _merge_sections(values, sections) for name, sections in members.items()}
        chosen = [name for name, sections in by_name.items() if agency in (None, name, _find_agency_code(sections))]
        if len(chosen) != 1:
            known = (_find_agency_code(sections) or name for name, sections in (by_name or {"": values}).items())
            raise build_choice_error(path, known, agency)
        return cls._build_member(chosen[0], by_name[chosen[0]], path)

    @classmethod
    def fleet(cls, path: str | Path) -> tuple[Settings, ...]:
        """Read the settings of every agency of a TOML file.

        The sections of ``[agencies.NAME]`` are laid over those of the file. A file without any is one agency.

        Args:
            path: the file. Relative paths in it start from its folder.

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
        """Read a file's sections, with those of the environment over them, and its agencies."""
        refuse_misspelt_variables(ENV_PREFIX, ENV_NESTING, [*cls.model_fields, FLEET_SECTION])
        values = _merge_sections(_read_toml(path), EnvSettingsSource(cls)())
        members = values.pop(FLEET_SECTION, {})
        if not isinstance(members, Mapping) or not all(isinstance(sections, Mapping) for sections in members.values()):
            raise build_agencies_form_error()
        return values, members

    @classmethod
    def _build_member(cls, name: str, values: Mapping[str, Any], path: Path) -> Settings:
        try:
            return cls.of(values, folder=path.absolute().parent)
        except ConfigError as error:
            raise ConfigError(f"agencies.{name}: {error.message}", vi=f"agencies.{name}: {error.vi}") from None

    @classmethod
    def of(cls, values: Mapping[str, Any], *, folder: Path | None = None) -> Settings:
        """Make settings from plain values, as the file would hold them.

        Args:
            values: the settings by section and name.
            folder: start of relative paths; the working directory where it is left out.

        Raises:
            ConfigError: a setting is missing or wrong.
        """
        settings = cls(**values)
        if folder is not None:
            settings._folder = folder.absolute()
        return settings

    @property
    def folder(self) -> Path:
        """Start of relative paths."""
        return self._folder

    def list_warnings(self) -> tuple[Text, ...]:
        """List what these settings leave open that somebody should know: no TLS, policy `any`, less than production."""
        policy = [POLICY_ANY] if self.receive.policy is VerifyMode.ANY else []
        policy += [UNBOUND_SIGNERS] if self._leaves_others_open() else []
        addresses = dict.fromkeys((self._get_endpoint(), self._get_login_url()))
        unprotected = (warning for address in addresses for warning in describe_missing_tls(address))
        return (*unprotected, *policy, *self._list_shortfalls())

    def _leaves_others_open(self) -> bool:
        return self.receive.policy is VerifyMode.TRUSTED and self.receive.organisations_others is None

    def warn_of_shortfall(self) -> None:
        """Warn in the log where a production hub is used with less than the profile `production`."""
        for warning in self._list_shortfalls():
            log.warning(warning.en, extra=ABOUT_SETTINGS)

    def _list_shortfalls(self) -> list[Text]:
        endpoint = self._get_endpoint()
        unmet = tuple(map(_as_columns, list_unmet("production", self)))
        if not unmet or not is_production(endpoint):
            return []
        return [describe_shortfall(urlsplit(endpoint).hostname or "", unmet)]

    def _get_endpoint(self) -> str:
        return str((self.hub.model_extra or {}).get("endpoint", ""))

    def _get_login_url(self) -> str:
        given = {} if self.hub.auth is None else self.hub.auth.model_extra or {}
        return str(given.get("token_url") or given.get("login_url") or "")

    def organization(self) -> Organization:
        """Make our own organisation, as packets name it."""
        return Organization(**self.agency.model_dump())

    def dialect(self) -> Dialect:
        """Make the hub's dialect, with its secrets fetched.

        Raises:
            ConfigError: a secret is not where its reference points, or the dialect refuses a value.
        """
        values = self._resolve_component(self._list_component_settings()[0])
        warn_without_tls(str(values.get("endpoint", "")))
        return REGISTRY[self.hub.dialect](**values)

    def authenticator(self) -> Authenticator | None:
        """Make what lets requests pass a gateway in front of the hub, with its secrets fetched; None for none.

        Raises:
            ConfigError: a secret is not where its reference points, or the authenticator refuses a value.
        """
        if self.hub.auth is None:
            return None
        values = self._resolve_component(self._list_component_settings()[1])
        made = AUTHENTICATORS[self.hub.auth.kind](**values)
        warn_without_tls(made.login_url)
        return made

    def _list_component_settings(self) -> list[BaseModel]:
        """List the settings of the dialect and, where there is one, of the authenticator."""
        found = [build_dialect_model(self.hub.dialect).model_validate(self.hub.model_extra or {})]
        if self.hub.auth is not None:
            found.append(build_auth_model(self.hub.auth.kind).model_validate(self.hub.auth.model_extra or {}))
        return found

    def _resolve_component(self, given: BaseModel) -> dict[str, Any]:
        return {name: self._resolve_secret(getattr(given, name)) for name in given.model_fields_set}

    def client_settings(self) -> ClientSettings:
        """Make the settings of the HTTP client, with the secrets fetched.

        Raises:
            ConfigError: a secret is not where its reference points.
        """
        values = {name: getattr(self.http, name) for name in HttpSettings.model_fields}
        values["proxy"] = self._insert_password(self.http.proxy, values.pop("proxy_password"))
        secret_headers = {name: self._resolve_secret(value) for name, value in values.pop("secret_headers").items()}
        values["headers"] = tuple({**self.http.headers, **secret_headers}.items())
        resolved = {
            name: self._resolve_path(value) if isinstance(value, Path) else value for name, value in values.items()
        }
        return ClientSettings(**{name: self._resolve_secret(value) for name, value in resolved.items()})

    def signer(self) -> Keyring | None:
        """Make the ring of signing keys; None where no key is configured. Each key is loaded on first use.

        Raises:
            SigningError: the URI of a key is wrong.
        """
        uris = self.signing.keys or ((self.signing.key,) if self.signing.key is not None else ())
        if not uris:
            return None
        return Keyring.load([self._make_key_uri_absolute(uri) for uri in uris], secrets=self._find_key_password)

    def policy(self, *, directory: CodeDirectory | None = None) -> VerifyPolicy:
        """Make the policy that decides which packets come in.

        Args:
            directory: pairs the codes of one agency, e.g. ``Directory(connector.iter_directory())``.

        Raises:
            ConfigError: a certificate cannot be read, or ``trusted`` is set without an authority to trust.
        """
        receive = self.receive
        if self._leaves_others_open():
            warn_of_unbound_signers()
        return VerifyPolicy.load(
            [self._resolve_path(path) for path in receive.trust],
            mode=receive.policy,
            intermediates=[self._resolve_path(path) for path in receive.intermediates],
            organisations=receive.organisations,
            organisations_others=receive.organisations_others,
            directory=directory,
            legacy_sha1=receive.legacy_sha1,
            revocation=self._build_revocation(),
            timestamp_anchors=[self._resolve_path(path) for path in receive.timestamp_trust],
        )

    def packet_limits(self) -> Limits:
        """Make the limits on the size of packets from strangers."""
        return Limits(**self.packets.model_dump())

    def timestamping(self) -> TimestampAuthority | None:
        """Make the time-stamp authority of seals; None where none is configured."""
        signing = self.signing
        if signing.timestamp_url is None:
            return None
        return TimestampAuthority(url=signing.timestamp_url, timeout=signing.timestamp_timeout)

    def store_url(self) -> str:
        """Complete the URL of the database: its password fetched, a relative file made absolute.

        Raises:
            ConfigError: the password is not where its reference points.
        """
        scheme, slashes, path = self.store.url.partition(":///")
        if scheme.startswith("sqlite") and slashes and path and path != ":memory:":
            return f"{scheme}:///{self._resolve_path(Path(path))}"
        return self._insert_password(self.store.url, self.store.password) or ""

    def spool(self) -> Path:
        """Resolve the folder for the packets."""
        return self._resolve_path(self.store.spool)

    def spool_key(self) -> str | None:
        """Fetch the key of packets at rest; None where they lie plain.

        Raises:
            ConfigError: it is not where its reference points.
        """
        return self._resolve_secret(self.store.spool_key) if self.store.spool_key is not None else None

    def spool_old_keys(self) -> tuple[str, ...]:
        """Fetch the keys of packets that were encrypted before.

        Raises:
            ConfigError: one is not where its reference points.
        """
        return tuple(map(self._resolve_secret, self.store.spool_old_keys))

    def drafts(self) -> Path | None:
        """Resolve the folder for packets in the making; None for one in the spool."""
        return self._resolve_path(self.store.drafts) if self.store.drafts is not None else None

    def checkpoints(self) -> Path | None:
        """Resolve the folder that keeps checkpoints of the evidence; None without one."""
        return self._resolve_path(self.evidence.checkpoints) if self.evidence.checkpoints is not None else None

    def check_secret_files(self) -> None:
        """Warn of files with secrets and keys that other users of this machine can read.

        Raises:
            ConfigError: there are some, and ``[files] open_secrets`` is ``refuse``.
        """
        warn_of_open_secrets(self.list_secret_files(), refuse=self.files.open_secrets == "refuse")

    def list_secret_files(self) -> Iterator[Path]:
        """List the files that references, URIs of keys and the key of TLS name."""
        uris = (*self.signing.keys, *((self.signing.key,) if self.signing.key is not None else ()))
        yield from (Path(KeyUri.parse(self._make_key_uri_absolute(uri)).path)
                    for uri in uris if KeyUri.parse(uri).scheme in _PRIVATE_KEY_SCHEMES)  # fmt: skip
        if self.http.client_key is not None:
            yield self._resolve_path(self.http.client_key)
        for ref in find_references([self.http, self.signing, self.store, *self._list_component_settings()], uris):
            if ref.scheme == "file":
                yield self._resolve_path(Path(ref.location))

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
        """Make the paths in a key's URI absolute, for the schemes that name files."""

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


def _as_columns(requirement: Requirement) -> tuple[str, str, Text]:
    return requirement.setting, requirement.wanted, requirement.why


def _find_agency_code(values: Mapping[str, Any]) -> str | None:
    section = values.get("agency")
    return str(section["id"]) if isinstance(section, Mapping) and "id" in section else None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # as the editor of Windows writes it, too
    except OSError as error:
        reason = describe_unreadable_file(error)
    except UnicodeDecodeError:
        reason = FILE_NOT_UTF8
    except tomllib.TOMLDecodeError as error:
        reason = describe_toml_error(error)
    raise build_unreadable_error(path, reason)


def _merge_sections(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**base, **overrides}
    inner = {name for name in overrides if isinstance(overrides[name], Mapping) and isinstance(base.get(name), Mapping)}
    return merged | {name: _merge_sections(base[name], overrides[name]) for name in inner}
