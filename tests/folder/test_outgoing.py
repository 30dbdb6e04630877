"""Items put into the folder: taken whole, done once, archived or set aside with what to do."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.folder.office import OURS, THEIRS, Office, describe

from edoc_connector.edxml import StatusCode
from edoc_connector.errors import NotFound
from edoc_connector.folder import outgoing
from edoc_connector.folder.control_file import read_control_file
from edoc_connector.testing import sample_pdf

if TYPE_CHECKING:
    from tests.folder.conftest import OpenOffice


def test_a_document_goes_out_and_its_files_are_archived(office: Office) -> None:
    """A JSON with a PDF of the same name is queued, sent by a worker, and archived under names of ours."""
    document_id = office.put_document("7816")
    office.look()
    assert office.connector.delivery(document_id).state == "ready"
    assert office.list_archived() == ["7816.json", "7816.pdf"]
    assert not [path for path in (office.root / "out").iterdir() if path.is_file()]
    office.exchange()
    (packet,) = office.partner.list_received()
    assert (packet.message.id, [one.name for one in packet.message.attachments]) == (document_id, ["7816.pdf"])
    assert packet.message.signer.full_name == "Nguyễn Văn A"


def test_the_archive_has_the_paths_of_the_settings(open_office: OpenOffice) -> None:
    """The pattern of the archive holds fields of ours alone: no packet and no sender names a path."""
    office = open_office(archive="{department}/{year}/{key}")
    office.put_document("1", department="Ke toan")
    office.look()
    (found,) = (office.root / "archive").rglob("1.json")
    department, year, key = found.relative_to(office.root / "archive").parts[:3]
    assert (department, len(year), key.startswith(year)) == ("Ke toan", 4, True)


def test_a_file_is_not_taken_while_it_grows(office: Office) -> None:
    """A file that changes between two looks waits until it stayed as it is: a share copies slowly."""
    office.put_document("7816")
    for size in range(3):
        assert office.watcher.look()
        office.put("7816.pdf", sample_pdf(["x"] * (size + 2)))
        office.clock.now += 9.0
    assert office.watcher.look()
    assert not office.list_archived()
    office.clock.now += 10.0
    assert office.watcher.look()
    assert office.list_archived() == ["7816.json", "7816.pdf"]


def test_a_file_that_grows_after_it_was_taken_waits(office: Office) -> None:
    """A writer keeps a file that is renamed: what changes behind the renaming is not sent half."""
    office.put_document("7816")
    assert office.watcher.look()
    office.clock.now += 10.0
    office.watcher._outgoing.take()
    (taken,) = office.watcher.layout.work.rglob("7816.pdf")
    taken.write_bytes(sample_pdf(["more of it"]))
    assert office.watcher._outgoing.finish() == 0
    office.clock.now += 10.0
    assert office.watcher._outgoing.finish() == 1
    (archived,) = (office.root / "archive").rglob("7816.pdf")
    assert b"more of it" in archived.read_bytes()


def test_unfinished_names_links_and_hidden_files_are_left(office: Office) -> None:
    """Temporary names, locks, links and hidden files are never taken."""
    for name in (".hidden.json", "~$7816.json", "7816.json.tmp", "a.part"):
        office.put(name, "{}")
    secret = office.root.parent / "secret.txt"
    secret.write_text("not ours", encoding="utf-8")
    (office.root / "out" / "a.json").symlink_to(secret)
    office.look(wait=1000.0)
    assert len(list((office.root / "out").iterdir())) == 5
    assert not office.find_errors()


def test_locks_of_other_software_are_respected(office: Office) -> None:
    """An item waits as long as a lock file says that it is being written: it, one of its files, or the folder."""
    office.put_document("7816")
    for lock in ("7816.lock", "7816.pdf.lock", "7816.json.lock", ".lock"):
        held = office.put(lock, "")
        office.look()
        assert not office.list_archived(), lock
        held.unlink()
    office.look()
    assert office.list_archived() == ["7816.json", "7816.pdf"]


def test_files_that_belong_together_are_waited_for(office: Office) -> None:
    """A JSON that comes before its PDF waits for it; after the time of patience it is set aside, and says why."""
    office.put("7816.json", describe("7816"))
    office.put("7817.json", describe("7817", files=["a.pdf", "b.pdf"]))
    office.put("a.pdf", sample_pdf(["a"]))
    office.look()
    assert not office.find_errors()
    office.put("7816.pdf", sample_pdf(["late"]))
    office.look()
    assert office.list_archived() == ["7816.json", "7816.pdf"]
    office.clock.now += 600.0
    assert office.watcher.look()
    errors = office.find_errors()
    assert list(errors) == ["7817.json.error.txt"]
    assert "b.pdf" in errors["7817.json.error.txt"]
    assert [path.name for path in (office.root / "error").rglob("a.pdf")] == ["a.pdf"]


def test_a_file_that_nobody_names_is_set_aside(office: Office) -> None:
    """A PDF without a JSON or CSV is set aside after the time of patience: nobody would ever see that it waits."""
    office.put("alone.pdf", sample_pdf(["alone"]))
    office.look()
    assert not office.find_errors()
    office.look(wait=700.0)
    (text,) = office.find_errors().values()
    assert "7816.json" in text
    assert [path.name for path in (office.root / "error").rglob("alone.pdf")] == ["alone.pdf"]


BAD = (
    ("{", "JSON"),
    ("[]", "đối tượng"),
    (b"\xff\x00\xc3", "UTF-8"),
    (describe(issued_on="30/02/2026"), "issued_on"),
    (describe(files=["../../etc/passwd"]), "đường dẫn"),
    (describe(files=["c:passwd"]), "đường dẫn"),
    (describe(files=3), "files"),
    (describe(subject=""), "subject"),
    (describe(surprise="x"), "surprise"),
    (describe(action="fly"), "fly"),
    ({"action": "accept", "document_id": "nowhere"}, "nowhere"),
    (describe(deadline="soon"), "deadline"),
    (describe(recipients=7), "recipients"),
)


def test_bad_items_say_what_to_do_and_stop_no_other(office: Office) -> None:
    """What cannot be done goes to the folder of errors with a text in both languages; the other items are done."""
    for number, (content, _) in enumerate(BAD):
        office.put(f"bad-{number}.json", content)
        office.put(f"bad-{number}.pdf", sample_pdf(["bad"]))
    document_id = office.put_document("7816")
    office.look()
    errors = office.find_errors()
    assert sorted(errors) == sorted(f"bad-{number}.json.error.txt" for number in range(len(BAD)))
    for number, (_, words) in enumerate(BAD):
        text = errors[f"bad-{number}.json.error.txt"]
        assert words in text, number
        assert "Cách xử lý" in text
        assert "What to do" in text
    assert [one.id for one in office.connector.iter_deliveries()] == [document_id]


def test_a_corrected_item_goes_out(office: Office) -> None:
    """A person corrects the file, copies it back, and it is sent."""
    office.put("7816.json", describe("7816", subject=""))
    office.put("7816.pdf", sample_pdf(["7816"]))
    office.look()
    (folder,) = {path.parent for path in (office.root / "error").rglob("7816.json")}
    for path in folder.iterdir():
        shutil.copy(path, office.root / "out")
    office.put("7816.json", describe("7816"))
    office.look()
    assert len(list(office.connector.iter_deliveries())) == 1


def test_the_same_item_twice_is_one_document(office: Office) -> None:
    """An item that is put there twice is one delivery; another document under its id is set aside."""
    office.put_document("7816")
    office.look()
    office.put_document("7816")
    office.look()
    assert len(list(office.connector.iter_deliveries())) == 1
    assert not office.find_errors()
    office.put_document("7816", subject="Một văn bản khác")
    office.look()
    assert "7816.json.error.txt" in office.find_errors()


def test_lines_of_a_csv_are_documents(office: Office) -> None:
    """A CSV has a document a line, with Vietnamese heads as well and semicolons as Excel writes them."""
    day = describe()["issued_on"]
    office.put("a.pdf", sample_pdf(["a"]))
    office.put("b.pdf", sample_pdf(["b"]))
    head = "Số ký hiệu;Ngày ban hành;Loại văn bản;Trích yếu;Người ký;Nơi nhận;Tệp;Nơi ban hành"
    lines = [
        f"1/SNV-VP;{day[8:]}/{day[5:7]}/{day[:4]};Công văn;Văn bản một;Nguyễn Văn A;{THEIRS}=VPCP;a.pdf;Hà Nội",
        f'2/SNV-VP;{day};Công văn;"Văn bản; hai";Nguyễn Văn A;"{THEIRS}=VPCP";b.pdf;Hà Nội',
    ]
    office.put("so.csv", "\ufeff" + "\r\n".join([head, *lines]) + "\r\n")
    office.look()
    assert not office.find_errors()
    subjects = {one.code: one.subject for one in office.connector.iter_deliveries()}
    assert subjects == {"1/SNV-VP": "Văn bản một", "2/SNV-VP": "Văn bản; hai"}


def test_only_the_bad_lines_of_a_csv_are_set_aside(office: Office) -> None:
    """The good lines are sent, the bad ones are a file of their own, which can be corrected and put back."""
    values = describe()
    columns = ["code", "issued_on", "type_name", "subject", "signer", "recipients", "files", "place"]
    lines = [
        ["1/SNV-VP", values["issued_on"], "Công văn", "Tốt", "A", f"{THEIRS}=V", "a.pdf", "Hà Nội"],
        ["2/SNV-VP", "soon", "Công văn", "Xấu", "A", f"{THEIRS}=V", "b.pdf", "Hà Nội"],
    ]
    for name in "ab":
        office.put(f"{name}.pdf", sample_pdf([name]))
    office.put("so.csv", "\n".join(",".join(map(str, line)) for line in [columns, *lines]))
    office.look()
    assert [one.subject for one in office.connector.iter_deliveries()] == ["Tốt"]
    (text,) = office.find_errors().values()
    assert "3: issued_on" in text
    (left,) = (office.root / "error").rglob("so.csv")
    assert ("Xấu" in left.read_text(encoding="utf-8"), "Tốt" in left.read_text(encoding="utf-8")) == (True, False)
    assert sorted(path.name for path in left.parent.glob("*.pdf")) == ["b.pdf"]
    corrected = left.read_text(encoding="utf-8").replace("soon", values["issued_on"])
    office.put("so.csv", corrected)
    office.put("b.pdf", sample_pdf(["b"]))
    office.look()
    assert {one.subject for one in office.connector.iter_deliveries()} == {"Tốt", "Xấu"}


def test_answers_go_out_once(office: Office) -> None:
    """Other software answers what it received by a file; the same answer again, as after a crash, changes nothing."""
    document_id = office.partner.send(to=OURS)
    office.exchange()
    office.look()
    for _ in range(2):
        office.put("answer.json", {"action": "accept", "document_id": document_id, "text": "Đã vào sổ"})
        office.look()
    office.exchange()
    assert not office.find_errors()
    assert office.partner.list_statuses(document_id) == ["01", "03"]
    assert office.connector.receipt(document_id).status == StatusCode.ACCEPTED


def test_a_recall_and_a_taking_back_go_out(office: Office) -> None:
    """Other software recalls what it sent by a file, and asks for it back."""
    first, second = office.put_document("1"), office.put_document("2")
    office.look()
    office.exchange()
    office.put("r.json", {"action": "thu hồi", "document_id": first, "text": "Ban hành nhầm"})
    office.put("t.csv", f'action,document_id,text\ntake_back,"{second}",Gửi nhầm\n')
    office.look()
    office.exchange()
    assert not office.find_errors()
    office.partner.agree(first)
    office.partner.agree(second)
    office.exchange()
    assert [office.connector.delivery(one).recipients[0].withdrawn for one in (first, second)] == [True, True]


def test_what_the_item_cannot_help_makes_it_wait(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share or a store that fails sets nothing aside: the item is done when they are back."""
    document_id = office.put_document("7816")

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(office.connector, "queue", fail)
        office.look()
    assert not office.find_errors()
    with pytest.raises(NotFound):
        office.connector.delivery(document_id)
    office.look()
    assert office.connector.delivery(document_id).state == "ready"


