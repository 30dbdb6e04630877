"""The sections of ``edoc.toml``, one class each, and the model of a dialect's own settings."""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_type_hints
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, model_validator

from ..client import UNUSABLE_HEADERS, is_usable_header
from ..edxml import Limits, find_hidden_character
from ..hubs import AUTHENTICATORS, REGISTRY, is_secret, list_setting_fields
from ..signing import OthersMode, RevocationMode, VerifyMode
from .messages import (
    CODE_WITH_SPACES,
    DRAFTS_WITHOUT_KEY,
    KEY_BESIDE_KEYS,
    PASSWORD_IN_STORE_URL,
    UnusableSetting,
    describe_password_in_url,
    describe_unknown_authenticator,
    describe_unknown_dialect,
)
from .secret_refs import SecretRef

_DAY = 86400
Seconds = Annotated[float, Field(gt=0, le=_DAY)]

# Found in the text alone: an error of a URL's parser may repeat the password.
_PASSWORD_IN_URL = re.compile(r"://[^/?#]*:[^/?#]*@")
_SECRETS_IN_QUERY = frozenset({"password", "passwd", "sslpassword"})


class Section(BaseModel):
    """A section that cannot change, takes no unknown names, and repeats no value in its errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _require_plain_code(code: str) -> str:
    """Require a code that is seen as it is: spaces, line ends and invisible letters make it another one at the hub."""
    if find_hidden_character(code):
        raise UnusableSetting(CODE_WITH_SPACES)
    return code


class AgencySettings(Section):
    """``[agency]``: our own organisation.

    Args:
        id: our code (OrganId) at the hub.
        name: our name.
        in_charge: the organisation above us.
        address: postal address.
        email: e-mail address.
        telephone: telephone number.
        fax: fax number.
        website: address of our site.
    """

    id: Annotated[str, Field(min_length=1), AfterValidator(_require_plain_code)]
    name: Annotated[str, Field(min_length=1)]
    in_charge: str | None = None
    address: str | None = None
    email: str | None = None
    telephone: str | None = None
    fax: str | None = None
    website: str | None = None


class AuthSettings(BaseModel):
    """``[hub.auth]``: name of the authenticator, and the authenticator's own settings.

    Args:
        kind: a name of `hubs.AUTHENTICATORS`.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    kind: str

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if self.kind not in AUTHENTICATORS:
            raise UnusableSetting(describe_unknown_authenticator(AUTHENTICATORS))
        return self


