"""The server around the hub (Design, "mock hub")."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from edoc_connector._core import format_url
from edoc_connector.errors import ConfigError
from edoc_connector.mockhub import MockHubConfig, create_app, server
from edoc_connector.mockhub.server import open_listener, serve
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.conftest import StartProgram

Make = Callable[..., Any]


def test_data_survive_a_restart(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make) -> None:
    """Design, "mock hub": with SQLite; what waits still waits after a restart, on the same port, and nothing twice."""
    sender, receiver = two
    sender.send(packet(), "H29.05")
    before, url = receiver.waiting(), mock_hub.url
    (mock_hub.hub.incoming_folder / "cut-off.edxml").write_bytes(b"half")
    mock_hub.stop()
    mock_hub.stop()
    with pytest.raises(httpx.ConnectError):
        receiver.waiting()
    with pytest.raises(RuntimeError, match="not running"):
        mock_hub.packets()
    mock_hub.start()
    assert mock_hub.url == url
    assert receiver.waiting() == before
    assert list(mock_hub.hub.incoming_folder.iterdir()) == []
    assert sender.send(packet(), "H29.05")["ErrorCode"] == "25"
    with pytest.raises(RuntimeError, match="running already"):
        mock_hub.start()


def test_no_secret_is_on_disk(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, tmp_path: Path) -> None:
    """Design, "Names of things outside": secrets by reference; the hub's database does not hold them."""
    two[0].send(packet(), "H29.05")
    assert not [path for path in (tmp_path / "mock-hub").rglob("*") if path.is_file() and b"-key" in path.read_bytes()]


def test_passed_through_bytes_are_the_files(tmp_path: Path, caller: Make, samples: list[Path]) -> None:
    """Issue "One document travels": the collected packets come out byte-identical with pass-through."""
    with RunningHub(MockHubConfig(data=tmp_path / "h", pass_through=True)) as hub:
        sender = caller("SYS", hub=hub)
        codes = ["000.00.15.H51", "000.00.00.H41", "000.00.00.H14", "000.00.00.G17", "000.00.00.G22"]
        for code in codes:
            hub.add_agency(code, "SYS-key", system_id="SYS")
        for path in samples:
            kind = "status" if "status" in path.name else "edoc"
            answer = sender.send(path.read_bytes(), "SYS", kind=kind, exact=path.name == "edoc.edxml")
            if path.name == "edoc_new.edxml":
                assert answer["ErrorCode"] == "22"
                continue
            assert answer["ErrorCode"] == "0", (path, answer)
            assert sender.download(sender.waiting(kind)[-1]["docId"]) == path.read_bytes()


@pytest.mark.parametrize("pass_through", [True, False])
def test_a_large_packet_crosses_whole(tmp_path: Path, caller: Make, packet: Make, pass_through: bool) -> None:
    """Design, "Streams, not strings": 30 MB go through, rebuilt or not, and are fetched both ways."""
    content = os.urandom(1_000_000) * 30
    with RunningHub(MockHubConfig(data=tmp_path / "h", pass_through=pass_through)) as hub:
        sender = caller("H29.05", hub=hub)
        receiver = caller("G22", hub=hub)
        data = packet(attachments=(("cid:1", "a.pdf", "application/pdf", content),))
        assert sender.send(data, "H29.05")["ErrorCode"] == "0"
        doc_id = receiver.waiting()[0]["docId"]
        got = receiver.download(doc_id)
        assert (got == data) is pass_through
        assert base64.b64encode(content) in got
        assert base64.b64decode(receiver.ask("getEdoc", b"{}", docId=doc_id)["data"]) == got


def test_one_document_sent_twice_at_once_is_taken_once(two: tuple[Any, Any], packet: Make) -> None:
    """VXP interface: a duplicate is one also when both come at the same time."""
    sender, receiver = two
    data = packet(attachments=(("cid:1", "a.txt", "text/plain", b"x" * 500_000),))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: sender.send(data, "H29.05")["ErrorCode"], range(8)))
    assert sorted(answers) == ["0"] + ["25"] * 7
    assert len(receiver.waiting()) == 1
    assert len(list(sender.hub.packets()[0].path.parent.iterdir())) == 1