def test_a_fault_of_ours_sets_the_item_aside(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw sets one item aside, with words that say so."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    office.put_document("7816")
    with monkeypatch.context() as broken:
        broken.setattr(office.connector, "queue", fail)
        office.look()
    (text,) = office.find_errors().values()
    assert "ZeroDivisionError" in text


def test_items_of_an_unfinished_taking_are_completed(office: Office) -> None:
    """A program that ended between the control file and the others: the next one brings the rest."""
    document_id = office.put_document("7816")
    work = office.watcher.layout.work
    office.watcher.look()
    folder = work / "20261120-080000-000000-abcdef"
    folder.mkdir()
    (folder / ".item.json").write_text(json.dumps({"department": "", "control": "7816.json"}), encoding="utf-8")
    (office.root / "out" / "7816.json").rename(folder / "7816.json")
    empty = work / "20261120-080000-000001-abcdef"
    empty.mkdir()
    (empty / ".item.json").write_text(json.dumps({"department": "", "control": "other.json"}), encoding="utf-8")
    office.restart()
    office.look()
    assert office.connector.delivery(document_id).state == "ready"
    assert not list(work.iterdir())


HOSTILE = {
    "half a surrogate pair as the action": '{"action": "\\ud800"}',
    "half a pair in one of a list": json.dumps(
        [describe("3", files=["3.pdf"]), {"action": "recall", "text": "\ud800"}]
    ),
    "half a pair as a file": json.dumps(describe("3", files=["\ud800.pdf"])),
    "words that are no text": '{"action": "accept", "document_id": "a", "text": 5, "sender": [1]}',
    "nested in one of a list": f'[{json.dumps(describe("3"))}, {{"action": "recall", "text": {"[" * 600}{"]" * 600}}}]',
}


@pytest.mark.parametrize("case", HOSTILE)
def test_an_item_of_odd_text_stops_no_other(office: Office, case: str) -> None:
    """What cannot be written as it was read is set aside with words, and what lies beside it goes out."""
    office.put("1.json", HOSTILE[case])
    if "3.pdf" in HOSTILE[case]:
        office.put("3.pdf", sample_pdf(["3"]))
    document_id = office.put_document("2")
    office.look()
    office.look(wait=700.0)
    office.look()
    assert office.connector.delivery(document_id).state == "ready"
    assert list(office.find_errors()) == ["1.json.error.txt"]
    assert "fault of this program" not in office.find_errors()["1.json.error.txt"]
    assert not list((office.root / ".edoc" / "work").iterdir())


@pytest.mark.parametrize("name", [b"\xff.json", b"x" * 245 + b".json"], ids=["no UTF-8", "too long"])
def test_a_name_that_no_other_can_be_made_of_is_set_aside(office: Office, name: bytes) -> None:
    """The folder in `error` and the text in it are named after the item; what lies beside it goes out."""
    path = os.fsencode(office.root / "out") + b"/" + name
    document_id = office.put_document("2")
    Path(os.fsdecode(path)).write_text("{bad", encoding="utf-8")
    office.look()
    office.look()
    assert office.connector.delivery(document_id).state == "ready"
    assert len(office.find_errors()) == 1
    assert not list((office.root / ".edoc" / "work").iterdir())


def test_a_file_that_may_not_be_read_keeps_no_other_waiting(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file of another user waits, is told in the log, and leaves nothing behind; the others go out."""

    def refuse(path: Path) -> object:
        if path.name == "1.json":
            raise PermissionError(13, "Permission denied", str(path))
        return read_control_file(path)

    monkeypatch.setattr(outgoing, "read_control_file", refuse)
    office.put_document("1")
    document_id = office.put_document("2")
    office.look()
    assert office.connector.delivery(document_id).state == "ready"
    assert (office.root / "out" / "1.json").exists()
    assert not list((office.root / ".edoc" / "work").iterdir())


def test_files_of_a_desktop_in_the_folder_of_work_stop_nothing(office: Office) -> None:
    """Shares and desktops leave files everywhere: statuses of a department with an odd name appear beside them."""
    office.look()
    for folder in ("work", "documents", "statuses"):
        (office.root / ".edoc" / folder / "Thumbs.db").write_bytes(b"x")
        (office.root / ".edoc" / folder / ".nfs@0001").write_bytes(b"x")
    office.put_document("2", department="a@b")
    office.look()
    office.exchange()
    office.look()
    assert [one["state"] for one in office.read_statuses("a@b")][-1] == "sent"
