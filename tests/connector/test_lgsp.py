"""Documents over a provincial platform, from a connector's point of view: a whole life, and the platform's traps."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import Connector
from edoc_connector.connector.inbound.inbox import Inbox
from edoc_connector.edxml import Attachment, Organization, StaffInfo, StatusCode
from edoc_connector.errors import (
    AuthenticationRejected,
    DocumentError,
    EdocError,
    OutcomeUnknown,
    UnknownRecipient,
)
from edoc_connector.evidence import unpack_entry
from edoc_connector.hubs import HubCapabilities, Lgsp, MessageType, PacketProfile
from edoc_connector.hubs.lgsp import windows
from edoc_connector.mockhub import Fault, LgspTraps
from edoc_connector.store import DeliveryState, ReceiptState, restore_backup, write_backup
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

LOGIN = LgspTraps(username="qlvb", password="pass-of-qlvb")

in_place_or_taken_out = pytest.mark.parametrize("counter", [True, False], ids=["in place", "taken out"])


def holds(counter: bool, check: Callable[[], None]) -> None:
    """A check holds with its counter-measure, and does not without: a trap that catches nobody is none."""
    if counter:
        check()
        return
    with pytest.raises((AssertionError, EdocError)):
        check()


@pytest.fixture
def platform(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> RunningHub:
    """The mock hub with a platform that wants a login."""
    monkeypatch.setenv("LGSP_PASSWORD", LOGIN.password)
    hub.lgsp = LOGIN
    return hub


@pytest.fixture
def lgsp(platform: RunningHub, office: Office) -> Callable[..., Connector]:
    """Opens the connector of an agency that is at the platform, under a base path."""

    def make(agency: str, **sections: Any) -> Connector:
        hub = {"dialect": "lgsp", "endpoint": f"{platform.url}/apithunghiem", "application_code": "QLVB"}
        hub |= {"username": LOGIN.username, "password": "env:LGSP_PASSWORD", **sections.pop("hub", {})}
        return office(agency, hub=hub, **sections)

    return make


def test_a_document_lives_on_a_platform(lgsp: Any, handle: Handle, platform: RunningHub) -> None:
    """send → poll → confirm → 01 03 04 05 06, then a recall that is agreed to; one login for both agencies."""
    sender, receiver = lgsp("H29.05"), lgsp("G22")
    delivery = sender.send(sample_document())
    assert (delivery.state, delivery.hub_doc_id is not None) == (DeliveryState.SENT, True)
    (receipt,) = handle(receiver)
    assert (receipt.sender, receipt.verification.status) == ("H29.05", "VALID")
    assert [one.name for one in receipt.attachments] == ["cong-van.pdf"]
    receipt.accept("Đã vào sổ số 12")
    receipt.assign("Phòng Văn thư", staff=StaffInfo(staff="Trần Thị B"))
    receipt.processing()
    receipt.complete()
    assert receiver.receipt(delivery.id).state is ReceiptState.CONFIRMED
    assert {one.state for one in platform.packets()[0].receipts} == {"done"}
    assert handle(sender) == []
    assert sender.delivery(delivery.id).recipient("G22").status is StatusCode.COMPLETED
    recalled = sender.send(sample_document(number="7817"))
    (second,) = handle(receiver)
    second.accept()
    recall = sender.recall(recalled.id, reason="Ban hành nhầm", staff=StaffInfo(staff="Lê C"))
    (asked,) = handle(receiver)
    asked.agree_change()
    assert receiver.receipt(recalled.id).withdrawn
    handle(sender)
    assert sender.delivery(recall.id).recipient("G22").status is StatusCode.CHANGE_AGREED
    assert sender.delivery(recalled.id).recipient("G22").withdrawn
    assert sender.sync_directory() == 3
    assert platform.hub.lgsp.logins == 1


def test_between_a_platform_and_the_national_hub(lgsp: Any, office: Office, handle: Handle) -> None:
    """An agency at the platform and one at the hub behind it write to each other, with statuses both ways."""
    province, ministry = lgsp("H29.05"), office("G22")
    sent = province.send(sample_document())
    (receipt,) = handle(ministry)
    receipt.accept()
    handle(province)
    assert province.delivery(sent.id).recipient("G22").status is StatusCode.ACCEPTED
    sender, recipient = receipt.document.recipients[0], receipt.document.sender
    answer = ministry.send(sample_document(sender=Organization(id="G22", name=sender.name), recipients=(recipient,)))
    (back,) = handle(province)
    back.reject("Sai nơi nhận")
    handle(ministry)
    assert ministry.delivery(answer.id).recipient("H29.05").status is StatusCode.REJECTED


@in_place_or_taken_out
def test_trap_codes_need_not_be_state_bodies(
    lgsp: Any, platform: RunningHub, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An enterprise of the province (H37.DN.001) gets documents as any agency does (Calls)."""
    if not counter:
        state_bodies = PacketProfile(code_pattern=r"[A-Z]\d\d(\.\d\d)*", code_form="of a state body")
        monkeypatch.setattr(Lgsp, "capabilities", HubCapabilities(lists_by_date=True, packet=state_bodies))
    platform.add_agency("H37.DN.001", "secret-dn", "Doanh nghiệp")

    def check() -> None:
        enterprise = Organization(id="H37.DN.001", name="Doanh nghiệp")
        assert lgsp("H29.05").send(sample_document(recipients=(enterprise,))).state is DeliveryState.SENT

    holds(counter, check)


