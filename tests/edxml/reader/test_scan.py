"""The first pass finds the same whether expat gets all of a packet or only the parts around base64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edoc_connector.edxml.limits import Limits
from edoc_connector.edxml.reader import scan as module
from edoc_connector.edxml.reader.scan import Scan, scan
from edoc_connector.edxml.source import Source
from edoc_connector.errors import PacketError

_LIMITS = Limits()
_HEAD = b'<a:edXML xmlns:a="urn:a"><AttachmentEncoded><Attachment>'
_TAIL = b"</Attachment></AttachmentEncoded></a:edXML>"
_TEXT = (b"<ContentTransferEncoded>", b"</ContentTransferEncoded>")

_RUNS = st.integers(1, 40).map(lambda count: (b"QUJDREVG+/" * 4)[:count])
_ODD = st.sampled_from(
    [
        *(b"\r", b"\n", b"\r\n", b" ", b"\t", b"=", b"==", b"]", b"]]", b"]]>", b">", b"<", b"&", b"&am", b"p;"),
        *(
            b"&amp;",
            b"&#65;",
            b"&#x26;",
            b"&#0;",
            b"&unknown;",
            b"<!--",
            b"-->",
            b"<!-- c -->",
            b"<?x",
            b"?>",
            b"<?x y?>",
        ),
        *(b"<![CDATA[", b"<![CDATA[QUJD]]>", b"<b/>", b"<c:b/>", b"<b>", b"</b>", b"<!DOCTYPE a>", *_TEXT),
        *(b"ContentTransferEncoded>", b"</ContentTransferEncoded >", b"<c:ContentTransferEncoded>"),
        *("é".encode(), "\ufffe".encode(), "𝔘".encode(), b"\xed\xa0\x80", b"\xc0\xaf", b"\xc3", b"\x89", b"\xff"),
        *(b"\x00", b"\x0b", b"\x7f"),
    ]
)
_TEXTS = st.lists(_RUNS | _RUNS | _ODD, max_size=12).map(b"".join)


def _packet(texts: list[bytes]) -> bytes:
    return _HEAD + b"".join(_TEXT[0] + text + _TEXT[1] + b"<ContentId/>\r\n" for text in texts) + _TAIL


def _all_of_it(watcher: module._Watcher, piece: bytes) -> None:
    watcher.feed(piece)


@contextmanager
def _set(**values: object) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(module, name, value)
        yield


def _outcome(data: bytes, scanned: Callable[[Source, Limits], Scan] = scan) -> object:
    """Collect the result of a pass, or its refusal, without the token, which no two passes share."""
    try:
        found = scanned(Source.from_value(data), _LIMITS)
    except PacketError as error:
        return error.code, error.message, error.vi, error.line, error.column
    spans = [
        (
            one.start,
            one.end,
            one.placeholder.removeprefix(found.token),
            one.is_plain,
            one.lines,
            one.has_spaces,
            one.has_comments,
        )
        for one in found.spans.values()
    ]
    return found.skeleton.replace(found.token.encode(), b""), spans, found.findings, found.has_namespace_errors


def _through_expat(data: bytes) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module._Watcher, "feed_markup", _all_of_it)
        return _outcome(data)


@given(texts=st.lists(_TEXTS, max_size=3), feed=st.integers(1, 60), worth=st.integers(1, 30), stops=st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_what_expat_does_not_get_changes_nothing(texts: list[bytes], feed: int, worth: int, stops: int) -> None:
    """Wherever pieces are cut and runs left out: spans, findings, refusals, lines and columns are expat's own."""
    data = _packet(texts)
    with _set(_FEED_SIZE=feed, _MIN_SKIP_SIZE=worth, _MAX_STOPS=stops):
        quick = _outcome(data)
    assert quick == _through_expat(data)


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        (b"\xc3", b"\x89"),
        (b"&am", b"p;"),
        (b"&#6", b"5;"),
        (b"]]", b">"),
        (b"]", b"]>"),
        (b"<!-", b"-  -->"),
        (b"\r", b"\n"),
        (b"<![CDATA[", b"]]>"),
        (b"<!-- ", b"-->"),
        (b"<?x", b"?>"),
        (b"<b a='", b"'/>"),
        (b"<", b"b/>"),
        (b"&", b"amp;"),
    ],
)
def test_halves_that_a_run_keeps_apart(before: bytes, behind: bytes) -> None:
    """A character, reference or bracket begun before a run is not ended behind it, wherever pieces are cut."""
    for run in (b"QUJD", b"QUJDREVG" * 4):
        data = _packet([b"QUJD" + before + run + behind + b"QUJD"])
        expected = _through_expat(data)
        for feed in range(1, 60):
            with _set(_FEED_SIZE=feed, _MIN_SKIP_SIZE=1):
                assert _outcome(data) == expected, feed


@given(start=st.integers(0, 200), junk=st.binary(min_size=1, max_size=6), feed=st.integers(1, 60))
@settings(max_examples=200, deadline=None)
def test_damage_anywhere(start: int, junk: bytes, feed: int) -> None:
    """Bytes of any value, anywhere in a packet, are refused or let through as expat does."""
    data = _packet([b"QUJD" * 12, b"QUJD\r\n" * 8])
    data = data[:start] + junk + data[start + len(junk) :]
    with _set(_FEED_SIZE=feed, _MIN_SKIP_SIZE=1):
        quick = _outcome(data)
    assert quick == _through_expat(data)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r", b" ", b"\t"])
def test_most_of_a_text_is_left_out(end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Base64 with line breaks or spaces goes past expat too, but for what stands at the ends of pieces."""
    given: list[int] = []
    take = module._Watcher.feed

    def counted(watcher: module._Watcher, piece: bytes) -> None:
        given.append(len(piece))
        take(watcher, piece)

    monkeypatch.setattr(module._Watcher, "feed", counted)
    text = (b"QUJD" * 19 + end) * 40_000
    found = scan(Source.from_value(_packet([text, text])), _LIMITS)
    (one, two) = found.spans.values()
    assert one.end - one.start == two.end - two.start == len(text)
    assert (one.is_plain, one.lines, one.has_spaces) == (True, text.count(b"\n"), bool(end))
    # a piece whose predecessor ended with CR is given: whether LF follows is expat's to see
    assert sum(given) < len(text) // 2


def test_lines_behind_a_long_text() -> None:
    """A refusal or finding behind a text with line breaks has its line in the file."""
    text = b"QUJD\r\n" * 100_000
    refused = _outcome(_packet([text]) + b"<")
    assert refused == _through_expat(_packet([text]) + b"<")
    prefixed = _packet([text, b"<c:b/>" + text])
    (finding,) = (one for one in scan(Source.from_value(prefixed), _LIMITS).findings if one.code == "EDX-PREFIX")
    assert (finding.seen, finding.line) == ("c", 100_002)
