"""What `edoc prune` may take by the agency's table of periods (evidence, "How long")."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from edoc_connector.config import Period, RetentionSettings
from edoc_connector.connector import Connector
from edoc_connector.connector.operations.retention_periods import is_over
from edoc_connector.errors import ConfigError, NotFound
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Ahead, Fails, Handle, Office, SettingsOf

NOW = timedelta(0)
YEAR = 366 * 86400.0


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> dict[str, str]:
    """Section ``store`` of the settings, for either database."""
    return {} if request.param == "sqlite" else {"url": request.getfixturevalue("postgres_url")}


def exchange(sender: Connector, receiver: Connector, handle: Handle) -> None:
    """Send a letter and a decision, and report a status of each."""
    for number, kind in (("1", "Công văn"), ("2", "Quyết định")):
        sender.send(sample_document(number=number, type_name=kind))
    for receipt in handle(receiver):
        receipt.accept()
    receiver.flush()
    list(sender.receive())


def test_each_kind_goes_after_its_own_period(
    office: Office, hub: RunningHub, handle: Handle, ahead: Ahead, fails: Fails
) -> None:
    """A letter of two years and its statuses go in the third year; a decision stays for ever, and its statuses."""
    table = {"kinds": {"công văn": 2, "Quyết định": "permanent"}, "default": 0}
    sender, receiver = office("H29.05", retention=table), office("G22", retention=table)
    exchange(sender, receiver, handle)
    for connector in (sender, receiver):
        found = connector.prune(NOW, dry_run=False)
        assert (found.packets, found.kept > 1) == (0, True)
        ahead(connector, 3 * YEAR)
        found = connector.prune(NOW)
        removed = connector.prune(NOW, dry_run=False)
        assert (removed.packets, removed.kept) == (found.packets, found.kept)
        assert removed.packets == removed.kept > 1
    letter, decision = (
        next(one for one in receiver.receipts(kind="new") if one.code is not None and one.code.startswith(number))
        for number in "12"
    )
    assert decision.load().document.type_name == "Quyết định"
    fails(NotFound, letter.load, "was removed on")


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_kind_without_a_period_stays(office: Office, hub: RunningHub, handle: Handle, ahead: Ahead) -> None:
    """No figure is made up: where the table says nothing of a kind, nothing of it is removed."""
    sender, receiver = office("H29.05", retention={"kinds": {"Quyết định": 1}}), office("G22")
    exchange(sender, receiver, handle)
    ahead(sender, 100 * YEAR)
    removed = sender.prune(NOW, dry_run=False)
    assert removed.packets == removed.kept > 1


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_hold_stands_above_the_periods(office: Office, hub: RunningHub, handle: Handle, ahead: Ahead) -> None:
    """A document that is held stays when its period is over."""
    sender, receiver = office("H29.05", retention={"default": 0}), office("G22")
    exchange(sender, receiver, handle)
    held = sender.deliveries()[0].id
    sender.hold(held, reason="Tòa án", by="clerk")
    ahead(sender, 2 * YEAR)
    sender.prune(NOW, dry_run=False)
    with sender.context.store.snapshot() as tx:
        kept = {row.spool_file for row in tx.deliveries.find_all("H29.05", document_id=held)}
        assert not kept & tx.audit_log.list_pruned_files()
        assert tx.audit_log.list_pruned_files()


@pytest.mark.parametrize(
    ("period", "now", "over"),
    [
        (1, "2027-12-31T16:59:59", False),
        (1, "2027-12-31T17:00:00", True),
        (0, "2026-12-31T16:59:59", False),
        (0, "2026-12-31T17:00:00", True),
        ("permanent", "9999-01-01T00:00:00", False),
    ],
)
def test_years_are_counted_from_the_end_of_the_year(period: Period, now: str, over: bool) -> None:
    """As Vietnam's calendar has it: what was finished in 2026 with one year may go from 2028 on."""
    finished = datetime(2026, 3, 1, tzinfo=UTC)
    assert is_over(period, finished, datetime.fromisoformat(now).replace(tzinfo=UTC)) is over


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_one_kind_has_one_period(settings: SettingsOf) -> None:
    """Letters, spaces and the form of diacritics make no other kind."""
    table = RetentionSettings(kinds={"Công  văn": 3})
    assert (table.find_period(" CÔNG VĂN "), table.find_period("Co\u0302ng va\u0306n")) == (3, 3)
    with pytest.raises(ConfigError, match="two periods"):
        settings("H29.05", retention={"kinds": {"Công văn": 3, "công văn": 4}})
