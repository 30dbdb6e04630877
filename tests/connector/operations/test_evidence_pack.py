"""The evidence: written with what it tells, packed for others, and checked by them."""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from tests.connector.split_runs import split_runs

from edoc_connector.client import HubClient
from edoc_connector.connector import Connector, check_pack
from edoc_connector.connector.operations import evidence_check, evidence_pack
from edoc_connector.edxml import Organization, Packet, read, write
from edoc_connector.errors import NotFound, OutcomeUnknown, StoreError, UnknownRecipient
from edoc_connector.evidence import pack_entry
from edoc_connector.mockhub import Fault, MockHubConfig
from edoc_connector.store import AuditEvent, DeliveryRow, OutgoingRow, ReceiptRow
from edoc_connector.store.store import StoreTransaction
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys, authority

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office, Register, SettingsOf

ID = sample_document().id
GUARDS = {
    "sqlite": ("evidence_entries_no_update", "evidence_runs_no_update", "evidence_runs_no_delete"),
    "postgresql": (
        "evidence_entries_append_only ON evidence_entries",
        "evidence_runs_append_only ON evidence_runs",
    ),
}


STATEMENTS = [
    *("UPDATE evidence_entries SET stored = leaf_hash", "DELETE FROM evidence_entries"),
    *("UPDATE evidence_runs SET first_leaf = first_leaf + 100", "DELETE FROM evidence_runs"),
    *("UPDATE evidence_tiles SET level = 9", "DELETE FROM evidence_tiles"),
    *("UPDATE evidence_logs SET origin = 'x'", "DELETE FROM evidence_logs"),
    *("UPDATE evidence_checkpoints SET size = 1", "DELETE FROM evidence_checkpoints"),
]

Offices = tuple[Connector, Connector]
Exchange = Callable[[Connector, Connector], Offices]


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> dict[str, str]:
    """Section ``store`` of the settings, for either database."""
    return {} if request.param == "sqlite" else {"url": request.getfixturevalue("postgres_url")}


@pytest.fixture(scope="session")
def exchange(handle: Handle) -> Exchange:
    """Sends a document from one office to another, its statuses back, and another document before it."""

    def exchanged(sender: Connector, receiver: Connector) -> Offices:
        sender.send(sample_document(number="1"))
        sender.send(sample_document())
        for receipt in handle(receiver):
            receipt.accept()
        handle(sender)
        return sender, receiver

    return exchanged


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def exchanged(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    register: Register,
    settings_in: SettingsOf,
    exchange: Exchange,
) -> Iterator[Offices]:
    """Two offices after an exchange, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("exchanged")
    with ExitStack() as stack:
        store = {}
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres")
            store["url"] = stack.enter_context(server.lend_database("store"))
        hub = stack.enter_context(RunningHub(MockHubConfig(data=folder / "hub")))
        register(hub)

        def office(agency: str) -> Connector:
            settings = settings_in(folder / agency, agency, at=hub, key_kind="rsa", store=store)
            return stack.enter_context(Connector.open(settings))

        yield exchange(office("H29.05"), office("G22"))


def entries(connector: Connector) -> list[dict[str, Any]]:
    """Everything in a connector's log, but that it was opened."""
    with connector.context.store.snapshot() as tx:
        return [one for one in tx.evidence_log.list_facts(connector.context.agency) if one["kind"] != "opened"]


def test_states_answers_and_hashes_are_in_the_chain(exchanged: Offices) -> None:
    """Each change, each answer of the hub and each packet's hash is an entry (issue, "Evidence")."""
    sender, receiver = exchanged
    mine = [one for one in entries(sender) if one.get("document_id") == ID and one.get("subject") == "delivery"]
    assert [one.get("new") for one in mine if one["kind"] == "change"][:3] == ["ready", "sending", "sent"]
    (answer,) = (one for one in mine if one["kind"] == "answer")
    assert (answer["call"], answer["status"], answer["body"]["status"]) == ("sendEdoc", 200, "OK")
    assert len({one["sha256"] for one in mine}) == 1
    kinds = {one["kind"] for one in entries(receiver)}
    assert kinds == {"change", "answer", "offer", "packet"}
    assert "VALID" in {one.get("verification") for one in entries(receiver)}


