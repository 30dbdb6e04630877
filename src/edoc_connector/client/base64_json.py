"""A file as base64 in a JSON answer, decoded as it arrives.

Libraries that read JSON in pieces (ijson, json-stream, naya) stream between values and hold each string whole; here one
string is the file. So the answer is split in two while it comes: the text of that string is decoded and written, and
the rest, with an empty string in its place, is kept for `hubs.parse_strict_json`, which says whether the whole was
JSON. To replace one string by another changes nothing about that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pybase64

MAX_REST = 1024 * 1024
"""Most bytes of an answer beside the file's text."""

_QUOTE, _BACKSLASH, _COLON, _COMMA = b'"\\:,'
_OPENING, _CLOSING = b"{[", b"}]"
_OBJECT = ord("{")
_STRING_STOP = re.compile(rb'["\\]')
_PARTIAL_ESCAPE = re.compile(rb"\\u[0-9A-Fa-f]{0,3}\Z")
_ESCAPE = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_LINE_ENDS = ((rb"\r\n", b""), (rb"\n", b""), (rb"\r", b""))
_BASE64_ESCAPES = (
    *((rb"\u002B", b"+"), (rb"\u002b", b"+"), (rb"\u002F", b"/")),
    *((rb"\u002f", b"/"), (rb"\u003D", b"="), (rb"\u003d", b"=")),
)
"""Escapes that writers of base64 use, and what they mean to base64: replaced at once, the others one by one."""
_SPACES = b" \t\n\v\f\r"
_SHORT_ESCAPES = {b"/": b"/", b"n": b"", b"r": b"", b"t": b"", b"f": b""}
_NOT_BASE64 = b"\xff"
"""Stands for a character that base64 does not have."""


class RestTooLongError(ValueError):
    """An answer whose JSON beside the file's text is longer than `MAX_REST`."""


class Base64Extractor:
    """Split one answer into a file and the rest.

    Args:
        member: member whose string is the base64: of the outermost object, or below it by names joined with dots.
        write: called with the decoded bytes as they come.
        max_rest: most bytes that are kept beside the file.
        keeps_text: whether a string that begins as XML does is no file, and is kept with the rest.

    Attributes:
        rest: the JSON without the text of that string.
        found: whether the string was there.
        damaged: whether it was no base64; nothing is written from then on.
        size: decoded bytes.
    """

    def __init__(
        self, member: str, write: Callable[[bytes], object], *, max_rest: int = MAX_REST, keeps_text: bool = False
    ) -> None:
        self._members, self._write = tuple(member.split(".")), write
        self._max_rest, self._keeps_text = max_rest, keeps_text
        self.rest = bytearray()
        self.found = self.damaged = False
        self.size = 0
        self._in_file_text = False  # the file's text
        self._in_string = self._escaped = self._at_member = False
        self._at_first_letter = False  # of the file's text, which may be text after all
        self._start = self._depth = 0
        self._on_path = 0  # how many of the open objects lead to the member
        self._key = b""
        self._partial_escape = b""  # an escape that is not complete yet
        self._partial_group = b""  # letters that make no whole group yet, or the group with the padding

    def feed(self, data: bytes) -> None:
        """Take the next piece of the answer.

        Raises:
            RestTooLongError: what is kept beside the file became too long.
        """
        while data:
            data = self._take_file_text(data) if self._in_file_text else self._keep_rest(data)

    def finish(self) -> None:
        """End the answer. After this `damaged` is final."""
        self._decode_base64(b"", last=True)

    # --- Beside the file: small, so one byte at a time. ---

    def _keep_rest(self, data: bytes) -> bytes:
        """Keep bytes up to the file's text; return those behind its first quote."""
        place = 0
        while place < len(data):
            if self._in_string and not self._escaped and (end := _find_string_stop(data, place)) > place:
                self._append_rest(data[place:end])
                place = end
                continue
            byte = data[place]
            place += 1
            self._append_rest(data[place - 1 : place])
            if self._in_string:
                self._track_string(byte)
            elif byte != _QUOTE:
                self._track_structure(byte)
            elif self._is_at_file():
                self._in_file_text = self.found = True
                self._at_first_letter = self._keeps_text
                return data[place:]
            else:
                self._in_string, self._start = True, len(self.rest) - 1
        return b""

    def _append_rest(self, data: bytes) -> None:
        self.rest += data
        if len(self.rest) > self._max_rest:
            raise RestTooLongError

    def _is_at_file(self) -> bool:
        return self._at_member and self._depth == self._on_path == len(self._members) and not self.found

    def _track_string(self, byte: int) -> None:
        if self._escaped:
            self._escaped = False
        elif byte == _BACKSLASH:
            self._escaped = True
        elif byte == _QUOTE:
            self._in_string = False
            self._key = bytes(self.rest[self._start :]) if self._depth == self._on_path else b""

    def _track_structure(self, byte: int) -> None:
        is_on_path = self._depth == self._on_path
        if byte in _OPENING:
            if byte == _OBJECT and is_on_path and (self._at_member or not self._depth):
                self._on_path += 1
                self._at_member = False
            self._depth += 1
        elif byte in _CLOSING:
            self._on_path -= is_on_path
            self._depth -= 1
        elif byte == _COLON and is_on_path and 0 < self._depth <= len(self._members):
            self._at_member = _parse_short_string(self._key) == self._members[self._depth - 1]
        elif byte == _COMMA and is_on_path:
            self._at_member = False

    # --- The file's text: large, so in pieces as they come. ---

    def _take_file_text(self, data: bytes) -> bytes:
        """Decode bytes up to the closing quote; return those behind it."""
        if self._at_first_letter and self._begins_as_text(data):
            return data
        data, self._partial_escape = self._partial_escape + data, b""
        stop = data.find(b'"')
        while stop >= 0 and _is_escaped(data, stop):
            stop = data.find(b'"', stop + 1)
        if stop >= 0:
            self._in_file_text = False
            self.rest.append(_QUOTE)
            self._decode_base64(data[:stop])
            return data[stop + 1 :]
        whole = len(data) - _is_escaped(data, len(data))
        if unfinished := _PARTIAL_ESCAPE.search(data, max(0, whole - 5), whole):
            whole = unfinished.start()
        self._partial_escape = data[whole:]
        self._decode_base64(data[:whole])
        return b""

    def _begins_as_text(self, data: bytes) -> bool:
        """Whether the string begins as XML does, as the rest has it; a packet as base64 never begins with \\."""
        letter = data.lstrip(_SPACES)[:1]
        self._at_first_letter = not letter
        is_text = letter in (b"<", b"\\")
        if is_text:
            self._in_file_text, self.found = False, False
            self._in_string, self._start = True, len(self.rest) - 1
        return is_text

    def _decode_base64(self, text: bytes, *, last: bool = False) -> None:
        if self.damaged:
            return
        letters = self._partial_group + _strip_escapes(text)
        padding = letters.find(b"=")
        whole = (len(letters) if padding < 0 or last else padding) & -4
        self._partial_group = letters[whole:]
        try:
            content = pybase64.b64decode(letters[:whole], validate=True)
        except ValueError:
            self.damaged = True
            return
        self.damaged = len(self._partial_group) > (0 if last else 4)
        self.size += len(content)
        if content:
            self._write(content)


