"""Settings of a mock hub."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from edoc_connector.errors import ConfigError
from edoc_connector.mockhub.faults import Fault
from edoc_connector.mockhub.inspection import Inspector
from edoc_connector.mockhub.traps import EdocserviceTraps, LgspTraps

_GIB = 1024**3
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencySpec:
    """One agency and the system that speaks for it.

    Args:
        code: OrganId as packets and the ``from`` header name it, e.g. ``H29.05``.
        secret: HMAC key of the system, as text; its UTF-8 bytes are the key.
        name: name in the directory; the code where none is given.
        system_id: system that may send and fetch for this agency; the code where none is given. Several agencies may
            share a system; the secret given last for it holds.
        old_code: the QCVN 102:2016 form of the code, e.g. ``000.00.05.H29``. Packets may address either.
        mail: address in the directory.
        parent: code of the agency above.
    """

    code: str
    secret: str = field(repr=False)
    name: str = ""
    system_id: str = ""
    old_code: str = ""
    mail: str = ""
    parent: str = ""

    def __post_init__(self) -> None:
        """Refuse what could never authenticate."""
        if not self.code or not self.secret:
            raise _build_agency_error("the code or the secret is empty")

    @property
    def system(self) -> str:
        """System id that goes with the secret."""
        return self.system_id or self.code

    @classmethod
    def parse(cls, text: str, *, environ: Mapping[str, str] | None = None) -> AgencySpec:
        """Read the command-line form.

        Args:
            text: ``CODE[@SYSTEM]:SECRET[:NAME]``, ``CODE[@SYSTEM]:env:VARIABLE[:NAME]`` or ``CODE[@SYSTEM]:file:PATH``.
                Other users of a machine can read a process's arguments: a plain secret is for throwaway hubs.
            environ: where variables are looked up; the process's own by default.

        Raises:
            ConfigError: not of that form, no such variable, a file that cannot be read. Never names the secret.
        """
        identity, colon, rest = text.partition(":")
        if not colon:
            raise _build_agency_error("it has no secret")
        code, _, system = identity.partition("@")
        secret, name = _parse_secret_and_name(rest, os.environ if environ is None else environ)
        return cls(code=code, system_id=system, secret=secret, name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class MockHubConfig:
    """Behaviour of a mock hub.

    Args:
        data: directory for the database and the packets; made if missing, kept over restarts. Secrets are not
            written there.
        agencies: agencies that exist from the start.
        hash: which ``hash-file`` is right: ``sdk`` (SHA-256 hex without zero padding, body with CRLF after it),
            ``exact`` (proper hex of the exact body) or ``any`` of the two.
        pass_through: deliver the bytes that were sent instead of rebuilding packets.
        clock_tolerance: how far a request's timestamp may be off; None takes any. Callers of the vendor's client put
            the time in once, when the process starts.
        clock_offset: how far the hub's clock is ahead of the real one.
        clock: the real one; must give aware times.
        sender_doc_id: what ``senderDocId`` of getSentEdocList holds: ``hub`` the DocId that sendEdoc answered,
            ``document`` the packet's DocumentId (of a status: that of the document it is about), ``none`` nothing.
            ``hub`` is the default because it is the harder case for a client
            that lost the answer: it has to match on codes, notation, title and time, and can then learn the DocId.
        recent_sent: whether getSentEdocList without docId is answered, with 30 days of packets, or refused with 28.
        refuse: names of calls that are refused with code 28, e.g. ``{"getSentEdocList"}``.
        trace_organ_id: OrganId of the TraceHeader that the hub adds; None leaves it out. Hubs are seen doing either.
        max_packet: largest packet taken, in bytes; also the bound for what a zipped attachment may unpack to.
        password: what the page and the admin interface ask for (HTTP Basic, under any user name). Empty: nothing, and
            they answer this machine only; `serve` wants one before it listens to others.
        hosts: host names, without port, under which the page and the admin interface may be asked for. Keeps pages of
            other sites out that resolve their own name to this machine. Empty: no check.
        lgsp: how the platform behaves that answers on the same port, under ``/v1``.
        faults: faults that are planned from the start.
        fault_seed: of the dice that their probability throws.
        inspector: reads a packet for the page and says what it finds; None where the page shows what the hub
            itself knows.
        edocservice: how the provincial eDoc hub behaves that answers on the same port, under ``/EdocService``.
    """

    data: Path
    agencies: tuple[AgencySpec, ...] = ()
    hash: Literal["any", "sdk", "exact"] = "any"
    pass_through: bool = False
    clock_tolerance: timedelta | None = None
    clock_offset: timedelta = timedelta()
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sender_doc_id: Literal["hub", "document", "none"] = "hub"
    recent_sent: bool = True
    refuse: frozenset[str] = frozenset()
    trace_organ_id: str | None = "null"
    max_packet: int = 2 * _GIB
    password: str = field(default="", repr=False)
    hosts: frozenset[str] = LOOPBACK_NAMES
    faults: tuple[Fault, ...] = ()
    fault_seed: int = 0
    inspector: Inspector | None = None
    lgsp: LgspTraps = field(default_factory=LgspTraps)
    edocservice: EdocserviceTraps = field(default_factory=EdocserviceTraps)


def is_loopback(address: str) -> bool:
    """Tell whether an IP address is this machine's own; what is no address, such as a path of a socket, is."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return True


def _parse_secret_and_name(rest: str, environ: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, reference = rest.partition(":")
    if scheme == "env":
        variable, _, name = reference.partition(":")
        if variable not in environ:
            raise _build_agency_error(f"the environment variable {variable} is not set")
        return environ[variable], name
    if scheme == "file":
        return _read_secret(Path(reference)), ""
    return scheme, reference


def _read_secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _build_agency_error(f"the secret file {path} cannot be read ({type(error).__name__})") from error


def _build_agency_error(reason: str) -> ConfigError:
    return ConfigError(
        f"An agency of the mock hub cannot be used: {reason}. "
        "Give CODE:SECRET[:NAME], CODE:env:VARIABLE[:NAME] or CODE:file:PATH.",
        vi="Không dùng được khai báo đơn vị của trục giả lập. "
        "Hãy ghi theo dạng MÃ:BÍ_MẬT[:TÊN], MÃ:env:BIẾN[:TÊN] hoặc MÃ:file:ĐƯỜNG_DẪN.",
    )
