"""The first pass over a packet, which refuses dangerous XML and finds the long texts.

The bytes are read once, in chunks. Everything but the texts of ``ContentTransferEncoded`` is copied to a *skeleton*,
small enough for a tree; each such text is replaced in it by a placeholder and remembered as a `Span` of the source.

expat decides whether a packet is XML. It does not get all of the long texts: where it stands inside one with nothing
pending, a run of base64 changes neither its state nor its answer, so the run is classified by faster code and left out.
Where expat then refuses the packet, its positions would be wrong, so a second run gets everything.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import quote
from xml.parsers import expat

from ...errors import PacketError
from ..attachments import RunKind, classify_run, has_spaces, has_url_safe_letters
from ..findings import Finding, packet_error
from ..limits import Limits
from ..names import DS, NS, XLINK
from ..source import CHUNK_SIZE, BlockReader, Source, Span, iter_between

CONTENT_PATH = ["AttachmentEncoded", "Attachment", "ContentTransferEncoded"]
"""Local names of the element whose text is left out of the skeleton, and of the two around it."""
_TEXT_NAME = CONTENT_PATH[-1]
_HEAD_SIZE = 1 << 16
# what expat gets at a time: it keeps all of a tag, and one that is too large is noticed between pieces
_FEED_SIZE = CHUNK_SIZE
_KNOWN_PREFIXES = {"edxml": NS, "xlink": XLINK, "ds": DS, "xsi": "http://www.w3.org/2001/XMLSchema-instance"}
_TEXT_TAG = f"{_TEXT_NAME}>".encode()
# what expat gets of a text at least: one character to notice that it began, and a line end before it
_TEXT_HEAD_SIZE = 4
_MIN_SKIP_SIZE = 1 << 10  # a shorter run costs more to leave out than to parse
_MAX_STOPS = 64  # in one piece; a packet of tiny texts, or one made to slow us down, goes to expat as it is
_UTF8_NAMES = {"utf-8", "utf8", "us-ascii", "ascii"}


@dataclass(frozen=True, slots=True)
class Scan:
    """The result of the first pass.

    Args:
        skeleton: the packet's bytes with every span replaced by its placeholder.
        spans: spans by placeholder.
        token: the beginning of every placeholder; random, so that no packet can hold it.
        findings: findings on byte order mark, line ends, bytes after the root and undeclared prefixes.
        has_namespace_errors: whether a prefix is used that is not declared.
    """

    skeleton: bytes = field(repr=False)
    spans: dict[str, Span]
    token: str
    findings: tuple[Finding, ...]
    has_namespace_errors: bool

    def find_line(self, line: int, column: int) -> int:
        """Find the line of the source for a line and column of the skeleton, all counted from 1."""
        pieces = self.skeleton.split(b"\n", line)
        text_before = b"\n".join([*pieces[: line - 1], pieces[min(line, len(pieces)) - 1][: max(column - 1, 0)]])
        hidden = (self.spans[one.decode("ascii")].lines for one in re.findall(self.placeholders, text_before))
        return line + sum(hidden)

    @property
    def placeholders(self) -> bytes:
        """A pattern of the placeholders."""
        return self.token.encode("ascii") + rb"-[0-9]+-"


def scan(source: Source, limits: Limits) -> Scan:
    """Read the source once.

    Args:
        source: the packet.
        limits: limits on its size and depth.

    Raises:
        PacketError: the packet is not XML, not UTF-8, holds a DOCTYPE, or goes over a limit.
    """
    with source.open() as stream:
        findings = _check_head(stream.read(_HEAD_SIZE))
        watcher = _watch(stream, limits)
    spans = {span.placeholder: span for span in watcher.find_spans(source)}
    undeclared = {prefix: _select_namespace(prefix) for prefix in watcher.undeclared}
    lines = watcher.undeclared
    findings += [Finding("EDX-PREFIX", "/*", prefix, uri, lines[prefix]) for prefix, uri in undeclared.items()]
    plain = _build_skeleton(source, spans.values())
    findings += _check_form(plain)
    return Scan(_declare_prefixes(plain, undeclared), spans, watcher.token, tuple(findings), bool(undeclared))


def _check_form(skeleton: bytes) -> Iterator[Finding]:
    """Report other line ends than LF, and bytes after the root element."""
    ends = skeleton.count(b"\r")
    if ends:
        yield Finding("EDX-LINE-ENDS", "/*", str(ends), line=1)
    trailing = skeleton[skeleton.rindex(b">") + 1 :]
    if trailing.replace(b"\r", b"") not in (b"", b"\n"):
        yield Finding("EDX-AFTER-ROOT", "/*", str(len(trailing)))


def _check_head(head: bytes) -> list[Finding]:
    bom = b"\xef\xbb\xbf" if head.startswith(b"\xef\xbb\xbf") else b""
    body = head.removeprefix(bom)
    if not body.strip():
        raise packet_error("EDX-EMPTY-FILE")
    if head.startswith((b"\xfe\xff", b"\xff\xfe")) or b"\x00" in head[:4]:
        raise packet_error("EDX-ENCODING", "UTF-16 / UTF-32")
    before, found, after = body.partition(b"<")
    if not found:
        seen, quoted = _quote_head(body)
        raise packet_error("EDX-NOT-XML", f"it begins with {seen}", f"tệp bắt đầu bằng {seen}", quoted=quoted)
    # spaces may stand before a root element, but not before an XML declaration
    if before.strip() or (before and after.startswith(b"?xml")):
        seen, quoted = _quote_head(before)
        raise packet_error("EDX-LEADING-BYTES", seen, understood=str(len(before)), quoted=quoted)
    return [Finding("EDX-BOM", "/*", line=1)] if bom else []


def _quote_head(data: bytes) -> tuple[str, str]:
    """Quote the beginning of a file for a message, and what of it only a person is told: words may say something."""
    head = _format_head(data)
    has_words = any(letter.isalpha() for letter in data[:16].decode("utf-8", "replace"))
    return ("{quoted}", head) if has_words else (head, "")


def _format_head(data: bytes) -> str:
    return repr(data[:16].decode("utf-8", "backslashreplace")) + ("…" if len(data) > 16 else "")


def _watch(stream: BinaryIO, limits: Limits) -> _Watcher:
    watcher = _Watcher(limits)
    try:
        _feed(watcher, stream, with_texts=False)
    except PacketError:
        if not watcher.skipped_size:
            raise
    else:
        if not (watcher.undeclared and watcher.has_skipped_lines):
            return watcher
    # expat counted without the bytes and lines it did not get, and positions in messages must be right
    watcher = _Watcher(limits)
    _feed(watcher, stream, with_texts=True)
    return watcher


def _feed(watcher: _Watcher, stream: BinaryIO, *, with_texts: bool) -> None:
    stream.seek(0)
    feed = watcher.feed if with_texts else watcher.feed_markup
    try:
        while piece := stream.read(_FEED_SIZE):
            feed(piece)
            watcher.check_size(len(piece))
        watcher.parser.Parse(b"", True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise packet_error("EDX-NOT-XML", reason, position=(error.lineno, error.offset + 1)) from None


@dataclass(slots=True)
class _FoundText:
    """A text in the source, with the facts about it that expat and the faster code found."""

    start: int
    end: int
    is_plain: bool
    has_comments: bool
    lines: int
    has_spaces: bool
    skips: list[tuple[int, int]]

    def iter_unskipped_ranges(self) -> Iterator[tuple[int, int]]:
        """Iterate over the ranges that expat got, between the skipped runs."""
        start = self.start
        for skip_start, skip_end in [*self.skips, (self.end, self.end)]:
            if start < skip_start:
                yield start, skip_start
            start = skip_end


class _Watcher:
    """Handlers of expat, which check limits and note where attachment texts begin and end."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._max_nodes, self._max_open = limits.elements, limits.depth + 1
        self.undeclared: dict[str, int] = {}
        """Undeclared prefixes, each with the line of its first use."""
        self.token = f"edoc-text-{secrets.token_hex(16)}"
        self.skipped_size = 0
        """Number of bytes that expat did not get."""
        self.has_skipped_lines = False
        """Whether line ends are among the skipped bytes."""
        self._fed_size = 0
        self._found_texts: list[_FoundText] = []
        self._open_elements: list[tuple[str, frozenset[str]]] = [("", frozenset({"xml", "xmlns"}))]
        self._nodes = self._read_size = self._text_size = 0
        self._namespaces: set[tuple[str, str]] = set()
        """The different declarations, as prefix and namespace."""
        self._text_depth = 0
        self._text_start = -1
        self._is_text_plain = self._has_text_comments = self._has_text_instructions = self._has_text_spaces = False
        self._text_lines = 0
        self._text_skips: list[tuple[int, int]] = []
        self.parser = self._new_parser()

    def _new_parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate("UTF-8")
        parser.ordered_attributes = True
        parser.XmlDeclHandler = self._handle_declaration
        parser.StartElementHandler = self._handle_start
        parser.EndElementHandler = self._handle_end
        parser.StartDoctypeDeclHandler = self._handle_doctype
        parser.CommentHandler = self._handle_comment
        parser.ProcessingInstructionHandler = self._handle_instruction
        return parser

    def feed(self, piece: bytes) -> None:
        """Feed a piece to expat."""
        self._fed_size += len(piece)
        self.parser.Parse(piece, False)

    def feed_markup(self, piece: bytes) -> None:
        """Feed a piece to expat without long runs of base64 in it."""
        place = 0
        for _ in range(_MAX_STOPS):
            place += self._skip_base64(piece, place)
            if place == len(piece):
                return
            tag = piece.find(_TEXT_TAG, place)
            stop = len(piece) if tag < 0 else tag + len(_TEXT_TAG) + _TEXT_HEAD_SIZE
            self.feed(piece[place:stop])
            place = min(stop, len(piece))
        self.feed(piece[place:])

    def _skip_base64(self, piece: bytes, place: int) -> int:
        """Skip a run of base64 that expat need not get, and return its size in bytes; 0 where there is none.

        A run is skipped only where expat stands in a text and has processed all it got: half a reference, for example,
        would go on behind the run. Base64 and spaces then change only its count of bytes and lines.
        """
        if self._text_start < 0 or self.parser.CurrentByteIndex != self._fed_size:
            return 0
        end = piece.find(b"<", place)
        end = len(piece) if end < 0 else end
        if end - place < _MIN_SKIP_SIZE or (kind := classify_run(memoryview(piece)[place:end])) is RunKind.OTHER:
            return 0
        start = self._index
        if self._text_skips and self._text_skips[-1][1] == start:
            start, _ = self._text_skips.pop()
        self.skipped_size += end - place
        self._text_skips.append((start, self._index))
        if kind is RunKind.SPACED:
            self._has_text_spaces = True
            self._text_lines += piece.count(b"\n", place, end)
            self.has_skipped_lines = self.has_skipped_lines or any(one in piece[place:end] for one in (b"\n", b"\r"))
        return end - place

    @property
    def _index(self) -> int:
        """Offset in the source of expat's current event."""
        return self.parser.CurrentByteIndex + self.skipped_size

    def check_size(self, fed_size: int) -> None:
        """Check the bytes outside attachment texts, and in one tag, against the limits.

        Args:
            fed_size: bytes of the last piece.
        """
        self._read_size += fed_size
        open_text = self._read_size - self._text_start if self._text_start >= 0 else 0
        # for example a comment without an end so far: expat keeps all of it
        unfinished = self._read_size - self._index - fed_size
        if unfinished > self.limits.tag:
            raise self._limit_error("bytes in one tag or comment", "byte trong một thẻ hoặc chú thích", self.limits.tag)
        if self._read_size - self._text_size - open_text > self.limits.skeleton:
            raise self._limit_error("bytes outside attachments", "byte ngoài tệp đính kèm", self.limits.skeleton)

    def find_spans(self, source: Source) -> Iterator[Span]:
        """Iterate over the texts found, in the source's order."""
        with source.open_shared() as stream:
            near = BlockReader(stream)
            for index, text in enumerate(self._found_texts):
                lines, marked, spaced, url_safe = text.lines, not text.is_plain, text.has_spaces, False
                for start, end in text.iter_unskipped_ranges():
                    for piece in near.read_pieces(start, end):
                        lines += piece.count(b"\n")
                        marked = marked or b"&" in piece
                        spaced = spaced or has_spaces(piece)
                        url_safe = url_safe or has_url_safe_letters(piece)
                place = text.start, text.end, f"{self.token}-{index}-"
                yield Span(
                    *place,
                    is_plain=not marked,
                    lines=lines,
                    has_spaces=spaced,
                    has_comments=text.has_comments,
                    is_url_safe=url_safe,
                )

    def _handle_start(self, name: str, attributes: list[str]) -> None:
        """Hold a start tag to the limits, and open the text behind it where it is an attachment's content."""
        self._count_node()
        if attributes and len(attributes) > 2 * self.limits.attributes:
            raise self._limit_error("attributes on one element", "thuộc tính trên một phần tử", self.limits.attributes)
        prefix, _, local = name.rpartition(":") if ":" in name else ("", "", name)
        around = self._open_elements
        scope = around[-1][1]
        # most attributes have no prefix and declare none
        if (prefix and prefix not in scope) or (attributes and _has_prefixes(attributes)):
            self._check_uris(attributes)
            scope = self._compute_scope(name, attributes)
        around.append((local, scope))
        if len(around) > self._max_open:
            raise self._limit_error("nested elements", "cấp phần tử lồng nhau", self.limits.depth)
        if self._text_depth:
            self._has_text_instructions = True
        elif local == _TEXT_NAME and [one for one, _ in around[-3:]] == CONTENT_PATH:
            self._open_text()

    def _count_node(self) -> None:
        self._nodes += 1
        if self._nodes > self._max_nodes:
            raise self._limit_error(
                "elements, comments and instructions", "phần tử, chú thích và chỉ thị", self.limits.elements
            )

    def _check_uris(self, attributes: list[str]) -> None:
        """Refuse a namespace that is too long or holds braces.

        Trees write each name as ``{URI}name``, so a long URI takes its length for every element, and one with braces,
        which no URI has, is misread. Canonical forms too repeat a namespace wherever it is used.
        """
        for name, value in zip(attributes[::2], attributes[1::2], strict=True):
            if name.startswith("xmlns") and len(value) > self.limits.uri:
                raise self._limit_error(
                    "characters in one namespace", "ký tự trong một không gian tên", self.limits.uri
                )
            if name.startswith("xmlns") and ("{" in value or "}" in value):
                raise packet_error(
                    "EDX-NOT-XML",
                    "a namespace holds braces, which no URI may have",
                    "không gian tên chứa dấu ngoặc nhọn, không hợp lệ trong URI",
                    position=self._find_position(),
                )

    def _compute_scope(self, name: str, attributes: list[str]) -> frozenset[str]:
        """Compute the prefixes declared for an element; note those that it uses undeclared."""
        names, values = attributes[::2], attributes[1::2]
        declarations = {
            (n[6:], v) for n, v in zip(names, values, strict=True) if n == "xmlns" or n.startswith("xmlns:")
        }
        scope = self._open_elements[-1][1]
        declared = {prefix for prefix, _ in declarations if prefix}
        if not declared <= scope:
            scope |= declared
        used = (qname.partition(":") for qname in (name, *names))
        fresh = {prefix for prefix, colon, _ in used if colon and prefix not in scope}
        for prefix in sorted(fresh - self.undeclared.keys()):
            self.undeclared[prefix] = self.parser.CurrentLineNumber
        self._namespaces |= declarations | {(prefix, "") for prefix in fresh}
        if len(self._namespaces) > self.limits.namespaces:
            raise self._limit_error(
                "different namespace declarations", "khai báo không gian tên khác nhau", self.limits.namespaces
            )
        return scope

    def _handle_end(self, _name: str) -> None:
        self._open_elements.pop()
        if self._text_depth and len(self._open_elements) < self._text_depth:
            self._close_text()

    def _open_text(self) -> None:
        self._text_depth = len(self._open_elements)
        self._is_text_plain, self._has_text_comments, self._has_text_instructions = True, False, False
        self._text_lines, self._has_text_spaces, self._text_skips = 0, False, []
        self.parser.CharacterDataHandler = self._handle_first_text
        self.parser.StartCdataSectionHandler = self._handle_cdata

    def _handle_first_text(self, _text: str = "") -> None:
        # one event is enough to know where the text begins; after it expat runs without calling back
        if self._text_start < 0:
            self._text_start = self._index
        self.parser.CharacterDataHandler = None

    def _handle_cdata(self) -> None:
        self._is_text_plain = False
        self._handle_first_text()

    def _handle_comment(self, _text: str) -> None:
        self._count_node()
        self._is_text_plain, self._has_text_comments = False, True

    def _handle_instruction(self, _target: str, _data: str) -> None:
        self._count_node()
        self._has_text_instructions = True

    def _close_text(self) -> None:
        start, end = self._text_start, self._index
        # a text with elements or instructions inside stays in the skeleton, for the reader to report
        if start >= 0 and not self._has_text_instructions:
            text_facts = (
                self._is_text_plain,
                self._has_text_comments,
                self._text_lines,
                self._has_text_spaces,
                self._text_skips,
            )
            self._found_texts.append(_FoundText(start, end, *text_facts))
            self._text_size += end - start
        self._text_depth, self._text_start = 0, -1
        self.parser.CharacterDataHandler = self.parser.StartCdataSectionHandler = None

    def _handle_declaration(self, version: str, encoding: str | None, _standalone: int) -> None:
        if version != "1.0":
            raise packet_error("EDX-XML-VERSION", version)
        if encoding is not None and encoding.lower() not in _UTF8_NAMES:
            raise packet_error("EDX-ENCODING", encoding)

    def _handle_doctype(self, *_: object) -> None:
        """Refuse a DOCTYPE where it begins, before anything in it is read."""
        raise packet_error("EDX-DOCTYPE", position=self._find_position())

    def _limit_error(self, subject: str, subject_vi: str, most: int) -> Exception:
        return packet_error("EDX-LIMIT", subject, subject_vi, understood=str(most), position=self._find_position())

    def _find_position(self) -> tuple[int, int]:
        return self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1


