"""Messages as values: derived ids, and their JSON."""

from __future__ import annotations

from collections.abc import Callable

import edoc_connector.edxml as edxml
from edoc_connector.edxml import BusinessType

_ID = "H29.05,2026/11/20,7816/SNV-VP"


def test_the_derived_id(document: Callable[..., edxml.Document]) -> None:
    """DocumentId follows from sender, date, number and notation where none is given."""
    assert document().id == _ID
    assert document().code == "7816/SNV-VP"
    assert document(id="x").id == "x"
    assert document(issued_on=None).id == "H29.05,,7816/SNV-VP"


def test_the_model_takes_its_own_json(
    document: Callable[..., edxml.Document], status: Callable[..., edxml.StatusMessage]
) -> None:
    """The JSON of a message is the model's own; attachments are not in it."""
    business = edxml.Business(type=BusinessType.UPDATE, document_id=_ID, reason="r", content_changed=True)
    full = document(business=business, priority=edxml.Priority.URGENT)
    again = edxml.Document.model_validate_json(full.model_dump_json())
    assert again == full.model_copy(update={"attachments": ()})
    assert edxml.StatusMessage.model_validate_json(status().model_dump_json()) == status()
