"""Both clients against a real server that behaves as real hubs and proxies do."""

from __future__ import annotations

import asyncio
import base64
import gc
import gzip
import hashlib
import json
import logging
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.client import AsyncHubClient, ClientSettings, HubClient
from edoc_connector.errors import (
    AttachmentError,
    ConfigError,
    EdocError,
    HubError,
    HubUnavailable,
    NotSent,
    OutcomeUnknown,
    PacketRefused,
    ProtocolError,
    StoreError,
)
from edoc_connector.hubs import MessageType, SendResult, Vxp

OK = {"status": "OK", "ErrorCode": "0", "ErrorDesc": ""}
LIST = json.dumps({**OK, "data": [{"docId": "d-1", "messageType": "edoc"}]}).encode()
SENT = json.dumps({**OK, "DocId": "abc"}).encode()
SEND: dict[str, Any] = {"message_type": MessageType.EDOC, "sender": "H29"}


def drop(sock: Any, seen: Any) -> None:
    """Close without an answer."""


def test_upload(hub: Any, call: Any, reply: Any, packet: Path) -> None:
    """A packet is streamed with Content-Length and never in chunks, CRLF behind it (VXP interface, compatibility)."""
    hub.script = [reply(SENT)]
    told: list[tuple[int, int | None]] = []
    result = call(hub, "send", packet, **SEND, on_progress=lambda done, total: told.append((done, total)))
    (seen,) = hub.seen
    assert result == SendResult(doc_id="abc")
    assert seen.line == "POST /vxp/sendEdoc HTTP/1.1"
    assert seen.body == packet.read_bytes() + b"\r\n"
    assert seen.headers["content-length"] == str(packet.stat().st_size + 2)
    assert "transfer-encoding" not in seen.headers
    assert "expect" not in seen.headers
    assert told[-1] == (packet.stat().st_size, packet.stat().st_size)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_exact_upload(hub: Any, call: Any, reply: Any, packet: Path) -> None:
    """With the switch off the body is the packet and nothing else (VXP interface, compatibility)."""
    hub.script = [reply(SENT)]
    call(hub, "send", packet, **SEND, dialect={"sdk_compatible": False})
    assert hub.seen[0].body == packet.read_bytes()


def test_small_calls(hub: Any, call: Any, reply: Any) -> None:
    """A call without a body says so, and no compression is asked for (VXP interface, calls)."""
    hub.script = [reply(LIST, headers="Set-Cookie: a=b\r\n")]
    (waiting,) = call(hub, "list_waiting")
    headers = hub.seen[0].headers
    assert waiting.doc_id == "d-1"
    assert (headers["content-length"], headers["accept-encoding"]) == ("0", "identity")
    assert headers["user-agent"].startswith("edoc-connector/")
    assert json.loads(headers["xroadvnpt-sign-header"])["XroadVnpt-systemid"] == "H29.TEST"


def test_download(hub: Any, call: Any, reply: Any, tmp_path: Path) -> None:
    """A packet is streamed to its place and synced, with progress (VXP interface, fetch raw)."""
    content = b"<edXML>" + bytes(3_000_000)
    hub.script = [reply(content)]
    told: list[tuple[int, int | None]] = []
    fetched = call(hub, "fetch", "d-1", tmp_path / "p", on_progress=lambda *step: told.append(step))
    assert (tmp_path / "p").read_bytes() == content
    assert fetched.size == len(content)
    assert told[-1] == (len(content), len(content))
    assert hub.seen[0].line == "GET /vxp/downloadEdoc HTTP/1.1"
    assert list(tmp_path.iterdir()) == [tmp_path / "p"]


def test_other_calls_of_the_dialect(hub: Any, call: Any, reply: Any, tmp_path: Path) -> None:
    """Calls of this dialect alone are reached the same way (VXP interface, calls)."""
    hub.script = [reply(json.dumps({**OK, "count": 3, "data": []}).encode())]
    assert call(hub, "count_received_edoc") == 3
    assert call(hub, "count_received_status") == 3
    assert call(hub, "agencies") == call(hub, "agencies_qd20", level=2) == call(hub, "agency_changes") == ()
    assert call(hub, "sent_state", doc_id="x") == ()
    assert call(hub, "confirm", "x") is None
    assert call(hub, "register_agency", code="a", name="Đ", parent_code="b") is None
    assert call(hub, "delete_agency", "a") is None


