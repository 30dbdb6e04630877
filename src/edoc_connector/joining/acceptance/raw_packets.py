"""Packets that a run writes itself, past the store: what the library would not send."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from ...connector import Connector
from ...edxml import Document, PacketForm, write


def build_form(connector: Connector) -> PacketForm:
    """Build the form that a connector's hub wants packets in."""
    profile = connector.context.packet_profile
    return PacketForm(needed_elements=profile.needed_elements, status_header=profile.status_header)


def write_packet(connector: Connector, document: Document, path: Path) -> None:
    """Write a document as a packet for a connector's hub, unsigned."""
    changed = document.model_copy(update={"content": document.content or document.subject})
    write(changed, path, at=datetime.now(UTC), form=build_form(connector))