def _has_prefixes(attributes: list[str]) -> bool:
    """Tell whether a name among the attributes has a prefix, or a namespace is declared."""
    names = attributes[::2]
    return "xmlns" in names or ":" in " ".join(names)


def _select_namespace(prefix: str) -> str:
    return _KNOWN_PREFIXES.get(prefix.lower(), f"urn:edoc-connector:undeclared:{quote(prefix)}")


def _build_skeleton(source: Source, spans: Iterable[Span]) -> bytes:
    pieces: list[bytes] = []
    position = 0
    with source.open_shared() as stream:
        near = BlockReader(stream)
        for span in spans:
            pieces.extend(near.read_pieces(position, span.start))
            pieces.append(span.placeholder.encode("ascii"))
            position = span.end
        pieces.extend(iter_between(stream, position, source.size))
    return b"".join(pieces)


_BEFORE_ROOT = re.compile(rb"(?:[^<]++|<\?.*?\?>|<!--.*?-->)*+<[^\s/>]+", re.DOTALL)


def _declare_prefixes(skeleton: bytes, prefixes: dict[str, str]) -> bytes:
    """Add declarations of the prefixes to the root element."""
    tag = _BEFORE_ROOT.match(skeleton)
    if tag is None:
        raise AssertionError("expat found a root element")
    declared = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in prefixes.items())
    return skeleton[: tag.end()] + declared.encode() + skeleton[tag.end() :]