def test_a_lost_answer_is_evidence_too(office: Office, hub: RunningHub, fails: Fails) -> None:
    """That no answer came, and what the hub said when it was asked (issue, "each hub answer")."""
    sender = office("H29.05")
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    fails(OutcomeUnknown, lambda: sender.send(sample_document()))
    sender.flush()
    said = [
        (one["call"], one.get("no_answer"), one.get("status")) for one in entries(sender) if one["kind"] == "answer"
    ]
    assert said == [("sendEdoc", "OutcomeUnknown", None), ("getSentEdocList", None, 200)]


def test_it_is_written_with_what_it_tells_or_not_at_all(exchanged: Offices) -> None:
    """One transaction for both (issue, "append-only, hash-chained")."""
    sender, _ = exchanged
    before = entries(sender)

    def stopped() -> None:
        with sender.context.store.transaction() as tx:
            tx.audit_events.append(AuditEvent("packet", "delivery", 1, "x"))
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        stopped()
    assert entries(sender) == before


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_database_lets_nobody_change_it(exchanged: Offices, statement: str) -> None:
    """Triggers forbid it to every program (issue, "append-only")."""
    sender, _ = exchanged
    sender.context.checkpoints.keep()  # so that each table has a row
    with pytest.raises(StoreError, match="append-only"), sender.context.store.transaction() as tx:
        tx.connection.execute(text(statement))


def test_who_gets_round_the_triggers_is_found_out(office: Office, exchange: Exchange) -> None:
    """An entry that was changed, or taken out, is found, and its number is named (issue, "hash-chained")."""
    sender, _ = exchange(office("H29.05"), office("G22"))
    agency = sender.context.agency
    sender.context.store.link_evidence(agency)
    with sender.context.store.transaction() as tx:
        assert tx.evidence_log.find_fault(agency) is None
        for guard in GUARDS[tx.connection.dialect.name]:
            tx.connection.execute(text(f"DROP TRIGGER {guard}"))
        split_runs(tx.connection)
        leaf = "(SELECT first_entry FROM evidence_runs WHERE agency = :agency AND first_leaf = :leaf)"
        statement = text(f"UPDATE evidence_entries SET stored = :stored WHERE id = {leaf}")
        stored = pack_entry(b'{"another":"entry"}')
        tx.connection.execute(statement, {"stored": stored, "agency": agency, "leaf": 2})
        fault = tx.evidence_log.find_fault(agency)
        assert fault is not None
        assert (fault.number, fault.words.en) == (3, "entry 3 was changed")
        tx.connection.execute(
            text("DELETE FROM evidence_runs WHERE agency = :agency AND first_leaf = 1"), {"agency": agency}
        )
        fault = tx.evidence_log.find_fault(agency)
        assert fault is not None
        assert (fault.number, fault.words.en) == (2, "entry 2 is missing; 3 follows")


def test_a_pack_holds_everything_and_checks(exchanged: Offices, tmp_path: Path) -> None:
    """Packets, signatures, certificates, answers, statuses and the chain; checked with no database (issue)."""
    for office in exchanged:
        out = office.evidence(ID, out=tmp_path / "x.zip")
        found = check_pack(out, anchors=[agency_keys("Sở Nội vụ", organ_id="H29.05").root])
        assert (found.problems, found.trusted, found.missing) == ((), True, ())
        assert (found.document_id, found.agency) == (ID, office.context.agency)
        assert len(found.packets) == 3  # the document, 01 and 03
        names = zipfile.ZipFile(out).namelist()
        assert {name.split("/")[0] for name in names} >= {"packets", "signatures", "certificates", "story.txt"}
        assert not list(tmp_path.glob("*.part"))


