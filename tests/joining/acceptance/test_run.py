"""The run of the scenarios: on every dialect of the mock hub, with faults, over days, and at hubs made wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import Connector
from edoc_connector.connector.inbound import claims
from edoc_connector.edxml import Organization
from edoc_connector.errors import ConfigError
from edoc_connector.joining import SCENARIOS, AcceptanceRun, LineOutcome, LineResult
from edoc_connector.mockhub import Fault
from edoc_connector.mockhub.codes import RefusedError
from edoc_connector.mockhub.dialects import wire
from edoc_connector.testing import MockOffice, RunningHub

if TYPE_CHECKING:
    from tests.joining.acceptance.conftest import Begin

PASS, FAIL = LineOutcome.PASS, LineOutcome.FAIL
NOT_POSSIBLE, WAITING, OPEN = LineOutcome.NOT_POSSIBLE, LineOutcome.WAITING, LineOutcome.OPEN
HERE = {"A2": NOT_POSSIBLE, **({} if find_spec("xlsxwriter") else {"G1": NOT_POSSIBLE})}
"""Lines that no mock hub on this machine can do: it is on http://, and registers as XLSX need their package."""
DIALECTS = {"vxp": {}, "lgsp": {"D3": NOT_POSSIBLE}, "edocservice": {}}
"""What else each cannot do: a province's platform brings a request to take back to its own sender."""
FAULT_LINES = ("A1", "A3", "A4", "A5", "A6", "B1", "B5", "C1", "C3", "C4", "D1", "D3", "E1", "E2", "E3", "F2", "G2")


def _list_outcomes(results: tuple[LineResult, ...]) -> dict[str, LineOutcome]:
    return {one.scenario.id: one.outcome for one in results}


@pytest.mark.parametrize(
    "dialect", ["vxp", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("lgsp", "edocservice"))]
)
def test_every_line_with_faults(begin: Begin, mock_hub: RunningHub, dialect: str) -> None:
    """A call in five fails, and the lines pass as before; what a hub cannot tell, the run sees at the other side."""
    run = begin(dialect=dialect, wait=60.0)
    for kind in ("drop-after-accepting", "truncated", "drop-before-accepting"):
        mock_hub.faults.add(Fault(kind=kind, probability=0.05, count=None))
    mock_hub.faults.add(Fault(kind="error", status=503, probability=0.05, count=None))
    results = run.run(FAULT_LINES)
    outcomes = {line: outcome for line, outcome in _list_outcomes(results).items() if line in FAULT_LINES}
    said = [(one.scenario.id, one.text.en) for one in results if one.outcome is FAIL]
    assert outcomes == dict.fromkeys(FAULT_LINES, PASS) | DIALECTS[dialect], said


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_line_at_every_dialect(begin: Begin, mock_hub: RunningHub, dialect: str) -> None:
    """Every line passes, or is not possible at that hub (acceptance, scenarios)."""
    mock_hub.add_agency("G99", "c2VjcmV0", "Đơn vị bị khóa")
    mock_hub.hub.storage.mark_agency("G99", locked=True, at=mock_hub.hub.now())
    run = begin(dialect=dialect, locked="G99")
    results = run.run()
    expected = {scenario.id: PASS for scenario in SCENARIOS} | HERE | DIALECTS[dialect]
    assert _list_outcomes(results) == expected, [(one.scenario.id, one.text.en) for one in results if one.text.en]
    for one in results:
        assert one.at
        assert one.evidence or one.scenario.id == "A3" or one.outcome is NOT_POSSIBLE
        assert bool(one.text.en) == bool(one.text.vi) == (one.outcome is NOT_POSSIBLE)


def _shift_clock(hub: RunningHub, _: pytest.MonkeyPatch) -> None:
    hub.clock_offset = timedelta(minutes=10)


