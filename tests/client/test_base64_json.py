"""Answers with a file inside, split in pieces and compared with `json.loads` and the standard library's base64."""

from __future__ import annotations

import base64
import binascii
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edoc_connector.client.base64_json import MAX_REST, Base64Extractor, RestTooLongError
from edoc_connector.hubs import NotJsonError, parse_strict_json

OK = {"status": "OK", "ErrorCode": "0", "ErrorDesc": ""}


def taken(answer: bytes, *cuts: int) -> tuple[Base64Extractor, bytes]:
    """Split an answer that arrives cut at these places."""
    out = bytearray()
    unwrapping = Base64Extractor("data", out.extend)
    places = [0, *sorted(cuts), len(answer)]
    for start, end in itertools.pairwise(places):
        unwrapping.feed(answer[start:end])
    unwrapping.finish()
    return unwrapping, bytes(out)


def everywhere(answer: bytes) -> Base64Extractor:
    """Split an answer cut at every single place, and into single bytes; all must agree."""
    whole, content = taken(answer)
    for other, same in (*(taken(answer, cut) for cut in range(len(answer))), taken(answer, *range(len(answer)))):
        assert (same if not whole.damaged else b"") == (content if not whole.damaged else b"")
        assert (other.rest, other.found, other.damaged) == (whole.rest, whole.found, whole.damaged)
    return whole


WRITERS: dict[str, Any] = {
    "plain": lambda text: json.dumps(text),
    "PHP": lambda text: json.dumps(text).replace("/", "\\/"),
    "DotNet": lambda text: json.dumps(text).replace("+", "\\u002B"),
    "Gson": lambda text: json.dumps(text).replace("=", "\\u003d"),
    "coded": lambda text: '"' + "".join(f"\\u{ord(c):04x}" for c in text) + '"',
    "mixed": lambda text: '"' + "".join(
        f"\\u{ord(c):04X} " if at % 3 else json.dumps(c)[1:-1].replace("/", "\\/") for at, c in enumerate(text)
    ) + '\\t"',
}  # fmt: skip


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("content", [b"", b"a", b"ab", b"abc", b"\xff\xef\xbe\xfb" * 5, bytes(range(64))])
def test_all_cuts(writer: str, lines: bool, content: bytes) -> None:
    """However base64 is written and wherever the answer is cut, the file comes out (VXP interface, getEdoc)."""
    text = base64.encodebytes(content).decode().replace("\n", "\r\n") if lines else base64.b64encode(content).decode()
    answer = f'{{"a":[{{"data":"x"}}, "}}"], "d\\u0061ta" : {WRITERS[writer](text)} ,"z":{{"data":1}}}}'.encode()
    whole = everywhere(answer)
    assert (whole.found, whole.damaged, whole.size) == (True, False, len(content))
    assert parse_strict_json(bytes(whole.rest)) == {**json.loads(answer), "data": ""}
    assert taken(answer)[1] == content


PARTS = st.sampled_from(
    ['"data"', '"data":', ":", ",", "{", "}", "[", "]", '"', '"YWJj"', '"YQ=="', "\\", "\\u00", "\\u0041", "\\/", "\\n",
     "\\\\", "=", "YWJj", "/", "1", "null", " ", "\n", "é", '"a":1', "\\q", "\\b"]
)  # fmt: skip


@given(st.lists(PARTS, max_size=14), st.lists(st.integers(0, 60), max_size=4))
def test_like_json_loads(parts: list[str], cuts: list[int]) -> None:
    """Valid JSON and its data are those of `json.loads` and base64, whatever the cuts (VXP interface)."""
    answer = ("{" + "".join(parts) + "}").encode()
    unwrapping, content = taken(answer, *(min(cut, len(answer)) for cut in cuts))
    try:
        value = parse_strict_json(answer)
    except NotJsonError:
        value = None
    try:
        rest = parse_strict_json(bytes(unwrapping.rest))
    except NotJsonError:
        rest = None
    if value is None:
        assert rest is None or unwrapping.damaged  # an escape that JSON does not have is no base64 either
        return
    assert unwrapping.found is isinstance(value.get("data"), str)
    if unwrapping.found:
        assert rest == {**value, "data": ""}
        assert (None if unwrapping.damaged else content) == decoded(value["data"])
    else:
        assert rest == value


def decoded(text: str) -> bytes | None:
    """Decode a base64 text without its spaces and line ends; None for any other text."""
    try:
        return binascii.a2b_base64("".join(text.split(None)), strict_mode=True)
    except ValueError:
        return None


@given(
    st.binary(max_size=400),
    st.sampled_from(sorted(WRITERS)),
    st.permutations(["status", "data", "ErrorCode", "extra"]),
    st.lists(st.integers(0, 900), max_size=6),
    st.integers(1, 80),
)
def test_any_file(content: bytes, writer: str, order: list[str], cuts: list[int], width: int) -> None:
    """Any file in any order of members and any line width comes out whole (VXP interface, getEdoc)."""
    text = base64.b64encode(content).decode()
    broken = "\r\n".join(text[at : at + width] for at in range(0, len(text), width))
    values = {
        "status": '"OK"',
        "data": WRITERS[writer](broken),
        "ErrorCode": "0",
        "extra": '["data", {"data": "YQ=="}]',
    }
    answer = ("{" + ",".join(f'"{name}": {values[name]}' for name in order) + "}").encode()
    unwrapping, found = taken(answer, *(min(cut, len(answer)) for cut in cuts))
    assert (found, unwrapping.damaged, unwrapping.size) == (content, False, len(content))
    assert parse_strict_json(bytes(unwrapping.rest))["data"] == ""