def test_call_that_a_dialect_has_not(call: Any) -> None:
    """A dialect without the call gives an error that says so, before anything is sent (design, hubs)."""

    class Other:
        pass

    with HubClient(Other()) as client, pytest.raises(ConfigError, match="Other has no call 'agencies_qd20'"):  # type: ignore[arg-type]
        client.agencies_qd20(1)


@pytest.mark.parametrize("length", [None, 5000])
def test_lost_answer_to_a_send(length: int | None, hub: Any, call: Any, reply: Any, packet: Path) -> None:
    """A packet whose answer is lost or cut off has an unknown outcome and is not sent again (faults, rows 4 and 12)."""
    hub.script = [drop if length is None else reply(SENT, length=length)]
    with pytest.raises(OutcomeUnknown, match="Ask the hub before sending again"):
        call(hub, "send", packet, **SEND, settings={"attempts": 3})
    assert len(hub.seen) == 1


def test_upload_cut_short(hub: Any, call: Any, packet: Path) -> None:
    """A hub that closes in the middle of the upload cannot have the packet: sending again is safe (faults, row 3)."""
    hub.stop_reading_after = 1000
    hub.script = [drop]
    with pytest.raises(NotSent, match="safe to try again"):
        call(hub, "send", packet, **SEND)


def test_refusal_in_the_middle_of_the_upload(hub: Any, call: Any, packet: Path) -> None:
    """An answer before the upload ends is heard, or the send is safe to repeat (faults, rows 3 and 9)."""
    hub.stop_reading_after = 1000

    def refuse(sock: Any, seen: Any) -> None:
        sock.sendall(b"HTTP/1.1 413 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    hub.script = [refuse]
    with pytest.raises((NotSent, PacketRefused)):  # the system may drop the answer of a closed connection
        call(hub, "send", packet, **SEND)


def test_nobody_there(call: Any, packet: Path) -> None:
    """A packet for a hub that is down did not leave (faults, must show)."""
    with pytest.raises(NotSent, match="firewall") as caught:
        call("http://127.0.0.1:9", "send", packet, **SEND)
    assert "tường lửa" in caught.value.vi


def test_truncated_download(hub: Any, call: Any, reply: Any, tmp_path: Path) -> None:
    """A body shorter than announced is detected, not stored, and fetched again (faults, rows 14 and 15)."""
    hub.script = [reply(b"<edXML>", length=100), reply(b"<edXML/>")]
    with pytest.raises(NotSent, match="before the answer was complete"):
        call(hub, "fetch", "d", tmp_path / "p")
    assert list(tmp_path.iterdir()) == []
    call(hub, "fetch", "d", tmp_path / "p", settings={"attempts": 2})
    assert (tmp_path / "p").read_bytes() == b"<edXML/>"


def test_html(hub: Any, call: Any, reply: Any, packet: Path, tmp_path: Path) -> None:
    """A proxy's page with status 200 is a protocol error for every kind of call, and not repeated (faults, row 11)."""
    hub.script = [reply(b"<html>Please log in</html>")]
    for arguments in (("send", packet), ("list_waiting",), ("fetch", "d", tmp_path / "p")):
        with pytest.raises(ProtocolError, match="HTML"):
            call(hub, *arguments, **(SEND if "send" in arguments else {}), settings={"attempts": 3})
    assert len(hub.seen) == 3
    assert not (tmp_path / "p").exists()


WRAPPED: dict[str, Any] = {"dialect": {"fetch_with": "getEdoc", "max_packet": 100_000}}


def wrapped(content: bytes, **more: Any) -> bytes:
    """Build an answer of getEdoc."""
    return json.dumps({"data": base64.b64encode(content).decode(), **OK, **more}).encode()


def test_packet_inside_json(hub: Any, call: Any, reply: Any, tmp_path: Path) -> None:
    """A packet as base64 in JSON is decoded into its file and hashed, with progress (VXP interface, getEdoc)."""
    content = b"<edXML>" + bytes(90_000)
    answer = wrapped(content)
    hub.script = [reply(answer), reply(gzip.compress(answer), headers="Content-Encoding: gzip\r\n")]
    told: list[tuple[int, int | None]] = []
    for _ in range(2):
        fetched = call(hub, "fetch", "d", tmp_path / "p", **WRAPPED, on_progress=lambda *step: told.append(step))
        assert (tmp_path / "p").read_bytes() == content
        assert (fetched.size, fetched.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (len(answer), len(answer)) in told
    assert list(tmp_path.iterdir()) == [tmp_path / "p"]


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        (b"<html>Please log in</html>", ProtocolError, "HTML"),
        (b"", ProtocolError, "empty"),
        (wrapped(bytes(50_000))[:60_000], ProtocolError, "not JSON"),
        (wrapped(bytes(100_001)), ProtocolError, "longer than the 100000 bytes"),
        (wrapped(b"x", more="x" * 2_000_000), ProtocolError, "longer than"),
        (wrapped(b"x", more="x" * 1_100_000), ProtocolError, "longer than the 1048576 bytes"),
        (wrapped(b"x").replace(b"eA==", b"eA"), ProtocolError, "its data is not base64"),
        (wrapped(b""), ProtocolError, "its data is empty"),
        (wrapped(b"").replace(b'""', b"null", 1), ProtocolError, "its data is not a text"),
        (wrapped(b"x", status="FAIL", ErrorCode="26"), HubError, "no packet with this docId"),
        (wrapped(b"x").replace(b"eA==", b"@").replace(b'"OK"', b'"FAIL"'), HubError, "refused|hub"),
    ],
)
def test_no_packet_inside_json(
    body: bytes, error: type[EdocError], said: str, hub: Any, call: Any, reply: Any, tmp_path: Path
) -> None:
    """Every fault of an answer that should hold a packet is an error, and nothing stays (faults, row 15)."""
    hub.script = [reply(body)]
    with pytest.raises(error, match=said):
        call(hub, "fetch", "d", tmp_path / "p", **WRAPPED)
    assert list(tmp_path.iterdir()) == []


