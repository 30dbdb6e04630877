"""Each compiled statement does on the driver's own cursor what it does through SQLAlchemy, on both databases."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Insert, Table, Update, func, select, text
from sqlalchemy.exc import DBAPIError

import edoc_connector
from edoc_connector.connector import Connector, Handlers
from edoc_connector.edxml import Organization
from edoc_connector.errors import OutcomeUnknown, UnknownRecipient
from edoc_connector.mockhub import Fault
from edoc_connector.store._sql.compiled import CompiledStatement
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import Worker

SOURCE = Path(edoc_connector.__file__).parent
NOBODY = Organization(id="H99.99", name="Không có")
POLL_NOW = {"worker": {"poll": 0.001, "idle": 0.05, "tries": 3}}

Values = Mapping[str, Any]
Outcome = tuple[Any, Any]
"""What a statement gave, and its table afterwards."""


class TwoWays:
    """Run each statement through SQLAlchemy, undo that, and run it as it is run otherwise.

    Attributes:
        ran: the statements.
        differences: where the two ways did not do the same.
    """

    def __init__(self) -> None:
        self.ran: set[CompiledStatement] = set()
        self.differences: list[str] = []

    def compare(
        self, statement: CompiledStatement, connection: Connection, values: Any, fast: Callable[[], Any]
    ) -> Any:
        """Run a statement both ways, and give what the driver's cursor gave."""
        self.ran.add(statement)
        rewind = _rewinding(connection, statement._statement)
        slow = _outcome(connection, statement, lambda: _through_sqlalchemy(connection, statement, values))
        connection.exec_driver_sql("ROLLBACK TO two_ways")
        connection.exec_driver_sql("RELEASE two_ways")
        rewind()
        other = _outcome(connection, statement, fast)
        connection.exec_driver_sql("RELEASE two_ways")
        if _typed(slow) != _typed(other):
            self.differences.append(f"{statement._statement}\n{values}\n{slow}\n{other}")
        if isinstance(other[0], DBAPIError):
            raise other[0]
        return other[0]


@pytest.fixture
def two_ways(monkeypatch: pytest.MonkeyPatch) -> TwoWays:
    """Has every compiled statement compared."""
    watched, rows, many = TwoWays(), CompiledStatement.fetch_all, CompiledStatement.execute_many

    def rows_twice(self: CompiledStatement, connection: Connection, values: Values) -> Any:
        return watched.compare(self, connection, values, lambda: rows(self, connection, values))

    def many_twice(self: CompiledStatement, connection: Connection, values: Sequence[Values]) -> Any:
        return watched.compare(self, connection, values, lambda: many(self, connection, values))

    monkeypatch.setattr(CompiledStatement, "fetch_all", rows_twice)
    monkeypatch.setattr(CompiledStatement, "execute_many", many_twice)
    return watched


def _through_sqlalchemy(connection: Connection, statement: CompiledStatement, values: Any) -> Any:
    result = connection.execute(statement._statement, values, execution_options={"preserve_rowcount": True})
    if isinstance(values, Mapping):
        return result.mappings().all() if result.returns_rows else []
    return result.rowcount


def _outcome(connection: Connection, statement: CompiledStatement, run: Callable[[], Any]) -> Outcome:
    connection.exec_driver_sql("SAVEPOINT two_ways")
    try:
        given = run()
    except DBAPIError as error:
        connection.exec_driver_sql("ROLLBACK TO two_ways")
        given = error
    return given, _table_after(connection, statement._statement)


def _table_after(connection: Connection, query: Any) -> Any:
    """All of the table that a statement writes to, as the driver gives it: no conversion may hide another."""
    if not isinstance(query, Insert | Update):
        return None
    assert isinstance(query.table, Table)
    keys = ", ".join(column.name for column in query.table.primary_key)
    return connection.exec_driver_sql(f"SELECT * FROM {query.table.name} ORDER BY {keys}").mappings().all()


def _rewinding(connection: Connection, query: Any) -> Callable[[], None]:
    """What gives keys that PostgreSQL drew for a row once more: it does not take them back with the row."""
    table = query.table if isinstance(query, Insert) else None
    column = getattr(table, "autoincrement_column", None)
    if column is None or connection.dialect.name != "postgresql":
        return lambda: None
    name = connection.scalar(select(func.pg_get_serial_sequence(column.table.name, column.name)))
    last, called = connection.execute(text(f"SELECT last_value, is_called FROM {name}")).one()
    return lambda: connection.execute(select(func.setval(name, last, called))).close()


def _typed(outcome: Outcome) -> Any:
    """An outcome with the types of its values: 1 and True, or a time and its text, are not the same."""
    given, after = outcome
    if isinstance(given, DBAPIError):
        return type(given), str(given.orig), given.statement
    return [_typed_rows(part) if isinstance(part, Sequence) else part for part in (given, after)]


