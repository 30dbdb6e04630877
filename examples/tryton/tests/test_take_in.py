"""Packets become incoming documents of a real Tryton on SQLite: each once, also where the program is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import take_in
import trytond.config
from trytond.pool import Pool
from trytond.transaction import Transaction

import edoc_connector as edoc
from edoc_connector.config import Settings
from edoc_connector.testing import MockOffice, RunningHub, sample_pdf

HERE = Path(__file__).parents[1]
KILLS = 3
FILES = tuple(edoc.Attachment.from_bytes(sample_pdf([name]), name=name) for name in ("cong-van.pdf", "phu-luc.pdf"))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of Tryton, made by Tryton's own command and loaded in this process."""
    folder = tmp_path_factory.mktemp("office")
    text = (HERE / "trytond.conf").read_text()
    assert "/srv/tryton" in text
    (folder / "trytond.conf").write_text(text.replace("/srv/tryton", str(folder / "tryton")))
    (folder / "tryton").mkdir()
    (folder / "tryton" / "dms.sqlite").touch()  # trytond-admin fills an empty file, and makes none
    (folder / "password").write_text("s3cret-s3cret")
    command = [str(Path(sys.executable).with_name("trytond-admin")), "-c", "trytond.conf", "-d", take_in.DATABASE]
    options = ("--all", "-u", "document_incoming", "--activate-dependencies", "--email", "admin@example.vn")
    variables = os.environ | {"TRYTONPASSFILE": str(folder / "password")}
    subprocess.run([*command, *options], cwd=folder, check=True, env=variables)
    trytond.config.update_etc(str(folder / "trytond.conf"))
    Pool.start()
    Pool(take_in.DATABASE).init()
    return folder


@pytest.fixture
def office(folder: Path, edoc_settings: Callable[..., Settings]) -> Iterator[edoc.Connector]:
    """Our agency; what an earlier test stored in Tryton is there still."""
    with edoc.Connector.open(edoc_settings("H29.05")) as connector:
        yield connector


@contextmanager
def looking() -> Iterator[Any]:
    """Look at the incoming documents of Tryton."""
    with Transaction().start(take_in.DATABASE, user=0, readonly=True, context={"active_test": False}):
        yield Pool(take_in.DATABASE).get("document.incoming")


def take_all(office: edoc.Connector) -> None:
    """Poll once, as the program does again and again."""
    for receipt in office.receive():
        with receipt:
            take_in.take_in(receipt)


def end_after(step: Callable[[edoc.Receipt], None]) -> Callable[[edoc.Receipt], None]:
    """The step, after which the program ends."""

    def run(receipt: edoc.Receipt) -> None:
        step(receipt)
        raise RuntimeError("killed")

    return run


def fail(_: edoc.Attachment) -> Iterator[bytes]:
    """Read a file from a disk that is gone."""
    raise OSError("the disk is gone")


def list_letters(subject: str) -> list[str]:
    """List the names of the incoming documents that a subject is in, without their files."""
    with looking() as incoming:
        return [one.name for one in incoming.search([("name", "like", f"%{subject}%"), ("parent", "=", None)])]


def test_a_letter_is_an_incoming_document_with_its_files(
    office: edoc.Connector, edoc_office: Callable[..., MockOffice]
) -> None:
    """The letter has its number and subject as its name, its files are children of it, and 01 goes out."""
    g22 = edoc_office("G22")
    sent = g22.send(number="12", notation="VPCP-HC", subject="Kế hoạch năm 2027", attachments=FILES)
    take_all(office)
    assert list_letters("Kế hoạch năm 2027") == ["12/VPCP-HC Kế hoạch năm 2027"]
    with looking() as incoming:
        (letter,) = incoming.search([("name", "like", "%Kế hoạch năm 2027")])
        assert {one.name: bytes(one.data) for one in letter.children} == {
            one.name: b"".join(one.pieces()) for one in FILES
        }
        assert sent in bytes(letter.data).decode()
    assert g22.list_statuses(sent) == ["01"]


