"""The awaited connector: the same methods in worker threads (DESIGN, "store and connector")."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import anyio
import pytest

from edoc_connector.config import Settings
from edoc_connector.connector import AsyncConnector, AsyncReceipt, Connector, Receipt
from edoc_connector.edxml import Organization, StatusCode
from edoc_connector.errors import UnknownRecipient, VerificationFailed
from edoc_connector.store import Change, DeliveryState, ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

pytestmark = pytest.mark.anyio

AsyncOffice = Callable[..., AsyncConnector]


@pytest.fixture
def anyio_backend() -> str:
    """Which event loop runs the test."""
    return "asyncio"


@pytest.fixture
def async_office(settings: Callable[..., Settings]) -> AsyncOffice:
    """Makes the awaited connector of an agency."""
    return lambda agency, **sections: AsyncConnector.open(settings(agency, **sections))


async def handle(connector: AsyncConnector) -> list[AsyncReceipt]:
    """Handle every packet that waits."""
    handled = []
    async for receipt in connector.receive():
        async with receipt:
            handled.append(receipt)
    return handled


def members(kind: type) -> set[str]:
    """The public methods and properties of a class."""
    return {name for name, _ in inspect.getmembers(kind) if not name.startswith("_")}


def test_nothing_is_missing() -> None:
    """`AsyncConnector` has the same methods, awaited (DESIGN, "What a DMS developer writes")."""
    for_the_worker = {"units", "check_subject"}  # a worker runs blocking code in its own threads
    before_opening = {"diagnose"}
    assert members(Connector) - for_the_worker - before_opening <= members(AsyncConnector)
    shown = set(vars(AsyncReceipt))
    assert members(Receipt) - {"give_back", "set_aside", "inside", "claimed", "key"} <= shown


async def test_a_refused_document_is_corrected(async_office: AsyncOffice) -> None:
    """The right recipient under the same id, awaited (faults, row 9)."""
    async with async_office("H29.05") as sender:
        with pytest.raises(UnknownRecipient):
            await sender.send(sample_document(recipients=[Organization(id="H99.99", name="Không có")]))
        assert (await sender.send(sample_document())).state is DeliveryState.SENT
        assert len(await sender.deliveries()) == 1


async def test_a_document_is_queued_without_the_hub(async_office: AsyncOffice, hub: RunningHub) -> None:
    """The hub is down, and the document is stored, `ready` (in other software, point 1)."""
    hub.stop()
    async with async_office("H29.05") as sender:
        delivery = await sender.queue(sample_document())
        assert (delivery.state, delivery.attempts) == (DeliveryState.READY, 0)
        hub.start()
        assert (await sender.flush()).sent == 1


async def test_a_document_crosses_and_every_status_comes_back(async_office: AsyncOffice) -> None:
    """send → 01 → 03 → 04 → 05 → 06, awaited (business rules)."""
    async with async_office("H29.05") as sender, async_office("G22") as receiver:
        delivery = await sender.send(sample_document())
        (receipt,) = await handle(receiver)
        assert receipt.document.subject == sample_document().subject
        assert [one.name for one in receipt.attachments] == ["cong-van.pdf"]
        assert (receipt.kind, receipt.sender, receipt.id) == ("new", "H29.05", delivery.id)
        await receipt.accept()
        await receipt.assign()
        await receipt.processing()
        await receipt.complete()
        assert receipt.status == "06"
        assert await handle(sender) == []
        after = await sender.delivery(delivery.id)
        assert after.recipient("G22").status is StatusCode.COMPLETED
        assert (await sender.deliveries())[0] == after


async def test_rejection_recall_and_taking_back(async_office: AsyncOffice) -> None:
    """send → 02 with reason; recall → 15; take-back → 16, awaited (business rules)."""
    async with async_office("H29.05") as sender, async_office("G22") as receiver:
        ids = [(await sender.send(sample_document(number=str(number)))).id for number in range(3)]
        rejected, recalled, kept = await handle(receiver)
        await rejected.reject("Sai nơi nhận")
        await sender.recall(ids[1], reason="Ban hành nhầm")
        await sender.take_back(ids[2], reason="Gửi nhầm")
        by_kind = {receipt.kind: receipt for receipt in await handle(receiver)}
        await by_kind["recall"].agree_change()
        await by_kind["take_back"].refuse_change("Đã thi hành")
        assert (await receiver.receipt(recalled.id)).withdrawn
        assert not (await receiver.receipt(kept.id)).withdrawn
        await handle(sender)
        states = [(await sender.delivery(one)).recipient("G22") for one in ids]
        assert [state.status for state in states] == ["02", "01", "01"]
        assert [state.change for state in states] == [None, Change.AGREED, Change.REFUSED]


async def test_a_block_that_raises_or_is_cancelled_gives_the_packet_back(async_office: AsyncOffice) -> None:
    """Raises → stays waiting, offered again; a cancelled task too (DESIGN, "What a DMS developer writes")."""
    async with async_office("H29.05") as sender, async_office("G22") as receiver:
        await sender.send(sample_document())
        with anyio.move_on_after(5) as scope:
            async for receipt in receiver.receive():
                async with receipt:
                    scope.cancel()
                    await anyio.sleep_forever()
        (waiting,) = await receiver.receipts(state=ReceiptState.WAITING)
        assert repr(waiting).startswith("<AsyncReceipt ")
        with pytest.raises(ValueError, match="application"):
            await _fail(receiver)
        assert len(await handle(receiver)) == 1


async def _fail(receiver: AsyncConnector) -> None:
    async for receipt in receiver.receive():
        async with receipt:
            raise ValueError("application")


async def test_a_packet_that_is_set_aside(async_office: AsyncOffice) -> None:
    """The typed error is the same as in blocking code (issue, "one typed error")."""
    async with async_office("H29.05", signing={"key": None}) as sender, async_office("G22") as receiver:
        await sender.send(sample_document())
        assert await handle(receiver) == []
        (aside,) = await receiver.receipts(state=ReceiptState.QUARANTINED)
        with pytest.raises(VerificationFailed):
            await receiver.recheck(aside.hub_doc_id)
    async with async_office("G22", receive={"policy": "any"}) as lenient:
        assert (await lenient.recheck(aside.hub_doc_id)).state is ReceiptState.WAITING


async def test_calls_run_side_by_side(async_office: AsyncOffice) -> None:
    """Several tasks send at once through one connector, as many as the limit allows (DESIGN, "worker threads")."""
    async with async_office("H29.05", limits={"threads": 3}) as sender:
        async with anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(sender.send, sample_document(number=str(number)))
        states = [delivery.state for delivery in await sender.deliveries()]
        assert states == [DeliveryState.SENT] * 6
        assert (await sender.flush()).errors == ()


async def test_it_is_opened_by_the_block(async_office: AsyncOffice) -> None:
    """Outside of its block it says how to open it (DESIGN, "What a DMS developer writes")."""
    connector = async_office("H29.05")
    with pytest.raises(RuntimeError, match="async with"):
        await connector.flush()
    await connector.close()
