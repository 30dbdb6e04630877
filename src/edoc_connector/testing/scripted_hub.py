"""A hub on loopback that answers as a test says, over a real socket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class ScriptedAnswer:
    """An answer of a hub.

    Args:
        body: its body.
        status: HTTP status.
        content_type: its Content-Type.
        announced: Content-Length; that of the body where it is left out. A longer one breaks the answer off.
        closes: whether the connection is closed without an answer.
    """

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    announced: int | None = None
    closes: bool = False


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request as it came.

    Args:
        method: HTTP method.
        path: path and query.
        headers: names in lower case.
        body: its body.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class ScriptedHub:
    """A server of scripted answers. A context manager.

    Args:
        answer: the answer to a request; may be changed at any time.

    Attributes:
        seen: requests in the order they came.
    """

    def __init__(self, answer: Callable[[SeenRequest], ScriptedAnswer]) -> None:
        self.answer = answer
        self.seen: list[SeenRequest] = []
        self._server = _Server(("127.0.0.1", 0), _build_handler(self))

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass(slots=True)
class Script:
    """The answers of a hub, one per request; the last one repeats. Logins are answered apart.

    Args:
        answers: in order.
        login_path: beginning of the path of the login; empty for a hub without.
        login: the answer to it.
    """

    answers: list[ScriptedAnswer]
    login_path: str = ""
    login: ScriptedAnswer = ScriptedAnswer()
    _next: int = field(default=0, init=False)

    def __call__(self, request: SeenRequest) -> ScriptedAnswer:
        if self.login_path and request.path.startswith(self.login_path):
            return self.login
        self._next += 1
        return self.answers[min(self._next, len(self.answers)) - 1]


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def _build_handler(hub: ScriptedHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # a body would wait 40 ms for the word that the headers arrived

        def do_GET(self) -> None:
            self._reply()

        def do_POST(self) -> None:
            self._reply()

        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = SeenRequest(self.command, self.path, headers, body)
            hub.seen.append(request)
            answer = hub.answer(request)
            if answer.closes:
                self.close_connection = True
                return
            length = len(answer.body) if answer.announced is None else answer.announced
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection = self.close_connection or length != len(answer.body)

        def log_message(self, *_: object) -> None:
            """Log nothing: tests read `seen`."""

    return Handler
