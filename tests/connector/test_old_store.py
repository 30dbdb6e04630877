"""A store made before languages and marks had columns of their own: it is upgraded, and goes on."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, insert, select, text
from sqlalchemy.exc import IntegrityError

from edoc_connector.connector import Connector, Story
from edoc_connector.connector.operations.evidence_check import check_pack
from edoc_connector.errors import EdocError, StoreError
from edoc_connector.store import DeliveryState, OutgoingState, ReceiptState, Store, migrate, upgrade
from edoc_connector.store._sql import TABLES
from edoc_connector.store._sql.compact_types import PackedText
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

ARCHIVE = Path(__file__).parents[1] / "store" / "data" / "old_store.tar.xz"
REVISION = "0004"
AGENCIES = ("H29.05", "G22")
CODE = "{number}/SNV-VP"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The old store's files."""
    folder = tmp_path / "old"
    with tarfile.open(ARCHIVE) as packed:
        packed.extractall(folder, filter="data")
    return folder


@pytest.fixture
def seen(archive: Path) -> dict[str, dict[str, Any]]:
    """What users of the old store saw of it, by agency."""
    return dict(zip(AGENCIES, json.loads((archive / "seen.json").read_text()), strict=True))


@pytest.fixture
def backend(request: pytest.FixtureRequest, archive: Path) -> dict[str, str]:
    """Section ``store`` of the settings: the old store, on SQLite as it was made, or its rows on PostgreSQL."""
    url = old = f"sqlite:///{archive / 'edoc.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").create_database()
        _copy(old, url)
    return {"url": url, "spool": str(archive / "spool")}


@pytest.fixture
def upgraded(backend: dict[str, str], office: Callable[..., Connector]) -> Callable[..., Connector]:
    """Opens the connector of an agency on the store, which is upgraded."""
    assert upgrade(backend["url"]) == migrate.SCHEMA_REVISION
    # the authority that the old packets were signed under is not that of this run
    return lambda agency, **sections: office(agency, receive={"policy": "any"}, **sections)


def test_it_is_refused_before_the_upgrade(backend: dict[str, str]) -> None:
    """The error says what to run (DESIGN, "schema changes are Alembic migrations")."""
    with pytest.raises(StoreError, match="edoc db upgrade"):
        Store.open(backend["url"], spool=Path(backend["spool"]))


def test_it_has_a_row_in_every_state(backend: dict[str, str]) -> None:
    """Nothing that may be in a store is missing in this one."""
    with _connected(backend["url"]) as connection:
        for table, states in (("deliveries", DeliveryState), ("receipts", ReceiptState), ("outgoing", OutgoingState)):
            assert set(connection.execute(text(f"SELECT state FROM {table}")).scalars()) == set(states)


def test_everything_reads_as_it_did(upgraded: Callable[..., Connector], seen: dict[str, dict[str, Any]]) -> None:
    """Entries say the same in both languages, and the same document may be corrected (issue, "everything kept")."""
    for agency in AGENCIES:
        connector = upgraded(agency)
        deliveries = connector.deliveries()
        stories = {
            **{delivery.id: connector.explain(delivery.id) for delivery in deliveries},
            **{receipt.hub_doc_id: connector.explain(receipt.hub_doc_id) for receipt in connector.receipts()},
        }
        assert {
            delivery.id: [[entry.to, entry.detail, entry.detail_vi] for entry in delivery.timeline]
            for delivery in deliveries
        } == seen[agency]["timelines"]
        expected = {key: [_say_anew(event) for event in events] for key, events in seen[agency]["events"].items()}
        assert {key: _events(story) for key, story in stories.items()} == expected
        came = [receipt for receipt in connector.receipts() if receipt.authority_findings or not receipt.took_effect]
        assert came == []  # nothing is known of who vouched for what came before
        correctable = [one.id for one in deliveries if "Correct the document" in "".join(stories[one.id].next)]
        assert correctable == seen[agency]["correctable"]


def test_no_column_has_two_languages(upgraded: Callable[..., Connector], backend: dict[str, str]) -> None:
    """The separator of before is in no column any more, but for the evidence and a person's own words."""
    upgraded("H29.05")
    with _connected(backend["url"]) as connection:
        for table in _reflect(connection):
            columns = [column for column in table.columns if column.type.python_type is str]
            if table.name == "evidence":
                continue
            for column in columns:
                found = connection.execute(select(column).where(column.like("% ‖ %"))).scalars().all()
                assert [words for words in found if "xong" not in words] == []
        packed = [
            column for table in TABLES.values() for column in table.columns if isinstance(column.type, PackedText)
        ]
        assert packed
        for column in packed:
            found = [words for words in connection.execute(select(column)).scalars() if words and " ‖ " in words]
            assert [words for words in found if "xong" not in words] == []


@pytest.fixture
def chains(archive: Path) -> dict[str, list[Any]]:
    """The chains of the old store, by agency."""
    with _connected(f"sqlite:///{archive / 'edoc.db'}") as connection:
        query = text("SELECT sequence, entry, hash FROM evidence WHERE agency = :agency ORDER BY sequence")
        return {agency: list(connection.execute(query, {"agency": agency})) for agency in AGENCIES}


