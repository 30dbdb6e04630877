"""Two programs on one store that answer, or ask, at the same moment (business rules, "Allowed order")."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import Connector
from edoc_connector.errors import EdocError, StatusNotAllowed
from edoc_connector.store.outgoing import Outgoing
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[EdocError | None]]:
    """Runs calls side by side; between looking up and writing each waits a while for the others."""

    def run(*calls: Callable[[], object]) -> list[EdocError | None]:
        together = threading.Barrier(len(calls))
        real = Outgoing.enqueue_status

        def slow(self: Outgoing, **values: Any) -> int:
            with suppress(threading.BrokenBarrierError):  # the others were not let in, as it should be
                together.wait(0.5)
            return real(self, **values)

        def caught(call: Callable[[], object]) -> EdocError | None:
            try:
                call()
            except EdocError as error:
                return error
            return None

        with monkeypatch.context() as patch, ThreadPoolExecutor(len(calls)) as pool:
            patch.setattr(Outgoing, "enqueue_status", slow)
            return list(pool.map(caught, calls))

    return run


def test_two_clerks_accept_at_once(
    office: Office, hub: RunningHub, handle: Handle, meeting: Callable[..., list[EdocError | None]]
) -> None:
    """One says 03, the other is told that it may not be said any more (business rules)."""
    sender, one, two = office("H29.05"), office("G22"), office("G22")
    sender.send(sample_document())
    (receipt,) = handle(one)
    errors = meeting(one.receipt(receipt.id).accept, two.receipt(receipt.id).accept)
    assert sorted(map(type, errors), key=str) == sorted([type(None), StatusNotAllowed], key=str)
    one.flush()
    assert [packet.packet.status for packet in hub.packets()] == ["", "01", "03"]


def test_a_request_that_comes_while_a_clerk_accepts(
    office: Office, hub: RunningHub, handle: Handle, meeting: Callable[..., list[EdocError | None]]
) -> None:
    """Both are kept: the document is accepted, and asked back (business rules, 13)."""
    sender, clerk, other = office("H29.05"), office("G22"), office("G22")
    delivery = sender.send(sample_document())
    handle(clerk)
    sender.take_back(delivery.id, reason="Gửi nhầm")
    requests: list[object] = []

    def coming() -> None:
        requests.extend(handle(other))

    assert meeting(clerk.receipt(delivery.id).accept, coming) == [None, None]
    after = clerk.receipt(delivery.id)
    assert (after.status, after.change_requested, len(requests)) == ("03", True, 1)
    after.agree_change()
    assert clerk.receipt(delivery.id).withdrawn


def test_two_clerks_take_back_at_once(
    office: Office, hub: RunningHub, meeting: Callable[..., list[EdocError | None]]
) -> None:
    """A recipient is asked once (business rules, 13)."""
    one, two = office("H29.05"), office("H29.05")
    delivery = one.send(sample_document())

    def asking(connector: Connector) -> Callable[[], object]:
        return lambda: connector.take_back(delivery.id, reason="Gửi nhầm")

    errors = meeting(asking(one), asking(two))
    assert sorted(map(type, errors), key=str) == sorted([type(None), StatusNotAllowed], key=str)
    assert [entry.to for entry in one.delivery(delivery.id).timeline].count("13") == 1
