"""The sections of ``edoc.toml``, one class each, and the model of a dialect's own settings."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from functools import cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, Self, get_type_hints
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, model_validator

from ..client import UNUSABLE_HEADERS, is_usable_header
from ..edxml import Limits, find_hidden_character
from ..hubs import AUTHENTICATORS, REGISTRY, is_secret, list_setting_fields
from ..signing import OthersMode, RevocationMode, VerifyMode
from .messages import (
    ARCHIVE_PATTERN,
    CODE_WITH_SPACES,
    DRAFTS_WITHOUT_KEY,
    KEY_BESIDE_KEYS,
    PASSWORD_IN_STORE_URL,
    TWO_PERIODS,
    UnusableSetting,
    describe_password_in_url,
    describe_unknown_authenticator,
    describe_unknown_dialect,
)
from .secret_refs import SecretRef

_DAY = 86400
Seconds = Annotated[float, Field(gt=0, le=_DAY)]
HubName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]

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
    calls_a_minute: Annotated[float | None, Field(ge=0, le=1_000_000)] = None
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
    """``[hub]``: name of the dialect, and the dialect's own settings; ``[hubs.NAME]`` where there are several.

    Args:
        dialect: a name of `hubs.REGISTRY`.
        auth: what lets requests pass a gateway in front of the hub; the dialect's own login where it is left out.
        role: ``active`` for the one hub that sends, ``drain`` for one that is only emptied; it counts until somebody
            decides with `Connector.switch_hub` or `drain_hub`.
        http: the connection to this hub, in place of ``[http]``.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    dialect: str = "vxp"
    auth: AuthSettings | None = None
    role: Literal["active", "drain"] = "active"
    http: HttpSettings | None = None

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
        connections: most connections of a program to the PostgreSQL server at a time; left out, 16, and of a worker for
            several agencies 2 for each thread and 11.
    """

    url: str = "sqlite:///edoc.db"
    password: SecretRef | None = None
    spool: Path = Path("spool")
    spool_key: SecretRef | None = None
    spool_old_keys: tuple[SecretRef, ...] = ()
    drafts: Path | None = None
    connections: Annotated[int, Field(ge=3, le=1000)] | None = None

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
    """``[evidence]``: checkpoints and archives of the log.

    Args:
        checkpoints: folder outside the database that keeps them; another disk, a mount, or a colleague's machine.
        entries: a checkpoint is made after so many entries,
        interval: and after so many seconds, where something was entered.
        archives: folder for the files that old entries are moved to, and are read from.
    """

    checkpoints: Path | None = None
    archives: Path | None = None
    entries: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    interval: Annotated[float, Field(ge=1, le=366 * _DAY)] = 86400.0


Period = Annotated[int, Field(ge=0, le=1000)] | Literal["permanent"]
"""Whole years, or for ever."""


class RetentionSettings(Section):
    """``[retention]``: how long documents are kept, by the agency's own table of periods.

    Years are counted from the end of the year in which the packet's state last changed. Where the section is given,
    nothing goes before its period is over, and of a kind without a period nothing goes at all.

    Args:
        kinds: the period of each kind of document, by its name in the packet: ``Công văn``.
        default: that of all other kinds.
    """

    kinds: dict[str, Period] = Field(default_factory=dict)
    default: Period | None = None

    @property
    def is_given(self) -> bool:
        """Whether there is a table; without one, the age that is asked for is all that counts."""
        return bool(self.kinds) or self.default is not None

    @model_validator(mode="after")
    def _refuse_two_periods(self) -> Self:
        if len({fold_kind(name) for name in self.kinds}) < len(self.kinds):
            raise UnusableSetting(TWO_PERIODS)
        return self

    def find_period(self, kind: str) -> Period | None:
        """Find the period of a kind of document; None where nothing names one.

        Args:
            kind: its name in the packet; letter case and spaces around it do not count.
        """
        periods = {fold_kind(name): period for name, period in self.kinds.items()}
        return periods.get(fold_kind(kind), self.default)


def fold_kind(name: str) -> str:
    """Fold the name of a kind of document, so that two ways to write it are one."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


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
        arrival_within: the time in which systems at the hub report 01 by themselves: a recipient that has not after
            this long is shown as undelivered.
        drained_after: a hub that is emptied counts as empty once it offered nothing, and nothing was open there, for so
            long.
        unanswered_after: a document that came in and that nobody accepted or rejected after this long is shown.
        deadlines: until how long after it is stored a document is to be with every recipient, by its urgency; none
            where there is no entry, and for one that says itself.
        threads: how many calls of an `AsyncConnector` run at a time, and how many documents `send_many` works on.
        in_memory: bytes of a document's files up to which its packet is built in memory, and sent from there.
    """

    lease: Seconds = 120.0
    grace: Annotated[float, Field(ge=0, le=_DAY)] = 30.0
    backoff: Annotated[float, Field(ge=0, le=_DAY)] = 10.0
    backoff_cap: Annotated[float, Field(ge=0, le=_DAY)] = 3600.0
    retry_after_cap: Annotated[float, Field(ge=0, le=_DAY)] = 900.0
    pause_cap: Annotated[float, Field(ge=0, le=3600)] = 300.0
    arrival_within: Annotated[float, Field(gt=0, le=3660 * _DAY)] = 900.0
    drained_after: Annotated[float, Field(ge=0, le=3660 * _DAY)] = 7.0 * _DAY
    unanswered_after: Annotated[float, Field(gt=0, le=3660 * _DAY)] = 10.0 * _DAY
    deadlines: dict[
        Literal["normal", "urgent", "very_urgent", "express", "express_timed"],
        Annotated[float, Field(gt=0, le=3660 * _DAY)],
    ] = Field(default_factory=dict)
    threads: Annotated[int, Field(gt=0, le=256)] = 8
    in_memory: Annotated[int, Field(ge=0, le=16 << 20)] = 192 * 1024


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


class WebhookSettings(Section):
    """``[gateway.webhooks]``: how endpoints are told of events. Times in seconds.

    Args:
        networks: private networks that endpoints may be in, such as ``10.1.0.0/16``; none where it is left out.
        plain_http: whether endpoints in those networks may be on ``http://``.
        ca_bundle: PEM file of the authorities to trust for TLS, instead of the system's.
        timeout: longest time for one message.
        backoff: wait after the first failure; it doubles each time.
        backoff_cap: upper end of that doubling.
        tries: how often a message is tried before it is given up.
        concurrency: most messages at a time.
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    plain_http: bool = False
    ca_bundle: Path | None = None
    timeout: Seconds = 15.0
    backoff: Annotated[float, Field(gt=0, le=3600)] = 1.0
    backoff_cap: Annotated[float, Field(gt=0, le=_DAY)] = 3600.0
    tries: Annotated[int, Field(gt=0, le=10_000)] = 80
    concurrency: Annotated[int, Field(gt=0, le=64)] = 8


