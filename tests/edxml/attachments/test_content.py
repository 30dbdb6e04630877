"""Content of attachments: base64 in all forms, both packings, and damaged content ("Body and attachments")."""

from __future__ import annotations

import base64
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edoc_connector.edxml as edxml
from edoc_connector.errors import AttachmentError

Attached = Callable[..., str]


def _zip(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, *, streamed: bool = False) -> bytes:
    """Make a zip; a streamed one gives sizes behind each file, as Java's ZipOutputStream does."""
    out = io.BytesIO()
    target = _Unseekable(out) if streamed else out
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


class _Unseekable(io.RawIOBase):
    def __init__(self, out: io.BytesIO) -> None:
        super().__init__()
        self._out = out

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # Buffer is 3.12's
        return self._out.write(data)


def _only(text: str) -> edxml.Attachment:
    (attachment,) = edxml.read(text.encode()).attachments
    return attachment


def _bytes(text: str) -> bytes:
    with _only(text).open() as stream:
        return stream.read()


def _refused(text: str) -> str:
    with pytest.raises(AttachmentError) as caught:
        _bytes(text)
    assert caught.value.vi
    return caught.value.message


@given(content=st.binary(min_size=1, max_size=300), breaks=st.lists(st.sampled_from(["\r\n", "\n", " ", "\t"])))
@settings(max_examples=100, deadline=None)
def test_base64_with_line_breaks(content: bytes, breaks: list[str], attached: Attached) -> None:
    """Line breaks and spaces anywhere in base64 are ignored ("base64 with line breaks or spaces")."""
    text = base64.b64encode(content).decode()
    for index, gap in enumerate(breaks):
        place = index * 7 % (len(text) + 1)
        text = text[:place] + gap + text[place:]
    assert _bytes(attached(text)) == content


@pytest.mark.parametrize(
    "text", ["QQ=", "Q", "!!!!", "QQ==QQ==", "QQ==QUJD", "====", "é", "${file}", "QUJD" * 400_000 + "*"]
)
def test_what_is_not_base64(text: str, attached: Attached) -> None:
    """Text that is not base64 is an AttachmentError that names the file, and a finding of content_findings."""
    assert "'a.dat' cannot be decoded" in _refused(attached(text))
    (finding,) = edxml.read(attached(text).encode()).content_findings()
    assert (finding.code, finding.seen) == ("EDX-BASE64", "a.dat")


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<!--before-->QUJD", "EDX-COMMENT"),
        ("QU<!--in-->JD<!--after-->", None),
        ("<![CDATA[QUJD]]>", None),
        ("&#81;UJD&#10;", None),
        ("QU<?pi?>JD", "EDX-COMMENT"),
        ("QU<edXML:x xmlns:edXML='urn:x'/>JD", "EDX-NESTED"),
        (" \r\nQUJD", "EDX-BASE64-SPACE"),
    ],
)
def test_markup_in_base64(inside: str, expected: str | None, attached: Attached) -> None:
    """Comments, CDATA, references and instructions inside the text do not change the content."""
    packet = edxml.read(attached(inside).encode())
    assert _bytes(attached(inside)) == b"ABC"
    assert [finding.code for finding in packet.findings] == ([expected] if expected else [])


def test_two_contents_in_one_attachment(attached: Attached) -> None:
    """A second ContentTransferEncoded is reported by its length, the first is taken."""
    text = attached().replace("</ContentTransferEncoded>", "</ContentTransferEncoded><ContentTransferEncoded>QQ==")
    packet = edxml.read(text.replace("</Attachment>", "</ContentTransferEncoded></Attachment>", 1).encode())
    assert packet.attachments[0].size == 7
    assert [(one.code, one.seen) for one in packet.findings] == [("EDX-REPEATED", "[4 bytes]")]


@pytest.mark.parametrize("inside", ["", "<ContentTransferEncoded/>"])
def test_no_content(inside: str, attached: Attached) -> None:
    """An attachment with an empty content element, or none, is listed and reported."""
    start = attached().index("<ContentTransferEncoded>")
    end = attached().index("</Attachment>", start)
    packet = edxml.read((attached()[:start] + inside + attached()[end:]).encode())
    assert [one.code for one in packet.findings if one.code != "EDX-EMPTY"] == ["EDX-MISSING", "EDX-NO-CONTENT"]
    assert packet.attachments[0].size == 0
    (finding,) = packet.content_findings()
    assert finding.code == "EDX-NO-CONTENT"
    assert (finding.xpath, finding.line) == ("/edXML/AttachmentEncoded/Attachment", 19)


