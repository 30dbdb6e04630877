"""Names in certificates have words where RFC 4514 alone has numbers, and both are read."""

from __future__ import annotations

import pytest

from edoc_connector._core import format_name, parse_name
from edoc_connector.signing.pki.organisations import check_entry, is_match
from edoc_connector.testing import agency_keys

NAME = "CN=Sở Nội vụ,OU=H29.05,organizationIdentifier=H29.05,emailAddress=snv@example.vn,serialNumber=1,C=VN"


def test_attributes_are_named() -> None:
    """No number of an attribute that has a name is shown; one without a name keeps its number."""
    assert format_name(parse_name(NAME)) == NAME
    assert format_name(parse_name("2.5.4.97=H29.05,1.2.3=x")) == "organizationIdentifier=H29.05,1.2.3=x"


def test_what_is_no_name_is_no_value() -> None:
    """An attribute that nobody knows is an error, as before."""
    with pytest.raises(ValueError, match="whoKnows"):
        parse_name("whoKnows=1")


@pytest.mark.parametrize("entry", ["organizationIdentifier=H29.05,C=VN", "2.5.4.97=H29.05,C=VN"])
def test_a_shown_name_can_be_an_entry_of_the_settings(entry: str) -> None:
    """What commands show of a subject goes into `[receive.organisations]` as it is."""
    check_entry(entry)
    assert is_match(entry, agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256").certificate, trusted=True)
