"""The registry as a whole."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy
from sqlalchemy import Connection

from edoc_connector._core import Text
from edoc_connector.connector import CHECKS, AsyncConnector, CheckOutcome, run_checks
from edoc_connector.store._sql import CompiledStatement
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Office, SettingsOf

_PLACE = re.compile(r"\{(\w+)\}")


def test_every_check_is_whole() -> None:
    """Each has a code of its own, and words in two languages with the same values in both."""
    assert max(Counter(check.code for check in CHECKS).values()) == 1
    for check in CHECKS:
        assert re.fullmatch(r"CHK-[A-Z]+(-[A-Z]+)*", check.code)
        for text in (check.title, check.sentence, check.cure):
            assert text.en
            assert text.vi
            assert text.en != text.vi
            assert set(_PLACE.findall(text.en)) == set(_PLACE.findall(text.vi))


def test_every_check_has_a_test_of_its_condition() -> None:
    """The condition of each is made in a test of this folder, and mended there."""
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*_checks.py"))
    assert {check.code for check in CHECKS} == set(re.findall(r'"(CHK-[A-Z-]+)"', tests))


def test_a_set_up_that_is_right_passes_every_check(office: Office, hub: RunningHub) -> None:
    """Nothing is raised where nothing is wrong, and nothing is unknown."""
    results = office("G22").checks(remote=True)
    assert [result.code for result in results] == [check.code for check in CHECKS]
    assert {result.outcome for result in results} == {CheckOutcome.PASS}, results


@pytest.mark.anyio
async def test_checks_can_be_awaited(settings: SettingsOf, hub: RunningHub) -> None:
    """`AsyncConnector.checks` gives what `Connector.checks` does."""
    async with AsyncConnector.open(settings("G22")) as connector:
        assert len(await connector.checks(remote=True)) == len(CHECKS)
        assert len(await connector.checks()) == len([check for check in CHECKS if not check.is_remote])


def test_quick_checks_read_one_state_of_the_store(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction is enough for all that read a few rows, however many checks there are."""
    connector = office("G22")
    connections, begun = connector.context.store._connections, list[bool]()
    begin = connections.begin

    def count(*, write: bool) -> Connection:
        begun.append(write)
        return begin(write=write)

    monkeypatch.setattr(connections, "begin", count)
    results = run_checks(connector.check_subject, slow=False)
    assert len(results) > 30
    assert begun == [False]


def test_a_check_that_cannot_read_hides_no_other_condition(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one meets an error of the database, the others go on; where the store is away, each says so."""
    connector = office("G22")
    subject, quick = connector.check_subject, sum(check.is_quick for check in CHECKS)
    with monkeypatch.context() as patch:
        patch.setattr(
            "edoc_connector.store.work.schedule._SELECT_JOBS",
            CompiledStatement(sqlalchemy.select(sqlalchemy.table("nowhere", sqlalchemy.column("name")))),
        )
        failed = [result.code for result in run_checks(subject, slow=False) if result.outcome is not CheckOutcome.PASS]
    assert failed == ["CHK-STORE-DOWN"]
    connector.context.store._connections._loss = Text("it is gone", "đã mất")  # type: ignore[attr-defined]
    connector.context.store._connections._file_identity = (0, 0)  # type: ignore[attr-defined]
    outcomes = [result.outcome for result in run_checks(subject, slow=False)]
    assert len(outcomes) == quick
    assert outcomes.count(CheckOutcome.UNKNOWN) > quick / 2
