"""The registry as a whole."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import CHECKS, AsyncConnector, CheckOutcome
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
