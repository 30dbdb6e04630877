"""Lists of agencies of our own, as spreadsheets and people write them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from edoc_connector.connector.agencies.own_list import parse_date, read_own_list
from edoc_connector.errors import AgencyListError
from edoc_connector.store import DirectoryEntry

PLAIN = (
    "code,name,other_code,parent,email,from,to,successor\nH29.01,Sở cũ,000.00.01.H29,H29,a@b.vn,,30/06/2025,h29.06\n"
)
ENTRY = DirectoryEntry(
    code="H29.01",
    name="Sở cũ",
    other_code="000.00.01.H29",
    parent="H29",
    email="a@b.vn",
    valid_to=date(2025, 6, 30),
    successor="H29.06",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the list is."""
    return tmp_path / "list.csv"


EXCEL = (
    "STT;Mã cũ;Tên đơn vị;Mã khác;Cấp trên;Thư điện tử;Từ ngày;Đến ngày;Mã mới\r\n"
    '1;H29.01;"Sở cũ";000.00.01.H29;H29;a@b.vn;;30/06/2025;H29.06\r\n'
    ";;;;;;;;\r\n"
)


@pytest.mark.parametrize(
    ("data", "ignored"),
    [
        (PLAIN.encode(), ()),
        (PLAIN.encode("utf-8-sig"), ()),
        (EXCEL.encode("utf-8-sig"), ("STT",)),
        (EXCEL.replace(";", "\t").encode("utf-16"), ("STT",)),
        (f"sep=;\r\n{EXCEL}".encode("utf-8-sig"), ("STT",)),
        (PLAIN.replace("30/06/2025", "2025-06-30").replace("\n", "\r").encode(), ()),
    ],
    ids=["plain", "byte order mark", "Excel", "Unicode text", "sep=", "old Mac, ISO"],
)
def test_the_forms_of_a_list(path: Path, data: bytes, ignored: tuple[str, ...]) -> None:
    """Commas, semicolons, tabs, marks at the start, heads in Vietnamese (issue, "Excel-made CSV")."""
    path.write_bytes(data)
    found = read_own_list(path)
    assert found.entries == (ENTRY,)
    assert found.ignored_columns == ignored


def test_every_bad_line_is_named(path: Path) -> None:
    """Line, column and value of each mistake, in both languages, and nothing half read (issue, "with line numbers")."""
    path.write_text(
        "mã,tên,từ ngày,đến ngày,mã mới\n"
        ",Sở,,,\n"
        "H29 01,Sở,,,\n"
        "H29.02,Sở,31/02/2025,,\n"
        'H29.03,"Sở\nY tế",02/07/2025,01/07/2025,\n'
        "H29.04,Sở,,,H29.05,x\n"
        "H29.06,Sở,,,H29.07\n"
        "H29.07,Sở,,,H29.06\n"
        "H29.08,Sở,,,\n"
        "H29.08,Sở khác,,,\n",
        encoding="utf-8",
    )
    with pytest.raises(AgencyListError) as raised:
        read_own_list(path)
    problems = raised.value.problems
    assert [(one.line, one.column, one.value) for one in problems] == [
        (2, "", ""),
        (3, "mã", "H29 01"),
        (4, "từ ngày", "31/02/2025"),
        (5, "", ""),
        (7, "", ""),
        (8, "mã mới", "H29.07"),
        (9, "mã mới", "H29.06"),
        (11, "mã", "H29.08"),
    ]
    assert "line 4: từ ngày “31/02/2025” is no date" in raised.value.message
    assert "dòng 4: từ ngày “31/02/2025” không phải ngày" in raised.value.vi


def test_a_long_list_of_mistakes_is_cut_in_words(path: Path) -> None:
    """The message has ten, the error all (issue, "typed errors")."""
    path.write_text("code\n" + "H 1\n" * 30, encoding="utf-8")
    with pytest.raises(AgencyListError, match="and 20 more") as raised:
        read_own_list(path)
    assert len(raised.value.problems) == 30


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"name\nS\n", "no column"),
        (b"", "no column"),
        ("mã\nSở".encode("utf-16-le"), "UTF-8"),
        ("mã;tên\nH29;Sở".encode("cp1258", "replace"), "UTF-8"),
        (b'code,name\nH29,"S\nH30,T\n', "line 2"),
    ],
    ids=["no codes", "empty", "UTF-16 without a mark", "code page", "open quotes"],
)
def test_files_that_are_no_lists(path: Path, data: bytes, match: str) -> None:
    """A file that cannot be read says what to do (issue, "typed errors")."""
    path.write_bytes(data)
    with pytest.raises(AgencyListError, match=match):
        read_own_list(path)


def test_a_file_that_is_not_there(path: Path) -> None:
    """The system's reason is in the error (issue, "typed errors")."""
    with pytest.raises(AgencyListError, match=r"list\.csv"):
        read_own_list(path)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1/7/2025", date(2025, 7, 1)),
        ("01-07-2025", date(2025, 7, 1)),
        ("2025-07-01 00:00:00", date(2025, 7, 1)),
        ("2025/07/01", date(2025, 7, 1)),
        ("07/2025", None),
        ("45839", None),
    ],
)
def test_days(text: str, day: date | None) -> None:
    """Days as people and spreadsheets write them, the day before the month (issue, "Excel-made CSV")."""
    assert parse_date(text) == day
