"""The order of status codes (business rules, "Allowed order for one receiver")."""

from __future__ import annotations

import pytest

from edoc_connector.errors import StatusNotAllowed
from edoc_connector.store import Change, status_rules

ALL = ("01", "02", "03", "04", "05", "06", "13", "15", "16")


@pytest.mark.parametrize(
    ("last", "after"),
    [
        (None, "01"),
        ("01", "02 03"),
        ("02", ""),
        ("03", "04 05 06"),
        ("04", "04 05 06"),
        ("05", "05 06"),
        ("06", ""),
    ],
)
def test_what_may_follow_on_a_document(last: str | None, after: str) -> None:
    """01 → 02 | 03; 03 → 04 | 05 | 06; 04 → 05 | 06; 05 → 06; 04 and 05 may repeat (business rules)."""
    assert status_rules.list_allowed_codes(last) == tuple(after.split())


@pytest.mark.parametrize(("last", "after"), [(None, ("01",)), ("01", ("15", "16")), ("15", ()), ("16", ())])
def test_what_may_follow_on_a_recall(last: str | None, after: tuple[str, ...]) -> None:
    """15 or 16 answers a packet of type 1, 2 or 3, once (business rules)."""
    assert status_rules.list_allowed_codes(last, is_change_packet=True) == after


def test_a_take_back_is_answered_once() -> None:
    """13 is answered by 15 or 16; after 15 nothing follows, after 16 the order goes on (business rules)."""
    assert status_rules.list_allowed_codes("03", change=Change.ASKED) == ("04", "05", "06", "15", "16")
    assert status_rules.list_allowed_codes("03", change=Change.AGREED) == ()
    assert status_rules.list_allowed_codes("03", change=Change.REFUSED) == ("04", "05", "06")


@pytest.mark.parametrize("last", [None, "01", "03", "04", "05"])
def test_a_document_may_be_taken_back_until_it_is_finished(last: str | None) -> None:
    """13 may come any time before 06 (business rules)."""
    status_rules.require_take_back("G22", last)
    status_rules.require_take_back("G22", last, change=Change.REFUSED)
    with pytest.raises(StatusNotAllowed):
        status_rules.require_take_back("G22", last, change=Change.ASKED)


@pytest.mark.parametrize("last", ["02", "06"])
def test_a_finished_document_is_not_taken_back(last: str) -> None:
    """A rejected or completed document stays where it is (business rules)."""
    with pytest.raises(StatusNotAllowed, match="cannot be taken back from G22"):
        status_rules.require_take_back("G22", last)


def test_the_error_names_where_it_stands_and_what_is_allowed() -> None:
    """A code of our own out of order is refused with the state and the codes allowed (business rules)."""
    with pytest.raises(StatusNotAllowed) as caught:
        status_rules.require_allowed_code("06", "01", change=Change.ASKED)
    assert caught.value.message == (
        "status 06 completed may not be sent now: the document is at 01 arrived, take-back requested; "
        "allowed: 02 rejected, 03 accepted, 15 change agreed, 16 change refused."
    )
    assert caught.value.vi.startswith("Không được gửi trạng thái 06 Hoàn thành: ")
    assert "01 Đã đến" in caught.value.vi
    assert "03 Đã tiếp nhận" in caught.value.vi
    with pytest.raises(StatusNotAllowed, match="allowed: none"):
        status_rules.require_allowed_code("77", "06")
    with pytest.raises(StatusNotAllowed, match=r"withdrawn; allowed: none\. .* a handler asks receipt.withdrawn first"):
        status_rules.require_allowed_code("03", "01", change=Change.AGREED)
    status_rules.require_allowed_code("03", "01")