class GatewaySettings(Section):
    """``[gateway]``: the HTTP interface for other software. The first agency's section counts for all.

    Args:
        listen: address and port, ``127.0.0.1:8470``.
        certificate: PEM file of the server's TLS certificate, with those above it; none behind a proxy that does TLS.
        key: PEM file of its key.
        worker: whether the gateway sends and polls itself; False where `edoc worker` runs beside it.
        rate: requests a minute that a key may make, in the long run.
        burst: requests that it may make at once.
        max_json: most bytes of a JSON body, and of the part ``document``.
        max_upload: most bytes of a body with files.
        max_files: most files of a document.
        remember_days: how long the answer to a request with an Idempotency-Key is kept.
        webhooks: how endpoints are told of events.
    """

    listen: Annotated[str, Field(pattern=r"^.+:[0-9]{1,5}$")] = "127.0.0.1:8470"
    certificate: Path | None = None
    key: Path | None = None
    worker: bool = True
    rate: Annotated[int, Field(gt=0, le=1_000_000)] = 600
    burst: Annotated[int, Field(gt=0, le=1_000_000)] = 100
    max_json: Annotated[int, Field(ge=1024, le=1 << 30)] = 16 << 20
    max_upload: Annotated[int, Field(ge=1024, le=1 << 40)] = 512 << 20
    max_files: Annotated[int, Field(gt=0, le=10_000)] = 100
    remember_days: Annotated[int, Field(gt=0, le=3660)] = 7
    webhooks: WebhookSettings = WebhookSettings()


