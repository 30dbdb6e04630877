"""A mock hub running inside a test, on a real socket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from edoc_connector._core import format_url
from edoc_connector._serving import HttpServer
from edoc_connector.errors import ConfigError
from edoc_connector.mockhub import (
    AgencySpec,
    EdocserviceTraps,
    Event,
    FaultPlan,
    Hub,
    LgspTraps,
    MockHubConfig,
    Packet,
    Receipt,
    RequestLog,
    SeenRequest,
    TlsFiles,
    build_server,
    make_tls_files,
    open_listener,
)

_START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class HubPacket:
    """A packet as the hub holds it.

    Args:
        packet: what is known of it; ``packet.id`` is the DocId its sender got.
        receipts: one per recipient; ``receipt.id`` is the docId it is offered under.
        events: what happened to it, in order.
        path: file with the bytes that receivers get.
    """

    packet: Packet
    receipts: tuple[Receipt, ...]
    events: tuple[Event, ...]
    path: Path


class RunningHub:
    """A mock hub in a background thread, on a free port of the loopback interface.

    Args:
        config: how it behaves. ``clock_offset``, ``clock_tolerance`` and agencies can be changed while it runs.

    With ``tls`` it speaks HTTPS; `authority` is what clients are to trust.
    Use it as a context manager. `stop` and `start` make it unreachable for a while; data, port and faults stay.

    Attributes:
        faults: plan of faults, see `Fault`.
    """

    def __init__(self, config: MockHubConfig, *, tls: bool = False) -> None:
        self.faults = FaultPlan(config.fault_seed)
        for fault in config.faults:
            self.faults.add(fault)
        self._requests = RequestLog()
        self._config = config
        self._tls: TlsFiles | None = make_tls_files(config.data / "tls", "127.0.0.1") if tls else None
        self._agencies = list(config.agencies)
        self._tamper: Callable[[bytes], bytes] | None = None
        self._port = 0
        self._url = ""
        self._hub: Hub | None = None
        self._server: HttpServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start the hub; returns when it answers."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the hub; returns when its port and files are closed."""
        self.stop()

    @property
    def url(self) -> str:
        """Endpoint for clients, without a slash at the end; known once started, and the same after a restart."""
        return self._url

    @property
    def hub(self) -> Hub:
        """The hub behind it.

        Raises:
            RuntimeError: not running.
        """
        if self._hub is None:
            raise RuntimeError("the mock hub is not running: use it in a with statement, or call start()")
        return self._hub

    @property
    def tamper(self) -> Callable[[bytes], bytes] | None:
        """A change of a packet's bytes each time a receiver fetches it; None leaves them."""
        return self._tamper

    @tamper.setter
    def tamper(self, change: Callable[[bytes], bytes] | None) -> None:
        self._tamper = change
        self.hub.tamper = change

    @property
    def clock_offset(self) -> timedelta:
        """Time by which the hub's clock is ahead."""
        return self.hub.clock_offset

    @clock_offset.setter
    def clock_offset(self, offset: timedelta) -> None:
        self._config = replace(self._config, clock_offset=offset)
        self.hub.clock_offset = offset

    @property
    def clock_tolerance(self) -> timedelta | None:
        """Time by which a request's timestamp may be off; None takes any."""
        return self.hub.clock_tolerance

    @clock_tolerance.setter
    def clock_tolerance(self, tolerance: timedelta | None) -> None:
        self._config = replace(self._config, clock_tolerance=tolerance)
        self.hub.clock_tolerance = tolerance

    @property
    def lgsp(self) -> LgspTraps:
        """How the platform on the same port behaves."""
        return self.hub.config.lgsp

    @lgsp.setter
    def lgsp(self, traps: LgspTraps) -> None:
        self._config = replace(self._config, lgsp=traps)
        self.hub.config = replace(self.hub.config, lgsp=traps)

    @property
    def edocservice(self) -> EdocserviceTraps:
        """How the provincial eDoc hub on the same port behaves."""
        return self.hub.config.edocservice

    @edocservice.setter
    def edocservice(self, traps: EdocserviceTraps) -> None:
        self._config = replace(self._config, edocservice=traps)
        self.hub.config = replace(self.hub.config, edocservice=traps)

    def add_agency(
        self,
        code: str,
        secret: str,
        name: str = "",
        *,
        system_id: str = "",
        old_code: str = "",
        mail: str = "",
        parent: str = "",
    ) -> AgencySpec:
        """Register an agency; the arguments are those of `AgencySpec`."""
        spec = AgencySpec(
            code=code, secret=secret, name=name, system_id=system_id, old_code=old_code, mail=mail, parent=parent
        )
        self._agencies.append(spec)
        self.hub.add_agency(spec)
        return spec

    def add_agencies(self, specs: Sequence[AgencySpec]) -> None:
        """Register many agencies at once, a whole directory."""
        self._agencies += specs
        self.hub.add_agencies(specs)

    def remove_agencies(self, codes: Sequence[str]) -> None:
        """Take agencies off the directory, as codes end in a reform."""
        gone = set(codes)
        self._agencies = [spec for spec in self._agencies if spec.code not in gone]
        self.hub.storage.remove_agencies(codes, at=self.hub.now())

    def lock(self, code: str, *, locked: bool = True) -> None:
        """Lock an agency, so that nothing can be sent to it, or unlock it."""
        self.hub.storage.mark_agency(code, locked=locked, at=self.hub.now())

    def offer(self, data: bytes, *, sender: str, to: str, message_type: str = "edoc", doc_id: str = "") -> str:
        """Put bytes up for a receiver without any check; returns the docId. The arguments are those of `Hub.offer`."""
        return self.hub.offer(data, sender=sender, to=[to], message_type=message_type, doc_id=doc_id)

    @property
    def authority(self) -> Path:
        """File of the throwaway authority that a client is to trust.

        Raises:
            RuntimeError: the hub has no TLS.
        """
        if self._tls is None:
            raise RuntimeError("the mock hub has no TLS: make it with RunningHub(config, tls=True)")
        return self._tls.authority

    def requests(self, path: str = "*", agency: str = "") -> list[SeenRequest]:
        """List the calls in the order they came: all, or those of one path, or of one agency or system."""
        return self._requests.list_seen(path, agency)

    def packets(self) -> list[HubPacket]:
        """List every packet the hub holds, in the order it took them."""
        storage = self.hub.storage
        return [
            HubPacket(
                packet,
                tuple(storage.list_receipts(packet.id)),
                tuple(storage.list_events(packet.id)),
                self.hub.get_path(packet),
            )
            for packet in storage.list_packets()
        ]

    def start(self) -> None:
        """Start the hub; returns when it answers.

        Raises:
            RuntimeError: running already, or it did not come up.
            ConfigError: another process took its port while it was stopped.
        """
        if self._server is not None:
            raise RuntimeError("the mock hub is running already")
        hub = Hub(replace(self._config, agencies=tuple(self._agencies)))
        hub.faults, hub.tamper, hub.requests = self.faults, self._tamper, self._requests
        try:
            listener = open_listener("127.0.0.1", self._port)
        except ConfigError:
            hub.close()
            raise
        self._port, self._url = listener.getsockname()[1], format_url(listener, tls=self._tls is not None)
        ready = threading.Event()
        server = build_server(hub, listener, on_ready=lambda _: ready.set(), tls=self._tls)
        thread = threading.Thread(target=server.run, args=([listener],), name="mock-hub", daemon=True)
        thread.start()
        self._hub, self._server, self._thread = hub, server, thread
        if not ready.wait(_START_SECONDS):
            raise RuntimeError("the mock hub did not come up")

    def stop(self) -> None:
        """Stop the hub; returns when its port and files are closed. Harmless where it is stopped."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join()
        self._hub = self._server = self._thread = None
