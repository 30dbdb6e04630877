"""The signed headers (VXP interface, "Headers on every request")."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edoc_connector.mockhub import MockHubConfig
from edoc_connector.mockhub.codes import RefusedError, format_hub_time, format_packet_time, parse_request_time
from edoc_connector.mockhub.dialects.wire import FileHash, Headers, verify_request
from edoc_connector.testing.hub import RunningHub

Make = Callable[..., Any]
Change = Callable[[dict[str, str]], Any]


def code(caller: Any, change: Change) -> str:
    headers = caller.headers({})
    change(headers)
    answer: dict[str, str] = caller.post("getAgenciesList", headers).json()
    return answer["ErrorCode"]


def resign(headers: dict[str, str], text: str, keys: str | None = None, secret: str = "G22-key") -> None:
    headers["XroadVnpt-sign-header"] = text
    headers["XroadVnpt-hash-header"] = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    if keys is not None:
        headers["XroadVnpt-sign-header-key"] = keys


def signed(headers: dict[str, str]) -> dict[str, str]:
    values: dict[str, str] = json.loads(headers["XroadVnpt-sign-header"])
    return values


def reorder(headers: dict[str, str]) -> None:
    headers["XroadVnpt-sign-header-key"] = ";".join(reversed(headers["XroadVnpt-sign-header-key"].split(";")))


def lower_names(headers: dict[str, str]) -> None:
    values = {name.replace("systemid", "SYSTEMID"): value for name, value in signed(headers).items()}
    resign(headers, json.dumps(values), ";".join(name[10:] for name in values))


def leave_out_timestamp(headers: dict[str, str]) -> None:
    del headers["XroadVnpt-timestamp"]
    values = {name: value for name, value in signed(headers).items() if "timestamp" not in name}
    resign(headers, json.dumps(values), ";".join(name[10:] for name in values))


def bad_time(text: str) -> Change:
    def change(headers: dict[str, str]) -> None:
        headers["XroadVnpt-timestamp"] = text
        resign(headers, json.dumps({**signed(headers), "XroadVnpt-timestamp": text}))

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda h: None, "0"),
        (lambda h: h.update({"XroadVnpt-hash-header": "0" * 64}), "15"),
        (lambda h: h.update({"XroadVnpt-hash-header": h["XroadVnpt-hash-header"].upper()}), "15"),
        (lambda h: resign(h, h["XroadVnpt-sign-header"], secret="another"), "15"),
        (lambda h: h.update({"XroadVnpt-systemid": "X99"}), "15"),
        (lambda h: h.update({"XroadVnpt-timestamp": "01012020T000000+0000"}), "15"),
        (lambda h: h.update({"XroadVnpt-unsigned": "x"}), "15"),
        (lambda h: h.pop("XroadVnpt-timestamp"), "15"),
        (lambda h: h.pop("XroadVnpt-systemid"), "27"),
        (lambda h: h.pop("XroadVnpt-sign-header"), "27"),
        (lambda h: h.pop("XroadVnpt-sign-header-key"), "27"),
        (lambda h: h.pop("XroadVnpt-hash-header"), "27"),
        (lambda h: h.pop("XroadVnpt-version"), "27"),
        (lambda h: h.pop("Content-Type"), "27"),
        (lambda h: h.update({"Content-Type": "text/plain"}), "27"),
        (lambda h: h.update({"Content-Type": "application/json; charset=UTF-8"}), "0"),
        (lambda h: resign(h, "not json"), "27"),
        (lambda h: resign(h, "[" * 10_000), "27"),
        (lambda h: resign(h, "[]"), "27"),
        (lambda h: resign(h, '{"a":"b"}'), "27"),
        (lambda h: resign(h, '{"XroadVnpt-a":1}'), "27"),
        (lambda h: resign(h, '{"XroadVnpt-a":"1","XroadVnpt-a":"1"}'), "27"),
        (lambda h: resign(h, h["XroadVnpt-sign-header"].replace("G22", "\\ud800")), "15"),
        (reorder, "27"),
        (lower_names, "27"),
        (leave_out_timestamp, "27"),
        (bad_time("22112026T105314"), "27"),
        (bad_time("22112026T105314+9999"), "27"),
        (bad_time("32112026T105314+0000"), "27"),
        (bad_time("01010001T000000+0000"), "27"),
    ],
)  # fmt: skip
def test_headers_are_checked(caller: Make, change: Change, expected: str) -> None:
    """VXP interface, "Headers on every request": what is forged is 15, what is missing or malformed 27."""
    assert code(caller("G22"), change) == expected


@pytest.mark.parametrize(("minutes", "expected"), [(-6, "16"), (-4, "0"), (4, "0"), (6, "16"), (60, "16")])
def test_a_strict_clock_may_be_five_minutes_off(
    mock_hub: RunningHub, caller: Make, minutes: int, expected: str
) -> None:
    """VXP interface: a hub that is told to rejects a timestamp too far off; five minutes either way are not."""
    mock_hub.clock_tolerance = timedelta(minutes=5)
    system = caller("G22")
    headers = system.headers({}, at=datetime.now(UTC) + timedelta(minutes=minutes))
    assert system.post("getAgenciesList", headers).json()["ErrorCode"] == expected


def test_a_hub_an_hour_off_says_so_in_its_date(mock_hub: RunningHub, caller: Make) -> None:
    """Faults, 22: the hub's Date header shows how far off the clocks are."""
    system = caller("G22")
    mock_hub.clock_tolerance = timedelta(minutes=5)
    mock_hub.clock_offset = timedelta(hours=1)
    response = system.post("getAgenciesList", system.headers({}))
    assert response.json()["ErrorCode"] == "16"
    date = datetime.strptime(response.headers["date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert abs(date - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=1)
    assert system.post("getAgenciesList", system.headers({}, at=date)).json()["ErrorCode"] == "0"


def test_the_tolerance_can_be_set(tmp_path: Path, caller: Make) -> None:
    """VXP interface, the mock hub: the clock's tolerance is settable."""
    with RunningHub(MockHubConfig(data=tmp_path / "h", clock_tolerance=timedelta(hours=2))) as hub:
        system = caller("G22", hub=hub)
        headers = system.headers({}, at=datetime.now(UTC) - timedelta(hours=1))
        assert system.post("getAgenciesList", headers).json()["ErrorCode"] == "0"


def test_a_parameter_of_the_call_must_be_signed(caller: Make) -> None:
    """VXP interface, "Calls": a parameter that a call needs is there, and has one of the values that it knows."""
    system = caller("G22")
    assert system.ask("getEdoc", b"{}")["ErrorCode"] == "27"
    assert system.ask("updateStatus", b"{}", status="done")["ErrorCode"] == "27"
    assert system.ask("getReceivedEdocList", servicetype="eDoc", messagetype="letter")["ErrorCode"] == "27"
    assert system.ask("getReceivedEdocList", servicetype="mail", messagetype="edoc")["ErrorCode"] == "27"


@pytest.mark.parametrize("name", ["docid", "docId", "DOCID"])
def test_names_of_parameters_compare_without_case(caller: Make, name: str) -> None:
    """VXP interface, "How real clients behave": updateStatus comes with `docid` or `docId`; so does every call."""
    system = caller("G22")
    assert system.ask("getEdoc", b"{}", **{name: "x"})["ErrorCode"] == "26"
    assert system.ask("updateStatus", b"{}", **{name: "x"}, status="done")["ErrorCode"] == "26"


def test_vietnamese_in_a_header_is_signed_as_utf8(caller: Make) -> None:
    """VXP interface: sign-header is UTF-8, only quotes, backslashes and control characters are escaped."""
    system = caller("Sở Nội vụ")
    assert system.ask("getAgenciesList")["ErrorCode"] == "0"


def test_bytes_that_are_no_text_are_malformed() -> None:
    """VXP interface: header values are UTF-8; a header given twice has no one value."""
    with pytest.raises(RefusedError, match="27: header XroadVnpt-a is not UTF-8"):
        Headers([(b"XroadVnpt-a", b"\xff")]).require_value("XroadVnpt-a")
    with pytest.raises(RefusedError, match="27: header XroadVnpt-a is there twice"):
        Headers([(b"XroadVnpt-a", b"1"), (b"xroadvnpt-A", b"1")]).require_value("XroadVnpt-a")


def test_an_unknown_system_is_refused_like_a_wrong_secret() -> None:
    """VXP interface: an unknown systemid is rejected, in the same words as a wrong HMAC."""
    text = '{"XroadVnpt-systemid":"A"}'
    raw = {
        "XroadVnpt-sign-header": text, "XroadVnpt-sign-header-key": "systemid", "XroadVnpt-systemid": "A",
        "XroadVnpt-version": "3", "User-Agent": "x",
        "XroadVnpt-hash-header": hmac.new(b"\0" * 32, text.encode(), hashlib.sha256).hexdigest(),
    }  # fmt: skip
    headers = Headers((name.encode(), value.encode()) for name, value in raw.items())
    seen = set()
    for secrets in ({}, {"A": "secret"}):
        with pytest.raises(RefusedError) as caught:
            verify_request(headers, secrets=secrets, now=datetime.now(UTC), tolerance=timedelta(minutes=5))
        seen.add((caught.value.code, caught.value.text))
    assert len(seen) == 1


@given(data=st.binary(max_size=200), pieces=st.lists(st.integers(0, 50), max_size=8))
def test_both_forms_of_the_hash_are_known(data: bytes, pieces: list[int]) -> None:
    """VXP interface, "Compatibility": unpadded hex with CRLF after the file, or proper hex of the exact body."""
    unpadded = "".join(f"{byte:x}" for byte in hashlib.sha256(data).digest())
    exact = hashlib.sha256(data).hexdigest()
    sdk, plain = FileHash(), FileHash()
    rest, tail = data, data + b"\r\n"
    for length in pieces:
        sdk.update(tail[:length])
        plain.update(rest[:length])
        tail, rest = tail[length:], rest[length:]
    sdk.update(tail)
    plain.update(rest)
    assert sdk.find_tail_length(unpadded, "any") == sdk.find_tail_length(unpadded, "sdk") == 2
    assert plain.find_tail_length(exact, "any") == plain.find_tail_length(exact, "exact") == 0
    assert plain.find_tail_length("0" * 64, "any") is None
    assert sdk.find_tail_length(unpadded, "exact") is None
    assert sdk.size == len(data) + 2


@pytest.mark.parametrize(("mode", "sdk", "exact"), [("any", "0", "0"), ("sdk", "0", "24"), ("exact", "24", "0")])
def test_a_hub_can_insist_on_one_hash(
    tmp_path: Path, caller: Make, packet: Make, mode: Any, sdk: str, exact: str
) -> None:
    """VXP interface, "Compatibility": a mock hub accepts both and can be told to insist on one."""
    with RunningHub(MockHubConfig(data=tmp_path / "h", hash=mode)) as hub:
        sender = caller("H29.05", hub=hub)
        caller("G22", hub=hub)
        # the digest must have a byte below 0x10, or both forms are the same text
        named = [packet(document_id=f"d{number}") for number in range(60)]
        one, two = [data for data in named if len("".join(f"{b:x}" for b in hashlib.sha256(data).digest())) < 64][:2]
        assert sender.send(one, "H29.05")["ErrorCode"] == sdk
        assert sender.send(two, "H29.05", exact=True)["ErrorCode"] == exact


def test_times_are_vietnams() -> None:
    """Design, "Names of things outside": Vietnam time on the wire, aware UTC inside."""
    moment = datetime(2026, 11, 22, 18, 30, 5, 706000, tzinfo=UTC)
    assert format_hub_time(moment) == "2026-11-23 01:30:05"
    assert format_packet_time(moment) == "2026/11/23 01:30:05"
    assert parse_request_time("23112026T013005+0706") == moment
