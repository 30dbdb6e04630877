"""Finding a packet of ours in what the hub has, and what becomes of a message after each error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from edoc_connector import errors
from edoc_connector.connector._retry import NO_ERROR, as_error_columns, decide_retry
from edoc_connector.connector.outbound.sent_copies import SentQuery, find_matches
from edoc_connector.hubs import SentState

SINCE = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
SOUGHT = SentQuery(
    document_id="H29.05,2026/11/20,7816/SNV-VP",
    sender="H29.05",
    recipients=frozenset({"G22", "H30"}),
    code="7816/SNV-VP",
    title="V/v kết nối",
    not_before=SINCE,
)


def state(**changes: object) -> SentState:
    """A row of the hub's answer that agrees with the packet."""
    values: dict[str, object] = {
        "sender_doc_id": "77",
        "sender": "H29.05",
        "recipient": "G22",
        "title": "V/v  KẾT NỐI ",
        "notation": "7816/SNV-VP",
        "sent_at": SINCE,
    }
    return SentState(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([], ()),
        ([state()], ("77",)),
        ([state(), state(recipient="H30")], ("77",)),
        ([state(notation="SNV-VP")], ("77",)),
        ([state(sent_at=None)], ("77",)),
        ([state(sent_at=SINCE - timedelta(minutes=5))], ("77",)),
        ([state(sender_doc_id=SOUGHT.document_id, title="khác", notation="")], (None,)),
        ([state(sender_doc_id="")], (None,)),
        ([state(), state(sender_doc_id="78")], ("77", "78")),
        ([state(sender="X")], ()),
        ([state(recipient="X")], ()),
        ([state(title="khác")], ()),
        ([state(notation="7817/SNV-VP")], ()),
        ([state(sent_at=SINCE - timedelta(hours=1))], ()),
        ([state(sender_doc_id="taken")], ()),
    ],
)
def test_a_packet_is_recognised(rows: list[SentState], found: tuple[str | None, ...]) -> None:
    """By our DocumentId, else by codes, notation, title and time together (VXP interface, "Settling a send")."""
    assert find_matches(SOUGHT, rows, is_bound=lambda doc_id: doc_id == "taken") == found


@pytest.mark.parametrize(
    ("error", "state", "pause"),
    [
        (errors.AuthenticationRejected("", vi=""), "ready", True),
        (errors.UnknownSender("", vi=""), "ready", True),
        (errors.HubUnavailable("", vi=""), "ready", True),
        (errors.HubError("", vi="", retryable=True), "ready", True),
        (errors.NotSent("", vi=""), "ready", True),
        (errors.SigningError("", vi=""), "ready", True),
        (errors.ConfigError("", vi=""), "ready", True),
        (errors.ProtocolError("", vi=""), "unknown", False),
        (errors.OutcomeUnknown("", vi=""), "unknown", False),
        (errors.TransportError("", vi=""), "unknown", False),
        (errors.CallNotSupported("", vi="", code="404"), "ready", True),
        (errors.ProtocolError("", vi="", code="302"), "unknown", False),
        (errors.PacketRefused("", vi=""), "failed", False),
        (errors.UnknownRecipient("", vi=""), "failed", False),
        (errors.AttachmentError("", vi=""), "failed", False),
        (errors.NotFound("", vi=""), "failed", False),
        (errors.EdocError("", vi=""), "failed", False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_becomes_of_a_message(error: errors.EdocError, state: str, pause: bool) -> None:
    """Each kind of error has one fate (faults, rows 4 to 13 and 25)."""
    assert (decide_retry(error).next_state, decide_retry(error).opens_breaker) == (state, pause)


def test_an_error_is_kept_in_both_languages() -> None:
    """A person reads the reason later, in either language (faults, row 9)."""
    error = errors.PacketRefused("no", vi="không", code="22")
    assert as_error_columns(error) == {"error_code": "22", "error_text": "no", "error_vi": "không"}
    assert as_error_columns(errors.NotSent("no", vi="không"))["error_code"] == "NotSent"
    assert set(NO_ERROR.values()) == {None}
