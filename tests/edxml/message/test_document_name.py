"""Names of documents are compared however they are spelt ("Seen in the wild", ids of our own documents)."""

from __future__ import annotations

import unicodedata
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edoc_connector.edxml import DocumentName
from edoc_connector.edxml.message.document_name import normalise_code, normalise_document_id

_UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
_DAY = date(2026, 11, 20)
_ID = "H29.05,2026/11/20,7816/QĐ-TTg"


@pytest.mark.parametrize(
    ("seen", "document_id"),
    [
        (_UUID.upper(), _UUID),
        (f"{{{_UUID}}}", _UUID),
        (f"{{{_UUID.upper()}}}", _UUID),
        (_UUID.replace("-", ""), _UUID),
        (f"urn:uuid:{_UUID}", _UUID),
        ("h29.05,2026/11/20,7816/qđ-ttg", _ID),
        (unicodedata.normalize("NFD", _ID), _ID),
        ("H29.05, 2026/11/20, 07816/QĐ - TTg", _ID),
        ("H29.05,20/11/2026,7816/QĐ–TTg", _ID),
        ("7816/QĐ-TTg,2026-11-20,H29.05", _ID),
    ],
)
def test_other_spellings_of_an_id(seen: str, document_id: str) -> None:
    """Upper case, braces, NFD, spaces, leading zeros, other dates and exchanged parts are the same id."""
    name = DocumentName.from_parts(document_id=seen)
    assert name.fits_id(document_id)
    assert seen in name.id_spellings
    assert not name.fits_id(document_id[:-1] + "x")


@pytest.mark.parametrize("seen", [_UUID.upper(), f"{{{_UUID}}}", _UUID.replace("-", "")])
def test_spellings_to_look_for(seen: str) -> None:
    """A UUID is looked for in each of its usual forms, a composed id in the standard's."""
    assert {_UUID, _UUID.upper(), f"{{{_UUID}}}"} <= DocumentName.from_parts(document_id=seen).id_spellings
    assert _ID in DocumentName.from_parts(document_id="H29.05, 20/11/2026, 7816/QĐ-TTg").id_spellings
    assert DocumentName.from_parts(code="7816/SNV-VP").id_spellings == frozenset()


def test_parts_are_completed_from_the_id() -> None:
    """An id that is composed stands in for a missing code, organisation and date; what is stated counts first."""
    name = DocumentName.from_parts(document_id=_ID)
    assert (name.organ_id, name.code, name.issued_on) == ("H29.05", "7816/QĐ-TTg", _DAY)
    name = DocumentName.from_parts(document_id=_ID, code="1/CV", issued_on=date(2026, 1, 2))
    assert (name.organ_id, name.code, name.issued_on) == ("H29.05", "1/CV", date(2026, 1, 2))
    swapped = DocumentName.from_parts(organ_id="7816/QĐ-TTg", code="H29.05")
    assert (swapped.organ_id, swapped.code) == ("H29.05", "7816/QĐ-TTg")
    assert DocumentName.from_parts(document_id="a,b,c").code == ""


@pytest.mark.parametrize("seen", ["7816/qđ-ttg", "07816/QĐ-TTg", " 7816 / QĐ - TTg ", "7816/QĐ‑TTg"])
def test_other_spellings_of_a_code(seen: str) -> None:
    """Case, zeros before the number, spaces and dashes of a code carry no meaning; its digits and letters do."""
    name = DocumentName.from_parts(code=seen)
    assert name.fits_code("7816/QĐ-TTg")
    assert not name.fits_code("7816/QĐ-TT")
    assert not name.fits_code("78160/QĐ-TTg")


def test_the_days_to_look_for() -> None:
    """The date may be a day off, also at the ends of the calendar."""
    assert DocumentName(code="1/A", issued_on=_DAY).days == (date(2026, 11, 19), date(2026, 11, 21))
    assert DocumentName(code="1/A").days is None
    for day in (date.min, date.max):
        assert DocumentName(code="1/A", issued_on=day).days is not None


@given(text=st.text(max_size=40))
def test_any_text_normalises_to_itself(text: str) -> None:
    """Normalising never raises, and what was normalised stays as it is."""
    assert normalise_code(normalise_code(text)) == normalise_code(text)
    assert normalise_document_id(normalise_document_id(text)) == normalise_document_id(text)