def test_its_evidence_still_verifies(
    chains: dict[str, list[Any]], upgraded: Callable[..., Connector], tmp_path: Path
) -> None:
    """Each entry is a leaf with the bytes that it had, the chain's end is sealed, and a pack holds ("evidence")."""
    connectors = [upgraded(agency) for agency in AGENCIES]
    for connector in connectors:
        agency = connector.context.agency
        chain = chains[agency]
        with connector.context.store.snapshot() as tx:
            *leaves, sealed = tx.evidence_log.read_entries(agency)
            assert [(one.leaf, one.canonical.decode()) for one in leaves] == [
                (row.sequence - 1, row.entry) for row in chain
            ]
            facts = sealed.parse().list_facts()[0]
            assert (facts["sealed_sequence"], facts["sealed_hash"]) == (len(chain), chain[-1].hash)
            assert tx.evidence_log.find_fault(agency) is None
    (sender, _) = connectors
    for number, delivery in enumerate({delivery.state: delivery for delivery in sender.deliveries()}.values()):
        result = check_pack(sender.evidence(delivery.id, out=tmp_path / f"{number}.zip"))
        assert not result.problems


def test_the_timeline_is_append_only_again(upgraded: Callable[..., Connector], backend: dict[str, str]) -> None:
    """The upgrade may change entries, nobody after it (DESIGN, "append-only")."""
    upgraded("H29.05")
    for statement in ("UPDATE timeline SET detail = 'x' WHERE id = 1", "DELETE FROM timeline WHERE id = 1"):
        with _connected(backend["url"]) as connection, pytest.raises(IntegrityError, match="append-only"):
            connection.execute(text(statement))


def test_it_goes_on(
    upgraded: Callable[..., Connector], hub: RunningHub, handle: Handle, backend: dict[str, str]
) -> None:
    """What was on its way arrives, what was refused is corrected, new documents travel (issue, "and works")."""
    sender, receiver = upgraded("H29.05"), upgraded("G22")
    assert sender.fsck(deep=True) == receiver.fsck(deep=True) == []
    for _ in range(3):  # an unknown outcome is asked for twice before the packet goes again
        sender.flush()
    states = {delivery.code: delivery.state for delivery in sender.deliveries()}
    assert [states[CODE.format(number=number)] for number in (40, 41, 42)] == [DeliveryState.SENT] * 3
    refused = sender.delivery(next(one.id for one in sender.deliveries() if one.code == "20/SNV-VP"))
    corrected = sender.send(sample_document(number="20", issued_on=refused.issued_on))
    assert (corrected.id, corrected.state) == (refused.id, DeliveryState.SENT)
    new = sender.send(sample_document(number="100"))
    with suppress(EdocError):  # what was offered before the upgrade is not at this hub
        for receipt in receiver.receive():
            with receipt:
                pass
            receipt.accept()
    assert receiver.receipt(new.id).status == "03"
    assert not receiver.receipts(state=ReceiptState.WAITING)
    assert not receiver.receipts(state=ReceiptState.HANDLING)
    receiver.flush()
    handle(sender)
    assert sender.delivery(new.id).recipient("G22").status == "03"
    assert sender.delivery(corrected.id).recipient("G22").status == "03"
    assert "accepted" in sender.explain(new.id).text()
    with sender.context.store.snapshot() as tx:
        assert [tx.evidence_log.find_fault(agency) for agency in AGENCIES] == [None, None]


_NEW_WORDS = {
    r"^xác nhận done ": "xác nhận đã nhận (done): ",
    r"^xác nhận fail ": "xác nhận không đọc được (fail): ",
    r"^trạng thái (\d\d) (.+) tới (\S+) ": r"trạng thái \1 (\2) báo \3: ",
}
"""How stories say since what they said in other Vietnamese words ("Vietnamese words")."""


def _say_anew(event: list[str]) -> list[str]:
    time, text_en, text_vi = event
    for before, since in _NEW_WORDS.items():
        text_vi = re.sub(before, since, text_vi)
    return [time, text_en, text_vi]


def _events(story: Story) -> list[list[str]]:
    return [[event.time.isoformat(), event.text, event.text_vi] for event in story.events]


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _copy(old: str, url: str) -> None:
    """Make a database of the old revision on a server, with the rows of another."""
    source, target = create_engine(old), create_engine(url)
    with target.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, REVISION)
    with source.connect() as reading, target.begin() as writing:
        writing.execute(text("SET session_replication_role = replica"))  # rows in any state, not in the first ones
        for table in _reflect(writing):
            if table.name != "alembic_version":
                _copy_rows(table, reading, writing)
    source.dispose()
    target.dispose()


def _copy_rows(table: Table, reading: Connection, writing: Connection) -> None:
    there = Table(table.name, MetaData(), autoload_with=reading)
    rows = [{name: _as_utc(value) for name, value in row.items()} for row in reading.execute(select(there)).mappings()]
    if rows:
        writing.execute(insert(table), rows)
        query = text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {max(row['id'] for row in rows)})")
        writing.execute(query)


def _as_utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _reflect(connection: Connection | Engine) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return metadata.sorted_tables
