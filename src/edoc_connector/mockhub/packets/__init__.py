"""Packets as the hub reads, rebuilds and writes them."""

from edoc_connector.mockhub.packets.attachments import AttachmentSpool
from edoc_connector.mockhub.packets.compose import DESCRIPTIONS, build_status_packet
from edoc_connector.mockhub.packets.draft import Draft, DraftFile, build_document_packet, build_recall
from edoc_connector.mockhub.packets.reader import (
    NS,
    Node,
    PacketFacts,
    add_missing_id,
    extract_facts,
    find_header,
    parse_packet,
)
from edoc_connector.mockhub.packets.rebuild import rebuild_packet, write_packet

__all__ = [
    "DESCRIPTIONS",
    "NS",
    "AttachmentSpool",
    "Draft",
    "DraftFile",
    "Node",
    "PacketFacts",
    "add_missing_id",
    "build_document_packet",
    "build_recall",
    "build_status_packet",
    "extract_facts",
    "find_header",
    "parse_packet",
    "rebuild_packet",
    "write_packet",
]
