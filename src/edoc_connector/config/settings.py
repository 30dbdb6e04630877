"""The settings of a connector, read from ``edoc.toml`` and from ``EDOC_…`` variables of the environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Never, Self
from urllib.parse import quote, urlencode, urlsplit

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from .._core import ABOUT_SETTINGS, LONE_HUB, Text, get_logger
from ..client import ClientSettings
from ..edxml import Limits, Organization
from ..errors import ConfigError, Language
from ..hubs import AUTHENTICATORS, REGISTRY, Authenticator, Dialect
from ..signing import (
    CodeDirectory,
    Keyring,
    KeyUri,
    RequestKey,
    Revocation,
    TimestampAuthority,
    VerifyMode,
    VerifyPolicy,
    join_key,
    open_request_key,
)
from .checks import (
    build_config_error,
    describe_missing_tls,
    find_references,
    refuse_misspelt_variables,
    warn_of_open_secrets,
    warn_of_unbound_signers,
    warn_without_tls,
)
from .environments import ENVIRONMENT_SECTION, Environments
from .hub_sections import choose_hub, get_endpoint, get_login_url
from .messages import (
    POLICY_ANY,
    REFERENCE_HINT,
    UNBOUND_SIGNERS,
    UnusableSetting,
    build_agencies_form_error,
    build_choice_error,
    describe_several_active,
    describe_shortfall,
    describe_unknown_hub,
    describe_unmet,
)
from .profiles import Profile, Requirement, fill_defaults, is_production, list_unmet
from .secret_refs import SecretRef, SecretSource
from .sections import (
    AgencySettings,
    CheckSettings,
    EvidenceSettings,
    FileSettings,
    FolderSettings,
    GatewaySettings,
    HttpSettings,
    HubName,
    HubSettings,
    LimitSettings,
    LogSettings,
    PacketSettings,
    ReceiveSettings,
    RetentionSettings,
    RevocationSettings,
    SigningSettings,
    StoreSettings,
    WebSettings,
    WorkerSettings,
    build_auth_model,
    build_dialect_model,
)
from .toml_file import find_agency_code, merge_sections, read_toml, refuse_agency_beside
from .values import (
    AgencyValues,
    CheckValues,
    EvidenceValues,
    FileValues,
    FolderValues,
    GatewayValues,
    HttpValues,
    HubValues,
    LimitValues,
    LogValues,
    PacketValues,
    ReceiveValues,
    RetentionValues,
    SigningValues,
    StoreValues,
    WebValues,
    WorkerValues,
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
        lang: the language of errors, labels and commands: ``vi``, ``en`` or ``both``; left out, as ``EDOC_LANG`` says.
        agency: who we are.
        hub: the hub; where there are several, the one of these that the settings let send, else the first.
        hubs: further hubs by name, while an agency moves from one to another (`hub_sections`).
        http: the connection to it.
        signing: the key.
        receive: which packets come in.
        store: where everything is kept.
        evidence: checkpoints of the log.
        retention: how long documents are kept.
        limits: times and numbers.
        packets: how large a packet may be.
        worker: what `edoc worker` does, and how often.
        files: what becomes of secrets that others can read.
        logs: what errors and logs may say.
        checks: from when on an operator must know of something.
        gateway: the HTTP interface for other software.
        web: the desk for people.
        watch_folder: the watched folder, for software that can only read and write files.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, env_prefix=ENV_PREFIX, env_nested_delimiter=ENV_NESTING
    )

    profile: Profile | None = None
    lang: Language | None = None
    agency: AgencySettings
    hub: HubSettings
    hubs: dict[HubName, HubSettings] = Field(default_factory=dict)
    http: HttpSettings = HttpSettings()
    signing: SigningSettings = SigningSettings()
    receive: ReceiveSettings = ReceiveSettings()
    store: StoreSettings = StoreSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    retention: RetentionSettings = RetentionSettings()
    limits: LimitSettings = LimitSettings()
    packets: PacketSettings = PacketSettings()
    worker: WorkerSettings = WorkerSettings()
    files: FileSettings = FileSettings()
    logs: LogSettings = LogSettings()
    checks: CheckSettings = CheckSettings()
    gateway: GatewaySettings = GatewaySettings()
    web: WebSettings = WebSettings()
    watch_folder: FolderSettings = FolderSettings()

    _folder: Path = PrivateAttr(default_factory=Path.cwd)
    _secrets: SecretSource | None = PrivateAttr(default=None)
    _environment: str = PrivateAttr(default="")

    def __init__(
        self,
        *,
        profile: Profile | None = None,
        lang: Language | None = None,
        agency: AgencyValues | AgencySettings | None = None,
        hub: HubValues | HubSettings | Mapping[str, Any] | None = None,
        hubs: Mapping[str, HubValues | HubSettings | Mapping[str, Any]] | None = None,
        http: HttpValues | HttpSettings | None = None,
        signing: SigningValues | SigningSettings | None = None,
        receive: ReceiveValues | ReceiveSettings | None = None,
        store: StoreValues | StoreSettings | None = None,
        evidence: EvidenceValues | EvidenceSettings | None = None,
        retention: RetentionValues | RetentionSettings | None = None,
        limits: LimitValues | LimitSettings | None = None,
        packets: PacketValues | PacketSettings | None = None,
        worker: WorkerValues | WorkerSettings | None = None,
        files: FileValues | FileSettings | None = None,
        logs: LogValues | LogSettings | None = None,
        checks: CheckValues | CheckSettings | None = None,
        gateway: GatewayValues | GatewaySettings | None = None,
        web: WebValues | WebSettings | None = None,
        watch_folder: FolderValues | FolderSettings | None = None,
        **unknown: Never,
    ) -> None:
        """Make settings of their sections; those left out, or None, are as in a file without them.

        Relative paths start from the working directory; `of` takes another folder, and a function for secrets.

        Raises:
            ConfigError: a setting is missing or wrong. The error names every such setting and repeats no value.
        """
        sections: dict[str, object] = {"profile": profile, "lang": lang, "agency": agency, "hub": hub, "hubs": hubs}
        sections |= {"http": http}
        sections |= {"signing": signing, "receive": receive, "store": store, "evidence": evidence, "limits": limits}
        sections["retention"] = retention
        sections |= {"packets": packets, "worker": worker, "files": files, "logs": logs, "checks": checks}
        sections |= {"gateway": gateway, "web": web, "watch_folder": watch_folder}
        given: dict[str, Any] = {name: value for name, value in sections.items() if value is not None}
        try:
            super().__init__(**given | unknown)
        except ValidationError as error:
            raise build_config_error(error, type(self)) from None
        for name in self.hub_sections:
            try:
                self._list_component_settings(name)
            except ValidationError as error:
                section = f"hubs.{name}" if name in self.hubs else "hub"
                raise build_config_error(error, type(self), hub=section) from None

    @model_validator(mode="before")
    @classmethod
    def _fill_profile(cls, data: Any) -> Any:
        return choose_hub(fill_defaults(data.get("profile"), data)) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _refuse_several_active(self) -> Self:
        active = [name for name, section in self.hub_sections.items() if section.role == "active"]
        if len(active) > 1:
            raise UnusableSetting(describe_several_active(active))
        return self

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
    def load(
        cls,
        path: str | Path,
        *,
        agency: str | None = None,
        secrets: SecretSource | None = None,
        env: str | None = None,
    ) -> Settings:
        """Read a TOML file; ``EDOC_SECTION__NAME`` in the environment overrides ``[section] name``.

        Args:
            path: the file. Relative paths in it start from its folder.
            agency: code or NAME of one of its ``[agencies.NAME]``; a file of one agency needs none.
            secrets: as for `of`.
            env: which of its ``[env.NAME]`` is laid over the rest; what ``EDOC_ENV`` says where it is left out, and
                none where it is empty. ``production`` implies the profile of that name.

        Raises:
            ConfigError: the file cannot be read, or a setting is missing or wrong. The error names every such setting
                and repeats no value.
        """
        path = Path(path)
        name, values, members = cls._read_sections(path, env)
        return cls._build_chosen(path, values, members, agency, secrets)._mark_environment(name)

    @classmethod
    def _build_chosen(
        cls,
        path: Path,
        values: Mapping[str, Any],
        members: Mapping[str, Mapping[str, Any]],
        agency: str | None,
        secrets: SecretSource | None,
    ) -> Settings:
        if not members and agency in (None, find_agency_code(values)):
            return cls.of(values, folder=path.absolute().parent, secrets=secrets)
        by_name = {name: merge_sections(values, sections) for name, sections in members.items()}
        chosen = [name for name, sections in by_name.items() if agency in (None, name, find_agency_code(sections))]
        if len(chosen) != 1:
            known = (find_agency_code(sections) or name for name, sections in (by_name or {"": dict(values)}).items())
            raise build_choice_error(path, known, agency)
        return cls._build_member(chosen[0], by_name[chosen[0]], path, secrets)

    @classmethod
    def fleet(
        cls, path: str | Path, *, secrets: SecretSource | None = None, env: str | None = None
    ) -> tuple[Settings, ...]:
        """Read the settings of every agency of a TOML file.

        The sections of ``[agencies.NAME]`` are laid over those of the file. A file without any is one agency.

        Args:
            path: the file. Relative paths in it start from its folder.
            secrets: as for `of`.
            env: as for `load`.

        Raises:
            ConfigError: as for `load`, with the agency's name in front.
        """
        path = Path(path)
        environment, values, members = cls._read_sections(path, env)
        if not members:
            made = cls.of(values, folder=path.absolute().parent, secrets=secrets)
            return (made._mark_environment(environment),)
        return tuple(
            cls._build_member(name, merge_sections(values, sections), path, secrets)._mark_environment(environment)
            for name, sections in members.items()
        )

    def _mark_environment(self, name: str) -> Settings:
        self._environment = name
        return self

    @classmethod
    def _read_sections(cls, path: Path, env: str | None) -> tuple[str, dict[str, Any], Mapping[str, Mapping[str, Any]]]:
        """Read the environment's name, a file's sections with variables of the process over them, and its agencies."""
        refuse_misspelt_variables(ENV_PREFIX, ENV_NESTING, [*cls.model_fields, FLEET_SECTION, ENVIRONMENT_SECTION])
        environments = Environments(read_toml(path), path)
        environment = environments.choose(env)
        values = merge_sections(environments.lay(environment), EnvSettingsSource(cls)())
        environments.refuse_shared(environment, values)
        members = values.pop(FLEET_SECTION, {})
        if not isinstance(members, Mapping) or not all(isinstance(sections, Mapping) for sections in members.values()):
            raise build_agencies_form_error()
        refuse_agency_beside(values, members)
        return environment, values, members

    @classmethod
    def _build_member(cls, name: str, values: Mapping[str, Any], path: Path, secrets: SecretSource | None) -> Settings:
        try:
            return cls.of(values, folder=path.absolute().parent, secrets=secrets)
        except ConfigError as error:
            raise ConfigError(f"agencies.{name}: {error.message}", vi=f"agencies.{name}: {error.vi}") from None

    @classmethod
    def of(
        cls, values: Mapping[str, Any], *, folder: Path | None = None, secrets: SecretSource | None = None
    ) -> Settings:
        """Make settings from plain values, as the file would hold them, wherever they are kept.

        Nothing is read: no file, and no variable of the environment but where a reference names one.

        Args:
            values: the settings by section and name. A secret is a reference as in the file, a
                ``pydantic.SecretStr``, or ``secret:NAME`` for what `secrets` gives.
            folder: start of relative paths; the working directory where it is left out.
            secrets: gives the secret of a NAME, None where there is none. It is called when the secret is needed, and
                again when it is needed again; what it raises reaches the caller.

        Raises:
            ConfigError: a setting is missing or wrong.
        """
        settings = cls(**values)
        settings._secrets = secrets
        if folder is not None:
            settings._folder = folder.absolute()
        return settings

    @property
    def folder(self) -> Path:
        """Start of relative paths."""
        return self._folder

    @property
    def environment(self) -> str:
        """Name of the ``[env.NAME]`` that was laid over the rest; empty for none."""
        return self._environment

    @property
    def hub_sections(self) -> Mapping[str, HubSettings]:
        """The settings of every hub by its name; that of the section ``[hub]`` is ``hub``."""
        is_another = not self.hubs or all(self.hub != section for section in self.hubs.values())
        return ({LONE_HUB: self.hub} if is_another else {}) | self.hubs

    def list_warnings(self) -> tuple[Text, ...]:
        """List what these settings leave open that somebody should know: no TLS, policy `any`, less than production."""
        policy = [POLICY_ANY] if self.receive.policy is VerifyMode.ANY else []
        policy += [UNBOUND_SIGNERS] if self._leaves_others_open() else []
        addresses = dict.fromkeys(
            address for hub in self.hub_sections.values() for address in (get_endpoint(hub), get_login_url(hub))
        )
        unprotected = (warning for address in addresses for warning in describe_missing_tls(address))
        return (*unprotected, *policy, *self._list_shortfalls())

    def _leaves_others_open(self) -> bool:
        return self.receive.policy is VerifyMode.TRUSTED and self.receive.organisations_others is None

    def warn_of_shortfall(self) -> None:
        """Warn in the log where a production hub is used with less than the profile `production`."""
        for warning in self._list_shortfalls():
            log.warning(warning.en, extra=ABOUT_SETTINGS)

    def _list_shortfalls(self) -> list[Text]:
        endpoints = [get_endpoint(hub) for hub in self.hub_sections.values()]
        hosts = dict.fromkeys(urlsplit(one).hostname or "" for one in endpoints if is_production(one))
        unmet = tuple(map(_as_columns, list_unmet("production", self)))
        return [describe_shortfall(host, unmet) for host in hosts] if unmet else []

    def organization(self) -> Organization:
        """Make our own organisation, as packets name it."""
        return Organization(**self.agency.model_dump())

    def dialect(self, hub: str | None = None) -> Dialect:
        """Make a hub's dialect, with its secrets fetched.

        Args:
            hub: name of the hub; that of `hub` where it is left out, here and below.

        Raises:
            ConfigError: a secret is not where its reference points, or the dialect refuses a value.
        """
        values = self._resolve_component(self._list_component_settings(hub)[0])
        warn_without_tls(str(values.get("endpoint", "")))
        return REGISTRY[self.find_hub(hub).dialect](**values)

    def find_hub(self, name: str | None = None) -> HubSettings:
        """Find the settings of a hub by its name.

        Raises:
            ConfigError: there is none of that name.
        """
        sections = self.hub_sections
        if name is None:
            return self.hub
        if name not in sections:
            words = describe_unknown_hub(name, sections)
            raise ConfigError(words.en, vi=words.vi)
        return sections[name]

    def authenticator(self, hub: str | None = None) -> Authenticator | None:
        """Make what lets requests pass a gateway in front of a hub, with its secrets fetched; None for none.

        Args:
            hub: name of the hub.

        Raises:
            ConfigError: a secret is not where its reference points, or the authenticator refuses a value.
        """
        auth = self.find_hub(hub).auth
        if auth is None:
            return None
        values = self._resolve_component(self._list_component_settings(hub)[1])
        made = AUTHENTICATORS[auth.kind](**values)
        warn_without_tls(made.login_url)
        return made

    def _list_component_settings(self, name: str | None = None) -> list[BaseModel]:
        """List the settings of a hub's dialect and, where there is one, of its authenticator."""
        hub = self.find_hub(name)
        found = [build_dialect_model(hub.dialect).model_validate(hub.model_extra or {})]
        if hub.auth is not None:
            found.append(build_auth_model(hub.auth.kind).model_validate(hub.auth.model_extra or {}))
        return found

    def _resolve_component(self, given: BaseModel) -> dict[str, Any]:
        return {name: self._resolve_secret(getattr(given, name)) for name in given.model_fields_set}

    def client_settings(self, hub: str | None = None) -> ClientSettings:
        """Make the settings of the HTTP client of a hub, with the secrets fetched.

        Args:
            hub: name of the hub.

        Raises:
            ConfigError: a secret is not where its reference points.
        """
        http = self.find_hub(hub).http or self.http
        values = {name: getattr(http, name) for name in HttpSettings.model_fields}
        values["proxy"] = self._insert_password(http.proxy, values.pop("proxy_password"))
        secret_headers = {name: self._resolve_secret(value) for name, value in values.pop("secret_headers").items()}
        values["headers"] = tuple({**http.headers, **secret_headers}.items())
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

    def request_key(self, uri: str | None = None) -> AbstractContextManager[RequestKey]:
        """Open the key that a certificate is asked for; it needs none yet.

        Args:
            uri: of the key; left out, the only one of the settings.

        Raises:
            ConfigError: no key is named, and the settings have none or several.
            SigningError: the key cannot be opened.
        """
        uris = [uri] if uri is not None else [*self.signing.keys, *filter(None, [self.signing.key])]
        if len(uris) != 1:
            raise ConfigError(
                f"[signing] has {len(uris)} keys: name the one that the certificate is for with --key.",
                vi=f"[signing] có {len(uris)} khóa: hãy chỉ khóa cần đề nghị cấp chứng thư số bằng --key.",
            )
        return open_request_key(self._make_key_uri_absolute(uris[0]), self._find_key_password)

    def join_key(self, uri: str, certificates: Sequence[str | Path], *, password: str | None = None) -> bytes:
        """Join a key file with the certificate that came for it (PKCS#12).

        Args:
            uri: of the key, ``pem:`` or ``p12:``.
            certificates: files of certificates, its own and those above it.
            password: reference to that of the new file; left out, that of ``[signing] secret``.

        Raises:
            ConfigError: nothing says where the password is.
            SigningError: the key or a certificate cannot be read, or no certificate is the key's.
        """
        reference = self.signing.secret if password is None else _parse_password(password)
        if reference is None:
            raise ConfigError(
                "nothing says which password the new file gets: name where it is with --password (env:NAME, file:PATH "
                "or cmd:…), or with secret in [signing].",
                vi="chưa biết mật khẩu của tệp mới: hãy chỉ nơi lấy bằng --password (env:TÊN, file:ĐƯỜNG-DẪN hoặc "
                "cmd:…), hoặc bằng secret ở [signing].",
            )
        paths = [str(self._resolve_path(Path(one))) for one in certificates]
        found = str(self._resolve_secret(reference))
        return join_key(self._make_key_uri_absolute(uri), paths, secrets=self._find_key_password, password=found)

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

    def resolve(self, path: Path) -> Path:
        """Resolve a path of the settings, which starts from the folder of the file."""
        return self._resolve_path(path)

    def checkpoints(self) -> Path | None:
        """Resolve the folder that keeps checkpoints of the evidence; None without one."""
        return self._resolve_path(self.evidence.checkpoints) if self.evidence.checkpoints is not None else None

    def archives(self) -> Path | None:
        """Resolve the folder with the archives of the evidence; None without one."""
        return self._resolve_path(self.evidence.archives) if self.evidence.archives is not None else None

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
        connections = [self.http, *(hub.http for hub in self.hub_sections.values() if hub.http is not None)]
        for key in (*(http.client_key for http in connections), self.gateway.key, self.web.key):
            if key is not None:
                yield self._resolve_path(key)
        components = [one for name in self.hub_sections for one in self._list_component_settings(name)]
        for ref in find_references([*connections, self.signing, self.store, self.web, *components], uris):
            if ref.scheme == "file":
                yield self._resolve_path(Path(ref.location))

    def fetch_proxy_secret(self) -> str | None:
        """Fetch what a proxy in front of the desk has to send; None where none lets people in.

        Raises:
            ConfigError: the reference leads to no secret.
        """
        secret: str | None = self._resolve_secret(self.web.proxy_secret)
        return secret

    def _build_revocation(self) -> Revocation:
        values = {name: getattr(self.receive.revocation, name) for name in RevocationSettings.model_fields}
        return Revocation(**values | {"crl_files": tuple(map(self._resolve_path, values["crl_files"]))})

    def _resolve_path(self, path: Path) -> Path:
        return self._folder / path.expanduser()

    def _resolve_secret(self, value: Any) -> Any:
        return value.resolve(self._folder, self._secrets).get_secret_value() if isinstance(value, SecretRef) else value

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


def _parse_password(reference: str) -> SecretRef:
    if not SecretRef.is_reference(reference):
        raise ConfigError(f"--password: {REFERENCE_HINT.en}", vi=f"--password: {REFERENCE_HINT.vi}")
    return SecretRef.parse(reference)


def _as_columns(requirement: Requirement) -> tuple[str, str, Text]:
    return requirement.setting, requirement.wanted, requirement.why
