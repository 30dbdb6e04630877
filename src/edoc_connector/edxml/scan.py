"""The first pass over a packet: refuses what no packet needs, and finds where the long texts lie.

expat reads the bytes once, in chunks. Everything but the texts of ``ContentTransferEncoded`` is copied to a *skeleton*,
small enough for a tree; each such text is replaced in it by a placeholder and remembered as a `Span` of the source.
"""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote
from xml.parsers import expat

from .findings import Finding
from .names import DS, NS, XLINK
from .refusal import refusal

CHUNK = 1 << 20
CONTENT_PATH = ["AttachmentEncoded", "Attachment", "ContentTransferEncoded"]
"""Local names of the element whose text is left out of the skeleton, and of those around it."""
_HEAD = 1 << 16
_FEED = 1 << 18  # what expat gets at a time: it keeps all of a tag, and one that is too large is noticed between pieces
_KNOWN_PREFIXES = {"edxml": NS, "xlink": XLINK, "ds": DS, "xsi": "http://www.w3.org/2001/XMLSchema-instance"}
_SPACES = (b" ", b"\n", b"\r", b"\t")
_UTF8_NAMES = {"utf-8", "utf8", "us-ascii", "ascii"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How large and how deep a packet may be.

    Args:
        skeleton: most bytes outside attachment texts.
        tag: most bytes of one tag, comment or instruction.
        depth: most nested elements.
        elements: most elements.
        attributes: most attributes on one element.
        namespaces: most namespace declarations in all, prefixes without one among them.
        unpacked: most bytes a zipped attachment may unpack to.
        ratio: most times its packed size a zipped attachment may unpack to, beyond the first 10 MiB.
        entries: most files and folders in a zip around an attachment.
        nesting: most zips around one attachment, one inside the other.
    """

    skeleton: int = 16 << 20
    tag: int = 1 << 20
    depth: int = 64
    elements: int = 100_000
    attributes: int = 64
    namespaces: int = 512
    unpacked: int = 2 << 30
    ratio: int = 200
    entries: int = 1_000
    nesting: int = 2


@dataclass(frozen=True, slots=True)
class Source:
    """Where the packet's bytes are: a file, or bytes in memory.

    Args:
        path: the file.
        data: the bytes, where there is no file.
    """

    path: Path | None = None
    data: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, where: Path | str | bytes) -> Source:
        """A source for a path or for bytes."""
        return cls(data=where) if isinstance(where, bytes) else cls(path=Path(where))

    def open(self) -> BinaryIO:
        """A new stream at the first byte."""
        return self.path.open("rb") if self.path else io.BytesIO(self.data)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size if self.path else len(self.data)

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from start to end, in pieces."""
        with self.open() as stream:
            yield from _between(stream, start, end)


def _between(stream: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    stream.seek(start)
    left = end - start
    while left and (piece := stream.read(min(CHUNK, left))):
        left -= len(piece)
        yield piece


@dataclass(frozen=True, slots=True)
class Span:
    """A text of the source that the skeleton leaves out.

    Args:
        start: offset of its first byte.
        end: offset after its last.
        placeholder: what stands for it in the skeleton.
        plain: whether it is characters only: no reference, comment or CDATA section.
        lines: how many line ends it holds.
        spaced: whether spaces or line ends stand in it.
    """

    start: int
    end: int
    placeholder: str
    plain: bool
    lines: int = 0
    spaced: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """What the pass found.

    Args:
        skeleton: the packet's bytes with every span replaced by its placeholder.
        spans: by placeholder.
        token: what every placeholder begins with; no packet can know it.
        findings: byte order mark, line ends, undeclared prefixes.
        namespace_errors: whether a prefix was used that is not declared.
    """

    skeleton: bytes = field(repr=False)
    spans: dict[str, Span]
    token: str
    findings: tuple[Finding, ...]
    namespace_errors: bool

    def line_at(self, line: int, column: int) -> int:
        """The line of the source for a line and column of the skeleton, all counted from 1."""
        pieces = self.skeleton.split(b"\n", line)
        before = b"\n".join([*pieces[: line - 1], pieces[min(line, len(pieces)) - 1][: max(column - 1, 0)]])
        hidden = (self.spans[one.decode("ascii")].lines for one in re.findall(self.placeholders, before))
        return line + sum(hidden)

    @property
    def placeholders(self) -> bytes:
        """A pattern that finds them."""
        return self.token.encode("ascii") + rb"-[0-9]+-"


def scan(source: Source, limits: Limits) -> Scan:
    """Read the source once.

    Raises:
        PacketError: it is not XML, not UTF-8, holds a DOCTYPE, or goes over a limit.
    """
    watcher = _Watcher(limits)
    with source.open() as stream:
        findings = _check_head(stream.read(_HEAD))
        stream.seek(0)
        _feed(watcher, stream)
    spans = {span.placeholder: span for span in watcher.spans(source)}
    undeclared = {prefix: _namespace_of(prefix) for prefix in watcher.undeclared}
    lines = watcher.undeclared
    findings += [Finding("EDX-PREFIX", "/*", prefix, uri, lines[prefix]) for prefix, uri in undeclared.items()]
    plain = _skeleton(source, spans.values())
    findings += _form(plain)
    return Scan(_declare(plain, undeclared), spans, watcher.token, tuple(findings), bool(undeclared))


def _form(skeleton: bytes) -> Iterator[Finding]:
    """What the bytes between the elements show: other line ends, and what stands after the root element."""
    ends = skeleton.count(b"\r")
    if ends:
        yield Finding("EDX-LINE-ENDS", "/*", str(ends), line=1)
    after = skeleton[skeleton.rindex(b">") + 1 :]
    if after.replace(b"\r", b"") not in (b"", b"\n"):
        yield Finding("EDX-AFTER-ROOT", "/*", str(len(after)))


def _check_head(head: bytes) -> list[Finding]:
    bom = b"\xef\xbb\xbf" if head.startswith(b"\xef\xbb\xbf") else b""
    body = head.removeprefix(bom)
    if not body.strip():
        raise refusal("EDX-EMPTY-FILE")
    if head.startswith((b"\xfe\xff", b"\xff\xfe")) or b"\x00" in head[:4]:
        raise refusal("EDX-ENCODING", "UTF-16 / UTF-32")
    before, found, after = body.partition(b"<")
    if not found:
        seen = _shown(body)
        raise refusal("EDX-NOT-XML", f"it begins with {seen}", f"tệp bắt đầu bằng {seen}")
    # spaces may stand before a root element, but not before an XML declaration
    if before.strip() or (before and after.startswith(b"?xml")):
        raise refusal("EDX-LEADING-BYTES", _shown(before), understood=str(len(before)))
    return [Finding("EDX-BOM", "/*", line=1)] if bom else []


def _shown(data: bytes) -> str:
    return repr(data[:16].decode("utf-8", "backslashreplace")) + ("…" if len(data) > 16 else "")


def _feed(watcher: _Watcher, stream: BinaryIO) -> None:
    parser = watcher.parser
    try:
        while piece := stream.read(min(CHUNK, _FEED)):
            parser.Parse(piece, False)
            watcher.check_size(len(piece))
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise refusal("EDX-NOT-XML", reason, place=(error.lineno, error.offset + 1)) from None


class _Watcher:
    """expat's handlers: what is refused, and where attachment texts begin and end."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.undeclared: dict[str, int] = {}
        """Prefixes that nobody declared, and the line each is met first."""
        self.token = f"edoc-text-{secrets.token_hex(16)}"
        self._found: list[tuple[int, int, bool]] = []
        self._open: list[tuple[str, frozenset[str]]] = [("", frozenset({"xml", "xmlns"}))]
        self._elements = self._namespaces = self._read = self._long = 0
        self._text_depth = 0
        self._text_start = -1
        self._text_plain = self._text_mixed = False
        self.parser = self._new_parser()

    def _new_parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate("UTF-8")
        parser.ordered_attributes = True
        parser.XmlDeclHandler = self._declaration
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._doctype
        return parser

    def check_size(self, fed: int) -> None:
        """Refuse a packet whose bytes outside attachment texts, or in one tag, go over the limit."""
        self._read += fed
        open_text = self._read - self._text_start if self._text_start >= 0 else 0
        # a comment, say, without an end in sight: expat keeps all of it
        unfinished = self._read - self.parser.CurrentByteIndex - fed
        if unfinished > self.limits.tag:
            raise self._too_much("bytes in one tag or comment", "byte trong một thẻ hoặc chú thích", self.limits.tag)
        if self._read - self._long - open_text > self.limits.skeleton:
            raise self._too_much("bytes outside attachments", "byte ngoài tệp đính kèm", self.limits.skeleton)

    def spans(self, source: Source) -> Iterator[Span]:
        """The texts found, in the source's order."""
        with source.open() as stream:
            for index, (start, end, plain) in enumerate(self._found):
                lines, marked, spaced = 0, not plain, False
                for piece in _between(stream, start, end):
                    lines += piece.count(b"\n")
                    marked = marked or b"&" in piece
                    spaced = spaced or any(space in piece for space in _SPACES)
                yield Span(start, end, f"{self.token}-{index}-", not marked, lines, spaced)

    def _start(self, name: str, attributes: list[str]) -> None:
        self._elements += 1
        if self._elements > self.limits.elements:
            raise self._too_much("elements", "phần tử", self.limits.elements)
        if len(attributes) > 2 * self.limits.attributes:
            raise self._too_much("attributes on one element", "thuộc tính trên một phần tử", self.limits.attributes)
        if attributes or ":" in name:
            self._check_uris(attributes)
            scope = self._scope(name, attributes[::2])
        else:
            scope = self._open[-1][1]
        self._open.append((name.rpartition(":")[2], scope))
        if len(self._open) > self.limits.depth + 1:
            raise self._too_much("nested elements", "cấp phần tử lồng nhau", self.limits.depth)
        if self._text_depth:
            self._text_mixed = True
        elif [local for local, _ in self._open[-3:]] == CONTENT_PATH:
            self._open_text()

    def _check_uris(self, attributes: list[str]) -> None:
        """Refuse braces in a namespace: no URI has them, and trees that write names ``{URI}name`` misread them."""
        for name, value in zip(attributes[::2], attributes[1::2], strict=True):
            if name.startswith("xmlns") and ("{" in value or "}" in value):
                raise refusal(
                    "EDX-NOT-XML",
                    "a namespace holds braces, which no URI may have",
                    "không gian tên chứa dấu ngoặc nhọn, không hợp lệ trong URI",
                    place=self._place(),
                )

    def _scope(self, name: str, attributes: list[str]) -> frozenset[str]:
        """The prefixes declared where an element stands; its own that are not are noted."""
        declared = frozenset(n[6:] for n in attributes if n.startswith("xmlns:"))
        scope = self._open[-1][1] | declared if declared else self._open[-1][1]
        used = (qname.partition(":") for qname in (name, *attributes))
        fresh = {prefix for prefix, colon, _ in used if colon and prefix not in scope}
        for prefix in sorted(fresh - self.undeclared.keys()):
            self.undeclared[prefix] = self.parser.CurrentLineNumber
        self._namespaces += len(declared) + len(fresh) + ("xmlns" in attributes)
        if self._namespaces > self.limits.namespaces:
            raise self._too_much("namespace declarations", "khai báo không gian tên", self.limits.namespaces)
        return scope

    def _end(self, _name: str) -> None:
        self._open.pop()
        if self._text_depth and len(self._open) < self._text_depth:
            self._close_text()

    def _open_text(self) -> None:
        self._text_depth = len(self._open)
        self._text_plain, self._text_mixed = True, False
        self.parser.CharacterDataHandler = lambda _text: self._first_text()
        self.parser.StartCdataSectionHandler = self._cdata
        self.parser.CommentHandler = lambda _text: self._comment()
        self.parser.ProcessingInstructionHandler = lambda _target, _data: self._instruction()

    def _first_text(self) -> None:
        # one event is enough to know where the text begins; after it expat runs without calling back
        if self._text_start < 0:
            self._text_start = self.parser.CurrentByteIndex
        self.parser.CharacterDataHandler = None

    def _cdata(self) -> None:
        self._text_plain = False
        self._first_text()

    def _comment(self) -> None:
        self._text_plain = False

    def _instruction(self) -> None:
        self._text_mixed = True

    def _close_text(self) -> None:
        start, end = self._text_start, self.parser.CurrentByteIndex
        # a text with elements or instructions inside stays in the skeleton, where the reader reports it
        if start >= 0 and not self._text_mixed:
            self._found.append((start, end, self._text_plain))
            self._long += end - start
        self._text_depth, self._text_start = 0, -1
        self.parser.CharacterDataHandler = self.parser.StartCdataSectionHandler = None
        self.parser.CommentHandler = self.parser.ProcessingInstructionHandler = None

    def _declaration(self, version: str, encoding: str | None, _standalone: int) -> None:
        if version != "1.0":
            raise refusal("EDX-XML-VERSION", version)
        if encoding is not None and encoding.lower() not in _UTF8_NAMES:
            raise refusal("EDX-ENCODING", encoding)

    def _doctype(self, *_: object) -> None:
        raise refusal("EDX-DOCTYPE", place=self._place())

    def _too_much(self, what: str, what_vi: str, most: int) -> Exception:
        return refusal("EDX-LIMIT", what, what_vi, understood=str(most), place=self._place())

    def _place(self) -> tuple[int, int]:
        return self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1


def _namespace_of(prefix: str) -> str:
    return _KNOWN_PREFIXES.get(prefix.lower(), f"urn:edoc-connector:undeclared:{quote(prefix)}")


def _skeleton(source: Source, spans: Iterable[Span]) -> bytes:
    pieces: list[bytes] = []
    position = 0
    with source.open() as stream:
        for span in spans:
            pieces.extend(_between(stream, position, span.start))
            pieces.append(span.placeholder.encode("ascii"))
            position = span.end
        pieces.extend(_between(stream, position, source.size))
    return b"".join(pieces)


_BEFORE_ROOT = re.compile(rb"(?:[^<]++|<\?.*?\?>|<!--.*?-->)*+<[^\s/>]+", re.DOTALL)


def _declare(skeleton: bytes, prefixes: dict[str, str]) -> bytes:
    """Put declarations of the prefixes on the root element."""
    tag = _BEFORE_ROOT.match(skeleton)
    if tag is None:
        raise AssertionError("expat found a root element")
    declared = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in prefixes.items())
    return skeleton[: tag.end()] + declared.encode() + skeleton[tag.end() :]