@pytest.mark.parametrize(
    "text",
    ["a", "YQ", "YQ=", "Y===", "=", "YQ==YQ==", "YQ==\\nYQ==", "@@@@", "YW\\\\Jj", 'YW\\"Jj', "YWJj\\u00e9", "YWJj\\b",
     "\\u00", "\\u0", "\\u004\\u002b1", "é", "YWJj\n", "YQ==="],
)  # fmt: skip
def test_what_is_no_base64(text: str) -> None:
    """A text that does not decode strictly is damaged, and the JSON around it is still read (VXP interface)."""
    whole = everywhere(f'{{"data":"{text}","status":"FAIL"}}'.encode())
    assert whole.damaged
    assert parse_strict_json(bytes(whole.rest)) == {"data": "", "status": "FAIL"}


@pytest.mark.parametrize(
    "answer",
    [b"", b"<html><body data='x'>", b'{"data":null}', b'{"data":["YQ=="]}', b'{"data":{"data":"YQ=="}}', b'["data"]',
     b'{"data2":"YQ=="}', b'"data":"YQ=="', b'{"x":"data","y":"YQ=="}', b'{"' + b"d" * 300 + b'":"x"}', b'{"\\q":"x"}'],
)  # fmt: skip
def test_answers_without_a_file(answer: bytes) -> None:
    """An answer without a file is kept as it came (VXP interface)."""
    whole = everywhere(answer)
    assert (whole.found, whole.damaged, bytes(whole.rest)) == (False, False, answer)


@pytest.mark.parametrize("answer", ['{"data":"YQ==","data":"Yg=="}', '{"data":"YQ==","d\\u0061ta":null}'])
def test_two_files(answer: str) -> None:
    """A second member of the name is refused: two programs would take two files (facts about httpx)."""
    whole = everywhere(answer.encode())
    with pytest.raises(NotJsonError, match="repeated"):
        parse_strict_json(bytes(whole.rest))


@pytest.mark.parametrize("end", ["YWJj", "YWJj\\", "YWJj\\u00", 'YWJj"', 'YWJj","status":"O'])
def test_cut_short(end: str) -> None:
    """An answer that ends early is no JSON (faults, row 15)."""
    whole = everywhere(f'{{"data":"{end}'.encode())
    with pytest.raises(NotJsonError):
        parse_strict_json(bytes(whole.rest))


def test_what_stands_beside_is_bounded() -> None:
    """The rest of an answer is small or refused (facts about httpx: what comes over the network is bounded)."""
    with pytest.raises(RestTooLongError):
        taken(b'{"data":"YQ==","ErrorDesc":"' + b"x" * MAX_REST + b'"}')


def _split(member: str, answer: bytes, *cuts: int, keeps_text: bool = False) -> tuple[Base64Extractor, bytes]:
    out = bytearray()
    extractor = Base64Extractor(member, out.extend, keeps_text=keeps_text)
    for start, end in itertools.pairwise([0, *sorted(cuts), len(answer)]):
        extractor.feed(answer[start:end])
    extractor.finish()
    return extractor, bytes(out)


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        ('{"code":200,"data":{"docId":"1","data":"QUJD"}}', b"ABC"),
        ('{"data":{"x":{"data":"no"},"y":["data"],"data":"QUJD"},"z":1}', b"ABC"),
        ('{"x":{"data":{"data":"no"}},"data" : { "data" : "QUJD" } }', b"ABC"),
        ('{"d\\u0061ta":{"data":"QUJD","data2":"x"}}', b"ABC"),
        ('{"data":"QUJD"}', None),
        ('{"data":["data","QUJD"]}', None),
        ('{"data":[{"data":"QUJD"}]}', None),
        ('[{"data":{"data":"QUJD"}}]', None),
        ('{"data":{"data":null,"edxml":"QUJD"}}', None),
        ('{"data":{"data":{"data":"QUJD"}}}', None),
        ('{"data":{"a":"\\"data\\":","b":"QUJD"}}', None),
    ],
)
def test_a_member_below_the_outermost_object(answer: str, content: bytes | None) -> None:
    """A file stands where a path of names leads, wherever the answer is cut, and nowhere else."""
    data = answer.encode()
    for cuts in (*((cut,) for cut in range(len(data))), tuple(range(len(data)))):
        extractor, out = _split("data.data", data, *cuts)
        assert (extractor.found, out) == (content is not None, content or b"")
        assert not extractor.damaged
        rest = json.loads(bytes(extractor.rest))
        assert rest == json.loads(answer.replace("QUJD", "")) if content is not None else rest == json.loads(answer)


@pytest.mark.parametrize("text", ["<edXML/>", " \n<?xml version='1.0'?><a>\"</a>", "\\u003ca/>", "<"])
def test_text_in_the_place_of_a_file(text: str) -> None:
    """A string that begins as XML does stays in the answer, where the caller wants it, wherever the answer is cut."""
    literal = text if text.startswith("\\") else json.dumps(text)[1:-1]
    data = f'{{"data":{{"data":"{literal}","z":"QUJD"}}}}'.encode()
    for cuts in (*((cut,) for cut in range(len(data))), tuple(range(len(data)))):
        extractor, out = _split("data.data", data, *cuts, keeps_text=True)
        assert (extractor.found, out) == (False, b"")
        kept = json.loads(bytes(extractor.rest))["data"]
        assert (kept["data"].strip(), kept["z"]) == (json.loads(f'"{literal}"').strip(), "QUJD")


def test_base64_where_text_may_stand() -> None:
    """Base64 is still the file where text would be kept, spaces before it or not."""
    for text in ("QUJD", "  QUJD", "\\/w=="):
        extractor, out = _split("data", f'{{"data":"{text}"}}'.encode(), keeps_text=text[0] != "\\")
        assert extractor.found
        assert out == (b"\xff" if "w" in text else b"ABC")
