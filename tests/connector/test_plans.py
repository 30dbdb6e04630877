"""However many rows the store has, an index finds those that a call needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection, text

from edoc_connector.connector import Connector, expire_due
from edoc_connector.store import MACHINES, DeliveryState, ReceiptState
from edoc_connector.store._sql import hear_statements
from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

# Tables that do not grow with the documents; and the end of the log, for which one step of the walk is enough.
_END_OF_LOG = ("sqlite_autoindex_evidence_runs_1", "sqlite_autoindex_evidence_checkpoints_1")
SMALL = ("jobs", "directory_readers", "alembic_version", "evidence_logs", *_END_OF_LOG)
Statements = dict[str, tuple[str, Any]]


@pytest.fixture
def office_heard(office: Office) -> tuple[Connector, Connector, Statements]:
    """A sender and a receiver, and every statement that they give their database, once, with values."""
    sender, receiver = office("H29.05"), office("G22")
    heard: Statements = {}

    def hear(_: Connection, __: object, statement: str, values: Any, ___: object, many: bool) -> None:
        if statement.split()[0] in ("SELECT", "UPDATE", "DELETE"):
            heard.setdefault(statement, (statement, values[0] if many else values))

    for connector in (sender, receiver):
        hear_statements(connector.context.store._engine, hear)
    return sender, receiver, heard


def test_no_call_walks_through_a_table(
    office_heard: tuple[Connector, Connector, Statements], handle: Handle, tmp_path: Path
) -> None:
    """Sending, receiving, lists, explaining and packing cost the same in a full store (issue, "1,000,000 rows")."""
    sender, receiver, heard = office_heard
    sent = sender.send(sample_document())
    (came,) = handle(receiver)
    came.accept()
    assert [entry.id for entry in handle(sender)] == []
    receiver.flush()
    sender.send(sample_document())
    recipient = sent.recipients[0].organ_id
    assert sender.deliveries(state=DeliveryState.SENT, recipient=recipient, limit=5)
    assert [one.id for one in sender.deliveries(limit=5)] == [sent.id]
    assert receiver.receipts(state=ReceiptState.CONFIRMED, limit=5) or receiver.receipts(kind="new", limit=5)
    assert (
        expire_due(sender.context),
        next(iter(sender.outbox.outboxes)).late_refusals.find(),
        receiver.unanswered(),
    ) == (0, 0, [])
    for connector in (sender, receiver):
        connector.explain(sent.id)
        connector.evidence(sent.id, out=tmp_path / "x.zip")
    for connector in (sender, receiver):
        connector.context.lease_keeper._renew([(machine.table_name, 1) for machine in MACHINES])
    assert len(heard) > 30
    engine = sender.context.store._engine
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET enable_seqscan = off"))  # then one is planned only where no index serves
        walks = {
            statement: plan for statement, values in heard.values() if (plan := _walks(connection, statement, values))
        }
    assert walks == {}


def _walks(connection: Connection, statement: str, values: Any) -> list[str]:
    """The steps of a statement's plan that read a whole table."""
    sqlite = connection.dialect.name == "sqlite"
    explain = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
    steps = [str(row[3] if sqlite else row[0]) for row in connection.exec_driver_sql(explain + statement, values)]
    whole = [step for step in steps if step.startswith("SCAN") or "Seq Scan" in step or step.endswith("(agency=?)")]
    whole = [step for step in whole if "CONSTANT ROW" not in step and not any(name in step for name in SMALL)]
    return [] if _wanted(statement) else whole


def _wanted(statement: str) -> bool:
    """Whether it is a page of everything, newest first, which goes back along an index until it has enough."""
    return "LIMIT" in statement and any(f"{name} DESC" in statement for name in ("created_at", "evidence_entries.id"))