def _typed_rows(rows: Sequence[Values]) -> list[list[tuple[str, type, Any]]]:
    return [[(str(name), type(value), value) for name, value in row.items()] for row in rows]


@pytest.fixture
def made_by(monkeypatch: pytest.MonkeyPatch) -> dict[CompiledStatement, str]:
    """Which function made each of those that are made from now on; none is kept from before."""
    made: dict[CompiledStatement, str] = {}
    real = CompiledStatement.__init__

    def note(self: CompiledStatement, statement: Any) -> None:
        frame = inspect.currentframe()
        assert frame is not None
        assert frame.f_back is not None
        made[self] = f"{frame.f_back.f_globals['__name__']}.{frame.f_back.f_code.co_name}"
        real(self, statement)

    monkeypatch.setattr(CompiledStatement, "__init__", note)
    for module, name in _places():
        if hasattr(found := getattr(import_module(module), name), "cache_clear"):
            found.cache_clear()
    return made


def _places() -> Iterator[tuple[str, str]]:
    """Every place in the source where a statement is compiled: its module, and the name of the constant or function."""
    for file in sorted(SOURCE.rglob("*.py")):
        code = file.read_text(encoding="utf-8")
        if f"{CompiledStatement.__name__}(" not in code:
            continue
        module = ".".join(("edoc_connector", *file.relative_to(SOURCE).with_suffix("").parts))
        for node in ast.parse(code).body:
            if any(_makes_one(inner) for inner in ast.walk(node)):
                yield module, _name_of(node)


def _makes_one(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == CompiledStatement.__name__


def _statements_of(constant: Any) -> Iterable[Any]:
    """The statements of a constant: one, or several by a key or in a row."""
    if isinstance(constant, Mapping):
        return constant.values()
    return constant if isinstance(constant, list) else [constant]


def _name_of(node: ast.stmt) -> str:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    assert isinstance(node, ast.FunctionDef), (
        f"line {node.lineno}: a compiled statement is a constant or made by a function"
    )
    return node.name


@pytest.fixture
def live(
    office: Callable[..., Connector], worker: Callable[..., Worker], hub: RunningHub, tmp_path: Path
) -> Callable[[], None]:
    """Plays a document's life, and what may go wrong in it, with one thread: refused, lost, received, taken back."""

    def play() -> None:
        theirs, ours = Handlers(), Handlers()
        theirs.on_receipt(lambda receipt: receipt.accept())
        ours.on_status(lambda delivery, status: None)
        sender, receiver = office("H29.05"), office("G22")
        with pytest.raises(UnknownRecipient):
            sender.send(sample_document(recipients=[NOBODY]))
        hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
        with pytest.raises(OutcomeUnknown):
            sender.send(sample_document())
        first, second = worker("H29.05", ours, **POLL_NOW), worker("G22", theirs, **POLL_NOW)
        first.run_once(rounds=10)
        hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
        hub.faults.add(Fault(kind="error", path="/getSentEdocList", count=None))
        second.run_once(rounds=10)
        assert receiver.reconcile().waiting
        hub.faults.clear()
        sender.take_back(sample_document().id, reason="Gửi nhầm nơi nhận")
        for _ in range(2):
            first.run_once(rounds=10)
            second.run_once(rounds=10)
        assert receiver.receipt(sample_document().id).hub_doc_id
        assert receiver.receipt(receiver.receipts()[0].hub_doc_id).id
        receiver.sync_agencies()
        assert receiver.find_agencies("van phong")
        assert receiver.agency("G22").agency.code == "G22"
        for name in ("Trung tâm A", "Trung tâm B"):
            (tmp_path / "agencies.csv").write_text(f"code,name\nX01,{name}\n", encoding="utf-8")
            receiver.import_agencies(tmp_path / "agencies.csv")
        assert first.agency_jobs[0].checks.run()

    return play


_OF_ONE_DATABASE = {
    "sqlite": "edoc_connector.store.log.linking._IN_QUEUE",
    "postgresql": "edoc_connector.store.log.linking._BEHIND_LAST",
}
"""The statement that a database has no use for: each finds the entries without a place in its own way."""


def test_both_ways_do_the_same(
    live: Callable[[], None],
    two_ways: TwoWays,
    made_by: dict[CompiledStatement, str],
    backend: dict[str, str],
) -> None:
    """Rows, their types, counts and the table afterwards, for every statement of the project (design, statements)."""
    live()
    assert two_ways.differences == []
    named = {f"{module}.{name}": getattr(import_module(module), name) for module, name in _places()}
    constants = {id(one): name for name, constant in named.items() for one in _statements_of(constant)}
    unused = _OF_ONE_DATABASE["postgresql" if backend else "sqlite"]
    assert {made_by.get(one) or constants.get(id(one)) for one in two_ways.ran} == set(named) - {unused}
