"""The tree of errors, and the names that databases know it by."""

from __future__ import annotations

import pytest

from edoc_connector import errors
from edoc_connector.errors import find_stored_name


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (errors.ClockRejected("", vi=""), "AuthenticationRejected"),
        (errors.CallNotSupported("", vi=""), "ProtocolError"),
        (errors.AuthenticationRejected("", vi=""), "AuthenticationRejected"),
        (errors.ProtocolError("", vi=""), "ProtocolError"),
        (errors.NotSent("", vi=""), "NotSent"),
        (errors.DocumentIdConflict("", vi=""), "DocumentIdConflict"),
        (KeyError("a"), "KeyError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_a_stored_name(error: BaseException, name: str) -> None:
    """A class is stored by its name; one that refines an older class by the name of that (stored rows stay)."""
    assert find_stored_name(error) == name