def test_a_client_that_hangs_up_leaves_nothing(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make) -> None:
    """Faults, 3: killed during the upload; the hub keeps nothing and goes on."""
    sender, receiver = two
    headers = sender.headers(
        {"from": "H29.05", "servicetype": "eDoc", "messagetype": "edoc", "hash-file": "0"},
        content_type="application/octet-stream",
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    address = mock_hub.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=10) as connection:
        connection.sendall(f"POST /sendEdoc HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n{lines}\r\nhalf".encode())
    assert receiver.waiting() == []
    for _ in range(100):
        if not list(mock_hub.hub.incoming_folder.iterdir()):
            break
        threading.Event().wait(0.05)
    assert list(mock_hub.hub.incoming_folder.iterdir()) == []


def test_a_port_that_is_taken_is_an_error_that_says_so(mock_hub: RunningHub, tmp_path: Path) -> None:
    """House rules for errors: what is wrong and what to do; the data directory is not touched."""
    port = int(mock_hub.url.rpartition(":")[2])
    with pytest.raises(ConfigError, match="0 for a free one"):
        serve(MockHubConfig(data=tmp_path / "other"), port=port)
    assert not (tmp_path / "other").exists()


def test_a_folder_that_another_hub_uses(tmp_path: Path) -> None:
    """Two hubs on one folder would take each other's packets: the second says so and ends; later it may begin."""
    data = tmp_path / "hub"
    with server._lock_folder(data), pytest.raises(ConfigError, match="--data") as caught:
        serve(MockHubConfig(data=data), port=0)
    assert "thư mục khác" in caught.value.vi
    with server._lock_folder(data):
        pass


def test_ipv6_has_brackets() -> None:
    """Issue "One document travels", mock hub: the URL that is announced can be used as it is."""
    try:
        listener = open_listener("::1", 0)
    except ConfigError:
        pytest.skip("no IPv6 on this machine")
    with listener:
        assert format_url(listener).startswith("http://[::1]:")


SCRIPT = """
import logging, sys
from pathlib import Path
from edoc_connector.mockhub import AgencySpec, MockHubConfig, serve
logging.basicConfig(level="INFO", stream=sys.stderr, format="%(name)s %(message)s")
agencies = (AgencySpec.parse("G22:k"),)
config = MockHubConfig(data=Path(sys.argv[1]), agencies=agencies, password=sys.argv[3])
serve(config, host=sys.argv[2], port=0, on_ready=lambda url: print(url, flush=True))
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_it_runs_as_a_process_of_its_own(
    tmp_path: Path, client: httpx.Client, host: str, start_program: StartProgram
) -> None:
    """Issue "One document travels", mock hub: serves on a free port, announces it, stops on SIGTERM."""
    password = "" if host == "127.0.0.1" else "of the test"
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "data"), host, password]
    process = start_program(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    port = process.stdout.readline().strip().rpartition(":")[2]
    url = f"http://127.0.0.1:{port}/"
    assert client.get(url, auth=("anybody", password)).status_code == 200
    assert client.get(url).status_code == (401 if password else 200)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=20)
    assert f"edoc_connector.mockhub mock hub ready at http://{host}:{port}" in log
    assert ("can be reached from other machines" in log) is (host == "0.0.0.0")
    assert "Traceback" not in log


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "0"])
def test_words_and_screens_nobody_else_reaches_a_hub_without_a_password(tmp_path: Path, host: str) -> None:
    """Beyond loopback the mock hub wants a password before it listens, and says so ("Words and screens")."""
    with pytest.raises(ConfigError, match="--password") as caught:
        serve(MockHubConfig(data=tmp_path / "h"), host=host, port=0)
    assert "mật khẩu" in caught.value.vi
    assert not (tmp_path / "h").exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_words_and_screens_loopback_is_this_machine(host: str) -> None:
    """Every address of loopback, by number or name, is this machine's own."""
    assert server._is_local(host)


def test_the_application_carries_its_hub(tmp_path: Path) -> None:
    """Design, "mock hub": `create_app` gives an ASGI application for other servers."""
    app = create_app(MockHubConfig(data=tmp_path / "h"))
    assert app.state.hub.storage.list_agencies() == []
    app.state.hub.close()