@pytest.mark.parametrize(
    ("method", "streamed"),
    [(zipfile.ZIP_DEFLATED, True), (zipfile.ZIP_DEFLATED, False), (zipfile.ZIP_STORED, False)],
)
@given(content=st.binary(max_size=2000))
@settings(max_examples=30, deadline=None)
def test_a_zip_around_the_file(method: int, streamed: bool, content: bytes, attached: Attached) -> None:
    """ "base64 of a zip whose first entry is the file", made with or without seeking."""
    packed = _zip({"32da2890.edxml": content}, method, streamed=streamed)
    text = attached(packed, kind="application/zip", ref_kind="application/x-data")
    assert _bytes(text) == content
    assert _only(text).content_type == "application/x-data"
    codes = [one.code for one in edxml.read(text.encode()).findings]
    assert [code for code in codes if code != "EDX-CONTENT-BYTES"] == ["EDX-PACKED"]


def test_a_large_zip_streams(attached: Attached) -> None:
    """A file that unpacks to many pieces comes whole, however it is read."""
    content = bytes(range(256)) * 20_000 + random.Random(1).randbytes(3_000_000)
    text = attached(_zip({"x": content}, streamed=True), kind="Application/ZIP", ref_kind="application/zip")
    assert _bytes(text) == content
    assert _only(text).size == len(content)
    with _only(text).open() as stream:
        assert stream.read(10) == content[:10]


@pytest.mark.parametrize(
    ("name", "first"),
    [("a.docx", "[Content_Types].xml"), ("a.odt", "mimetype"), ("a.xlsx", "_rels/.rels"), ("a.pptx", "docProps/x.xml")],
)
def test_office_files_are_zips_themselves(name: str, first: str, attached: Attached) -> None:
    """An office file announced as application/zip is the file, not a wrapping of it."""
    packed = _zip({first: b"x", "word/document.xml": b"y"})
    text = attached(packed, kind="application/zip", ref_kind="application/zip", name=name, ref_name=name)
    assert _bytes(text) == packed


def test_an_office_file_in_a_zip(attached: Attached) -> None:
    """An office file that a hub zipped comes out as it was, also from a folder in the zip."""
    for entry in ("0b1c.docx", "folder/a.docx"):
        packed = _zip({entry: b"content"})
        text = attached(packed, kind="application/zip", name="a.docx", ref_name="a.docx")
        assert _bytes(text) == b"content"


def test_a_zip_that_is_the_file(attached: Attached) -> None:
    """A name that ends in .zip, in any case, means the zip itself."""
    packed = _zip({"x": b"content"})
    for name in ("a.zip", "A.ZIP"):
        text = attached(packed, kind="application/zip", ref_kind="application/zip", name=name, ref_name=name)
        assert _bytes(text) == packed


def test_not_a_zip(attached: Attached) -> None:
    """Content announced as a zip that is none is the file itself; undecodable content is reported as such."""
    packet = edxml.read(attached(b"plain", kind="application/zip", ref_kind="application/zip").encode())
    assert [one.code for one in packet.findings] == ["EDX-NOT-ZIP"]
    assert packet.attachments[0].size == 5
    packet = edxml.read(attached("!!", kind="application/zip", ref_kind="application/zip").encode())
    assert [one.code for one in packet.findings] == ["EDX-BASE64"]


def _patched(data: bytes, offset: int, form: str, *values: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(form, changed, offset, *values)
    return bytes(changed)


_PLAIN = _zip({"x": b"content" * 100})
_STORED = _zip({"x": b"content"}, zipfile.ZIP_STORED)
_STREAMED = _zip({"x": b"content"}, streamed=True)


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (_zip({}), "holds no file"),
        (_zip({"folder/": b""}), "holds no file"),
        (_patched(_PLAIN, 6, "<H", 1), "encrypted with a password"),
        (_patched(_PLAIN, 8, "<H", 12), "compression method 12"),
        (_patched(_STORED, 6, "<H", 8), "compression method 0"),
        (_patched(_PLAIN, 14, "<I", 1), "checksum"),
        (_patched(_STORED, 18, "<I", 7_000_000), "cut off"),
        (_patched(_STORED, 18, "<I", 0xFFFFFFFF), "damaged"),
        (_PLAIN[:40], "cut off"),
        (_PLAIN[:20], "holds no file"),
        (_PLAIN[:30], "cut off"),
        (_patched(_PLAIN, 31, "<I", 0xFFFFFFFF), "invalid"),
        (_STREAMED[: _STREAMED.index(b"PK\x07\x08") + 6], "cut off"),
    ],
)
def test_zips_that_cannot_be_unpacked(packed: bytes, reason: str, attached: Attached) -> None:
    """Empty, encrypted, exotic, damaged and cut-off zips are an AttachmentError that says which."""
    message = _refused(attached(packed, kind="application/zip"))
    assert "'a.dat' cannot be unzipped" in message
    assert reason in message