def test_a_pack_shows_nothing_of_other_documents(exchanged: Offices, tmp_path: Path) -> None:
    """Their entries are there by digest only, and no secret is anywhere (issue, "No secrets in it")."""
    sender, _ = exchanged
    other = sample_document(number="1").id
    with zipfile.ZipFile(sender.evidence(ID, out=tmp_path / "x.zip")) as pack:
        everything = b"".join(pack.read(name) for name in pack.namelist())
    for hidden in (other.encode(), b"secret-H29.05", b"PRIVATE KEY", b"hash-header"):
        assert hidden not in everything


def test_a_pack_made_while_a_status_leaves_checks(
    office: Office, handle: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever a pack is made, its entries name every packet that it lists (evidence.md, "The log")."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    real, found = HubClient.send, list[tuple[int, list[str]]]()

    def pack_before_sending(self: HubClient, *args: Any, **kwargs: Any) -> Any:
        pack = receiver.evidence(ID, out=tmp_path / f"{len(found)}.zip")
        found.append((len(check_pack(pack).packets), [one.text for one in check_pack(pack).problems]))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(HubClient, "send", pack_before_sending)
    for receipt in handle(receiver):
        receipt.accept()
    receiver.flush()
    assert found == [(2, []), (3, [])]  # the document, 01 which leaves now, then 03


def list_unnamed(connector: Connector) -> list[str]:
    """The packets of deliveries, receipts and statuses that no entry names."""
    named = {one.get("sha256") for one in entries(connector)}
    agency = connector.context.agency
    with connector.context.store.snapshot() as tx:
        rows: list[DeliveryRow | ReceiptRow | OutgoingRow] = [*tx.deliveries.find_all(agency)]
        rows += [*tx.receipts.find_all(agency), *tx.outgoing.find_all(agency)]
    return [f"{type(row).__name__} {row.id}" for row in rows if row.sha256 is not None and row.sha256 not in named]


def test_each_transaction_enters_the_packets_that_it_stores(
    office: Office, hub: RunningHub, handle: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent, corrected, received, answered, set aside, built anew: with the row its hash (evidence.md, "The log")."""
    sender, receiver = office("H29.05"), office("G22")
    real, unnamed, checked = StoreTransaction.__exit__, list[str](), []

    def check_afterwards(self: StoreTransaction, *error: Any) -> None:
        real(self, *error)
        connector = next(one for one in (sender, receiver) if one.context.store is self._store)
        unnamed.extend(list_unnamed(connector))
        checked.append(connector)

    monkeypatch.setattr(StoreTransaction, "__exit__", check_afterwards)
    with pytest.raises(UnknownRecipient):
        sender.send(sample_document(recipients=[Organization(id="H99.99", name="Không có")]))
    hub.offer(b"garbage", sender="H29.05", to="G22")
    sender.send(sample_document())
    hub.faults.add(Fault(kind="drop-before-accepting", path="/sendEdoc"))  # the status 01 has to be sent again
    receipt = handle(receiver)[-1]
    for path in receiver.context.store.spool.root.rglob("*.edxml"):
        if b"StatusCode" in path.read_bytes():
            path.unlink()
    receiver.settle(ID, arrived=False)
    receipt.accept()
    receiver.flush()
    handle(sender)
    assert unnamed == []
    assert len(checked) > 20


def changed(path: Path, name: str, change: Callable[[bytes], bytes | None]) -> Path:
    """A copy of a pack with one file changed, or left out."""
    out = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            found = change(content) if info.filename == name else content
            if found is not None:
                new.writestr(info.filename, found)
    return out


def replace_by(new: bytes) -> Callable[[bytes], bytes]:
    """Replace the content of a file, whatever it is."""
    return lambda _: new


def test_a_change_to_any_file_is_found(exchanged: Offices, tmp_path: Path) -> None:
    """One bit of any file, or any file left out (issue, "Tampering with any file")."""
    pack = exchanged[0].evidence(ID, out=tmp_path / "x.zip")
    names = zipfile.ZipFile(pack).namelist()
    for name in names:
        flipped = changed(pack, name, lambda content: content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
        assert check_pack(flipped).problems, name
        assert check_pack(changed(pack, name, lambda content: None)).problems, name


def test_a_change_to_any_entry_is_found(exchanged: Offices, tmp_path: Path) -> None:
    """Changed, left out, put elsewhere: it does not lead to the head any more (issue, "or entry")."""
    pack = exchanged[0].evidence(ID, out=tmp_path / "x.zip")
    lines = zipfile.ZipFile(pack).read("entries.jsonl").splitlines(keepends=True)
    for number, line in enumerate(lines):
        without = b"".join(lines[:number] + lines[number + 1 :])
        assert check_pack(changed(pack, "entries.jsonl", replace_by(without))).problems, number
        for old, new in (
            (b'\\"actor\\"', b'\\"actor_\\"'),
            (b'"index":', b'"index":1'),
            (b'"proof":["', b'"proof":["","'),
        ):
            assert old in line
            edited = b"".join([*lines[:number], line.replace(old, new), *lines[number + 1 :]])
            assert check_pack(changed(pack, "entries.jsonl", replace_by(edited))).problems, number
        elsewhere = b"".join([*lines[:number], *lines[number + 1 :], line])
        if number < len(lines) - 1:
            assert check_pack(changed(pack, "entries.jsonl", replace_by(elsewhere))).problems, number


def test_what_is_added_is_found(exchanged: Offices, tmp_path: Path) -> None:
    """A file that does not belong, and one that is there twice (issue, "Tampering with any file")."""
    pack = exchanged[0].evidence(ID, out=tmp_path / "x.zip")
    with zipfile.ZipFile(pack, "a") as archive:
        archive.writestr("packets/more.edxml", b"x")
    assert [one.where for one in check_pack(pack).problems] == ["packets/more.edxml"]
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(pack, "a") as archive:
        archive.writestr("story.txt", b"x")
    assert "story.txt" in [one.where for one in check_pack(pack).problems]


def test_a_signature_taken_off_is_found(exchanged: Offices, tmp_path: Path) -> None:
    """The manifest says that the head was signed, and the log holds the manifest (issue, "Evidence")."""
    pack = exchanged[0].evidence(ID, out=tmp_path / "x.zip")

    def unsigned(content: bytes) -> bytes:
        return content[: content.index(b"\n\n") + 2]

    assert [one.where for one in check_pack(changed(pack, "checkpoint", unsigned)).problems] == ["checkpoint"]


def test_signers_that_lead_nowhere_are_named(exchanged: Offices, tmp_path: Path) -> None:
    """With other authorities given as trusted, packets and head are named (issue, "names what fails")."""
    pack = exchanged[0].evidence(ID, out=tmp_path / "x.zip")
    found = check_pack(pack, anchors=[authority("Somebody else").certificates[-1]])
    assert "checkpoint" in [one.where for one in found.problems]
    assert any(one.where.startswith("packets/") for one in found.problems)


@pytest.mark.parametrize(("depth", "width", "filler"), [(58, 1, 2_000_000), (2, 5_000, 0), (1, 1, 2_000_000)])
def test_signatures_inside_signatures_are_shown_once(tmp_path: Path, depth: int, width: int, filler: int) -> None:
    """Nested, very many or very large ones make no pack of hundreds of megabytes ("limits", a pack of 825 MB)."""
    path = tmp_path / "packet.edxml"
    write(sample_document(), path, at=datetime.now(UTC))
    packet = path.read_bytes()
    end = packet.index(b"</edXMLHeader>") if b"</edXMLHeader>" in packet else packet.index(b"</edXML:edXMLHeader>")
    nested = b'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#">' * depth + b"x" * filler + b"</Signature>" * depth
    path.write_bytes(packet[:end] + nested * width + packet[end:])
    shown = list(evidence_pack._extract_signatures(read(path)))
    assert len(shown) == (0 if filler else 20)
    assert sum(map(len, shown)) < 100_000


def test_without_a_key_the_head_is_unsigned(office: Office, hub: RunningHub, tmp_path: Path) -> None:
    """The chain then proves that it fits together, and the result says so (issue, "Evidence")."""
    sender = office("H29.05", signing={"key": None})
    sender.send(sample_document())
    found = check_pack(sender.evidence(ID, out=tmp_path / "x.zip"))
    assert (found.problems, found.signed_by) == ((), None)
    assert [status for _, status in found.packets] == ["UNSIGNED"]


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_pack_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    """Nothing from outside makes the check fall over (issue, "names what fails")."""
    (tmp_path / "x.zip").write_bytes(content)
    assert len(check_pack(tmp_path / "x.zip").problems) == 1


def test_no_damage_makes_the_check_fall_over(office: Office, hub: RunningHub, tmp_path: Path) -> None:
    """A byte of the zip itself is changed, anywhere: a result comes all the same (issue, "names what fails")."""
    sender = office("H29.05")
    sender.send(sample_document())
    data = sender.evidence(ID, out=tmp_path / "x.zip").read_bytes()
    for place in range(0, len(data), max(1, len(data) // 60)):
        (tmp_path / "y.zip").write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        found = check_pack(tmp_path / "y.zip")
        assert found.problems or (found.document_id, found.packets != ()) == (ID, True)


@pytest.mark.parametrize("name", ["manifest.json", "head.json", "chain.jsonl"])
@pytest.mark.parametrize("content", [b"[]", b"null", b"{}", b"{", b"\xff", b'{"format": "edoc-evidence/1"}'])
def test_json_of_another_shape(tmp_path: Path, name: str, content: bytes) -> None:
    """What is in the pack is somebody else's (issue, "names what fails")."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as pack:
        for one in ("manifest.json", "head.json", "chain.jsonl"):
            pack.writestr(one, content if one == name else b'{"format": "edoc-evidence/1", "chain": {}}')
    assert check_pack(tmp_path / "x.zip").problems


def test_a_document_that_nobody_knows(office: Office, tmp_path: Path, fails: Fails) -> None:
    """No pack is made, and the error says where to look (issue, "Evidence")."""
    fails(NotFound, lambda: office("H29.05").evidence("x", out=tmp_path / "x.zip"))
    assert list(tmp_path.glob("*.zip*")) == []


def test_a_pack_of_many_names_is_checked_in_little_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """30,000 files, and one packet listed a thousand times, take no more work than they are ("any pack", bounded)."""
    pack, sha256 = tmp_path / "many.zip", hashlib.sha256(b"<a/>").hexdigest()
    packet = {"sha256": sha256, "file": f"packets/{sha256}.edxml", "judged_at": "2026-11-20T00:00:00+00:00"}
    manifest = {
        "format": "edoc-evidence/1",
        "agency": "H29.05",
        "document_id": "x",
        "made_at": "2026-11-20T00:00:00+00:00",
        "chain": {"first": 1, "previous": ""},
        "files": [],
        "packets": [packet | {"verification": "UNREADABLE"}] * 1000,
        "signed": False,
        "legacy_sha1": False,
    }
    with zipfile.ZipFile(pack, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("chain.jsonl", "{}\n")
        archive.writestr("head.json", "{}")
        archive.writestr(str(packet["file"]), b"<a/>")
        for number in range(30_000):
            archive.writestr(str(number), b"")
    read_packets: list[Path] = []

    def count(path: Path) -> Packet:
        read_packets.append(path)
        return read(path)

    monkeypatch.setattr(evidence_check, "read", count)
    started = time.process_time()
    problems = check_pack(pack).problems
    assert time.process_time() - started < 10
    assert len(read_packets) == 1
    assert "it is listed more than once" in [problem.text for problem in problems]
