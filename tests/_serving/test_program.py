"""Programs that serve HTTP, as the gateway and the desk do."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Any

import httpx
import pytest

from edoc_connector._core import Text
from edoc_connector._serving import HttpProgram, run_beside
from edoc_connector.errors import ConfigError

NAME = Text("the trial", "Chương trình thử")


class Trial(HttpProgram):
    """A program that answers everything with nothing."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port, name=NAME, certificate=None, key=None, grace=1)

    def serve(self, on_ready: Callable[[str], object]) -> None:
        """Serve until it is stopped."""
        with self._listener:
            self._run(answer, on_ready)


async def answer(scope: dict[str, Any], receive: object, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Answer a call with 204."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_it_serves_until_it_is_stopped(host: str) -> None:
    """It tells its address when it answers there, and ends when it is told to from another thread."""
    program, ready = Trial(host), SimpleQueue[str]()
    with run_beside(lambda: program.serve(ready.put), program.stop, "trial"):
        url = ready.get(timeout=20)
        assert url == program.url
        assert httpx.get(url, trust_env=False).status_code == 204
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_one_that_was_stopped_before_does_not_begin() -> None:
    """A signal that comes while stores are opened counts."""
    program, ready = Trial(), SimpleQueue[str]()
    program.stop()
    program.serve(ready.put)
    assert ready.empty()


def test_a_port_that_is_taken() -> None:
    """The error names the program and the port, in both languages."""
    first = Trial()
    port = int(first.url.rpartition(":")[2])
    with (
        first._listener,
        pytest.raises(ConfigError, match=f"the trial cannot listen on 127.0.0.1, port {port}") as caught,
    ):
        Trial(port=port)
    assert f"Chương trình thử không mở được cổng {port}" in caught.value.vi


def test_what_runs_beside_ends_with_the_block() -> None:
    """Also where the block fails."""
    stop, ended = threading.Event(), threading.Event()

    def work() -> None:
        stop.wait(20)
        ended.set()

    with pytest.raises(RuntimeError), run_beside(work, stop.set, "work"):
        raise RuntimeError
    assert ended.is_set()
