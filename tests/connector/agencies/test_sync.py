"""Taking over the directory of a hub, over a socket, in each dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import AgencySync, Connector
from edoc_connector.edxml import VIETNAM
from edoc_connector.errors import ProtocolError
from edoc_connector.mockhub import Fault
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Office


@pytest.fixture
def connector(office: Office, hub: RunningHub) -> Connector:
    """An agency at a hub that knows three."""
    hub.add_agency("H30", "secret-H30", "UBND tỉnh", old_code="000.00.00.H30")
    return office("H29.05")


def remove(hub: RunningHub, code: str) -> None:
    """Take an agency out of the hub's directory."""
    hub.hub.storage.mark_agency(code, deleted=True, at=hub.hub.now())


def test_whole_first_then_by_change(connector: Connector, hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time only changes are asked for; what ended has the hub's day (issue, "sync full and by change")."""
    first = connector.sync_agencies()
    assert (first.whole, first.agencies, first.added) == (True, 3, 3)
    assert connector.sync_agencies() == AgencySync(agencies=3, added=0, changed=0, ended=0, whole=False)
    remove(hub, "H30")
    hub.add_agency("H30.01", "secret", "Sở Nội vụ", parent="G22")

    def refuse(*_: object) -> Any:
        raise AssertionError("the whole directory is asked for")

    monkeypatch.setattr(type(connector.context.hub), "agencies", refuse)
    assert connector.sync_agencies() == AgencySync(agencies=3, added=1, changed=1, ended=1, whole=False)
    ended = connector.agency("H30").agency
    today = hub.hub.now().astimezone(VIETNAM).date()
    assert (ended.ended, ended.valid_to, ended.other_code) == (True, today, "000.00.00.H30")
    assert [parent.code for parent in connector.agency("H30.01").parents] == ["G22"]


def test_the_whole_knows_what_ended_before(connector: Connector, hub: RunningHub) -> None:
    """A code that ended before the first look is known as one that ended (business rules, "its life")."""
    remove(hub, "H30")
    done = connector.sync_agencies()
    assert (done.agencies, done.whole, connector.agency("H30").agency.ended) == (2, True, True)


def test_a_hub_that_tells_no_changes(connector: Connector, hub: RunningHub) -> None:
    """Where the call is not there the whole is asked for, and nothing is rewritten (issue, "by difference")."""
    hub.faults.add(Fault(kind="error", path="/getSynchronizeUnit", status=404, count=None))
    assert connector.sync_agencies().added == 3
    assert connector.sync_agencies() == AgencySync(agencies=3, added=0, changed=0, ended=0, whole=True)


def test_a_directory_that_was_cut_off_is_not_believed(
    connector: Connector, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losing most agencies changes nothing unless a person says so (issue, "refuses a dead one": none by mistake)."""
    for number in range(30):
        hub.add_agency(f"H31.{number:02}", "secret", f"Sở {number}")
    connector.sync_agencies()
    listed = connector.context.hub.agencies()
    monkeypatch.setattr(type(connector.context.hub), "agencies", lambda _: listed[:10])
    with pytest.raises(ProtocolError, match="10 agencies, and had 33"):
        connector.sync_agencies(whole=True)
    assert connector.find_agencies("h31", ended=True) == ()
    assert connector.sync_agencies(whole=True, accept_loss=True).ended == 23


async def check_async(settings: Any) -> None:
    """Take over, find and show with the asynchronous connector."""
    from edoc_connector.connector import AsyncConnector

    async with AsyncConnector(settings) as connector:
        assert (await connector.sync_agencies()).agencies == 3
        assert [one.code for one in await connector.find_agencies("van phong")] == ["G22"]
        assert (await connector.agency("000.00.00.H30")).agency.code == "H30"
        assert [one.kind for one in await connector.check_recipients(["G22"])] == ["known"]


def test_the_asynchronous_twin(connector: Connector) -> None:
    """The same calls, awaited (issue, "public API on connector and async twin")."""
    import asyncio

    asyncio.run(check_async(connector.settings))