def test_a_long_size_in_the_extra_field(attached: Attached) -> None:
    """A stored file whose sizes stand in the zip64 extra field is read (APPNOTE 4.5.3)."""
    extra = struct.pack("<HHB", 0x7777, 1, 0) + struct.pack("<HHQQ", 1, 16, 7, 7)
    header = _patched(_STORED[:30], 18, "<IIHH", 0xFFFFFFFF, 0xFFFFFFFF, 1, len(extra))
    file = header + b"x" + extra + b"content"
    directory = _STORED[_STORED.index(b"PK\x01\x02") :]
    packed = file + _patched(directory, len(directory) - 6, "<I", len(file))
    assert _bytes(attached(packed, kind="application/zip")) == b"content"


def test_a_descriptor_without_its_mark(attached: Attached) -> None:
    """The checksum behind a streamed file may come without its four-byte mark (APPNOTE 4.3.9.3)."""
    packed = _STREAMED.replace(b"PK\x07\x08", b"")
    packed = _patched(packed, len(packed) - 6, "<I", packed.index(b"PK\x01\x02"))
    assert _bytes(attached(packed, kind="application/zip")) == b"content"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (edxml.Limits(unpacked=1000), "limit of 1000 bytes"),
        (edxml.Limits(ratio=10), "limit of 10 times"),
    ],
)
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_zip_bombs(limits: edxml.Limits, reason: str, method: int, attached: Attached, folder: Path) -> None:
    """Unpacking stops at the size or ratio allowed, and the error names the bound."""
    packed = _zip({"x": b"\0" * 12_000_000}, method)
    (attachment,) = edxml.read(attached(packed, kind="application/zip").encode(), limits=limits).attachments
    if method == zipfile.ZIP_STORED and limits.ratio == 10:
        assert attachment.size == 12_000_000
        return
    target = folder / "bomb"
    with pytest.raises(AttachmentError) as caught:
        attachment.save(target)
    assert reason in caught.value.message
    assert not target.exists()


def test_a_packet_that_is_gone(attached: Attached, tmp_path: Path) -> None:
    """Content of a packet that was removed is an AttachmentError that states the remedy."""
    path = tmp_path / "x.edxml"
    path.write_text(attached(), encoding="utf-8")
    (attachment,) = edxml.read(path).attachments
    path.unlink()
    with pytest.raises(AttachmentError, match="put the packet back"):
        _ = attachment.size


_PDF = b"%PDF-1.4 content"


def _wrapped(times: int, content: bytes = _PDF) -> bytes:
    for _ in range(times):
        content = _zip({"x": content})
    return content


@pytest.mark.parametrize(("times", "limits"), [(1, None), (2, None), (4, edxml.Limits(nesting=4))])
def test_zips_in_a_zip(times: int, limits: edxml.Limits | None, attached: Attached) -> None:
    """A file that was wrapped more than once comes out whole, as deep as the limit lets."""
    text = attached(_wrapped(times), kind="application/zip", name="a.pdf", ref_name="a.pdf")
    packet = edxml.read(text.encode(), limits=limits)
    with packet.attachments[0].open() as stream:
        assert stream.read() == _PDF
    assert [one.code for one in packet.findings if one.code != "EDX-CONTENT-TYPE"] == [
        "EDX-PACKED",
        "EDX-CONTENT-BYTES",
    ]


def test_a_zip_that_a_hub_wrapped_stays_one(attached: Attached) -> None:
    """A file that may be a zip by its name is not unpacked a second time, nor is an office file under a wrong name."""
    for name, inner in (
        ("a.asice", _zip({"x": b"1"})),
        ("a.xls", _zip({"[Content_Types].xml": b"1", "xl/workbook.xml": b"2"})),
    ):
        text = attached(_zip({"y": inner}), kind="application/zip", name=name, ref_name=name)
        assert _bytes(text) == inner