def test_connection_cut_inside_a_packet(hub: Any, call: Any, reply: Any, tmp_path: Path) -> None:
    """Half an answer is fetched again, and its bytes are gone (faults, row 15)."""
    answer = wrapped(b"<edXML/>" * 9000)
    hub.script = [reply(answer[:50_000], length=len(answer)), reply(answer)]
    with pytest.raises(NotSent):
        call(hub, "fetch", "d", tmp_path / "p", **WRAPPED)
    assert list(tmp_path.iterdir()) == []
    call(hub, "fetch", "d", tmp_path / "p", **WRAPPED)
    assert (tmp_path / "p").stat().st_size == 72_000


def test_packet_too_large_to_send(hub: Any, call: Any, packet: Path) -> None:
    """A packet above the limit of the settings is not sent (hubs, max_packet)."""
    size = packet.stat().st_size
    with pytest.raises(AttachmentError, match="max_packet"):
        call(hub, "send", packet, **SEND, dialect={"max_packet": size - 1})
    assert hub.seen == []
    hub.script = [lambda sock, seen: None]
    with pytest.raises(OutcomeUnknown):
        call(hub, "send", packet, **SEND, dialect={"max_packet": size})


def test_redirect_is_not_followed(hub: Any, call: Any, reply: Any, packet: Path) -> None:
    """Signed headers and packets go to no other place than the one configured (design, hubs)."""
    hub.script = [reply(status=307, headers=f"Location: {hub.url}/elsewhere\r\n")]
    with pytest.raises(ProtocolError, match="Correct the endpoint"):
        call(hub, "send", packet, **SEND)
    assert len(hub.seen) == 1


@pytest.mark.parametrize("packed", [gzip.compress(LIST), zlib.compress(LIST)])
def test_compressed_answer(packed: bytes, hub: Any, call: Any, reply: Any) -> None:
    """A proxy that compresses unasked is understood (facts about httpx)."""
    name = "gzip" if packed.startswith(b"\x1f\x8b") else "deflate"
    hub.script = [reply(packed, headers=f"Content-Encoding: {name}\r\n")]
    assert len(call(hub, "list_waiting")) == 1


@pytest.mark.parametrize(
    ("body", "encoding", "said"),
    [
        (gzip.compress(bytes(50_000_000)), "gzip", "longer than"),
        (gzip.compress(LIST)[:-9], "gzip", "ends early"),
        (LIST, "gzip", "broken"),
        (LIST, "br", "not asked for"),
    ],
)
def test_compression_that_is_no_good(body: bytes, encoding: str, said: str, hub: Any, call: Any, reply: Any) -> None:
    """A gzip bomb is stopped at the limit, and broken or unknown encodings are refused (facts about httpx)."""
    hub.script = [reply(body, headers=f"Content-Encoding: {encoding}\r\n")]
    with pytest.raises(ProtocolError, match=said):
        call(hub, "list_waiting", dialect={"max_answer": 1_000_000})