def _take_any_secret(_: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_check_hmac", lambda *_: None)


def _leave_out(code: str) -> Callable[[RunningHub, pytest.MonkeyPatch], None]:
    def change(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
        storage = hub.hub.storage
        everybody = storage.list_agencies
        listed: Any = lambda **options: [one for one in everybody(**options) if one.code != code]  # noqa: E731
        monkeypatch.setattr(storage, "list_agencies", listed)

    return change


def _break_directory(hub: RunningHub, _: pytest.MonkeyPatch) -> None:
    hub.faults.add(Fault(kind="error", status=500, path="/getAgenciesList", count=None))


def _change_files(hub: RunningHub, _: pytest.MonkeyPatch) -> None:
    hub.tamper = lambda data: data.replace(b"van-ban", b"van.ban")


def _offer_nothing(kind: str) -> Callable[[RunningHub, pytest.MonkeyPatch], None]:
    def change(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
        offer = hub.hub.list_waiting
        monkeypatch.setattr(
            hub.hub, "list_waiting", lambda system, wanted: [] if wanted == kind else offer(system, wanted)
        )

    return change


def _take_unknown_recipients(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    known = hub.hub.storage.find_agency("G22")
    assert known is not None
    monkeypatch.setattr(hub.hub, "_require_recipient", lambda code: replace(known, code=code))


def _take_foreign_senders(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    require = hub.hub._require_sender

    def take(incoming: Any) -> Any:
        try:
            return require(incoming)
        except RefusedError:
            return hub.hub.storage.find_agency("H29.05")

    monkeypatch.setattr(hub.hub, "_require_sender", take)


def _take_broken_packets(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    accept = hub.hub.accept

    def take(incoming: Any) -> str:
        data = incoming.packet if isinstance(incoming.packet, bytes) else incoming.packet.read_bytes()
        return accept(incoming) if b"</edXML" in data or b"</ed:edXML" in data or b":edXML>" in data else "taken"

    monkeypatch.setattr(hub.hub, "accept", take)


CHOSEN = ("A1", "A3", "A4", "A5", "A6", "B1", "C1", "C3", "E1")
WRONG: dict[str, tuple[Callable[[RunningHub, pytest.MonkeyPatch], None], set[str]]] = {
    "clock 10 minutes ahead": (_shift_clock, {"A1"}),
    "takes any secret": (_take_any_secret, {"A4"}),
    "our code is not listed": (_leave_out("H29.05"), {"A5"}),
    "the partner is not listed": (_leave_out("G22"), {"A6"}),
    "no directory comes": (_break_directory, {"A3", "A5", "A6"}),
    "packets are changed": (_change_files, {"B1", "C1", "C3"}),
    "documents are not offered": (_offer_nothing("edoc"), {"B1", "C1", "C3"}),
    "statuses are not offered": (_offer_nothing("status"), {"C1", "C3"}),
    "takes unknown recipients": (_take_unknown_recipients, {"E1"}),
    "takes foreign senders": (_take_foreign_senders, {"E1"}),
    "takes broken packets": (_take_broken_packets, {"E1"}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_hub_made_wrong_fails_the_lines_it_should(
    begin: Begin, mock_hub: RunningHub, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """Each fault of a hub fails its lines, with the reason in both languages, and no other (acceptance, Must show)."""
    change, expected = WRONG[wrong]
    run = begin(wait=3.0)
    change(mock_hub, monkeypatch)
    results = [one for one in run.run(CHOSEN) if one.scenario.id in CHOSEN]
    assert {one.scenario.id for one in results if one.outcome is not PASS} == expected
    assert all(one.outcome is FAIL and one.text.en and one.text.vi for one in results if one.outcome is not PASS)


def test_a_hub_that_takes_what_is_for_a_locked_agency(begin: Begin, mock_hub: RunningHub) -> None:
    """E1 fails where the operator named a locked agency and the hub takes a document for it (acceptance, E1)."""
    mock_hub.add_agency("G99", "c2VjcmV0", "Đơn vị không bị khóa")
    run = begin(locked="G99")
    (line,) = [one for one in run.run(("E1",)) if one.scenario.id == "E1"]
    assert (line.outcome, line.text.en) == (FAIL, "the hub took: locked recipient")


def test_a_receiver_that_does_not_warn(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """B5 fails where another document under a number comes in without a remark (acceptance, B5)."""
    monkeypatch.setattr(claims, "_find_same_number", lambda *_: None)
    run = begin()
    (line,) = [one for one in run.run(("B5",)) if one.scenario.id == "B5"]
    assert line.outcome is FAIL
    assert "was not warned" in line.text.en


@pytest.mark.parametrize(("minutes", "outcome"), [(14, PASS), (16, FAIL)])
def test_an_arrival_that_is_told_late(begin: Begin, mock_hub: RunningHub, minutes: int, outcome: LineOutcome) -> None:
    """C1 fails where 01 comes after the hub's time, by the receiver's own clock too (acceptance, C1)."""
    partner = MockOffice(mock_hub, "G22", "Văn phòng Chính phủ")
    run = begin(remote=True, wait=3.0)
    (line,) = [one for one in run.run(("C1",)) if one.scenario.id == "C1"]
    assert line.outcome is WAITING
    mock_hub.clock_offset = timedelta(minutes=minutes)
    store = run._ours.context.store
    clock = store.clock
    store.clock = lambda: clock() + timedelta(minutes=minutes)
    (sent,) = run._ours.iter_deliveries()
    partner.answer(sent.id, "01")
    (line,) = [one for one in run.run(("C1",)) if one.scenario.id == "C1"]
    assert line.outcome is outcome, line.text.en
    assert outcome is PASS or "(arrival_within) is 900" in line.text.en


def test_what_the_hub_cannot_tell_is_asked_of_the_partner(begin: Begin, mock_hub: RunningHub) -> None:
    """A hub without a list loses a packet: the partner is asked, and `settle` lets the line go on (acceptance, B3)."""
    mock_hub.add_agency("G22", "c2VjcmV0", "Văn phòng Chính phủ")
    run = begin(dialect="lgsp", remote=True, wait=1.0)
    mock_hub.faults.add(Fault(kind="drop-before-accepting", path="/v1/sendEdoc", count=1))
    run.run(("B3",))
    (line,) = [one for one in run.results if one.scenario.id == "B3"]
    (sent,) = run._ours.iter_deliveries()
    assert line.outcome is WAITING
    assert f"edoc settle {sent.id} --arrived" in line.text.en
    assert f"edoc settle {sent.id} --arrived" in line.text.vi
    run._ours.settle(sent.id, arrived=False)
    (line,) = [one for one in run.run(("B3",)) if one.scenario.id == "B3"]
    assert run._ours.delivery(sent.id).sent_at is not None
    assert "has to answer" in line.text.en


def test_a_partner_with_a_system_of_its_own(begin: Begin, mock_hub: RunningHub, tmp_path: Path) -> None:
    """What the partner has to do is told and waited for; the run goes on in another process, days later."""
    partner = MockOffice(mock_hub, "G22", "Văn phòng Chính phủ")
    run = begin(remote=True, wait=3.0)
    waiting = {one.scenario.id: one for one in run.run(("B1", "C3", "E3"))}
    assert {waiting[line].outcome for line in ("B1", "C3", "E3")} == {WAITING}
    assert "G22 has to answer" in waiting["C3"].text.en
    assert "[E3]" in waiting["E3"].text.vi
    sent = {one.subject: one.id for one in run._ours.iter_deliveries()}
    for subject, document_id in sent.items():
        partner.answer(document_id, "01")
        if "[C3]" in subject:
            partner.reject(document_id, "Sai nơi nhận")
    partner.send(to="H29.05", subject="Kiểm thử kết nối [E3]")
    run._ours.close()

    again = begin(remote=True, wait=3.0)
    with pytest.raises(ConfigError, match="there is no line Z9"):
        again.confirm("Z9", "ai đó")
    outcomes = _list_outcomes(again.run(("B1", "C3", "E3")))
    assert outcomes["B1"] is WAITING  # the partner's word is missing
    again.confirm("B1", "Trần Thị B")
    results = {one.scenario.id: one for one in again.run(("B1", "C3"))}
    assert (results["B1"].outcome, results["C3"].outcome, results["A1"].outcome) == (PASS, PASS, OPEN)
    assert any("Trần Thị B" in one for one in results["B1"].evidence)
    assert len(list(again._ours.iter_deliveries())) == len(sent)


def test_what_passed_is_not_run_again(begin: Begin, mock_hub: RunningHub) -> None:
    """A second run sends nothing for what passed; `again` looks once more, with the same documents."""
    run = begin()
    run.run(("B1",))
    packets = len(mock_hub.packets())
    run.run(("B1",))
    assert _list_outcomes(run.run(("B1",), again=True))["B1"] is PASS
    assert len([one for one in mock_hub.packets() if one.packet.message_type == "edoc"]) <= packets


def test_it_is_not_for_production(begin: Begin, tmp_path: Path) -> None:
    """Neither the environment nor a production hub's address is taken (acceptance: a test hub or the mock hub)."""
    run = begin()
    settings = run._ours.settings
    settings._environment = "production"
    with pytest.raises(ConfigError, match="for a test hub"):
        AcceptanceRun(run._ours, Organization(id="G22", name="G22"), tmp_path / "other")
    settings._environment = ""
    hub = settings.hub.model_copy(update={"endpoint": "https://truc.example.gov.vn"})
    hub_of_production = settings.model_copy(update={"hub": hub})
    with Connector(hub_of_production) as ours, pytest.raises(ConfigError, match="for a test hub"):
        AcceptanceRun(ours, Organization(id="G22", name="G22"), tmp_path / "other")


def test_the_file_of_a_run(begin: Begin, tmp_path: Path) -> None:
    """It is private; that of another partner, or one that cannot be read, is refused with what to do."""
    run = begin()
    run.run(("A1",))
    state = tmp_path / "run" / "acceptance.json"
    assert state.stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigError, match="give another --folder"):
        AcceptanceRun(run._ours, Organization(id="G99", name="G99"), tmp_path / "run")
    for text in ("{", json.dumps({"form": 99})):
        state.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match="Move it away"):
            AcceptanceRun(run._ours, Organization(id="G22", name="G22"), tmp_path / "run")
