"""A name that a test misspells is told with those that there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edoc_connector.testing import agency_keys, authority
from edoc_connector.testing.keys import make_throwaway_key

KINDS = r"no kind of key 'ec'; take one of rsa, rsa1024, rsa3072, p256, p384, p521"


@pytest.mark.parametrize(
    "make",
    [
        lambda kind: agency_keys("Sở Nội vụ", kind=kind),
        lambda kind: authority(kind=kind),
        lambda kind: authority("Throwaway CA").agency("Sở Nội vụ", kind=kind),
        make_throwaway_key,
    ],
)
def test_an_unknown_kind_of_key_is_told_with_those_that_there_are(make: Callable[[Any], object]) -> None:
    """Each door of throwaway keys names the kinds."""
    with pytest.raises(ValueError, match=KINDS):
        make("ec")


def test_an_unknown_dialect_is_told_with_those_that_there_are(edoc_settings: Callable[..., object]) -> None:
    """The fixture that makes settings names the dialects."""
    with pytest.raises(ValueError, match="no dialect 'soap'; take one of vxp, lgsp, edocservice"):
        edoc_settings("H29.05", dialect="soap")
