"""Packets that one poll brings are handed out in the order in which they came to the hub, as far as it says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edoc_connector.connector.inbound.hub_order import sort_by_creation
from edoc_connector.edxml import StatusCode
from edoc_connector.hubs import MessageType, Waiting
from edoc_connector.mockhub.dialects import calls
from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

    from edoc_connector.testing.hub import RunningHub

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
Listing = Callable[[Sequence[tuple[int, str | None]]], None]


@pytest.fixture
def listing(monkeypatch: pytest.MonkeyPatch, hub: RunningHub) -> Listing:
    """Has the hub list its packets otherwise: numbers of packets, in order, with the time that it writes for each."""
    select_rows = calls._select_rows

    def use(order: Sequence[tuple[int, str | None]]) -> None:
        def select(*args: Any, **options: Any) -> list[dict[str, Any]]:
            rows = select_rows(*args, **options)
            if len(rows) != len(order):
                return rows
            return [{**rows[number], "created_time": time} for number, time in order]

        monkeypatch.setattr(calls, "_select_rows", select)

    return use


@pytest.mark.parametrize(
    ("listed", "handed_out"),
    [
        pytest.param([(2, "20/11/2025 09:00:00"), (0, "20/11/2025 08:00:00"), (1, "20/11/2025 08:30:00")], "0 1 2",
                     id="out of order"),
        pytest.param([(1, "20/11/2025 08:00:00"), (2, "20/11/2025 08:00:00"), (0, "20/11/2025 08:00:00")], "1 2 0",
                     id="the same time"),
        pytest.param([(2, None), (0, None), (1, "")], "2 0 1", id="no times"),
        pytest.param([(2, "20/11/2025 09:00:00"), (1, None), (0, "20/11/2025 08:00:00")], "0 2 1", id="one without"),
        pytest.param([(1, "0001-01-01T00:00:00"), (2, "01/01/1970 00:00:00"), (0, "31/12/9999 23:59:59")], "1 2 0",
                     id="absurd times"),
        pytest.param([(1, "31/12/9999 23:59:59"), (0, "20/11/2025 09:00:00"), (2, "20/11/2025 08:00:00")], "1 2 0",
                     id="one absurd time"),
        pytest.param([(1, ["x"]), (0, {"a": 1}), (2, "9" * 400)], "1 0 2", id="no texts"),
    ],
)  # fmt: skip
def test_one_poll_hands_out_by_the_hubs_time(
    listed: Sequence[tuple[int, str | None]], handed_out: str, office: Office, handle: Handle, listing: Listing
) -> None:
    """By the hub's created time where it gives one that can be, else as listed (14.11, order of handing out)."""
    sender, receiver = office("H29.05"), office("G22")
    ids = [sender.send(sample_document(number=str(number))).id for number in range(3)]
    listing(listed)
    assert [receipt.id for receipt in handle(receiver)] == [ids[int(number)] for number in handed_out.split()]


def test_statuses_of_a_document_come_in_by_the_hubs_time(office: Office, handle: Handle, listing: Listing) -> None:
    """01 before 03, where the hub lists 03 first (14.11, order of handing out)."""
    sender, receiver = office("H29.05"), office("G22")
    sent = sender.send(sample_document())
    handle(receiver)[0].accept()
    listing([(1, "20/11/2025 09:00:00"), (0, "20/11/2025 08:00:00")])
    handle(sender)
    recipient = sender.delivery(sent.id).recipients[0]
    assert (recipient.status, recipient.out_of_order) == (StatusCode.ACCEPTED, 0)


_LATELY = st.datetimes(datetime(2026, 11, 18), datetime(2026, 11, 20), timezones=st.just(UTC))
_TIMES = st.one_of(st.none(), _LATELY, st.datetimes(timezones=st.just(UTC)))


@given(st.lists(_TIMES, max_size=12))
def test_no_time_of_a_hub_loses_a_packet(times: list[datetime | None]) -> None:
    """Whatever a hub writes, each packet is there once, and true times are in order (14.11, order of handing out)."""
    offers = [
        Waiting(doc_id=str(number), message_type=MessageType.EDOC, created_at=time) for number, time in enumerate(times)
    ]
    found = sort_by_creation(offers, NOW)
    assert sorted(offer.doc_id for offer in found) == sorted(offer.doc_id for offer in offers)
    true_times = [one for offer in found if (one := offer.created_at) and one.year > 2000 and one <= NOW]
    assert true_times == sorted(true_times)
