"""The table of problems, and its page."""

from __future__ import annotations

from pathlib import Path

import pytest

from edoc_connector import errors
from edoc_connector.errors import EdocError, HubUnavailable, NotSent
from edoc_connector.gateway.problems import TYPE_PREFIX, build_problem, find_type

DOCS = Path(__file__).parents[2] / "docs"
KINDS = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, EdocError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_a_problem(kind: type[EdocError]) -> None:
    """Each class of errors has a kind of problem, and none but the base is an unknown one."""
    error = kind.__new__(kind)
    assert find_type(error).code != "internal" or kind is EdocError


def test_what_is_inside_is_not_told() -> None:
    """An error of the machine says what a client may do, and nothing of the machine; a hub's wait is handed on."""
    inside = build_problem(EdocError("/var/lib/edoc.db", vi="/var/lib/edoc.db"))
    assert (inside.status, "/var" in inside.model_dump_json()) == (500, False)
    busy = build_problem(HubUnavailable("busy", vi="bận", retry_after=7.5))
    assert (busy.status, busy.retry_after) == (503, 7)
    assert build_problem(NotSent("away", vi="mất")).type == TYPE_PREFIX + "hub-unreachable"