def test_an_end_between_the_two_commits_doubles_nothing(
    office: edoc.Connector, edoc_office: Callable[..., MockOffice], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tryton committed and our store did not: the packet is offered again, and stays one document."""
    g22 = edoc_office("G22")
    sent = g22.send(subject="Ngắt giữa chừng")
    with monkeypatch.context() as ending:
        ending.setattr(take_in, "take_in", end_after(take_in.take_in))
        with pytest.raises(RuntimeError, match="killed"):
            take_all(office)
    assert len(list_letters("Ngắt giữa chừng")) == 1
    assert g22.list_statuses(sent) == []
    take_all(office)
    assert g22.list_statuses(sent) == ["01"]
    assert len(list_letters("Ngắt giữa chừng")) == 1


def test_what_fails_in_tryton_leaves_nothing_there(
    office: edoc.Connector, edoc_office: Callable[..., MockOffice], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Tryton rolls back, neither the letter nor a file of it is there, and the packet is offered again."""
    g22 = edoc_office("G22")
    sent = g22.send(subject="Lùi lại", attachments=FILES)
    with monkeypatch.context() as broken:
        broken.setattr(edoc.Attachment, "pieces", fail)
        with pytest.raises(OSError, match="disk"):
            take_all(office)
    assert (list_letters("Lùi lại"), g22.list_statuses(sent)) == ([], [])
    take_all(office)
    assert len(list_letters("Lùi lại")) == 1


def test_requests_to_withdraw_are_incoming_documents_too(
    office: edoc.Connector, edoc_office: Callable[..., MockOffice]
) -> None:
    """A recall, and a request to give a document back, are beside the letter, each with its kind in its text."""
    g22 = edoc_office("G22")
    for number, request in (("31", g22.recall), ("32", g22.take_back)):
        sent = g22.send(number=number, subject=f"Xin lại {number}")
        take_all(office)
        request(sent, "Ban hành nhầm")
        take_all(office)
    with looking() as incoming:
        found = incoming.search([("name", "like", "3_/SNV-VP%"), ("parent", "=", None)], order=[("id", "ASC")])
        kinds = [bytes(one.data).decode().splitlines()[2] for one in found]
    assert kinds == ["new", "recall", "new", "take_back"]


def test_the_program_is_killed_at_any_moment(
    folder: Path, mock_hub: RunningHub, edoc_office: Callable[..., MockOffice]
) -> None:
    """take_in.py is killed by the system again and again: each letter is in Tryton once, and its sender is told."""
    mock_hub.add_agency("H29.05", "secret-H29.05", "Sở Nội vụ")
    g22, chance, sent = edoc_office("G22"), random.Random(7), list[str]()
    text = (HERE / "edoc.toml").read_text(encoding="utf-8").replace("http://127.0.0.1:8480", mock_hub.url)
    limits = "\n[limits]\nlease = 2.0\ngrace = 0.0\nbackoff = 0.1\n"
    (folder / "edoc.toml").write_text(text + limits, encoding="utf-8")
    secret = folder / "hub.secret"
    secret.touch(0o600)
    secret.write_text("secret-H29.05")

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, str(HERE / "take_in.py")], cwd=folder)

    def send(number: int) -> None:
        sent.extend(g22.send(number=f"{number}{part}", subject=f"Liên tục {number}{part}") for part in range(10, 30))

    for number in range(1, KILLS + 1):
        send(number)
        program, before = start(), len(list_letters("Liên tục"))
        while len(list_letters("Liên tục")) == before:
            assert program.poll() is None
            time.sleep(0.05)
        time.sleep(chance.uniform(0.0, 0.3))
        program.kill()
        program.wait()
    send(KILLS + 1)
    program = start()
    try:
        while any(g22.list_statuses(one) != ["01"] for one in sent):
            assert program.poll() is None
            time.sleep(0.2)
    finally:
        program.send_signal(signal.SIGTERM)
        code = program.wait(timeout=60)
    assert code == 0
    assert len(list_letters("Liên tục")) == len(set(list_letters("Liên tục"))) == len(sent)
