"""Names in certificates as people read and write them (RFC 4514), without the numbers of attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

_ATTRIBUTES = {
    "1.2.840.113549.1.9.1": "emailAddress",
    "2.5.4.4": "surname",
    "2.5.4.5": "serialNumber",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.15": "businessCategory",
    "2.5.4.16": "postalAddress",
    "2.5.4.17": "postalCode",
    "2.5.4.20": "telephoneNumber",
    "2.5.4.42": "givenName",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionLocality",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionState",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionCountry",
}
"""Names of attributes (X.520, RFC 4519, PKCS#9) that RFC 4514 has no short form for."""


def format_name(name: x509.Name) -> str:
    """Format a name of a certificate: ``CN=Sở Nội vụ,organizationIdentifier=H29.05,C=VN``."""
    from cryptography.x509 import ObjectIdentifier

    return name.rfc4514_string({ObjectIdentifier(number): word for number, word in _ATTRIBUTES.items()})


def parse_name(text: str) -> x509.Name:
    """Parse a name of a certificate, with the attributes by their names or numbers.

    Raises:
        ValueError: it is none.
    """
    from cryptography.x509 import Name, ObjectIdentifier

    try:
        return Name.from_rfc4514_string(text, {word: ObjectIdentifier(number) for number, word in _ATTRIBUTES.items()})
    except ValueError as error:
        raise ValueError(str(error) or repr(text)) from error  # cryptography often says nothing