@pytest.mark.parametrize(
    ("packed", "limits", "which"),
    [
        (_wrapped(3), edxml.Limits(), "(nesting)"),
        (_wrapped(2), edxml.Limits(nesting=1), "(nesting)"),
        (_zip({f"{number}/": b"" for number in range(1001)}), edxml.Limits(), "(entries)"),
        (_zip({"x": bytes(2000)}), edxml.Limits(unpacked=1000), "(unpacked)"),
        (_zip({"x": bytes(12_000_000)}), edxml.Limits(), "(ratio)"),
    ],
)
def test_each_bound_of_zips_is_named(packed: bytes, limits: edxml.Limits, which: str, attached: Attached) -> None:
    """Size, ratio, entries and nesting are bounded, and the error says which."""
    text = attached(packed, kind="application/zip", name="a.pdf", ref_name="a.pdf")
    packet = edxml.read(text.encode(), limits=limits)
    with pytest.raises(AttachmentError, match="limit") as caught:
        _ = packet.attachments[0].size
    assert which in caught.value.message
    assert which in caught.value.vi
    (finding,) = packet.content_findings()
    assert (finding.code, which in finding.understood) == ("EDX-BASE64", True)


_END = struct.Struct("<4sHHHHIIH")
_FIRST, _SECOND = _zip({"x": b"content"}, zipfile.ZIP_STORED), _zip({"y": b"another"}, zipfile.ZIP_STORED)
_DIRECTORY = _FIRST.index(b"PK\x01\x02")


def _ended(data: bytes, directory: bytes, *, files: int = 1, comment: bytes = b"") -> bytes:
    """A zip of entries and a directory, with an end that is right for them."""
    end = _END.pack(b"PK\x05\x06", 0, 0, files, files, len(directory), len(data), len(comment))
    return data + directory + end + comment


def _listing(name: bytes, data: bytes, offset: int) -> bytes:
    """The directory's entry for a stored file."""
    fixed = struct.pack("<4sHHHHHHIII", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, zlib.crc32(data), len(data), len(data))
    return fixed + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, offset) + name


_HIDDEN = _zip({"x": _SECOND[: _SECOND.index(b"PK\x01\x02")]}, zipfile.ZIP_STORED)  # an entry inside the first's bytes


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (_zip({"x": b"content", "y": b"another"}), "another file stands behind"),
        (_zip({"x": b"content", "y": b"1" * 50}, zipfile.ZIP_STORED), "another file stands behind"),
        (_zip({"x": b"content", "g/": b""}), "another file stands behind"),
        (_zip({"f/": b"", "x": b"content"}), "stands before the file"),
        (_zip({f"{number}": b"x" for number in range(5)}), "another file stands behind"),
        (_FIRST + b"\0", "something stands behind it"),
        (_FIRST + _SECOND, "something stands behind it"),
        (_ended(_FIRST[:_DIRECTORY], _FIRST[_DIRECTORY:-22], comment=_SECOND), "a comment"),
        (_FIRST[:_DIRECTORY], "cut off"),
        (_FIRST[:-22], "cut off"),
        (_FIRST[:-1], "cut off"),
        (_ended(_FIRST[:_DIRECTORY] + b"between", _FIRST[_DIRECTORY:-22]), "no directory"),
        (_FIRST[:-22] + b"between" + _FIRST[-22:], "between its directory and its end"),
        (_ended(_FIRST[:_DIRECTORY], _listing(b"y", b"content", 0)), "lists another file"),
        (_ended(_FIRST[:_DIRECTORY], _listing(b"x", b"conteNt", 0)), "lists another file"),
        (_ended(_HIDDEN[: _HIDDEN.rindex(b"PK\x01\x02")], _listing(b"y", b"another", 31)), "lists another file"),
        (_ended(_FIRST[:_DIRECTORY], _listing(b"x", b"content", 0) + _listing(b"y", b"", 0), files=2), "more than one"),
        (_patched(_FIRST, len(_FIRST) - 6, "<I", 0), "end of its directory"),
        (_patched(_FIRST, len(_FIRST) - 10, "<I", 5), "end of its directory"),
        (_patched(_FIRST, len(_FIRST) - 12, "<H", 2), "end of its directory"),
        (_patched(_STREAMED, _STREAMED.index(b"PK\x07\x08") + 8, "<I", 1), "sizes do not match"),
        (_patched(_PLAIN, 18, "<I", 1), "sizes do not match"),
    ],
)
def test_words_and_screens_a_zip_of_more_than_one_file_wraps_nothing(
    packed: bytes, reason: str, attached: Attached
) -> None:
    """Two entries, or anything before, between or behind: two programs could find two files ("Words and screens")."""
    packet = edxml.read(attached(packed, kind="application/zip").encode())
    with pytest.raises(AttachmentError, match=reason):
        _ = packet.attachments[0].sha256
    (finding,) = packet.content_findings()
    assert finding.code == ("EDX-BASE64" if "cut off" in reason or "sizes" in reason else "EDX-ZIP-MORE")
    assert reason in finding.understood


