"""The commands deliveries, receipts and show."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


def test_tables_are_for_people(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """Without --json, lists are tables in both languages."""
    assert "Đã nhận: 1" in edoc("receive", "-c", offices["G22"], "--save", "in").out
    assert "Đã gửi: 1" in edoc("deliveries", "-c", offices["H29.05"]).out


@pytest.mark.usefixtures("language_as_before")
def test_where_a_document_stands_is_said_alike_in_both_languages(
    offices: dict[str, Path], sent: str, edoc: Edoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state and each recipient, in both languages or in one (words, "Found stilted")."""
    edoc("receive", "-c", offices["G22"])
    edoc("status", sent, "03", "-c", offices["G22"])
    edoc("receive", "-c", offices["H29.05"])
    time = r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d"
    english = rf"state: sent; G22 03 {time} \(hub-announced\)\n"
    vietnamese = rf"tình trạng: đã gửi; G22 03 {time} \(theo thông báo của trục\)\n"
    assert re.search(english + vietnamese, edoc("show", sent, "-c", offices["H29.05"]).out)
    monkeypatch.setenv("EDOC_LANG", "vi")
    told = edoc("show", sent, "-c", offices["H29.05"]).out
    assert re.search(vietnamese, told)
    assert "state: " not in told


def test_a_document_that_nobody_reports_on_is_undelivered(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """It is called that in the list and on its own, once the hub's time is over (business rules, "Who owes what")."""
    assert "chưa đến" not in edoc("show", sent, "-c", offices["H29.05"]).out.splitlines()[-1]
    with offices["H29.05"].open("a", encoding="utf-8") as file:
        file.write("[limits]\narrival_within = 0.000001\n")
    shown = edoc("show", sent, "-c", offices["H29.05"]).out
    assert "state: sent; G22 – (undelivered)\ntình trạng: đã gửi; G22 – (chưa đến)\n" in shown
    assert "undelivered" in edoc("deliveries", "-c", offices["H29.05"]).out


def test_without_a_configuration_the_error_says_so(edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line names the file that is missing."""
    monkeypatch.chdir(tmp_path)
    ran = edoc("deliveries")
    assert ran.code == 1
    assert "edoc.toml" in ran.err


def test_an_unknown_state_names_the_known_ones(offices: dict[str, Path], edoc: Edoc) -> None:
    """The states are those of the library."""
    ran = edoc("receipts", "--state", "lost", "-c", offices["G22"])
    assert ran.code == 1
    assert "quarantined" in ran.err


def test_an_id_nobody_knows(offices: dict[str, Path], edoc: Edoc) -> None:
    """The error names the commands that look further."""
    ran = edoc("show", "nothing", "-c", offices["G22"])
    assert ran.code == 1
    assert "run `edoc receive`, or look for it with `edoc receipts`" in ran.err


def test_a_received_document_is_shown_for_a_person(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """Its fields have names, states and statuses words, and times are of Vietnam."""
    edoc("receive", "-c", offices["G22"])
    out = edoc("show", sent, "-c", offices["G22"]).out
    assert "confirmed / đã xác nhận với trục" in out
    assert "01 arrived / Đã đến" in out
    assert "+00:00" not in out


def test_json_says_as_much_as_the_tables(offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """What a table shows of a delivery, a receipt or a status is in the JSON: change, withdrawn, times, attempts."""
    edoc("receive", "-c", offices["G22"], "--save", "in")
    edoc("recall", sent, "--reason", "Ban hành nhầm", "-c", offices["H29.05"])
    statuses = json.loads(edoc("receive", "-c", offices["H29.05"], "--json").out)
    assert [(one["kind"], one["document_id"], one["statuses"]) for one in statuses] == [("status", sent, ["01"])]
    by_kind = {
        one["business"]: one for one in json.loads(edoc("deliveries", "-c", offices["H29.05"], "--json").out)["items"]
    }
    document = by_kind["new"]
    assert document["attempts"] == 1
    assert document["created_at"] <= document["sent_at"]
    assert document["next_attempt_at"] is None
    assert (document["last_error"], document["last_error_vi"]) == (None, None)
    recipient = document["recipients"][0]
    assert (recipient["status"], recipient["change"], recipient["withdrawn"]) == ("01", "asked", False)
    assert recipient["time"]
    assert recipient["out_of_order"] == 0
    assert by_kind["recall"]["targets"] == [sent]
    (receipt,) = json.loads(edoc("receipts", "-c", offices["G22"], "--json").out)["items"]
    assert (receipt["change_requested"], receipt["withdrawn"]) == (False, False)
    assert receipt["issued_on"] == document["issued_on"]


def test_a_page_names_the_command_for_the_next(offices: dict[str, Path], edoc: Edoc) -> None:
    """Nothing is cut silently: stderr has the command in both languages, and JSON the cursor (14.11, lists)."""
    ours, document = offices["H29.05"], Path("document.json")
    for number in (1, 2):
        content = json.loads(document.read_text(encoding="utf-8")) | {"number": str(number)}
        content.pop("id", None)
        document.write_text(json.dumps(content), encoding="utf-8")
        assert edoc("send", "document.json", "-c", ours).code == 0
    ran = edoc("deliveries", "-c", ours, "--limit", "1", "--since", "7d", "--state", "sent")
    assert "Đã gửi: 1+" in ran.out
    assert "còn nữa" in ran.err
    command = ran.err.split("the next page: edoc ")[1].splitlines()[0]
    following = edoc(*command.split(), "--json")
    assert [one["state"] for one in json.loads(following.out)["items"]] == ["sent"]
    first = json.loads(edoc("deliveries", "-c", ours, "--limit", "1", "--json").out)
    second = json.loads(edoc("deliveries", "-c", ours, "--limit", "1", "--after", first["next"], "--json").out)
    assert [one["code"].split("/")[0] for one in (*first["items"], *second["items"])] == ["2", "1"]
    assert second["next"] is None
    (found,) = json.loads(edoc("deliveries", "-c", ours, "--number", "1", "--json").out)["items"]
    assert found["document_id"] == second["items"][0]["document_id"]
    foreign = edoc("receipts", "-c", ours, "--after", first["next"])
    assert (foreign.code, "another list" in foreign.err, "danh sách khác" in foreign.err) == (1, True, True)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "99999999d", "9999-12-31"])
def test_a_wrong_time_says_how_it_is_written(text: str, offices: dict[str, Path], edoc: Edoc) -> None:
    """One line, in both languages (14.11, lists)."""
    ran = edoc("deliveries", "--until", text, "-c", offices["H29.05"])
    assert ran.code == 1
    assert "2026-11-20T08:30" in ran.err


def test_an_option_that_is_no_utf_8(offices: dict[str, Path], edoc: Edoc) -> None:
    """Bytes that are no text end in a line in each language, and no traceback."""
    for code, *command in (
        (2, "deliveries", "--number", "\udcff"),
        (2, "explain", "\udcff"),
        (1, "deliveries", "--since", "0001-01-01"),
    ):
        ran = edoc(*command, "-c", offices["H29.05"])
        assert (ran.code, len(ran.errors)) == (code, 2), ran.err


def test_what_nobody_answered_is_listed(
    offices: dict[str, Path], sent: str, edoc: Edoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`edoc receipts --unanswered` lists what nobody accepted or rejected, in a table and as JSON."""
    theirs = offices["G22"]
    assert edoc("receive", "-c", theirs, "--save", "in").code == 0
    assert json.loads(edoc("receipts", "--unanswered", "-c", theirs, "--json").out)["items"] == []
    monkeypatch.setenv("EDOC_LIMITS__UNANSWERED_AFTER", "0.001")
    (found,) = json.loads(edoc("receipts", "--unanswered", "-c", theirs, "--json").out)["items"]
    assert found["document_id"] == sent
    assert sent[:6] in edoc("receipts", "--unanswered", "-c", theirs).out
    assert edoc("status", sent, "03", "-c", theirs).code == 0
    assert json.loads(edoc("receipts", "--unanswered", "-c", theirs, "--json").out)["items"] == []
