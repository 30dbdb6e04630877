"""A packet on its way into the hub, whatever the dialect that brought it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A packet on its way in.

    Args:
        packet: exactly the packet's bytes, or a file with them, which the hub takes away.
        system_id: system that sends.
        sender: agency code of the ``from`` header.
        message_type: ``edoc`` or ``status``.
        to: recipients of the ``to`` header; None leaves it to the packet.
    """

    packet: Path | bytes
    system_id: str
    sender: str
    message_type: str
    to: tuple[str, ...] | None = None