def test_words_and_screens_what_stands_before_a_zip_makes_it_none(attached: Attached) -> None:
    """A file that begins with anything else is the file itself, whatever zip follows in it ("Words and screens")."""
    for before in (b"%PDF-1.4 ", b"PK"):
        packet = edxml.read(attached(before + _FIRST, kind="application/zip").encode())
        assert "EDX-NOT-ZIP" in [one.code for one in packet.findings]
        with packet.attachments[0].open() as stream:
            assert stream.read() == before + _FIRST
    assert "holds no file" in _refused(attached(_FIRST[-22:] + _FIRST, kind="application/zip"))


@pytest.mark.parametrize(
    ("method", "streamed"), [(zipfile.ZIP_DEFLATED, True), (zipfile.ZIP_DEFLATED, False), (zipfile.ZIP_STORED, False)]
)
@pytest.mark.parametrize("force_zip64", [True, False])
def test_words_and_screens_wrappings_of_one_file_are_opened(
    method: int, force_zip64: bool, streamed: bool, attached: Attached
) -> None:
    """A zip of one file is one in every form that libraries write: streamed, with long sizes (APPNOTE 4.3.9, 4.5.3)."""
    out = io.BytesIO()
    info = zipfile.ZipInfo("5f0c")
    info.compress_type = method
    with (
        zipfile.ZipFile(_Unseekable(out) if streamed else out, "w") as zipped,
        zipped.open(info, "w", force_zip64=force_zip64) as file,
    ):
        file.write(b"content" * 10)
    assert _bytes(attached(out.getvalue(), kind="application/zip")) == b"content" * 10


def _long_zip(*, total: int = 1, offset: int | None = None, locator: bytes = b"PK\x06\x07", at: int = 0) -> bytes:
    """A zip of one file with long sizes everywhere (APPNOTE 4.3.14, 4.3.15, 4.5.3), its end right unless said."""
    data, start = b"content", _DIRECTORY
    extra = struct.pack("<HHB", 0x7777, 1, 0) + struct.pack("<HHQQQ", 1, 24, len(data), len(data), 0)
    listing = struct.pack("<4sHHHHHHIII", b"PK\x01\x02", 45, 45, 0, 0, 0, 33, zlib.crc32(data), 0xFFFFFFFF, 0xFFFFFFFF)
    listing += struct.pack("<HHHHHII", 1, len(extra), 0, 0, 0, 0, 0xFFFFFFFF) + b"x" + extra
    end_at, place = start + len(listing), start if offset is None else offset
    long_end = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, total, len(listing), place)
    return (
        _FIRST[:_DIRECTORY]
        + listing
        + long_end
        + struct.pack("<4sIQI", locator, 0, end_at + at, 1)
        + _END.pack(b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    )


def test_words_and_screens_a_wrapping_with_a_long_end_is_opened(attached: Attached) -> None:
    """The zip64 form of the directory and its end means the same, and is held to the same ("Words and screens")."""
    assert _bytes(attached(_long_zip(), kind="application/zip")) == b"content"
    for odd in (_long_zip(total=2), _long_zip(offset=0), _long_zip(locator=b"PK\x05\x06"), _long_zip(at=1)):
        assert "end of its directory is odd" in _refused(attached(odd, kind="application/zip"))


@pytest.mark.parametrize("name", ["ho-so.rar", "ho-so.7z", "anh.png", "bang.xls", "ghi-chu.txt"])
def test_a_zip_of_several_files_is_the_file_whatever_its_name(name: str, attached: Attached) -> None:
    """People call a zip .rar: wrapped by a hub, the first entry is that very zip, and nothing is lost (Content)."""
    inner = _zip({"a.txt": b"one", "b.txt": b"two"})
    packet = edxml.read(attached(_zip({"5f0c": inner}), kind="application/zip", name=name, ref_name=name).encode())
    with packet.attachments[0].open() as stream:
        assert stream.read() == inner
    assert packet.attachments[0].size == len(inner)
    assert "EDX-ZIP-MORE" not in [one.code for one in packet.content_findings()]


def test_a_zip_inside_that_cannot_be_read_is_the_file(attached: Attached) -> None:
    """A zip inside a zip that cannot be read is handed out as it is (Content)."""
    inner = _zip({"a.txt": b"one"})[:-40]
    for odd in (_patched(inner, 6, "<H", 1), _patched(inner, 14, "<I", 0)):  # encrypted; another checksum
        text = attached(_zip({"x": odd}), kind="application/zip", name="a.pdf", ref_name="a.pdf")
        assert _bytes(text) == odd
