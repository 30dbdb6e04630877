"""What is written for a spreadsheet is inert there."""

from __future__ import annotations

from edoc_connector.folder.descriptions import format_status_csv


def test_words_of_other_organisations_compute_nothing() -> None:
    """A formula in full width or behind spaces begins with an apostrophe, as in the registers."""
    recipient = {"organ_id": "G22", "name": "\uff1dHYPERLINK(1)", "text": "  =1+1"}
    table = format_status_csv({"document_id": "id-1", "targets": [], "recipients": [recipient]})
    assert table == "\ufeffdocument_id,organ_id,name,text\r\nid-1,G22,'\uff1dHYPERLINK(1),'  =1+1\r\n"
