"""The gateway as a program: the application over HTTP, the sender of webhooks, and a worker beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from .._core import Text, get_logger, is_loopback, parse_address
from .._serving import HttpProgram, run_beside
from ..config import GatewaySettings, Settings
from ..connector import open_connectors
from ..worker import open_worker
from .app import build_app
from .idempotency import forget_old_answers
from .offices import Offices
from .webhooks import WebhookSender

log = get_logger("edoc_connector.gateway")

_FORGET_SECONDS = 3600.0
_GRACE_SECONDS = 10


class Gateway(HttpProgram):
    """A gateway for some agencies, which serves until it is told to stop.

    Args:
        agencies: the settings of each; the first one's ``[gateway]`` counts for all.
        host: address to listen on, instead of the one in the settings.
        port: TCP port, 0 for a free one, instead of the one in the settings.

    Raises:
        ConfigError: settings cannot be used, or the port is taken.
        StoreError: a store cannot be opened.
    """

    def __init__(self, agencies: Sequence[Settings], *, host: str | None = None, port: int | None = None) -> None:
        self._agencies = agencies
        first, self._settings = agencies[0], agencies[0].gateway
        listen_host, listen_port = parse_address(self._settings.listen)
        super().__init__(
            host or listen_host,
            listen_port if port is None else port,
            name=Text("the gateway", "Cổng tích hợp"),
            certificate=self._settings.certificate and first.resolve(self._settings.certificate),
            key=self._settings.key and first.resolve(self._settings.key),
            grace=_GRACE_SECONDS,
        )

    def serve(self, on_ready: Callable[[str], object] = lambda _: None) -> None:
        """Serve until `stop`, or a signal.

        Args:
            on_ready: told the address when requests are answered.
        """
        with self._stopping_on_signals(), ExitStack() as stack:
            stack.callback(self._listener.close)
            offices = stack.enter_context(self._open_offices())
            app = build_app(offices)
            sender, stop = stack.enter_context(WebhookSender(offices, self._settings.webhooks)), self._stopped.set
            stack.enter_context(run_beside(lambda: sender.run(self._stopped), stop, "edoc-webhooks"))
            stack.enter_context(run_beside(lambda: self._keep_forgetting(offices), stop, "edoc-forget"))
            self._run(app, on_ready)

    @contextmanager
    def _open_offices(self) -> Iterator[Offices]:
        """Open the agencies' connectors; with a worker that runs beside, where the settings want one."""
        if not self._settings.worker:
            with open_connectors(self._agencies) as connectors:
                yield Offices(connectors)
            return
        with open_worker(self._agencies) as worker, run_beside(worker.run, worker.stop, "edoc-worker"):
            yield Offices(worker.connectors)

    def _keep_forgetting(self, offices: Offices) -> None:
        while not self._stopped.is_set():
            forget_old_answers(offices)
            self._stopped.wait(_FORGET_SECONDS)


def is_exposed(settings: GatewaySettings, url: str) -> bool:
    """Whether keys would cross a network in the clear."""
    return settings.certificate is None and not is_loopback(urlsplit(url).hostname or "")
