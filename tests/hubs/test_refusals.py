"""The tables of refusals."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from edoc_connector import errors
from edoc_connector.hubs import WireResponse
from edoc_connector.hubs.refusals import (
    MEANING_BY_CODE,
    MEANING_BY_STATUS,
    build_refusal,
    build_status_error,
    parse_retry_after,
)

CLASSES = {
    "10": errors.PacketRefused, "15": errors.AuthenticationRejected, "16": errors.ClockRejected,
    "18": errors.UnknownRecipient, "19": errors.UnknownSender, "20": errors.HubUnavailable,
    "21": errors.PacketRefused, "22": errors.PacketRefused, "23": errors.UnknownRecipient,
    "24": errors.PacketRefused, "25": errors.DuplicateDocument, "26": errors.HubError, "27": errors.HubError,
    "28": errors.HubError,
}  # fmt: skip
NOTHING = WireResponse(200, {})


@pytest.mark.parametrize("code", CLASSES)
def test_codes(code: str) -> None:
    """Every code has its class, its words in two languages and the hub's own words (hub codes; faults, row 9)."""
    assert set(CLASSES) == set(MEANING_BY_CODE)
    error = build_refusal(code, "Lý do\r\n của  trục", sends=True, answer=NOTHING)
    assert type(error) is CLASSES[code]
    assert error.code == code
    assert f"(hub: error {code}: Lý do của trục)" in error.message
    assert f"(trục báo: lỗi {code}: Lý do của trục)" in error.vi
    assert error.retryable is (code == "20")


def test_unknown_code() -> None:
    """An undocumented code refuses the packet on a send and only the call elsewhere (faults, row 9)."""
    assert type(build_refusal("77", "", sends=True, answer=NOTHING)) is errors.PacketRefused
    assert type(build_refusal("77", "", sends=False, answer=NOTHING)) is errors.HubError
    assert "without a code" in build_refusal("", "", sends=False, answer=NOTHING).message


def test_hubs_words_are_bounded() -> None:
    """The description by a hub cannot flood a log or move a terminal's cursor (faults, row 9)."""
    error = build_refusal("22", "\x1b[2J" + "x" * 10_000, sends=True, answer=NOTHING)
    assert len(error.message) < 600
    assert "\x1b" not in error.message


def test_clock_error_tells_the_hubs_time() -> None:
    """A rejected time stamp comes with the hub's clock, from its Date header (faults, row 22)."""
    answer = WireResponse(200, {"date": "Sun, 22 Nov 2026 03:53:14 GMT"})
    error = build_refusal("16", "", sends=True, answer=answer)
    assert "2026-11-22 03:53:14 UTC" in error.message
    assert "2026-11-22 03:53:14 UTC" in error.vi
    assert "UTC" not in build_refusal("16", "", sends=True, answer=NOTHING).message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 03:54:14 GMT", "date": "Sun, 22 Nov 2026 03:53:14 GMT"}, 60.0),
        ({"retry-after": "Sun, 22 Nov 2026 03:54:14 GMT"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 03:54:14"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2020 00:00:00 GMT"}, 0.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9" * 400}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """Retry-After is read as seconds or as a date, and as nothing when it is neither (faults, row 8)."""
    now = datetime(2026, 11, 22, 3, 53, 44, tzinfo=UTC)
    assert parse_retry_after(headers, now=now) == seconds


def test_status_errors_carry_retry_after() -> None:
    """A busy hub's wish is in the error, both where the status and where a code says so (faults, row 8)."""
    busy = build_status_error(WireResponse(503, {"retry-after": "9"}), sends=False)
    assert isinstance(busy, errors.HubUnavailable)
    assert busy.retry_after == 9.0
    assert build_refusal("20", "", sends=False, answer=WireResponse(200, {"retry-after": "9"})).retry_after == 9.0


def test_texts_are_in_both_languages() -> None:
    """No entry of the tables lacks a text or has the same in both languages (error tree, message and vi)."""
    for meaning in (*MEANING_BY_CODE.values(), *MEANING_BY_STATUS.values()):
        assert meaning.en.endswith(".")
        assert meaning.vi.endswith(".")
        assert meaning.en != meaning.vi
