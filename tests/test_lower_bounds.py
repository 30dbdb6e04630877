"""Lower bounds of dependencies: what is declared was tried (`nox -s lowest`)."""

from __future__ import annotations

import os
from importlib.metadata import requires, version

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

_NOT_IN_TEST = ("bench", "dev", "docs")  # extras that the extra test does not bring in


def _declared() -> dict[str, Version]:
    """Lower bounds by distribution."""
    found: dict[str, Version] = {}
    for requirement in map(Requirement, requires("edoc-connector") or ()):
        extra = str(requirement.marker or "")
        bounds = [one.version for one in requirement.specifier if one.operator in (">=", "==")]
        if bounds and not any(f'"{name}"' in extra for name in _NOT_IN_TEST):
            found[requirement.name] = Version(bounds[0])
    return found


@pytest.mark.skipif("EDOC_TEST_LOWEST" not in os.environ, reason="`nox -s lowest` installs the lowest versions")
def test_each_lower_bound_is_what_was_tried() -> None:
    """A bound below the version that the suite ran with is a promise that nobody kept."""
    installed = {name: Version(version(name)) for name in _declared()}
    assert installed == _declared()