def test_an_unknown_recipient_is_a_verdict_with_its_code(lgsp: Any) -> None:
    """errorCode 18 within HTTP 200 is final, and the recipient can be corrected (table of errorCodes)."""
    sender = lgsp("H29.05")
    document = sample_document(recipients=(Organization(id="H99", name="Không có"),))
    with pytest.raises(UnknownRecipient):
        sender.send(document)
    assert sender.delivery(document.id).state is DeliveryState.FAILED


@in_place_or_taken_out
def test_trap_fetched_items_appear_again(
    lgsp: Any, handle: Handle, platform: RunningHub, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was fetched and confirmed is listed again at every poll: our own inbox decides, nothing is fetched twice."""
    if not counter:
        monkeypatch.setattr("edoc_connector.hubs.lgsp.answers._WAITING_STATES", frozenset({"", "initial", "done"}))
    sender, receiver = lgsp("H29.05"), lgsp("G22")
    sender.send(sample_document())
    handle(receiver)[0].accept()

    def check() -> None:
        before = platform.hub.lgsp.requests.count("getEdoc")
        for _ in range(3):
            assert handle(receiver) == []
        assert platform.hub.lgsp.requests.count("getEdoc") == before

    holds(counter, check)


@in_place_or_taken_out
def test_trap_the_cursor_moves_only_after_the_whole_poll(
    lgsp: Any, handle: Handle, platform: RunningHub, ahead: Any, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A poll that breaks in the middle leaves the cursor: what it did not list is listed by the next one."""
    receiver = lgsp("G22")
    lgsp("H29.05").send(sample_document())
    if not counter:
        real = Inbox.poll_offers

        def moves_first(self: Inbox, kind: Any) -> Any:
            with self._context.store.transaction() as tx:
                tx.schedule.record_listed(self._context.agency, kind, until=tx.now)
            return real(self, kind)

        monkeypatch.setattr(Inbox, "poll_offers", moves_first)
    platform.faults.add(Fault(kind="html", path="/v1/syncReceivedEdocList", count=2))
    with pytest.raises(EdocError):
        handle(receiver)
    later = _open_days_later(receiver, platform, days=20, monkeypatch=monkeypatch)

    def check() -> None:
        assert len(handle(later)) == 1

    holds(counter, check)


def _open_days_later(
    connector: Connector, platform: RunningHub, *, days: int, monkeypatch: pytest.MonkeyPatch
) -> Connector:
    """Move the time of a connector and of its dialect some days ahead; the platform's stays."""
    shift = timedelta(days=days)
    store_clock, hub_time = connector.context.store.clock, connector.context.hub.time
    real = hub_time._clock
    hub_time._clock = lambda: real() + shift
    connector.context.store.clock = lambda: store_clock() + shift
    return connector


def test_row_35_what_was_confirmed_after_the_backup_is_not_handed_out(
    lgsp: Any, handle: Handle, platform: RunningHub
) -> None:
    """What the platform lists although it was told stays set aside; what it was not told comes back (row 35)."""
    sender, receiver = lgsp("H29.05"), lgsp("G22")
    for number in ("1", "2"):
        sender.send(sample_document(number=number))
    for _ in receiver.receive():  # both are here, none is handled
        break
    first, second = (one.hub_doc_id for one in reversed(receiver.receipts()))
    receiver.begin_restore(receiver.context.store.clock())
    for packet in platform.packets():
        for receipt in packet.receipts:
            if receipt.id == first:
                platform.hub.storage.set_state(first, "done", packet.events[-1])
    assert [one.hub_doc_id for one in handle(receiver)] == [second]
    assert receiver.restored().set_aside == (first,)


def test_row_35_what_came_after_the_backup_comes_again_from_a_list_by_date(
    lgsp: Any, handle: Handle, platform: RunningHub, tmp_path: Path
) -> None:
    """The platform lists what was confirmed, so nobody has to ask its operator, and the advice says so (row 35)."""
    sender, machine = lgsp("H29.05"), lgsp("G22")
    handle(machine)
    url, spool = machine.settings.store_url(), machine.settings.spool()
    write_backup(url, tmp_path / "backup.zip", spool=spool)
    sender.send(sample_document())
    assert len(handle(machine)) == 1
    machine.close()
    for path in spool.parent.glob("edoc.db*"):
        path.unlink()
    shutil.rmtree(spool)
    restore_backup(tmp_path / "backup.zip", url, spool=spool)
    restored = lgsp("G22")
    advice = " ".join(words.en for words in restored.restored().advice)
    assert "comes again by itself" in advice
    assert "operator" not in advice
    assert [one.id for one in handle(restored)] == [sample_document().id]


def test_row_34_a_list_by_date_that_a_wrong_clock_read(
    lgsp: Any,
    handle: Handle,
    platform: RunningHub,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once the clock, which was a year ahead, is right, what came meanwhile is listed all the same (faults, row 34)."""
    receiver = lgsp("G22")
    handle(receiver)
    assert not [record for record in caplog.records if record.name.endswith(".clocks")]
    with receiver.context.store.transaction() as tx:
        tx.schedule.record_listed("G22", MessageType.EDOC, until=tx.now + timedelta(days=365))
    lgsp("H29.05").send(sample_document())
    weekend = _open_days_later(receiver, platform, days=4, monkeypatch=monkeypatch)
    assert len(handle(weekend)) == 1
    with weekend.context.store.snapshot() as tx:
        until = tx.schedule.find_listed_until("G22", MessageType.EDOC)
        assert until is not None
        assert until <= weekend.context.store.clock()
        assert not [name for name in tx.schedule.list_jobs("G22") if name.startswith("listed")]


@in_place_or_taken_out
def test_trap_a_gap_is_walked_in_windows_of_seven_days(
    lgsp: Any, handle: Handle, platform: RunningHub, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After weeks away the list is asked for in steps of at most 7 days: a wider window is refused."""
    if not counter:
        real = windows.split_windows
        monkeypatch.setattr(
            "edoc_connector.hubs.lgsp.dialect.split_windows", lambda since, now, days: real(since, now, days=400)
        )
    receiver = lgsp("G22")
    with pytest.MonkeyPatch.context() as quiet:
        quiet.setattr("edoc_connector.hubs.lgsp.dialect.split_windows", windows.split_windows)
        assert handle(receiver) == []
    lgsp("H29.05").send(sample_document())
    later = _open_days_later(receiver, platform, days=40, monkeypatch=monkeypatch)

    def check() -> None:
        assert len(handle(later)) == 1

    holds(counter, check)


@in_place_or_taken_out
def test_trap_no_list_of_sent_packets(
    lgsp: Any, handle: Handle, platform: RunningHub, ahead: Any, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown outcome is not asked about nor sent again; the recipient's status settles it (Sending)."""
    if not counter:  # a list that is always empty would be taken for "the hub does not have it"

        def nothing(self: Lgsp, message_type: Any = None, **_: Any) -> Any:
            yield from ()
            return ()

        monkeypatch.setattr(Lgsp, "sent_state", nothing)
    sender, receiver = lgsp("H29.05"), lgsp("G22")
    platform.faults.add(Fault(kind="drop-after-accepting", path="/v1/sendEdoc"))
    document = sample_document()
    with pytest.raises(OutcomeUnknown):
        sender.send(document)
    for _ in range(3):
        ahead(sender, 4000)
        sender.flush()

    def check() -> None:
        assert platform.hub.lgsp.requests.count("sendEdoc") == 1

    holds(counter, check)
    if counter:
        assert sender.delivery(document.id).state is DeliveryState.UNKNOWN
        handle(receiver)[0].accept()
        handle(sender)
        assert sender.delivery(document.id).state is DeliveryState.SENT


@in_place_or_taken_out
def test_trap_attachments_beyond_the_limit(lgsp: Any, counter: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file larger than the limit is refused before anything is stored, with the limit in the words (50 MiB)."""
    if not counter:
        monkeypatch.setattr(Lgsp, "capabilities", HubCapabilities(lists_by_date=True, packet=PacketProfile()))
    sender = lgsp("H29.05", hub={"max_attachment": 100})
    document = sample_document(attachments=(Attachment.from_bytes(b"%PDF-1.4 " + b"x" * 200, name="to.pdf"),))

    def check() -> None:
        with pytest.raises(DocumentError) as caught:
            sender.send(document)
        assert "100" in caught.value.message
        assert {problem.code for problem in caught.value.problems} == {"HUB-SIZE"}
        assert caught.value.vi != caught.value.message
        assert sender.deliveries() == []

    if counter:
        check()
        assert Lgsp(endpoint="http://h", system_id="s", secret="k").capabilities.packet.max_attachment == 50 * 1024**2
    else:
        with pytest.raises(pytest.fail.Exception):
            check()


@in_place_or_taken_out
def test_trap_every_element_of_the_envelope_needs_the_prefix(
    lgsp: Any, handle: Handle, platform: RunningHub, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A packet without prefixes stays in the province and says so to nobody; ours have them and cross (Sending)."""
    if not counter:
        real = Lgsp.send

        def unprefixed(self: Lgsp, packet: Any, **kwargs: Any) -> Any:
            from edoc_connector._core import get_path

            path = get_path(packet)
            text = path.read_bytes()
            start, end = text.find(b"<edXML:edXMLEnvelope"), text.rfind(b"</edXML:edXMLEnvelope>")
            bare = re.sub(rb"(</?)edXML:", rb"\1", text[start:end])
            other = path.with_suffix(".bare")
            other.write_bytes(text[:start] + bare + text[end:].replace(b"edXML:edXMLEnvelope", b"edXMLEnvelope"))
            return (yield from real(self, other, **kwargs))

        monkeypatch.setattr(Lgsp, "send", unprefixed)
    sender, receiver = lgsp("H29.05"), lgsp("G22")
    sender.send(sample_document())

    def check() -> None:
        assert len(handle(receiver)) == 1

    holds(counter, check)


@in_place_or_taken_out
def test_trap_statuses_by_update_stay_behind_a_setting(lgsp: Any, handle: Handle, counter: bool) -> None:
    """By default codes are packets, which the sender gets (Calls)."""
    sender, receiver = lgsp("H29.05"), lgsp("G22", hub={} if counter else {"statuses_by_update": True})
    first = sender.send(sample_document())
    handle(receiver)[0].accept()
    handle(sender)

    def check() -> None:
        assert sender.delivery(first.id).recipient("G22").status is StatusCode.ACCEPTED

    holds(counter, check)


def test_statuses_by_update_are_told(lgsp: Any, handle: Handle, platform: RunningHub) -> None:
    """By the setting codes are told to the platform by a call, which nobody may hear of."""
    sender = lgsp("H29.05")
    telling = lgsp("G22", hub={"statuses_by_update": True})
    second = sender.send(sample_document(number="7818"))
    handle(telling)[0].accept()
    handle(sender)
    assert sender.delivery(second.id).recipient("G22").status is None
    told = [event.what for packet in platform.packets() for event in packet.events]
    assert [what for what in told if what.startswith("told")] == ["told 01", "told 03"]


def test_a_token_that_ends_in_a_poll_loses_nothing(lgsp: Any, handle: Handle, platform: RunningHub) -> None:
    """The token is rotated after the list and before the download: one login, and every packet comes."""
    sender, receiver = lgsp("H29.05"), lgsp("G22")
    for number in ("1", "2", "3"):
        sender.send(sample_document(number=number))
    for receipt in receiver.receive():
        with receipt:
            platform.hub.lgsp.rotate_tokens()
    assert len(receiver.receipts()) == 3
    assert {one.state for one in receiver.receipts()} == {ReceiptState.CONFIRMED}


def test_a_login_that_fails_keeps_the_queue(lgsp: Any, platform: RunningHub) -> None:
    """Wrong credentials pause the sending; the document stays ready, and few logins are made (faults, row 10)."""
    platform.lgsp = replace(LOGIN, password="changed-there")
    sender = lgsp("H29.05")
    document = sample_document()
    for _ in range(10):
        with pytest.raises(AuthenticationRejected):
            sender.send(document)
    assert sender.delivery(document.id).state is DeliveryState.READY
    assert platform.hub.lgsp.refused_logins == 1
    assert platform.hub.lgsp.requests == []


def test_no_secret_in_the_evidence(lgsp: Any, handle: Handle, platform: RunningHub) -> None:
    """What the platform said is evidence, but for its tokens; neither password nor key nor token stands there."""
    sender, receiver = lgsp("H29.05"), lgsp("G22")
    sender.send(sample_document())
    handle(receiver)[0].accept()
    for connector in (sender, receiver):
        with connector.context.store.snapshot() as tx:
            rows = tx.connection.exec_driver_sql("SELECT stored FROM evidence_entries")
            kept = " ".join(unpack_entry(row[0]).decode() for row in rows)
        assert "docId" in kept
        for secret in (LOGIN.password, "secret-H29.05", "secret-G22", "mock."):
            assert secret not in kept


def test_reconciling_with_a_platform_that_tells_nothing(lgsp: Any, handle: Handle, platform: RunningHub) -> None:
    """What the platform cannot be asked about stays as it is, and is not taken for lost."""
    sender, receiver = lgsp("H29.05"), lgsp("G22")
    delivery = sender.send(sample_document())
    handle(receiver)[0].accept()
    found = sender.reconcile()
    assert found is not None
    assert sender.delivery(delivery.id).state is DeliveryState.SENT
    assert platform.hub.lgsp.requests.count("sendEdoc") == 3  # the document, and its two statuses
