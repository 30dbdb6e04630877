"""Fixtures for every test."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from lxml import etree
from sqlalchemy import URL, Dialect, Engine, create_engine, event

from edoc_connector.client import tls, transport
from edoc_connector.edxml import NS, PacketForm
from edoc_connector.edxml.schema import schema
from edoc_connector.mockhub import MockHubConfig
from edoc_connector.store import upgrade
from edoc_connector.store._sql import engine
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.inspection import inspect_packet
from edoc_connector.testing.keys import agency_keys, get_default_authority
from edoc_connector.testing.postgres import PostgresServer, Tables
from edoc_connector.testing.tokens import SoftToken

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# A busy machine is no fault of the code: no profile has a deadline. CI tries the same examples for the same commit, the
# nightly run tries others every time.
_UNHURRIED = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("local", _UNHURRIED)
settings.register_profile("ci", _UNHURRIED, derandomize=True, database=None)
settings.register_profile("nightly", _UNHURRIED, max_examples=1000)
settings.load_profile(os.environ.get("EDOC_HYPOTHESIS_PROFILE", "local"))

MEMORY = Path("/dev/shm")
if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 4 << 30:
    # Stores, spools and hubs flush every message: on a disk that takes a fifth of the suite's time, in memory nothing.
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

COLLECTIONS = {"data": Path(__file__).with_name("data"), "shared": Path(__file__).resolve().parents[2] / "shared"}
"""Packets, requests and vectors: our own, and other people's where they lie beside the checkout."""

SAMPLES = {
    "data": sorted(path.name for path in (COLLECTIONS["data"] / "samples").glob("*.edxml")),
    "shared": [
        *("bkav-status.edxml", "edoc.edxml", "edoc_new.edxml", "edoc_replacement.edxml", "edoc_revocation.edxml"),
        *("edoc_update.edxml", "status.edxml", "status_acceptance_03.edxml", "status_assignment_04.edxml"),
        *("status_cancellation_13.edxml", "status_change-acceptance_15.edxml", "status_change-rejection_16.edxml"),
        *("status_finish_06.edxml", "status_inbox_01.edxml", "status_processing_05.edxml"),
        "status_rejection_02.edxml",
    ],
}
"""Names of the packets in ``samples``; ``edoc_new.edxml`` is no XML, the others can be read."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the suite's own marks known."""
    config.addinivalue_line("markers", "database(tables): which tables the test's database has: none, store, tasks")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what reads other people's files where there are none: here, so that it is one line of the summary."""
    params: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
    if "shared" in (params.get("collection"), params.get("sample", " ")[0]) and not COLLECTIONS["shared"].is_dir():
        pytest.skip("other people's packets, requests and vectors are not beside this checkout; our own are read")


@pytest.fixture(scope="session", params=COLLECTIONS)
def collection(request: pytest.FixtureRequest) -> Path:
    """A folder of packets, captured requests and vectors: ``data``, our own, and ``shared``, other people's."""
    return COLLECTIONS[request.param]


@pytest.fixture
def samples(collection: Path) -> list[Path]:
    """Every packet of a collection."""
    return [collection / "samples" / name for name in SAMPLES[collection.name]]


@pytest.fixture(
    params=[(of, name) for of, names in SAMPLES.items() for name in names if name != "edoc_new.edxml"],
    ids="-".join,
)
def sample(request: pytest.FixtureRequest) -> Path:
    """One packet of a collection that can be read."""
    of, name = request.param
    path: Path = COLLECTIONS[of] / "samples" / name
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server; each process of a parallel run has its own."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> Tables:
    """Which tables a test's database has when it begins: a store's, unless the mark ``database`` says otherwise."""
    mark = request.node.get_closest_marker("database")
    kind: Tables = mark.args[0] if mark is not None else "store"
    return kind


@pytest.fixture
def postgres_url(postgres: PostgresServer, database_kind: Tables) -> Iterator[str]:
    """URL of a PostgreSQL database that nobody else uses."""
    with postgres.lend_database(database_kind) as url:
        yield url


@pytest.fixture
def count_connections(postgres_url: str) -> Callable[[], int]:
    """Counts the connections to that database, but for the one that counts."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

    def count() -> int:
        with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    return count


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An SQLite database with the tables of a store: a copy is there at once, making one takes a quarter second."""
    path = tmp_path_factory.mktemp("tables") / "edoc.db"
    upgrade(f"sqlite:///{path}")
    return path.read_bytes()


@pytest.fixture(scope="session")
def stopping() -> Iterator[Callable[[RunningHub], None]]:
    """Stops hubs beside the tests that follow: a server takes its time to end, most of it asleep."""
    stopped: list[Future[None]] = []
    # its words about ending belong to no test
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    with ThreadPoolExecutor(16) as pool:
        yield lambda hub: stopped.append(pool.submit(hub.stop))
    for one in stopped:
        one.result()


@pytest.fixture
def mock_hub(tmp_path: Path, stopping: Callable[[RunningHub], None]) -> Iterator[RunningHub]:
    """As the plugin's fixture of this name, but nobody waits for its end."""
    hub = RunningHub(MockHubConfig(data=tmp_path / "mock-hub", inspector=inspect_packet))
    hub.start()
    yield hub
    stopping(hub)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; of one module only, as its loop would be in the way of tests that run one."""
    from tests.browser import launch

    with launch() as running:
        yield running


@pytest.fixture
def complaints() -> list[str]:
    """Errors and warnings of the browsers' consoles."""
    return []


@pytest.fixture
def open_tab(browser: Browser, complaints: list[str]) -> Iterator[Callable[[], Page]]:
    """Opens a tab of a reader who has nothing chosen yet, each time of another one."""
    from tests.browser import open_context

    with ExitStack() as stack:
        yield lambda: stack.enter_context(open_context(browser, complaints)).new_page()


