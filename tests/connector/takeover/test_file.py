"""Files of documents in flight, as careless and hostile exports have them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edoc_connector.connector import ImportFileError
from edoc_connector.connector.takeover import read_import_file

HEAD = "document_id,hub_doc_id,code,subject,issued_on,sent_at,recipient,status,status_text\n"
LINE = "D1,h1,1/A,sub,2026-11-20,2026-11-20T08:00:00,G22,01,ok\n"
OBJECT = {"document_id": "D1", "hub_doc_id": "h1", "code": "1/A", "issued_on": "2026-11-20", "recipient": "G22"}
BAD = {
    "first day.csv": HEAD + LINE.replace("2026-11-20T08:00:00", "0001-01-01T00:00:00"),
    "last day.csv": HEAD + LINE.replace("2026-11-20T08:00:00", "9999-12-31T23:59:59-14:00"),
    "comma in a cell.csv": HEAD + LINE.replace("ok", "ok, and more"),
    "comma in a cell, empty end.csv": HEAD + LINE.replace("ok", "ok, and more,"),
    "column twice.csv": HEAD.replace("status_text", "status") + LINE.replace("ok", "06"),
    "nul.csv": HEAD + LINE.replace("sub", "s\0ub"),
    "long.csv": HEAD + LINE.replace("D1", "D" * 5000),
    "half a pair.json": json.dumps([OBJECT | {"document_id": "D\ud800"}]),
    "nested.json": "[" * 100_000,
    "recipients a number.json": json.dumps([OBJECT | {"recipients": 5}]),
    "recipients a text.json": json.dumps([OBJECT | {"recipients": "G22"}]),
    "recipients of texts.json": json.dumps([OBJECT | {"recipients": ["G22"]}]),
    "object as a cell.json": json.dumps([OBJECT | {"subject": {"a": [1]}}]),
    "truth as a cell.json": json.dumps([OBJECT | {"subject": True}]),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_used_is_refused_as_a_whole(tmp_path: Path, name: str) -> None:
    """Every bad line is named before anything is taken over, whatever it holds."""
    (tmp_path / name).write_text(BAD[name], encoding="utf-8")
    with pytest.raises(ImportFileError):
        read_import_file(tmp_path / name)


def test_empty_lines_and_one_id_of_two_senders(tmp_path: Path) -> None:
    """A line without any cell is none; a DocumentId is its sender's, so two senders may have the same."""
    head = "direction,document_id,hub_doc_id,code,issued_on,sender\n"
    lines = "received,D9,h9,1/A,2026-11-20,G22\n,,,,,\nreceived,D9,h10,1/A,2026-11-20,G23\n"
    (tmp_path / "in.csv").write_text(head + lines, encoding="utf-8")
    assert [one.sender for one in read_import_file(tmp_path / "in.csv")] == ["G22", "G23"]