class WebSettings(Section):
    """``[web]``: the desk for people (`edoc web`).

    Args:
        listen: address and port, ``127.0.0.1:8490``.
        certificate: PEM file of the server's TLS certificate, with those above it; none behind a proxy that does TLS.
        key: PEM file of its key.
        url: address under which people reach it, ``https://desk.example.gov.vn``; needed behind a proxy.
        proxies: networks of the proxies in front of it; nobody else is answered then.
        user_header: header in which a proxy names the person whom it let in; none where people sign in here.
        proxy_secret: what the proxy sends as ``X-Edoc-Proxy-Secret`` beside it, by reference.
        worker: whether the desk sends and receives itself; False where `edoc worker` or the gateway runs beside it.
        idle_minutes: minutes without a request after which a session ends.
        session_hours: hours after which it ends in any case.
        max_upload: most bytes of a form with files.
    """

    listen: Annotated[str, Field(pattern=r"^.+:[0-9]{1,5}$")] = "127.0.0.1:8490"
    certificate: Path | None = None
    key: Path | None = None
    url: Annotated[str, Field(pattern=r"^(https?://[^/?#@]+)?$")] = ""
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    user_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]*$")] = ""
    proxy_secret: SecretRef | None = None
    worker: bool = True
    idle_minutes: Annotated[int, Field(gt=0, le=24 * 60)] = 30
    session_hours: Annotated[int, Field(gt=0, le=24 * 7)] = 10
    max_upload: Annotated[int, Field(ge=1024, le=1 << 40)] = 512 << 20


DepartmentName = Annotated[str, Field(pattern=r"^[\w][\w .-]{0,59}$")]
_ARCHIVE_FIELDS = frozenset({"year", "month", "day", "department", "key"})


def _check_archive_pattern(pattern: str) -> str:
    """Check a pattern of paths: a relative path of our own fields, the last part of which no two items share."""
    try:
        parts = list(Formatter().parse(pattern))
    except ValueError:
        raise UnusableSetting(ARCHIVE_PATTERN) from None
    fields = {name for _, name, _, _ in parts if name is not None}
    is_plain = all(not form and conversion is None for _, _, form, conversion in parts)
    steps = re.split(r"[/\\]", pattern)
    is_inside = all(step.strip() not in ("", ".", "..") and not step.startswith(".") for step in steps)
    if not (is_plain and is_inside and fields <= _ARCHIVE_FIELDS and "{key}" in steps[-1]) or ":" in pattern:
        raise UnusableSetting(ARCHIVE_PATTERN)
    return pattern


class FolderRule(Section):
    """``[[watch_folder.rules]]``: which documents that come in are a department's; everything that is given must fit.

    Args:
        department: name of its folder.
        senders: patterns of codes of senders, ``H29.*``.
        kinds: names of kinds of document, ``Quyết định``.
        subjects: patterns of the trích yếu, ``*ngân sách*``; letter case does not count.
        codes: patterns of number and notation, ``*/UBND-TC``.
    """

    department: DepartmentName
    senders: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()


class FolderSettings(Section):
    """``[watch_folder]``: the watched folder, for software that can only read and write files. Times in seconds.

    Args:
        path: the folder; no folder is watched where it is left out.
        worker: whether `edoc watch-folder` sends and polls itself; False where `edoc worker` runs beside it.
        interval: time between two looks.
        settle: how long a file must stay as it is before it is taken.
        patience: how long the files that belong together are waited for.
        lock_after: how long the lock of another watcher must stay as it is before it is taken over.
        format: how received documents and statuses are described.
        archive: path below ``archive/`` of what was taken, of the fields year, month, day, department and key.
        departments: the departments' folders, made where they are missing; others are taken from as well.
        rules: whose a received document is; the first that fits counts.
        default: the department of all other received documents; left out, they go into no department's folder.
    """

    path: Path | None = None
    worker: bool = True
    interval: Annotated[float, Field(gt=0, le=3600)] = 2.0
    settle: Annotated[float, Field(ge=0, le=3600)] = 10.0
    patience: Annotated[float, Field(gt=0, le=_DAY)] = 600.0
    lock_after: Annotated[float, Field(gt=0, le=3600)] = 60.0
    format: Literal["json", "csv", "both"] = "json"
    archive: Annotated[str, AfterValidator(_check_archive_pattern)] = "{year}/{month}/{key}"
    departments: tuple[DepartmentName, ...] = ()
    rules: tuple[FolderRule, ...] = ()
    default: DepartmentName | None = None
