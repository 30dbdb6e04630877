"""Sections of ``edoc.toml`` that are plain values: who we are, the connection, revocation, limits, the worker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..edxml import Limits
from ..signing import RevocationMode
from .secret_refs import REFERENCE_HINT, REFERENCE_HINT_VI, SecretRef, UnusableSetting

_DAY = 86400
Seconds = Annotated[float, Field(gt=0, le=_DAY)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AgencySettings(Section):
    """``[agency]``: who we are.

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

    id: Annotated[str, Field(min_length=1)]
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
        ca_bundle: PEM file of the authorities to trust for TLS.
        client_certificate: PEM file of our TLS certificate.
        client_key: PEM file of its key.
        client_key_password: where its password is.
        proxy: URL of a proxy, with the user's name if it needs one.
        proxy_password: where that user's password is.
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
    ca_bundle: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    client_key_password: SecretRef | None = None
    proxy: str | None = None
    proxy_password: SecretRef | None = None

    @model_validator(mode="after")
    def _refuse_password_in_proxy(self) -> Self:
        if self.proxy and urlsplit(self.proxy).password:
            raise UnusableSetting(
                f"proxy: the URL holds a password; leave it out and set proxy_password: {REFERENCE_HINT}",
                vi=f"proxy: URL có chứa mật khẩu; hãy bỏ mật khẩu khỏi URL và đặt proxy_password: {REFERENCE_HINT_VI}",
            )
        return self


class RevocationSettings(Section):
    """``[receive.revocation]``: whether and how certificates are checked for having been revoked (`Revocation`).

    Args:
        mode: ``none`` (nothing is fetched), ``crl``, ``ocsp`` or ``either``.
        soft: only report where there is no information.
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


class LimitSettings(Section):
    """``[limits]``: times in seconds.

    Args:
        lease: how long a worker may be silent before another takes over what it held.
        grace: time between the two questions to a hub that seems not to have what we sent.
        backoff: wait before a failed message is tried again; it doubles each time, and the wait is a random part of it.
        backoff_cap: what it grows to at most.
        retry_after_cap: longest wait that a hub's Retry-After is obeyed for.
        undelivered_after: a recipient that has not reported 01 after this long is shown as undelivered.
        threads: how many calls of an `AsyncConnector` run at a time.
    """

    lease: Seconds = 120.0
    grace: Annotated[float, Field(ge=0, le=_DAY)] = 30.0
    backoff: Annotated[float, Field(ge=0, le=_DAY)] = 10.0
    backoff_cap: Annotated[float, Field(ge=0, le=_DAY)] = 3600.0
    retry_after_cap: Annotated[float, Field(ge=0, le=_DAY)] = 3600.0
    undelivered_after: Annotated[float, Field(gt=0, le=3660 * _DAY)] = 86400.0
    threads: Annotated[int, Field(gt=0, le=256)] = 8


_LIMITS = Limits()


class PacketSettings(Section):
    """``[packets]``: how large a packet from a stranger may be; see `edxml.Limits` for each."""

    skeleton: Annotated[int, Field(gt=0)] = _LIMITS.skeleton
    tag: Annotated[int, Field(gt=0)] = _LIMITS.tag
    depth: Annotated[int, Field(ge=10, le=1000)] = _LIMITS.depth
    elements: Annotated[int, Field(gt=0)] = _LIMITS.elements
    attributes: Annotated[int, Field(gt=0)] = _LIMITS.attributes
    namespaces: Annotated[int, Field(gt=0)] = _LIMITS.namespaces
    uri: Annotated[int, Field(gt=0)] = _LIMITS.uri
    unpacked: Annotated[int, Field(gt=0)] = _LIMITS.unpacked
    ratio: Annotated[int, Field(gt=0)] = _LIMITS.ratio
    entries: Annotated[int, Field(gt=0)] = _LIMITS.entries
    nesting: Annotated[int, Field(gt=0, le=20)] = _LIMITS.nesting


class WorkerSettings(Section):
    """``[worker]``: what runs without being asked. Times in seconds.

    Args:
        engine: ``own``: each worker looks in the store for what is due. ``procrastinate``: what is due is queued there
            as tasks of that library, in the transaction that makes it due; PostgreSQL only, and for all who use it.
        sweep: time between two looks for what no task was queued for, with the engine procrastinate; whole seconds.
        concurrency: how many things are done at a time, for all agencies together.
        poll: time between two polls of the hub.
        jitter: the part of that time by which it varies at random.
        idle: how long to rest when there is nothing to do, before the store is looked at again.
        tries: how often the application, or a download, may fail on a packet before it is set aside.
        watch: time between two looks at our certificate and clock.
        certificate_days: how many days before our certificate ends its end is warned of.
        stop_within: how long a stop waits for what is being done; what takes longer is let go of.
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