@pytest.fixture(scope="session")
def _context() -> Callable[..., Any]:
    return cache(tls.build_tls_context)


@pytest.fixture
def plain_http(monkeypatch: pytest.MonkeyPatch, _context: Callable[..., Any]) -> None:
    """One TLS context for all clients, where hubs are on plain HTTP: reading the authorities takes a tenth second."""
    monkeypatch.setattr(transport, "build_tls_context", _context)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their kind only: made at import, with the time in them, they would differ between processes."""
    return "bytes" if isinstance(val, bytes) else None


def _undo_form(tree: etree._ElementTree) -> None:
    """Take out of a packet what a hub alone demands: empty elements, and the name of a status packet's header."""
    header = next(iter(tree.iter(f"{{{NS}}}edXMLHeader")))[0]
    header.tag = f"{{{NS}}}MessageHeader"
    while empty := [one for one in header.iter() if not len(one) and not one.text]:
        for one in empty:
            one.getparent().remove(one)


@pytest.fixture(scope="session", autouse=True)
def validated() -> Iterator[list[str]]:
    """Every packet that any test writes is held against the schema of what we write; the kinds written so far."""
    schemas = {kind: schema(kind) for kind in ("document", "status")}
    kinds: list[str] = []
    # the package's attribute of this name is the function, not the module
    module = sys.modules["edoc_connector.edxml.writer.write"]
    stream: Callable[..., None] = module._write_stream

    def check(plan: Any, out: IO[bytes], signature: Any) -> None:
        stream(plan, out, signature)
        out.flush()
        if out.seek(0, os.SEEK_END) > 64 << 20:  # too large for a tree, and written by the same code
            return
        out.seek(0)
        tree = etree.parse(out, etree.XMLParser(huge_tree=True, resolve_entities=False))
        kind = "document" if tree.find("{*}AttachmentEncoded") is not None else "status"
        if plan.form != PacketForm():
            _undo_form(tree)
        schemas[kind].assertValid(tree)
        kinds.append(kind)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_write_stream", check)
        yield kinds


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    """What SQLAlchemy learns of a database and compiles for it serves all stores of a run: each test has a new engine.

    A program has one engine, and pays this once.
    """
    known: dict[str, tuple[Dialect, Any]] = {}

    def create(url: URL, **options: Any) -> Engine:
        made = create_engine(url, **options)
        if made.name in known:
            vars(made.dialect)["initialize"] = lambda _: None  # it would ask the server for what is known
            made.dialect, made._compiled_cache = known[made.name]
        else:
            learnt = made.dialect, made._compiled_cache
            event.listen(made, "engine_connect", lambda _: known.setdefault(made.name, learnt), once=True)
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "create_engine", create)
        yield


TOKEN_KEYS: dict[str, dict[str, Any]] = {
    "agency-key": {"kind": "rsa"},
    "p256-key": {"kind": "p256"},
    "p384-key": {"kind": "p384"},
    "bare-key": {"kind": "rsa3072", "certificate": False},
    "careful-key": {"kind": "rsa", "options": ("--usage-sign", "--always-auth")},
}
"""Keys on the token, all of them H29.05's: label, kind, whether the certificate is there too, what the key may do."""


@pytest.fixture(scope="session")
def soft_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftToken]:
    """A real token with the keys of `TOKEN_KEYS`, known to the token library of this process."""
    missing = SoftToken.find_missing_tools()
    if missing and "CI" not in os.environ:
        pytest.skip(f"not installed: {missing} (Debian: softhsm2, opensc)")
    assert not missing, f"to be installed where CI is set: {missing}"
    token = SoftToken.create(tmp_path_factory.mktemp("token"))
    for number, (label, options) in enumerate(TOKEN_KEYS.items(), start=1):
        keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind=options["kind"])
        how = {name: value for name, value in options.items() if name != "kind"}
        token.write_keys(keys, label=label, id=f"a{number}", **how)
    for number in (1, 2):
        keys = get_default_authority().agency("Hai khóa", key_name=f"twin {number}")
        token.write_keys(keys, label="twin", id=f"b{number}")
    with pytest.MonkeyPatch.context() as environment:
        # the library reads it once, when it is first used in a process: so there is one token for all tests of one
        environment.setenv("SOFTHSM2_CONF", str(token.configuration))
        yield token


SECRETS = (
    "secret-H29.05",
    "secret-G22",
    "top-secret-value",
    "c2VjcmV0",
    "a password",
    "throwaway-pin-739154",
    "PRIVATE KEY-----\nM",
)
"""Secrets that tests use and that no text of ours has any other reason to hold."""


class _Listener(logging.Handler):
    """Notes which secrets stand in what is logged, tracebacks included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        words = self.format(record)
        self.told += [f"{secret!r} in {record.name}" for secret in SECRETS if secret in words]


@pytest.fixture(autouse=True)
def discreet() -> Iterator[None]:
    """After every test of the suite: nothing it logged at DEBUG, under any name, holds a secret."""
    root, listener = logging.getLogger(), _Listener()
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    yield
    root.setLevel(level)
    root.removeHandler(listener)
    assert listener.told == []


StartProgram = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start_program() -> Iterator[StartProgram]:
    """Start programs, as `subprocess.Popen` does; at the end of the test they are killed, however it ends."""
    with ExitStack() as stack:

        def start(command: list[str], **options: Any) -> subprocess.Popen[str]:
            process = stack.enter_context(subprocess.Popen(command, encoding="utf-8", **options))
            stack.callback(process.kill)
            return process

        yield start
