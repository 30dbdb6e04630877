"""Bytes of a fetched packet that are not its own: the faults ``garbage`` and ``wrong-body`` of every dialect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from edoc_connector.mockhub.faults import Fault
from edoc_connector.mockhub.packets import PacketFacts, build_status_packet
from edoc_connector.mockhub.storage import Packet

if TYPE_CHECKING:
    from edoc_connector.mockhub.hub import Hub

GARBAGE: Final = b"\x00\xff<edXML>\x1f\x8b not a packet"


def find_wrong_body(hub: Hub, packet: Packet, fault: Fault | None) -> bytes | Path | None:
    """Find what a receiver gets in the place of a packet; None where nothing is wrong.

    Args:
        hub: the hub.
        packet: the packet that was asked for.
        fault: the fault that the call met.
    """
    match fault.kind if fault is not None else "":
        case "garbage":
            return GARBAGE
        case "wrong-body":
            return _select_other_body(hub, packet)
        case _:
            return None


def read_wrong_body(hub: Hub, packet: Packet, fault: Fault | None) -> bytes | None:
    """Read what `find_wrong_body` finds."""
    found = find_wrong_body(hub, packet, fault)
    return found.read_bytes() if isinstance(found, Path) else found


def _select_other_body(hub: Hub, packet: Packet) -> bytes | Path:
    """Select another packet of the same kind, or make one up where the hub has no other."""
    others = [other for other in hub.storage.list_packets(message_type=packet.message_type) if other.id != packet.id]
    if others:
        return hub.get_path(others[-1])
    nobody = PacketFacts(
        kind="edoc", sender="", recipients=(), document_id="another document", business="0", number="1",
        notation="KHAC", title="", issued_on="2000/01/01", status="",
    )  # fmt: skip
    sender = {"OrganId": "X00", "OrganName": "Another agency"}
    return build_status_packet(code="01", sender=sender, answered_facts=nobody, to="X01", reason="", at=hub.now())
