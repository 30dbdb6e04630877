"""The dialects that the hub answers in, all on one port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from edoc_connector.mockhub.dialects import edocservice, lgsp, vxp
from edoc_connector.mockhub.dialects.calls import STATE_NAMES
from edoc_connector.mockhub.dialects.edocservice import EdocserviceDesk
from edoc_connector.mockhub.dialects.lgsp import LgspDesk
from edoc_connector.mockhub.dialects.vxp import answer_failure
from edoc_connector.mockhub.dialects.wrong_bodies import GARBAGE

if TYPE_CHECKING:
    from edoc_connector.mockhub.hub import Hub


def build_routes(hub: Hub) -> list[Route]:
    """Build the routes of every dialect."""
    return [*vxp.build_routes(hub), *lgsp.build_routes(hub), *edocservice.build_routes(hub)]


def find_call_path(path: str) -> str | None:
    """Find the path by which a fault names a call; None for a path that is no call's."""
    return vxp.find_call_path(path) or edocservice.find_call_path(path) or lgsp.find_call_path(path)


__all__ = [
    "GARBAGE",
    "STATE_NAMES",
    "EdocserviceDesk",
    "LgspDesk",
    "answer_failure",
    "build_routes",
    "find_call_path",
]
