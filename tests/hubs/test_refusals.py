"""The tables of refusals."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from edoc_connector import errors
from edoc_connector.hubs import WireResponse
from edoc_connector.hubs.refusals import (
    MEANING_BY_CODE,
    STATUS_RULES,
    BodyKind,
    build_refusal,
    build_status_error,
    describe_answer,
    find_body_kind,
    find_status_meaning,
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
    by_status = [meaning for rule in STATUS_RULES for meaning in (rule.sending, rule.other) if meaning is not None]
    for meaning in (*MEANING_BY_CODE.values(), *by_status):
        assert meaning.en.endswith(".")
        assert meaning.vi.endswith(".")
        assert meaning.en != meaning.vi


@pytest.mark.parametrize("body", BodyKind)
def test_every_status_and_body_has_a_meaning(body: BodyKind) -> None:
    """The table has a row for whatever may come, and only the hub's own form, 413 and 422 are final (faults, row 9)."""
    for status in range(100, 600):
        sending, reading = (find_status_meaning(status, body, sends=sends).error for sends in (True, False))
        is_verdict = status in (413, 422) or (body is BodyKind.HUB and status not in (401, 403, 408, 425, 429))
        assert (sending is errors.PacketRefused) is (400 <= status < 500 and is_verdict)
        assert (reading is errors.HubError) is (400 <= status < 500 and is_verdict)


@pytest.mark.parametrize(
    ("body", "media_type", "kind"),
    [
        (b"", "", BodyKind.EMPTY),
        (b" \r\n", "text/html", BodyKind.EMPTY),
        (b'\xef\xbb\xbf {"message":"no"}', "text/html", BodyKind.JSON),
        (b"[]", "", BodyKind.JSON),
        (b"null", "application/problem+json; charset=utf-8", BodyKind.JSON),
        (b"<html>", "application/octet-stream", BodyKind.HTML),
        (b"\r\n<!-- x -->", "", BodyKind.HTML),
        (b"Bad Request", "text/html", BodyKind.HTML),
        (b"Bad Request", "text/plain", BodyKind.TEXT),
        (b"\x1f\x8b\x00", "", BodyKind.TEXT),
    ],
)
def test_the_form_of_a_body(body: bytes, media_type: str, kind: BodyKind) -> None:
    """The form of a body is told by its bytes, and by its type where they say nothing (faults, row 26)."""
    assert find_body_kind(WireResponse(400, {"content-type": media_type}, body)) is kind


def test_words_say_what_stands_in_between() -> None:
    """Status, type, server, title and the address it sends us to, in one bounded line (faults, row 26)."""
    page = b"<html><head><title>ERR_CACHE_ACCESS_DENIED \xe2\x80\x94 t&#7915; ch&#7889;i</title>" + b"x" * 9000
    headers = {"content-type": "text/html;charset=utf-8", "server": "squid/5.7\x1b[2J"}
    words = describe_answer(WireResponse(407, headers, page))
    assert words == "HTTP 407, text/html, squid/5.7 [2J: ERR_CACHE_ACCESS_DENIED — từ chối"
    moved = WireResponse(302, {"location": "https://sso.test/login?token=abc", "via": "1.1 gateway"})
    assert describe_answer(moved) == "HTTP 302, 1.1 gateway, → https://sso.test/login"
    assert len(describe_answer(WireResponse(400, {}, b"x" * 9000))) < 300
