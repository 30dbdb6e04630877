"""The desk as a program: its pages over HTTP, and a worker beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from .._core import Text, is_loopback, parse_address
from .._serving import HttpProgram, run_beside
from ..config import Settings, WebSettings
from ..connector import Connector, Handlers, Receipt
from ..errors import ConfigError
from ..worker import Worker
from .app import build_app

_GRACE_SECONDS = 5


class Desk(HttpProgram):
    """The desk of an agency, which serves until it is told to stop.

    Args:
        settings: of the agency.
        host: address to listen on, instead of the one in the settings.
        port: TCP port, 0 for a free one, instead of the one in the settings.

    Raises:
        ConfigError: settings cannot be used, the port is taken, or others could read passwords on their way.
    """

    def __init__(self, settings: Settings, *, host: str | None = None, port: int | None = None) -> None:
        self._settings, self._web = settings, settings.web
        listen_host, listen_port = parse_address(self._web.listen)
        self._host = host or listen_host
        require_safe(self._web, self._host)
        super().__init__(
            self._host,
            listen_port if port is None else port,
            name=Text("the desk", "Bàn làm việc"),
            certificate=self._web.certificate and settings.resolve(self._web.certificate),
            key=self._web.key and settings.resolve(self._web.key),
            grace=_GRACE_SECONDS,
        )

    def serve(self, on_ready: Callable[[str], object] = lambda _: None) -> None:
        """Serve until `stop`, or a signal.

        Args:
            on_ready: told the address when requests are answered.
        """
        with self._stopping_on_signals(), ExitStack() as stack:
            stack.callback(self._listener.close)
            connector = stack.enter_context(self._open_connector())
            self._run(build_app(connector, hosts=self._list_hosts(), is_secure=self.is_secure), on_ready)

    @property
    def is_secure(self) -> bool:
        """Whether people reach it over TLS, so that cookies may say so."""
        return self._web.certificate is not None or self._web.url.startswith("https://")

    def _list_hosts(self) -> list[str]:
        """List the names under which it answers: a page of somebody's own name cannot be made to point here."""
        own = urlsplit(self._web.url).hostname
        return [*([own] if own else []), "127.0.0.1", "localhost", "[::1]", self._host]

    @contextmanager
    def _open_connector(self) -> Iterator[Connector]:
        """Open the connector; with a worker that runs beside, where the settings want one."""
        if not self._web.worker:
            with Connector(self._settings) as connector:
                yield connector
            return
        handlers = Handlers()
        handlers.on_receipt(_keep)
        with Worker([self._settings], handlers=handlers) as worker, run_beside(worker.run, worker.stop, "edoc-worker"):
            yield worker.connectors[0]


def _keep(receipt: Receipt) -> None:
    """Take a packet over: it is in the store, where the desk shows it, so its sender is told that it arrived."""
    receipt.load()


def require_safe(web: WebSettings, host: str) -> None:
    """Require that nobody on the way reads passwords, and that a proxy's word is a proxy's.

    Raises:
        ConfigError: says what is missing.
    """
    if not is_loopback(host) and web.certificate is None and not (web.proxies and web.url.startswith("https://")):
        raise ConfigError(
            f"the desk does not listen on {host} without TLS: passwords would cross the network in the clear. Set "
            "[web] certificate and key; or proxies and url, https://…, behind a proxy with TLS; or use 127.0.0.1.",
            vi=f"Bàn làm việc không mở trên {host} khi chưa có TLS: mật khẩu sẽ đi qua mạng không mã hóa. Hãy khai báo "
            "[web] certificate và key; hoặc proxies và url https://… nếu đứng sau proxy có TLS; hoặc dùng 127.0.0.1.",
        )
    if not is_loopback(host) and not web.url:
        raise ConfigError(
            "[web] url is missing: the address under which people reach the desk, https://desk.example.gov.vn.",
            vi="Thiếu [web] url: địa chỉ mà mọi người dùng để mở bàn làm việc, https://desk.example.gov.vn.",
        )
    if web.user_header and not (web.proxies and web.proxy_secret is not None):
        raise ConfigError(
            "[web] user_header needs proxies and proxy_secret: without them anybody could say who they are.",
            vi="[web] user_header cần có proxies và proxy_secret: nếu thiếu, ai cũng có thể mạo danh.",
        )
