"""The strict reading of JSON: its form, and how much of it is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edoc_connector.hubs import NotJsonError, parse_strict_json, strict_json
from edoc_connector.hubs.strict_json import MAX_DEPTH


@pytest.mark.parametrize("value", [b"{}", b"[]", b"1", b'{"a":1}'])
def test_values_are_counted_before_they_are_made(value: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny values take many times their length in memory, so their number is bounded first (facts about httpx)."""
    monkeypatch.setattr(strict_json, "MAX_VALUES", 100)
    assert len(parse_strict_json(b"[" + b",".join([value] * 30) + b"]")) == 30
    with pytest.raises(NotJsonError, match="more than 100 values"):
        parse_strict_json(b"[" + b",".join([value] * 200) + b"]")


def test_long_texts_are_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer may be long; only its values are counted (facts about httpx)."""
    monkeypatch.setattr(strict_json, "MAX_VALUES", 100)
    assert parse_strict_json(b'["' + b"x" * 1000 + b'"]') == ["x" * 1000]


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"NaN", b"[Infinity]", b'{"a":1,"a":2}', b"\xff", b"1e999", b"9" * 5000, b"[" * 100_000, b"'a'",
     b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)],
)  # fmt: skip
def test_not_strict_json(data: bytes) -> None:
    """A text that two readers understand differently, or one does not survive, is no JSON (facts about httpx)."""
    with pytest.raises(NotJsonError):
        parse_strict_json(data)


def test_strict_json() -> None:
    """Ordinary JSON reads as ever, also behind a byte order mark (VXP interface, answers)."""
    assert parse_strict_json(b'\xef\xbb\xbf{"a":[1,2.5,null,true,"\xc4\x90"]}') == {"a": [1, 2.5, None, True, "Đ"]}
    assert parse_strict_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


@given(st.binary(max_size=200))
def test_any_bytes_as_json(data: bytes) -> None:
    """No bytes make the reader fail otherwise (hostile answers)."""
    try:
        parse_strict_json(data)
    except NotJsonError as error:
        assert len(str(error)) < 100  # noqa: PT017
