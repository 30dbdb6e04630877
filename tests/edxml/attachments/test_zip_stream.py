"""What all zips of a packet may unpack to together (the security rule that work is bounded before it is done)."""

from __future__ import annotations

import base64
import io
import pickle
import zipfile
from collections.abc import Callable, Sequence

import pytest

import edoc_connector.edxml as edxml
from edoc_connector.edxml.attachments.zip_stream import FREE_SIZE, BoundExceeded, UnpackingBudget, UnpackingMeter
from edoc_connector.errors import AttachmentError

_MIB = 1 << 20


def _zip(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", data)
    return out.getvalue()


@pytest.fixture
def zipped(packet: Callable[..., str]) -> Callable[..., edxml.Packet]:
    """Reads a packet whose attachments are zips of these files."""

    def read(files: Sequence[bytes], *, name: str = "a.dat", limits: edxml.Limits | None = None) -> edxml.Packet:
        parts = [
            f"<Attachment><ContentId>cid:{number}</ContentId><AttachmentName>{name}</AttachmentName>"
            f"<ContentType>application/zip</ContentType><ContentTransferEncoded>{base64.b64encode(one).decode()}"
            "</ContentTransferEncoded></Attachment>"
            for number, one in enumerate(files)
        ]
        return edxml.read(packet(attachments="".join(parts)).encode(), limits=limits)

    return read


def _unpack_all(packet: edxml.Packet) -> tuple[int, set[str]]:
    """Count the bytes that come out of all attachments before each ends or is refused; the refusals' words beside."""
    count, said = 0, set()
    for attachment in packet.attachments:
        try:
            for piece in attachment.pieces():
                count += len(piece)
        except AttachmentError as error:
            said.add(error.message.partition(": ")[2])
    return count, said


def test_many_small_zips_share_one_budget(zipped: Callable[..., edxml.Packet]) -> None:
    """A hundred zips of nine kilobytes do not save nine hundred megabytes: what is free is free once per packet."""
    packed = _zip(bytes(9 * _MIB))
    packet = zipped([packed] * 100)
    allowed = max(200 * 100 * len(packed), FREE_SIZE)
    count, said = _unpack_all(packet)
    assert FREE_SIZE < count <= allowed + _MIB
    assert {words[:29] for words in said} == {"the zips of its packet unpack"}


def test_honest_zips_are_read_again_and_again(zipped: Callable[..., edxml.Packet]) -> None:
    """Reading a zip a second time costs nothing of the budget (size, hash, saving, the seal)."""
    packet = zipped([_zip(bytes(4 * _MIB)), _zip(bytes(4 * _MIB))])
    for _ in range(5):
        assert _unpack_all(packet) == (8 * _MIB, set())
    assert [one.size for one in packet.attachments] == [4 * _MIB] * 2


def test_a_zip_inside_a_zip_counts_too(zipped: Callable[..., edxml.Packet]) -> None:
    """Every layer is work, so every layer is charged."""
    packed = _zip(_zip(bytes(5000)))
    inner_size = len(_zip(bytes(5000)))
    fits, too_much = (edxml.Limits(unpacked=5000 + inner_size + more) for more in (0, -1))
    assert zipped([packed], name="a.pdf", limits=fits).attachments[0].size == 5000
    refused = zipped([packed], name="a.pdf", limits=too_much).attachments[0]
    for _ in range(2):  # the first reading was of the head, for its type
        with pytest.raises(AttachmentError, match="unpacked"):
            _ = refused.size


def test_the_budget_is_charged_by_how_far_a_reading_comes() -> None:
    """Only bytes beyond the farthest reading so far count, and a copy starts anew."""
    budget = UnpackingBudget(100, 1000)
    first, second = budget.add_zip(10), budget.add_zip(10)
    for _ in range(3):
        UnpackingMeter(budget, first).add(60)
    UnpackingMeter(budget, second).add(40)
    with pytest.raises(BoundExceeded):
        UnpackingMeter(budget, second).add(41)
    copy = pickle.loads(pickle.dumps(budget))
    UnpackingMeter(copy, copy.add_zip(1)).add(100)