def test_bomb_in_place_of_a_packet(hub: Any, call: Any, reply: Any, tmp_path: Path) -> None:
    """The limit holds for files as well, and nothing stays on disk (faults, row 21)."""
    hub.script = [reply(gzip.compress(bytes(50_000_000)), headers="Content-Encoding: gzip\r\n")]
    with pytest.raises(ProtocolError, match="raise the limit"):
        call(hub, "fetch", "d", tmp_path / "p", dialect={"max_packet": 1_000_000})
    assert list(tmp_path.iterdir()) == []


def test_announced_too_long(hub: Any, call: Any, reply: Any) -> None:
    """An answer announced longer than the limit is not even read (facts about httpx)."""
    hub.script = [reply(LIST, length=10**12)]
    with pytest.raises(ProtocolError, match="longer than"):
        call(hub, "list_waiting")


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"X: ", b"x"),
        (b"Content-Length: 4000\r\n\r\n", b"x"),
        (b"Content-Length: 60000000\r\n\r\n", b"x"),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"\r\n", b"x"),
    ],
    ids=["headers", "body", "body of 60 MB", "chunks", "until the end"],
)
def test_slow_drip(head: bytes, drop: bytes, hub: Any, call: Any) -> None:
    """Bytes that trickle in keep no exchange alive beyond its time, whatever is announced ("a hub's slow answers")."""

    def drip(sock: Any, seen: Any) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + head)
        for _ in range(200):
            sock.sendall(drop)
            time.sleep(0.05)

    hub.script = [drip]
    began = time.monotonic()
    with pytest.raises(NotSent, match="longer than the time allowed"):
        call(hub, "list_waiting", settings={"total": 0.5})
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 1310720\r\n\r\n", b"\r\n"], ids=["announced", "of unknown length"]
)
def test_a_slow_line_is_waited_for(framing: bytes, hub: Any, call: Any, tmp_path: Path) -> None:
    """A packet that comes at no less than `slowest` may take longer than `total` ("a hub's slow answers")."""
    piece = bytes(1 << 16)

    def trickle(sock: Any, seen: Any) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n" + framing)
        for _ in range(20):
            sock.sendall(piece)
            time.sleep(0.05)

    hub.script = [trickle]
    call(hub, "fetch", "d", tmp_path / "p", settings={"total": 0.5, "slowest": 1 << 17})
    assert (tmp_path / "p").stat().st_size == 20 * len(piece)


def test_slow_answer_to_a_send(hub: Any, call: Any, packet: Path) -> None:
    """A time-out after the packet left is an unknown outcome (faults, row 5)."""
    over = threading.Event()
    hub.script = [lambda sock, seen: over.wait(5) and None]
    with pytest.raises(OutcomeUnknown, match="longer than the time allowed"):
        call(hub, "send", packet, **SEND, settings={"read": 0.3})
    over.set()


def test_vanished_packet(hub: Any, call: Any, tmp_path: Path) -> None:
    """A file that is gone is an attachment error, and nothing is sent (faults, must show)."""
    with pytest.raises(AttachmentError, match="cannot be read"):
        call(hub, "send", tmp_path / "gone.edxml", **SEND)
    assert hub.seen == []


def test_packet_that_shrinks(hub: Any, call: Any, packet: Path) -> None:
    """A file that is cut while it goes out is an attachment error, never a shorter packet (faults, row 3)."""

    def cut(done: int, total: int | None) -> None:
        packet.write_bytes(b"<edXML/>")

    with pytest.raises(AttachmentError, match="became shorter"):
        call(hub, "send", packet, **SEND, on_progress=cut)


def test_folder_that_is_gone(hub: Any, call: Any, reply: Any, tmp_path: Path) -> None:
    """A disk that does not take the packet is an error to the caller (faults, row 23)."""
    hub.script = [reply(b"<edXML/>")]
    with pytest.raises(StoreError, match="cannot be written"):
        call(hub, "fetch", "d", tmp_path / "gone" / "p")


def test_busy_hub(hub: Any, call: Any, reply: Any, packet: Path) -> None:
    """A 503 is waited out as long as the hub asks, then the call succeeds with a new time stamp (faults, row 8)."""
    hub.script = [reply(status=503, headers="Retry-After: 1\r\n"), reply(SENT)]
    began = time.monotonic()
    assert call(hub, "send", packet, **SEND, settings={"attempts": 2}) == SendResult(doc_id="abc")
    assert time.monotonic() - began >= 1
    first, second = (seen.headers["xroadvnpt-timestamp"] for seen in hub.seen)
    assert first != second


