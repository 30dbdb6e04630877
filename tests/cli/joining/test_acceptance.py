"""The command acceptance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from edoc_connector.joining import SCENARIOS
from edoc_connector.testing import RunningHub

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc

CONFIG = """
lang = "both"

[env.test.hub]
endpoint = "{url}"

[env.test.agencies.a]
agency = {{id = "H29.05", name = "Sở Nội vụ"}}
hub = {{system_id = "H29.05", secret = "env:SECRET_A"}}
store = {{url = "sqlite:///a.db", spool = "a"}}

[env.test.agencies.b]
agency = {{id = "G22", name = "Văn phòng Chính phủ"}}
hub = {{system_id = "G22", secret = "env:SECRET_B"}}
store = {{url = "sqlite:///b.db", spool = "b"}}
"""


@pytest.fixture
def options(mock_hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Give the options for one of two agencies at the mock hub."""
    for code, name, variable in (("H29.05", "Sở Nội vụ", "SECRET_A"), ("G22", "Văn phòng Chính phủ", "SECRET_B")):
        mock_hub.add_agency(code, f"secret-{code}", name)
        monkeypatch.setenv(variable, f"secret-{code}")
    (tmp_path / "edoc.toml").write_text(CONFIG.format(url=mock_hub.url), encoding="utf-8")
    return ["-c", tmp_path / "edoc.toml", "--env", "test", "--agency", "H29.05", "--wait", "10", "--size", "0.1"]


def test_a_run_with_a_second_agency(options: list[object], edoc: Edoc, tmp_path: Path) -> None:
    """Lines are printed as they pass; JUnit, JSON and the minutes tell the same; the next run goes on."""
    junit = tmp_path / "junit.xml"
    ran = edoc("acceptance", *options, "--second", "G22", "--only", "B1", "--only", "A3", "--junit", junit)
    assert ran.code == 5, ran.out + ran.err  # the other lines are open
    assert "B1 pass: new document" in ran.out
    assert "B1 đạt: văn bản mới" in ran.out
    assert etree.parse(junit).getroot().get("failures") == "0"
    ran = edoc("acceptance", *options, "--second", "G22", "--only", "C3", "--json")
    told = json.loads(ran.out)
    outcomes = {one["id"]: one["outcome"] for one in told["lines"]}
    assert (outcomes["A3"], outcomes["B1"], outcomes["C3"], outcomes["D1"]) == ("pass", "pass", "pass", "open")
    assert told["summary"] == {"pass": 3, "fail": 0, "not-possible": 0, "waiting": 0, "open": len(SCENARIOS) - 3}
    assert all(Path(path).parent == tmp_path / "test" / "acceptance" for path in told["minutes"])


def test_the_agency_that_runs_it_need_not_be_named_in_a_file_of_two(options: list[object], edoc: Edoc) -> None:
    """With --second and no --agency the other agency of the file runs the lines (the page's command, as it stands)."""
    at = options.index("--agency")
    ran = edoc("acceptance", *options[:at], *options[at + 2 :], "--second", "G22", "--third", "G22")
    assert (ran.code, "the second recipient is G22, the partner itself" in ran.err) == (1, True), (
        ran.err
    )  # it was begun


@pytest.mark.parametrize(
    ("partners", "said"),
    [
        (["--second", "H29.05"], "is H29.05, the agency itself"),
        (["--partner", "H29.05"], "cũng chính là đơn vị đang kiểm thử"),
        (["--second", "G22", "--third", "G22"], "the second recipient is G22, the partner itself"),
    ],
)
def test_nobody_is_its_own_partner(options: list[object], edoc: Edoc, partners: list[str], said: str) -> None:
    """Minutes of an agency with itself prove nothing: refused before anything is sent; so is a third that is second."""
    ran = edoc("acceptance", *options, *partners)
    assert (ran.code, said in ran.err) == (1, True), ran.err


def test_a_second_agency_that_the_file_does_not_have(options: list[object], edoc: Edoc) -> None:
    """The error says how a further agency is written."""
    ran = edoc("acceptance", *options, "--second", "H99")
    assert ran.code == 1
    assert "[agencies.NAME.agency] and [agencies.NAME.hub]" in ran.err
    assert "khai báo thêm đơn vị bằng [agencies.TÊN.agency]" in ran.err


def test_a_run_with_a_partner(options: list[object], edoc: Edoc) -> None:
    """What the partner has to do is printed; its word is noted with who gave it."""
    ran = edoc("acceptance", *options, "--partner", "G22", "--only", "B1", "--wait", "1")
    assert (ran.code, "G22 has to answer" in ran.out) == (5, True)
    ran = edoc("acceptance", *options, "--partner", "G22", "--confirm", "B1")
    assert (ran.code, "--confirm needs --by" in ran.err) == (2, True)


@pytest.mark.parametrize("partners", [[], ["--second", "G22", "--partner", "G22"]])
def test_one_partner_has_to_be_named(options: list[object], edoc: Edoc, partners: list[str]) -> None:
    """Neither none nor two: exit code 2."""
    ran = edoc("acceptance", *options, *partners)
    assert (ran.code, "give either --second" in ran.err) == (2, True)
