"""Aids for the tests of a document-management system: sample documents, throwaway keys, a mock hub in a thread.

The pytest plugin (`edoc_connector.testing.plugin`) gives the fixture ``mock_hub``. pytest loads it, and with it this
package, in every run on the machine: names therefore load their modules on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .assertions import assert_fields, assert_statuses
    from .hub import RunningHub
    from .keys import AgencyKeys, agency_keys, authority
    from .office import MockOffice
    from .samples import RECIPIENT, SENDER, sample_document, sample_pdf

_HOMES = {
    "assertions": ("assert_fields", "assert_statuses"),
    "hub": ("RunningHub",),
    "keys": ("AgencyKeys", "agency_keys", "authority"),
    "office": ("MockOffice",),
    "samples": ("RECIPIENT", "SENDER", "sample_document", "sample_pdf"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "RECIPIENT",
    "SENDER",
    "AgencyKeys",
    "MockOffice",
    "RunningHub",
    "agency_keys",
    "assert_fields",
    "assert_statuses",
    "authority",
    "sample_document",
    "sample_pdf",
]
