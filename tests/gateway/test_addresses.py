"""Ids of deliveries in addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edoc_connector.errors import NotFound
from edoc_connector.gateway.addresses import decode_delivery_id, encode_delivery_id


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_an_id_is_read_back(document_id: str) -> None:
    """Any DocumentId is one part of a path, and found again by it."""
    encoded = encode_delivery_id(document_id)
    assert encoded.replace("-", "").replace("_", "").isalnum()
    assert decode_delivery_id(encoded) == document_id


@pytest.mark.parametrize("text", ["", "!", "a", "YQ==", "YR", "AA", "/w"])
def test_what_is_no_id_is_not_found(text: str) -> None:
    """Other texts, and other spellings of an id, are none."""
    with pytest.raises(NotFound):
        decode_delivery_id(text)
