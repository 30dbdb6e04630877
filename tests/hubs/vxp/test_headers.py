"""Signed headers: their form, and the values that they refuse."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edoc_connector.client.bodies import Upload
from edoc_connector.errors import AttachmentError, ConfigError, EdocError, HubError, UnknownRecipient
from edoc_connector.hubs import MessageType, Vxp
from edoc_connector.hubs.vxp.headers import (
    MAX_RECIPIENTS,
    MAX_VALUE,
    build_signed_headers,
    can_carry,
    compute_file_hash,
    format_timestamp,
    require_carriable,
)

VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters=';"'), min_size=1).filter(
    lambda v: v == v.strip() and len(v) <= MAX_VALUE
)


@given(st.dictionaries(st.from_regex(r"[A-Za-z][A-Za-z-]{0,20}", fullmatch=True), VALUES, min_size=1), st.text())
def test_signed_json_is_what_a_hub_reads(parameters: dict[str, str], secret: str) -> None:
    """A hub that parses sign-header gets every header in key order and the same HMAC (VXP interface, headers)."""
    made = build_signed_headers(parameters, secret.encode("utf-8", "replace").decode())
    text = made["XroadVnpt-sign-header"]
    pairs = json.loads(text, object_pairs_hook=lambda found: found)
    assert pairs == [(f"XroadVnpt-{name}", value) for name, value in parameters.items()]
    assert made["XroadVnpt-sign-header-key"].split(";") == list(parameters)
    assert all(made[name] == value for name, value in pairs)
    key = secret.encode("utf-8", "replace")
    assert made["XroadVnpt-hash-header"] == hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    assert made["XroadVnpt-version"] == "3.0.201608"


@given(st.text(min_size=1))
def test_every_value_is_carried_or_refused(value: str) -> None:
    """Every value is either sent unchanged in visible ASCII or refused (VXP interface, headers)."""
    try:
        assert require_carriable("docId", value) == value
    except HubError:
        assert not can_carry(value)
        return
    assert can_carry(value)
    assert value == value.strip()
    assert all(" " <= c <= "~" and c not in ';"' for c in value)


@pytest.mark.parametrize("value", ["a;b", 'a"b', "a\x7f", "a\tb", "a\r\nX: y", "a\0", "7816/VPCP-TTĐT", " a", "a ", ""])
def test_refused_value_is_named_and_not_shown(value: str) -> None:
    """The error names the parameter and says what to write instead, in both languages (VXP interface, headers)."""
    with pytest.raises(HubError, match="'docId'") as caught:
        require_carriable("docId", value)
    assert "docId" in caught.value.vi


def test_too_long_value() -> None:
    """A value no server takes in a header is refused before it is sent (VXP interface, headers)."""
    with pytest.raises(HubError, match="Leave an optional one out"):
        require_carriable("docId", "a" * (MAX_VALUE + 1))
    assert require_carriable("to", "a" * (MAX_VALUE + 1))
    with pytest.raises(UnknownRecipient, match="recipients stand in the packet"):
        require_carriable("to", "a" * (MAX_RECIPIENTS + 1))


def test_recipients_may_hold_quotes() -> None:
    """The one parameter that is JSON text keeps its quotes, escaped in the signed JSON (VXP interface, calls)."""
    made = build_signed_headers({"to": '["G22","H13"]'}, "k")
    assert made["XroadVnpt-to"] == '["G22","H13"]'
    assert made["XroadVnpt-sign-header"] == r'{"XroadVnpt-to":"[\"G22\",\"H13\"]"}'


def test_timestamp_is_vietnam_time() -> None:
    """Any aware clock gives ddMMyyyy'T'HHmmss+SSSS in Vietnam time (VXP interface, headers)."""
    moment = datetime(2026, 12, 31, 23, 59, 58, 7999, tzinfo=UTC)
    assert format_timestamp(moment) == "01012027T065958+0007"
    assert format_timestamp(moment.astimezone(timezone(timedelta(hours=-5)))) == "01012027T065958+0007"


def test_clock_without_zone() -> None:
    """A naive clock is refused: its stamp would be hours off (VXP interface, headers)."""
    with pytest.raises(ConfigError, match=r"timezone\.utc"):
        format_timestamp(datetime(2026, 1, 1))


def test_file_hash_in_both_ways(tmp_path: Path) -> None:
    """The vendor's hash leaves the zero of small bytes out, the exact one does not (VXP interface, compatibility)."""
    path = tmp_path / "p"
    path.write_bytes(b"packet" * 400_000)
    digest = hashlib.sha256(path.read_bytes())
    assert compute_file_hash(path, sdk_compatible=False, limit=10**7)[0] == digest.hexdigest()
    assert compute_file_hash(path, sdk_compatible=True, limit=10**7)[0] == "".join(
        format(byte, "x") for byte in digest.digest()
    )


def test_small_packets_are_read_once(tmp_path: Path) -> None:
    """A small packet goes out as it was hashed, even if its file changed since (VXP interface, hash-file)."""
    path = tmp_path / "p"
    path.write_bytes(b"packet")
    flow = Vxp(endpoint="https://h", system_id="H29", secret="k").send(
        path, message_type=MessageType.EDOC, sender="H29"
    )
    request = next(flow)
    path.unlink()
    with Upload(request) as upload:
        assert b"".join(upload) == b"packet\r\n"
    assert compute_file_hash(_written(path, 256 * 1024), sdk_compatible=True, limit=10**7)[1] == bytes(256 * 1024)
    assert compute_file_hash(_written(path, 256 * 1024 + 1), sdk_compatible=True, limit=10**7)[1] is None


def _written(path: Path, size: int) -> Path:
    path.write_bytes(bytes(size))
    return path


@pytest.mark.parametrize(("prepare", "said"), [(lambda p: None, "cannot be read"), (lambda p: p.touch(), "is empty")])
def test_nothing_to_hash(prepare: Any, said: str, tmp_path: Path) -> None:
    """A missing or empty packet is an attachment error that says what to do (faults, nothing leaves)."""
    path = tmp_path / "p.edxml"
    prepare(path)
    with pytest.raises(AttachmentError, match=said) as caught:
        compute_file_hash(path, sdk_compatible=True, limit=10**7)
    assert "gửi lại" in caught.value.vi


@pytest.mark.parametrize(
    ("name", "error"),
    [("systemid", ConfigError), ("from", ConfigError), ("to", UnknownRecipient), ("docid", HubError)],
)
def test_whose_fault_an_unfit_value_is(name: str, error: type[EdocError]) -> None:
    """Only our own settings stop everything; an odd code concerns its message alone (faults, rows 9 and 25)."""
    with pytest.raises(error) as caught:
        require_carriable(name, "Đ;1")
    assert type(caught.value) is error