class HubSettings(BaseModel):
    """``[hub]``: name of the dialect, and the dialect's own settings.

    Args:
        dialect: a name of `hubs.REGISTRY`.
        auth: what lets requests pass a gateway in front of the hub; the dialect's own login where it is left out.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    dialect: str = "vxp"
    auth: AuthSettings | None = None

    @model_validator(mode="after")
    def _check_dialect(self) -> Self:
        if self.dialect not in REGISTRY:
            raise UnusableSetting(describe_unknown_dialect(REGISTRY))
        return self

    @model_validator(mode="after")
    def _refuse_password_in_urls(self) -> Self:
        for name, value in (self.model_extra or {}).items():
            if isinstance(value, str) and _PASSWORD_IN_URL.search(value):
                raise UnusableSetting(describe_password_in_url(name, "secret"))
        return self


@cache
def build_dialect_model(name: str) -> type[BaseModel]:
    """Build the model of the settings that a dialect takes; a secret one is taken as a reference.

    Args:
        name: of the dialect, as in `hubs.REGISTRY`.
    """
    return _build_component_model(name, REGISTRY[name])


@cache
def build_auth_model(name: str) -> type[BaseModel]:
    """Build the model of the settings that an authenticator takes; a secret one is taken as a reference.

    Args:
        name: of the authenticator, as in `hubs.AUTHENTICATORS`.
    """
    return _build_component_model(name, AUTHENTICATORS[name])


def _build_component_model(name: str, component: Any) -> type[BaseModel]:
    hints = get_type_hints(component)
    fields: dict[str, Any] = {}
    for field in list_setting_fields(component):
        kind = SecretRef if is_secret(field) else hints[field.name]
        fields[field.name] = (kind, _build_field_default(field))
    model: type[BaseModel] = create_model(name, __base__=Section, **fields)
    return model


def _build_field_default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return Field(default_factory=field.default_factory)
    return ... if field.default is dataclasses.MISSING else field.default


class HttpSettings(Section):
    """``[http]``: the connection to the hub. Times in seconds; see `ClientSettings` for each.

    Args:
        tls: ``legacy`` for a hub whose server is too old for today's TLS.
        ca_bundle: file of the authorities to trust for TLS (PEM, DER, .p7b).
        client_certificate: PEM file of our TLS certificate.
        client_key: PEM file of its key.
        client_key_password: reference to the key's password.
        proxy: URL of a proxy, with the user's name if it needs one.
        proxy_password: reference to that user's password.
        headers: further headers of every request.
        secret_headers: further headers whose values are references.
    """

    connect: Seconds = 10.0
    read: Seconds = 120.0
    write: Seconds = 60.0
    pool: Seconds = 30.0
    total: Seconds = 300.0
    slowest: Annotated[int, Field(gt=0)] = 32 * 1024
    connections: Annotated[int, Field(gt=0, le=1000)] = 10
    keep_alive: Annotated[float, Field(ge=0, le=_DAY)] = 5.0
    attempts: Annotated[int, Field(gt=0, le=20)] = 4
    backoff: Annotated[float, Field(ge=0, le=_DAY)] = 1.0
    backoff_cap: Annotated[float, Field(ge=0, le=_DAY)] = 30.0
    retry_after_cap: Annotated[float, Field(ge=0, le=_DAY)] = 10.0
    tls: Literal["modern", "legacy"] = "modern"
    ca_bundle: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    client_key_password: SecretRef | None = None
    proxy: str | None = None
    proxy_password: SecretRef | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    secret_headers: dict[str, SecretRef] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _refuse_unusable_headers(self) -> Self:
        values = [*self.headers.items(), *((name, "x") for name in self.secret_headers)]
        if not all(is_usable_header(name, value) for name, value in values):
            raise UnusableSetting(UNUSABLE_HEADERS)
        return self

    @model_validator(mode="after")
    def _refuse_password_in_proxy(self) -> Self:
        if self.proxy and urlsplit(self.proxy).password:
            raise UnusableSetting(describe_password_in_url("proxy", "proxy_password"))
        return self


class SigningSettings(Section):
    """``[signing]``: the keys of outgoing packets.

    Args:
        key: URI of the key (`load_signer`); without one packets go out unsigned.
        keys: URIs of several keys instead, of which the right one signs (`signing.Keyring`).
        secret: reference to the password or PIN of keys whose URI names none.
        seal: whether documents carry a seal too, which survives hubs that rebuild packets.
        seal_form: the form of the seal: 2, or 1 while a recipient uses a version that knows no other; to that one a
            seal of form 2 is UNVERIFIABLE.
        require_pdf_signature: refuse to send a document with a PDF file that is not validly signed (`pdf.demanded`).
        timestamp_url: address of a time-stamp authority (RFC 3161) that stamps each seal; without one the time in a
            seal is only claimed.
        timestamp_timeout: seconds for a time-stamp.
    """

    key: str | None = None
    keys: tuple[str, ...] = ()
    secret: SecretRef | None = None
    seal: bool = True
    seal_form: Literal[1, 2] = 2
    require_pdf_signature: bool = False
    timestamp_url: str | None = None
    timestamp_timeout: Seconds = 10.0

    @model_validator(mode="after")
    def _refuse_key_beside_keys(self) -> Self:
        if self.key is not None and self.keys:
            raise UnusableSetting(KEY_BESIDE_KEYS)
        return self


class RevocationSettings(Section):
    """``[receive.revocation]``: whether and how certificates are checked for having been revoked (`Revocation`).

    Args:
        mode: ``none`` (nothing is fetched), ``crl``, ``ocsp`` or ``either``.
        soft: whether missing information is only reported.
        crl_files: files or folders of revocation lists.
        crl_urls: addresses of revocation lists.
        ocsp_url: address of an OCSP responder.
        hosts: hosts whose addresses in certificates may be fetched too.
        timeout: seconds for each fetch.
    """

    mode: RevocationMode = RevocationMode.NONE
    soft: bool = False
    crl_files: tuple[Path, ...] = ()
    crl_urls: tuple[str, ...] = ()
    ocsp_url: str | None = None
    hosts: frozenset[str] = frozenset()
    timeout: Seconds = 10.0


class ReceiveSettings(Section):
    """``[receive]``: the policy for packets that come in.

    Args:
        policy: ``any`` lets everything in and records the findings; ``valid`` asks for a valid signature; ``trusted``
            for one whose certificate leads to an authority in `trust`.
        trust: files or folders of certificates trusted by themselves.
        intermediates: files or folders of further certificates of authorities.
        organisations: by OrganId, the certificates that an organisation signs with (`VerifyPolicy`).
        organisations_others: ``refuse`` or ``report`` a signer whom nothing binds to the sender's code; left out,
            refused under ``trusted`` and reported otherwise.
        legacy_sha1: accept SHA-1, and report it.
        require_pdf_signature: let no document in with a PDF file that is not validly signed (`pdf.demanded`).
        timestamp_trust: files or folders of certificates trusted for time-stamps; left out, those of `trust` are.
        revocation: whether certificates are checked for having been revoked.
        statuses: who has to vouch for the codes 02, 13, 15 and 16 under ``valid`` and ``trusted``, so that they count:
            ``hub-announced`` or ``authenticated`` (`Authority`).
        not_addressed: ``report`` or ``refuse`` what is not addressed to us.
        old_signatures: ``report`` or ``refuse`` what was sealed long before it came.
        signature_days: how many days are long.
    """

    policy: VerifyMode = VerifyMode.ANY
    trust: tuple[Path, ...] = ()
    intermediates: tuple[Path, ...] = ()
    organisations: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    organisations_others: OthersMode | None = None
    legacy_sha1: bool = False
    require_pdf_signature: bool = False
    timestamp_trust: tuple[Path, ...] = ()
    revocation: RevocationSettings = RevocationSettings()
    statuses: Literal["hub-announced", "authenticated"] = "hub-announced"
    not_addressed: Literal["report", "refuse"] = "report"
    old_signatures: Literal["report", "refuse"] = "report"
    signature_days: Annotated[int, Field(gt=0, le=36_600)] = 30

    @model_validator(mode="before")
    @classmethod
    def _lower_policy(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("policy"), str):
            return {**data, "policy": data["policy"].lower()}
        return data


class StoreSettings(Section):
    """``[store]``: the database and the folder of packets.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql+psycopg://USER@HOST/NAME``.
        password: reference to that user's password.
        spool: folder for the packets.
        spool_key: reference to the 256-bit key that packets are encrypted with; left out, they lie there plain.
        spool_old_keys: references to the keys of packets that were encrypted before.
        drafts: folder for packets in the making, which are not encrypted yet; left out, one in `spool`. A folder in
            memory keeps them off the disk.
    """

    url: str = "sqlite:///edoc.db"
    password: SecretRef | None = None
    spool: Path = Path("spool")
    spool_key: SecretRef | None = None
    spool_old_keys: tuple[SecretRef, ...] = ()
    drafts: Path | None = None

    @model_validator(mode="after")
    def _refuse_drafts_without_key(self) -> Self:
        if self.drafts is not None and self.spool_key is None:
            raise UnusableSetting(DRAFTS_WITHOUT_KEY)
        return self

    @model_validator(mode="after")
    def _refuse_password_in_url(self) -> Self:
        query_names = {name.lower() for name, _ in parse_qsl(urlsplit(self.url).query, keep_blank_values=True)}
        if urlsplit(self.url).password or query_names & _SECRETS_IN_QUERY:
            raise UnusableSetting(PASSWORD_IN_STORE_URL)
        return self


class EvidenceSettings(Section):
    """``[evidence]``: checkpoints of the log.

    Args:
        checkpoints: folder outside the database that keeps them; another disk, a mount, or a colleague's machine.
        entries: a checkpoint is made after so many entries,
        interval: and after so many seconds, where something was entered.
    """

    checkpoints: Path | None = None
    entries: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    interval: Annotated[float, Field(ge=1, le=366 * _DAY)] = 86400.0


class FileSettings(Section):
    """``[files]``: other users of this machine.

    Args:
        open_secrets: what to do where a file with a secret or a key can be read by others: ``warn`` in the log, or
            ``refuse`` to start.
    """

    open_secrets: Literal["warn", "refuse"] = "warn"


class LogSettings(Section):
    """``[logs]``: what errors and logs may say.

    Args:
        details: whether they name files and repeat what is in documents; by default ids only (personal data, Decree
            13/2023/NĐ-CP). For the whole process.
        format: how `edoc worker` writes its log to stderr: ``text``, or ``json`` with an object a line.
        window: the same event again within so many seconds is counted, not written.
    """

    details: bool = False
    format: Literal["text", "json"] = "text"
    window: Annotated[float, Field(ge=0, le=_DAY)] = 60.0


class CheckSettings(Section):
    """``[checks]``: from when on a condition is one that an operator must know. Times in seconds.

    Args:
        interval: time between two looks of a worker.
        queue_age: the longest that a message may wait to be sent.
        free_space: least bytes that are free for the spool and the database.
        worker_silence: the longest that a poll that is due may wait for a worker.
    """

    interval: Seconds = 60.0
    queue_age: Annotated[float, Field(gt=0, le=3660 * _DAY)] = 3600.0
    free_space: Annotated[int, Field(ge=0)] = 1024 * 1024 * 1024
    worker_silence: Annotated[float, Field(gt=0, le=3660 * _DAY)] = 900.0


class LimitSettings(Section):
    """``[limits]``: leases, waits and threads. Times in seconds.

    Args:
        lease: how long a worker may be silent before another takes over its work.
        grace: time between the two questions to a hub that seems not to have a message of ours, and between the two
            downloads of a packet that may not come in, before the hub is told so.
        backoff: longest wait before a failed message is tried again. It doubles each time; the wait is a random part.
        backoff_cap: upper end of that doubling.
        retry_after_cap: longest wait that a hub's Retry-After is obeyed for.
        pause_cap: longest pause of work with a hub that fails, before it is asked for its list.
        undelivered_after: a recipient that has not reported 01 after this long is shown as undelivered.
        threads: how many calls of an `AsyncConnector` run at a time.
    """

    lease: Seconds = 120.0
    grace: Annotated[float, Field(ge=0, le=_DAY)] = 30.0
    backoff: Annotated[float, Field(ge=0, le=_DAY)] = 10.0
    backoff_cap: Annotated[float, Field(ge=0, le=_DAY)] = 3600.0
    retry_after_cap: Annotated[float, Field(ge=0, le=_DAY)] = 900.0
    pause_cap: Annotated[float, Field(ge=0, le=3600)] = 300.0
    undelivered_after: Annotated[float, Field(gt=0, le=3660 * _DAY)] = 86400.0
    threads: Annotated[int, Field(gt=0, le=256)] = 8


_LIMITS = Limits()


class PacketSettings(Section):
    """``[packets]``: limits on the size of packets from strangers; see `edxml.Limits` for each."""

    skeleton: Annotated[int, Field(gt=0)] = _LIMITS.skeleton
    tag: Annotated[int, Field(gt=0)] = _LIMITS.tag
    depth: Annotated[int, Field(ge=10, le=1000)] = _LIMITS.depth
    elements: Annotated[int, Field(gt=0)] = _LIMITS.elements
    attributes: Annotated[int, Field(gt=0)] = _LIMITS.attributes
    namespaces: Annotated[int, Field(gt=0)] = _LIMITS.namespaces
    uri: Annotated[int, Field(gt=0)] = _LIMITS.uri
    recoded: Annotated[int, Field(gt=0)] = _LIMITS.recoded
    unpacked: Annotated[int, Field(gt=0)] = _LIMITS.unpacked
    ratio: Annotated[int, Field(gt=0)] = _LIMITS.ratio
    entries: Annotated[int, Field(gt=0)] = _LIMITS.entries
    nesting: Annotated[int, Field(gt=0, le=20)] = _LIMITS.nesting


class WorkerSettings(Section):
    """``[worker]``: the work that runs by itself. Times in seconds.

    Args:
        engine: ``own``: each worker looks in the store for due work. ``procrastinate``: due work is queued there as
            tasks of that library, in the transaction that makes it due; PostgreSQL only, and for all its programs.
        sweep: with the engine procrastinate, time between two looks for due work without a task; whole seconds.
        concurrency: most jobs at a time, for all agencies together.
        poll: time between two polls of the hub.
        jitter: the part of that time by which it varies at random.
        idle: rest when nothing is due, before the store is looked at again.
        tries: how often the application, or a download, may fail on a packet before it is set aside.
        watch: time between two looks at our certificate and clock.
        certificate_days: how many days ahead the end of our certificate is warned of.
        stop_within: how long a stop waits for running jobs; longer ones are let go.
    """

    engine: Literal["own", "procrastinate"] = "own"
    sweep: Annotated[int, Field(ge=1, le=60)] = 30
    concurrency: Annotated[int, Field(gt=0, le=256)] = 4
    poll: Seconds = 60.0
    jitter: Annotated[float, Field(ge=0, lt=1)] = 0.2
    idle: Seconds = 1.0
    tries: Annotated[int, Field(gt=0, le=1000)] = 10
    watch: Seconds = 3600.0
    certificate_days: Annotated[int, Field(ge=0, le=366_000)] = 30
    stop_within: Annotated[float, Field(ge=0, le=3600)] = 30.0