def test_retry_after_is_obeyed_to_a_cap(hub: Any, call: Any, reply: Any, caplog: Any) -> None:
    """A hub cannot make a client wait for a day; the last error is raised (faults, row 8)."""
    hub.script = [reply(status=429, headers="Retry-After: 86400\r\n")]
    with pytest.raises(HubUnavailable) as caught, caplog.at_level(logging.WARNING):
        call(hub, "list_waiting", settings={"attempts": 3, "retry_after_cap": 0.05})
    assert caught.value.retry_after == 86400
    assert len(hub.seen) == 3
    assert "attempt 2 failed" in caplog.text


def test_refusals_are_not_repeated(hub: Any, call: Any, reply: Any, packet: Path) -> None:
    """A refusal for good is one attempt (faults, row 9)."""
    hub.script = [reply(json.dumps({"status": "FAIL", "ErrorCode": "18", "ErrorDesc": "?"}).encode())]
    with pytest.raises(EdocError, match="directory"):
        call(hub, "send", packet, **SEND, settings={"attempts": 4})
    assert len(hub.seen) == 1


def test_no_secret_anywhere(hub: Any, call: Any, reply: Any, packet: Path, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, through every library below, neither log nor error shows secret, signature or payload (design)."""
    hub.script = [reply(SENT), drop, reply(b"<html>"), reply(status=500), reply(SENT, length=9999)]
    shown: list[str] = []
    with caplog.at_level(logging.DEBUG):
        for _ in range(5):
            try:
                call(hub, "send", packet, **SEND)
            except EdocError as error:
                chain: BaseException | None = error
                while chain is not None:
                    shown += [str(chain), repr(chain), repr(vars(chain))]
                    chain = chain.__cause__ or chain.__context__
    assert len(shown) >= 12
    logged = [record.getMessage() for record in caplog.records]
    hidden = ["top-secret-value", "payload-content", *(seen.headers["xroadvnpt-hash-header"] for seen in hub.seen)]
    assert not [text for text in [*shown, *logged] if any(word in text for word in [*hidden, '"XroadVnpt-'])]


@pytest.mark.no_cover  # CPython 3.11 cannot set two threads' trace functions at one moment
def test_one_client_many_threads(hub: Any, reply: Any) -> None:
    """One blocking client serves several threads, each with its own time limit (design, hubs)."""
    hub.script = [reply(LIST)]
    results: list[int] = []
    vxp = Vxp(endpoint=hub.url, system_id="H29", secret="k")
    with HubClient(vxp, ClientSettings(total=10)) as client:
        tasks = [threading.Thread(target=lambda: results.append(len(client.list_waiting()))) for _ in range(5)]
        for task in tasks:
            task.start()
        for task in tasks:
            task.join()
    assert results == [1] * 5


def test_signatures_are_those_of_the_dialect() -> None:
    """The methods of a client have the names and documents of the dialect's (design, hubs)."""
    common: Callable[..., Any] = HubClient.send
    assert (common.__name__, common.__doc__) == ("send", HubClient.send.__wrapped__.__doc__)  # type: ignore[attr-defined]
    assert "OutcomeUnknown" in (common.__doc__ or "")


def test_an_error_is_free_with_its_answer_once_it_is_handled(hub: Any, reply: Any) -> None:
    """Not when Python looks for circles, which may be a thousand answers later (soak, "memory levels off")."""
    refusal = json.dumps({"status": "FAIL", "ErrorCode": "28"}).encode()
    hub.script = [reply(b"busy", status=503), reply(b"busy", status=503), reply(refusal), drop]
    dialect = Vxp(endpoint=hub.url, system_id="H29.TEST", secret="secret")
    settings = ClientSettings(attempts=2, backoff=0.01)
    with HubClient(dialect, settings) as client:
        _require_free([client.list_waiting] * 3)

    async def ask() -> None:
        async with AsyncHubClient(dialect, settings) as client:
            for _ in range(3):
                with _without_collector():
                    try:
                        await client.list_waiting()
                    except EdocError as caught:
                        error = weakref.ref(caught)
                    assert error() is None

    asyncio.run(ask())


def _require_free(calls: list[Callable[[], object]]) -> None:
    for ask in calls:
        with _without_collector():
            try:
                ask()
            except EdocError as caught:
                error = weakref.ref(caught)
            assert error() is None


@contextmanager
def _without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
