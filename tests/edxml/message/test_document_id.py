"""DocumentId ("DocumentId")."""

from __future__ import annotations

from datetime import date

import pytest

from edoc_connector.edxml.message.document_id import DocumentIdParts, compose_document_id, find_doubt


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9fbfbad2-f1f8-4256-a2eb-50fb1061cddb", ""),
        ("H29.05,2026/11/20,7816/SNV-VP", ""),
        ("H29.05,2026/11/20,7816/A/B", ""),
        ("H29.05,2014/02/30,7816/SNV-VP", "EDX-ID-DATE"),
        ("H29.05,30/02/2014,7816/SNV-VP", "EDX-ID-FORM"),
        ("7816/SNV-VP", "EDX-ID-FORM"),
        ("H29.05,2026/11/20,7816", "EDX-ID-FORM"),
    ],
)
def test_document_ids(text: str, expected: str) -> None:
    """A DocumentId is a UUID or OrganId,YYYY/MM/DD,number/notation with a date that exists."""
    assert find_doubt(text) == expected


def test_parts_of_a_document_id() -> None:
    """The standard's own form is made of its parts and taken apart again."""
    text = compose_document_id("H29.05", date(2026, 11, 2), "7816", "SNV/VP")
    assert text == "H29.05,2026/11/02,7816/SNV/VP"
    parts = DocumentIdParts.from_text(text)
    assert (parts.number, parts.notation, parts.is_possible, parts.is_known_form) == ("7816", "SNV/VP", True, True)
    assert compose_document_id("H29", None, "1", "A") == "H29,,1/A"
