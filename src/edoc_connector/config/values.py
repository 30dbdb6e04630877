"""The sections of settings as a program writes them: plain values by name, for `Settings` and an editor's completion.

What each means, its bounds and its default stand in the section of the same name (`sections`); a test holds the names
to those. A secret is a reference (``env:NAME``), or the secret itself as a ``pydantic.SecretStr``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Required, TypeAlias, TypedDict

from pydantic import SecretStr

from .secret_refs import SecretRef

Secret: TypeAlias = str | SecretStr | SecretRef
PathLike: TypeAlias = str | Path


class AgencyValues(TypedDict, total=False):
    """``agency``: our own organisation; see `AgencySettings`."""

    id: Required[str]
    name: Required[str]
    in_charge: str
    address: str
    email: str
    telephone: str
    fax: str
    website: str


class AuthValues(TypedDict, total=False):
    """``hub.auth``: what lets requests pass a gateway in front of the hub; each kind takes some of these."""

    kind: Required[str]
    token_url: str
    key: str
    secret: Secret
    scope: str
    lifetime: float
    access_key: str
    secret_key: Secret
    app_name: str
    partner_code: str
    partner_code_cus: str
    login_url: str
    username: str
    password: Secret
    members: Mapping[str, Any]
    token_path: str
    scheme: str


class HubValues(TypedDict, total=False):
    """``hub``, or one of ``hubs``: the dialect and its settings; each dialect takes some of these."""

    dialect: str
    auth: AuthValues
    role: Literal["active", "drain"]
    http: HttpValues
    endpoint: Required[str]
    system_id: str
    secret: Secret
    user_agent: str
    max_packet: int
    max_answer: int
    sdk_compatible: bool
    fetch_with: Literal["downloadEdoc", "getEdoc"]
    username: str
    password: Secret
    application_code: str
    token_lifetime: float
    first_days: int
    window_days: int
    statuses_by_update: bool
    max_attachment: int
    directory_root: str
    list_method: Literal["GET", "POST"]
    min_code_length: int
    checks_types: bool


class HttpValues(TypedDict, total=False):
    """``http``: the connection to the hub; see `HttpSettings`."""

    connect: float
    read: float
    write: float
    pool: float
    total: float
    slowest: int
    connections: int
    keep_alive: float
    attempts: int
    backoff: float
    backoff_cap: float
    retry_after_cap: float
    calls_a_minute: float | None
    tls: Literal["modern", "legacy"]
    ca_bundle: PathLike
    client_certificate: PathLike
    client_key: PathLike
    client_key_password: Secret
    proxy: str
    proxy_password: Secret
    headers: Mapping[str, str]
    secret_headers: Mapping[str, Secret]


class SigningValues(TypedDict, total=False):
    """``signing``: the keys of outgoing packets; see `SigningSettings`."""

    key: str
    keys: Sequence[str]
    secret: Secret
    seal: bool
    seal_form: Literal[1, 2]
    require_pdf_signature: bool
    timestamp_url: str
    timestamp_timeout: float


class RevocationValues(TypedDict, total=False):
    """``receive.revocation``: whether certificates are checked for having been revoked; see `RevocationSettings`."""

    mode: Literal["none", "crl", "ocsp", "either"]
    soft: bool
    crl_files: Sequence[PathLike]
    crl_urls: Sequence[str]
    ocsp_url: str
    hosts: Sequence[str]
    timeout: float


class ReceiveValues(TypedDict, total=False):
    """``receive``: the policy for packets that come in; see `ReceiveSettings`."""

    policy: Literal["any", "valid", "trusted"]
    trust: Sequence[PathLike]
    intermediates: Sequence[PathLike]
    organisations: Mapping[str, Sequence[str]]
    organisations_others: Literal["refuse", "report"]
    legacy_sha1: bool
    require_pdf_signature: bool
    timestamp_trust: Sequence[PathLike]
    revocation: RevocationValues
    statuses: Literal["hub-announced", "authenticated"]
    not_addressed: Literal["report", "refuse"]
    old_signatures: Literal["report", "refuse"]
    signature_days: int


class StoreValues(TypedDict, total=False):
    """``store``: the database and the folder of packets; see `StoreSettings`."""

    url: str
    password: Secret
    spool: PathLike
    spool_key: Secret
    spool_old_keys: Sequence[Secret]
    drafts: PathLike
    connections: int


class EvidenceValues(TypedDict, total=False):
    """``evidence``: checkpoints of the log; see `EvidenceSettings`."""

    checkpoints: PathLike
    archives: PathLike
    entries: int
    interval: float


class RetentionValues(TypedDict, total=False):
    """``retention``: how long documents are kept; see `RetentionSettings`."""

    kinds: Mapping[str, int | Literal["permanent"]]
    default: int | Literal["permanent"]


class LimitValues(TypedDict, total=False):
    """``limits``: leases, waits and threads; see `LimitSettings`."""

    lease: float
    grace: float
    backoff: float
    backoff_cap: float
    retry_after_cap: float
    pause_cap: float
    arrival_within: float
    unanswered_after: float
    deadlines: Mapping[str, float]
    drained_after: float
    threads: int
    in_memory: int


class PacketValues(TypedDict, total=False):
    """``packets``: limits on the size of packets from strangers; see `PacketSettings`."""

    skeleton: int
    tag: int
    depth: int
    elements: int
    attributes: int
    namespaces: int
    uri: int
    recoded: int
    unpacked: int
    ratio: int
    entries: int
    nesting: int


class WorkerValues(TypedDict, total=False):
    """``worker``: the work that runs by itself; see `WorkerSettings`."""

    engine: Literal["own", "procrastinate"]
    sweep: int
    concurrency: int
    poll: float
    jitter: float
    idle: float
    tries: int
    watch: float
    certificate_days: int
    stop_within: float


class WebhookValues(TypedDict, total=False):
    """``gateway.webhooks``: how endpoints are told of events; see `WebhookSettings`."""

    networks: Sequence[str]
    plain_http: bool
    ca_bundle: PathLike
    timeout: float
    backoff: float
    backoff_cap: float
    tries: int
    concurrency: int


class GatewayValues(TypedDict, total=False):
    """``gateway``: the HTTP interface for other software; see `GatewaySettings`."""

    listen: str
    certificate: PathLike
    key: PathLike
    worker: bool
    rate: int
    burst: int
    max_json: int
    max_upload: int
    max_files: int
    remember_days: int
    webhooks: WebhookValues


class WebValues(TypedDict, total=False):
    """``web``: the desk for people; see `WebSettings`."""

    listen: str
    certificate: PathLike
    key: PathLike
    url: str
    proxies: Sequence[str]
    user_header: str
    proxy_secret: str | SecretStr
    worker: bool
    idle_minutes: int
    session_hours: int
    max_upload: int


class FileValues(TypedDict, total=False):
    """``files``: other users of this machine; see `FileSettings`."""

    open_secrets: Literal["warn", "refuse"]


class LogValues(TypedDict, total=False):
    """``logs``: what errors and logs may say; see `LogSettings`."""

    details: bool
    format: Literal["text", "json"]
    window: float


class CheckValues(TypedDict, total=False):
    """``checks``: from when on an operator must know of something; see `CheckSettings`."""

    interval: float
    queue_age: float
    free_space: int
    worker_silence: float


class FolderRuleValues(TypedDict, total=False):
    """``watch_folder.rules``: which documents that come in are a department's; see `FolderRule`."""

    department: Required[str]
    senders: Sequence[str]
    kinds: Sequence[str]
    subjects: Sequence[str]
    codes: Sequence[str]


class FolderValues(TypedDict, total=False):
    """``watch_folder``: the watched folder, for software that can only read and write files; see `FolderSettings`."""

    path: PathLike
    worker: bool
    interval: float
    settle: float
    patience: float
    lock_after: float
    format: Literal["json", "csv", "both"]
    archive: str
    departments: Sequence[str]
    rules: Sequence[FolderRuleValues]
    default: str
