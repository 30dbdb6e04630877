"""The dialect as an object: its settings, and the requests of its calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.errors import ConfigError
from edoc_connector.hubs import Flow, MessageType, Vxp, WireRequest, WireResponse

GOOD: dict[str, Any] = {"endpoint": "https://hub.gov.vn/vxp", "system_id": "H29", "secret": "s3cret"}


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": "hub.gov.vn"}, {"endpoint": "ftp://h"}, {"endpoint": "https://u:p@h"}, {"endpoint": "https://h?x=1"},
        {"endpoint": "https://h/#x"}, {"endpoint": "https://h:port"}, {"endpoint": "https://[::1"}, {"endpoint": ""},
        {"endpoint": "https://h/a b"}, {"endpoint": "https://trục.vn"}, {"endpoint": "https://h:0"},
        {"system_id": ""}, {"system_id": "Hà Nội"}, {"secret": ""}, {"user_agent": "điện tử"}, {"fetch_with": "x"},
    ],
)  # fmt: skip
def test_settings_that_cannot_work(change: dict[str, Any]) -> None:
    """Wrong settings fail when the dialect is made, with both languages and without the secret (design, errors)."""
    with pytest.raises(ConfigError) as caught:
        Vxp(**{**GOOD, **change})
    assert caught.value.vi != caught.value.message
    assert "s3cret" not in f"{caught.value.message}{caught.value.vi}{caught.value!r}"


def test_no_secret_in_reprs(packet: Path, ask: Callable[[Flow[Any]], WireRequest]) -> None:
    """Neither the dialect nor its requests show the secret, the signed headers or a payload (design, names outside)."""
    vxp = Vxp(**GOOD)
    request = ask(vxp.register_agency(code="H29.01", name="payload-name", parent_code="H29"))
    shown = f"{vxp!r} {request!r} {WireResponse(200, {}, b'payload-name')!r}"
    assert "s3cret" not in shown
    assert "sign-header" not in shown
    assert "payload-name" not in shown


@pytest.mark.parametrize("sender", ["Hà Nội", "a;b", ""])
def test_argument_a_header_cannot_carry(
    sender: str, vxp: Vxp, packet: Path, ask: Callable[[Flow[Any]], WireRequest]
) -> None:
    """A code that cannot be signed is refused before anything is sent (VXP interface, headers)."""
    with pytest.raises(ConfigError, match="'from'"):
        ask(vxp.send(packet, message_type=MessageType.EDOC, sender=sender))


def test_which_calls_may_be_repeated(vxp: Vxp, packet: Path, tmp_path: Path, ask: Any) -> None:
    """Sending and changing the directory must not be repeated blindly, all others may (faults, rows 4 and 18)."""
    once = [
        vxp.send(packet, message_type=MessageType.EDOC, sender="H29"),
        vxp.register_agency(code="a", name="b", parent_code="c"),
        vxp.delete_agency("a"),
    ]
    again = [vxp.list_waiting(), vxp.fetch("d", tmp_path / "x"), vxp.confirm("d"), vxp.agencies(), vxp.sent_state()]
    assert all(ask(flow).sends for flow in once)
    assert not any(ask(flow).sends for flow in again)


def test_list_of_what_was_sent_since_a_time(ask: Callable[[Flow[Any]], WireRequest]) -> None:
    """A window is asked for in Vietnam's time, and ends a day ahead of our clock (VXP, how real clients behave)."""
    vxp = Vxp(**GOOD, now=lambda: datetime(2026, 11, 29, 18, 30, tzinfo=UTC))
    request = ask(vxp.sent_state(MessageType.STATUS, since=datetime(2026, 11, 28, 17, 0, 5, tzinfo=UTC)))
    signed = json.loads(request.headers["XroadVnpt-sign-header"])
    assert signed["XroadVnpt-fromDate"] == request.headers["XroadVnpt-fromDate"] == "29/11/2026 00:00:05"
    assert signed["XroadVnpt-toDate"] == request.headers["XroadVnpt-toDate"] == "01/12/2026 01:30:00"
    assert not {"XroadVnpt-fromDate", "XroadVnpt-toDate"} & set(ask(vxp.sent_state()).headers)
