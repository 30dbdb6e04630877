"""Names of files from packets (security: paths only from names we made safe)."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edoc_connector.edxml.attachments.filenames import MAX_BYTES, DistinctNames, distinct, safe_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Công văn số 7816.pdf", "Công văn số 7816.pdf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\Windows\\system32\\a.dll", "C__Windows_system32_a.dll"),
        ("a\x00b\r\n.pdf", "ab  .pdf"),
        ("hoa\u202efdp.exe", "hoafdp.exe"),
        ("con.pdf", "_con.pdf"),
        ("NUL", "_NUL"),
        ("báo cáo. ", "báo cáo"),
        ("...", "attachment"),
        ("", "attachment"),
        (".bashrc", "bashrc"),
    ],
)
def test_hostile_names_become_plain_ones(name: str, safe: str) -> None:
    """Separators, drives, controls, bidirectional marks and reserved names lose their power."""
    assert safe_name(name) == safe


@pytest.mark.parametrize(
    "name",
    [
        *("CONIN$", "conout$.txt", "CLOCK$", "aux .pdf", "aux  .tar.gz", "Con\u3000.pdf", "nul\xa0.txt", "prn. .pdf"),
        *(
            "COM¹",
            "com².pdf",
            "LPT³ .doc",
            "COM0",
            "lpt9.x",
            "COM\u2074",
            "ＡＵＸ.pdf",
            "ⓝⓤⓛ",
            "C\u200bON.pdf",
            "nul.pdf.",
        ),
        *("aux:x.pdf", "con::$DATA", "com1:.pdf", " aux.pdf", ".aux.pdf", "aux\t.pdf", "a/aux.pdf"),
    ],
)
def test_words_and_screens_no_device_of_windows_is_a_safe_name(name: str) -> None:
    """No name opens a device, whatever its case, digits, spaces, extension or stream ("Words and screens")."""
    safe = safe_name(name)
    first = re.split("[.:]", unicodedata.normalize("NFKC", safe))[0].rstrip().casefold()
    devices = {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}
    assert first not in devices | {f"{port}{digit}" for port in ("com", "lpt") for digit in range(10)}
    assert ":" not in safe
    assert safe == safe.strip(". ")
    assert safe_name(safe) == safe


@pytest.mark.parametrize(
    "name", ["auxiliary.pdf", "con-cop.pdf", "console$.txt", "com10.pdf", "null.pdf", "lpt.pdf", "aux pdf"]
)
def test_words_and_screens_names_like_devices_stay(name: str) -> None:
    """A name that only begins like a device's stays as it is ("Words and screens")."""
    assert safe_name(name) == name


def test_long_names_keep_their_extension() -> None:
    """A name of 300 Vietnamese letters is cut by bytes, not in the middle of a letter, and stays a PDF."""
    name = safe_name("ộ" * 300 + ".pdf")
    assert name.endswith(".pdf")
    assert len(name.encode()) <= MAX_BYTES


@given(st.text())
@example(". 0")
def test_any_name_is_one_path_part(name: str) -> None:
    """Any name becomes one part of a path, and making it safe again changes nothing."""
    safe = safe_name(name)
    assert Path(safe).name == safe
    assert safe not in {".", "..", ""}
    assert safe_name(safe) == safe


def test_equal_names_are_told_apart() -> None:
    """Two attachments of one name do not overwrite each other, even where letters differ in case only."""
    taken: set[str] = set()
    assert [distinct(n, taken) for n in ("a.pdf", "A.pdf", "a.pdf")] == ["a.pdf", "A (2).pdf", "a (3).pdf"]


def test_many_files_of_one_name_take_a_step_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand files of one name look up a used name some ten thousand times, not fifty million."""
    looked_up: list[str] = []

    class Watched(set[str]):
        def __contains__(self, name: object) -> bool:
            looked_up.append(str(name))
            return super().__contains__(name)

    names = DistinctNames(["A (3).pdf"])
    monkeypatch.setattr(names, "_used", Watched(names._used))
    picked = [names.pick("a.pdf") for _ in range(10_000)]
    assert picked[:4] == ["a.pdf", "a (2).pdf", "a (4).pdf", "a (5).pdf"]
    assert len({name.casefold() for name in picked}) == 10_000
    assert len(looked_up) < 2.3 * 10_000


@given(names=st.lists(st.sampled_from(["a.pdf", "A.pdf", "a (2).pdf", "a (3).pdf", "a", ".pdf", "ß.pdf", "SS.pdf"])))
def test_many_names_are_made_distinct_as_one_by_one(names: list[str]) -> None:
    """Remembering the last number changes no name."""
    taken: set[str] = set()
    many = DistinctNames()
    assert [many.pick(name) for name in names] == [distinct(name, taken) for name in names]