def _find_string_stop(data: bytes, start: int) -> int:
    """Find the next quote or backslash; the end of the data where there is none."""
    found = _STRING_STOP.search(data, start)
    return found.start() if found is not None else len(data)


def _is_escaped(data: bytes, place: int) -> bool:
    """Tell whether the byte at a place is escaped, by an odd number of backslashes before it."""
    first = place
    while first and data[first - 1] == _BACKSLASH:
        first -= 1
    return (place - first) % 2 == 1


def _parse_short_string(literal: bytes) -> str | None:
    """Parse a JSON string of at most 256 bytes; None for any other."""
    try:
        value = json.loads(literal) if len(literal) <= 256 else None
    except ValueError:
        return None
    return value if isinstance(value, str) else None


def _strip_escapes(text: bytes) -> bytes:
    """Strip escapes and spaces; an escape that base64 has no letter for becomes `_NOT_BASE64`.

    Line ends stand as they are only where the answer is no JSON: they are left for the decoder to refuse.
    """
    if b"\\" in text and text.count(b"\\") == text.count(rb"\/"):  # the one escape that many writers put in
        text = text.translate(None, b"\\")
    elif b"\\" in text:
        if b"\\\\" not in text:  # so each backslash begins an escape, and nothing taken out makes a new one
            for escape, replacement in _BASE64_ESCAPES if rb"\u" in text else _LINE_ENDS:
                text = text.replace(escape, replacement)
        text = _ESCAPE.sub(_decode_escape, text)
    return text.replace(b" ", b"") if b" " in text else text


def _decode_escape(escape: re.Match[bytes]) -> bytes:
    if escape[1] is None:
        return _SHORT_ESCAPES.get(escape[2], _NOT_BASE64)
    point = int(escape[1], 16)
    letter = bytes((point,)) if point < 128 else _NOT_BASE64
    return b"" if letter in _SPACES else letter
