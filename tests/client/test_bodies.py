"""Bodies of requests and answers, without a network."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edoc_connector.client.bodies import CHUNK_BYTES, AnswerSink, Upload
from edoc_connector.errors import AttachmentError, ProtocolError
from edoc_connector.hubs import FileBody, WireRequest


def request(body: bytes | FileBody = b"", **more: object) -> WireRequest:
    """Make a request with these fields."""
    return WireRequest("POST", "http://h", {}, body, **more)  # type: ignore[arg-type]


def test_when_a_packet_may_have_arrived(tmp_path: Path) -> None:
    """The packet counts as handed over with its last byte, which takes the tail along (faults, rows 3 and 4)."""
    path = tmp_path / "p"
    path.write_bytes(bytes(CHUNK_BYTES + 1))
    with Upload(request(FileBody(path, tail=b"\r\n"))) as upload:
        states = [(len(chunk), upload.handed_over) for chunk in upload]
        assert upload.length == CHUNK_BYTES + 3
    assert states == [(CHUNK_BYTES, False), (3, True)]


def test_bodies_in_memory(tmp_path: Path) -> None:
    """A body in memory is one piece and may have arrived from the start (faults, row 4)."""
    with Upload(request(b"{}")) as upload:
        assert (list(upload), upload.length, upload.handed_over) == ([b"{}"], 2, True)


def test_folder_as_packet(tmp_path: Path) -> None:
    """A folder in a packet's place is an attachment error (faults, must show)."""
    with pytest.raises(AttachmentError, match="cannot be sent") as caught:
        Upload(request(FileBody(tmp_path)))
    assert "gửi lại" in caught.value.vi


@given(st.binary(max_size=3000), st.integers(1, 50))
def test_any_split_of_a_compressed_answer(data: bytes, step: int) -> None:
    """However the network cuts a compressed answer, it comes out whole (facts about httpx)."""
    packed = zlib.compress(data)
    with AnswerSink(request(), 200, {"content-encoding": "deflate"}) as sink:
        for start in range(0, len(packed), step):
            sink.write(packed[start : start + step])
        assert sink.finish().body == data


@pytest.mark.parametrize("size", [CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 4 * CHUNK_BYTES])
def test_pieces_of_exactly_one_chunk(size: int) -> None:
    """A piece that fills the buffer does not hide the bytes behind it (facts about httpx)."""
    with AnswerSink(request(), 200, {"content-encoding": "gzip", "content-length": "x"}) as sink:
        sink.write(zlib.compress(bytes(size)))
        assert len(sink.finish().body) == size
        assert sink.announced_length is None


def test_only_a_success_is_saved(tmp_path: Path) -> None:
    """The words of a refusal are kept in memory and never put in a packet's place (faults, row 14)."""
    with AnswerSink(request(save_to=tmp_path / "p"), 500, {}) as sink:
        sink.write(b"no")
        answer = sink.finish()
    assert (answer.body, answer.saved) == (b"no", None)
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(1, 50))
def test_members_of_a_compressed_answer(parts: list[bytes], step: int) -> None:
    """Members that follow each other are one answer, however the network cuts it (RFC 1952, 2.2)."""
    packed = b"".join(gzip.compress(part) for part in parts)
    with AnswerSink(request(), 200, {"content-encoding": "gzip"}) as sink:
        for start in range(0, len(packed), step):
            sink.write(packed[start : start + step])
        assert sink.finish().body == b"".join(parts)


_ENDLESS = {
    "members": (b"", gzip.compress(b"")),
    "blocks": (gzip.compress(b"")[:10], b"\x00\x00\x00\xff\xff"),
}
"""Compressed bytes without end that hold no content: how they begin, and what is repeated."""


@pytest.mark.parametrize("kind", _ENDLESS)
def test_compressed_bytes_that_hold_nothing(kind: str) -> None:
    """An answer is limited as it came over the wire, too: nothing without end decodes to nothing ("bytes limits")."""
    head, repeated = _ENDLESS[kind]
    piece = repeated * (65536 // len(repeated))
    with AnswerSink(request(limit=1 << 20), 200, {"content-encoding": "gzip"}) as sink:
        sink.write(head)
        with pytest.raises(ProtocolError):
            sink.write(piece * 64)


def test_an_answer_in_single_bytes_takes_its_own_memory() -> None:
    """A chunk for each byte does not take forty times the bytes that are allowed ("bytes limits")."""
    tracemalloc.start()
    try:
        with AnswerSink(request(), 200, {}) as sink:
            for number in range(1 << 16):
                sink.write(number.to_bytes(2))
            assert len(sink.finish().body) == 1 << 17
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("behind", [b"garbage", gzip.compress(b"second")[:-4]])
def test_what_stands_behind_a_compressed_answer(behind: bytes) -> None:
    """Bytes that follow and are no whole member are not dropped silently (faults, row 15)."""

    def answer() -> None:
        with AnswerSink(request(), 200, {"content-encoding": "gzip"}) as sink:
            sink.write(gzip.compress(b"first") + behind)
            sink.finish()

    with pytest.raises(ProtocolError, match="compression"):
        answer()


@pytest.mark.parametrize("encoding", ["utf-8", "none", "identity, identity", "binary", "aws-chunked"])
def test_an_odd_encoding_of_a_short_answer(encoding: str, tmp_path: Path) -> None:
    """An answer whose Content-Encoding names none is read as it came, a send's too; a packet's is refused."""
    with AnswerSink(request(), 200, {"content-encoding": encoding}) as sink:
        sink.write(b'{"status":"OK"}')
        assert sink.finish().body == b'{"status":"OK"}'
    if "identity" not in encoding:
        with pytest.raises(ProtocolError, match="not asked for"):
            AnswerSink(request(save_to=tmp_path / "packet"), 200, {"content-encoding": encoding})


def test_an_encoding_beside_identity() -> None:
    """What is compressed once is decompressed, whatever else the header lists."""
    with AnswerSink(request(), 200, {"content-encoding": "identity, gzip"}) as sink:
        sink.write(gzip.compress(b"{}"))
        assert sink.finish().body == b"{}"


def test_a_head_goes_before_the_file(tmp_path: Path) -> None:
    """A form around a packet counts in its length, and the packet as handed over with its own last byte."""
    path = tmp_path / "p"
    path.write_bytes(b"packet")
    for content in (None, b"packet"):
        with Upload(request(FileBody(path, head=b"head-", tail=b"-tail", content=content))) as upload:
            states = [(piece, upload.handed_over) for piece in upload]
            assert upload.length == 16
        assert states == [(b"head-", False), (b"packet-tail", True)]
