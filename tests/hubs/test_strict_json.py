"""JSON of answers: how much of it is read."""

from __future__ import annotations

import pytest

from edoc_connector.hubs import strict_json


@pytest.mark.parametrize("value", [b"{}", b"[]", b"1", b'{"a":1}'])
def test_values_are_counted_before_they_are_made(value: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny values take many times their length in memory, so their number is bounded first (facts about httpx)."""
    monkeypatch.setattr(strict_json, "MAX_VALUES", 100)
    assert len(strict_json.loads(b"[" + b",".join([value] * 30) + b"]")) == 30
    with pytest.raises(strict_json.NotJsonError, match="more than 100 values"):
        strict_json.loads(b"[" + b",".join([value] * 200) + b"]")


def test_long_texts_are_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer may be long; only its values are counted (facts about httpx)."""
    monkeypatch.setattr(strict_json, "MAX_VALUES", 100)
    assert strict_json.loads(b'["' + b"x" * 1000 + b'"]') == ["x" * 1000]
