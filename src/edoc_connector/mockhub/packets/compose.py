"""Status packets that the hub writes when a person plays an agency on its page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from edoc_connector.mockhub.codes import format_packet_time
from edoc_connector.mockhub.packets.reader import Node, PacketFacts
from edoc_connector.mockhub.packets.rebuild import build_packet, remove_non_xml

DESCRIPTIONS: Mapping[str, str] = {
    "01": "Đã đến",
    "02": "Từ chối tiếp nhận",
    "03": "Đã tiếp nhận",
    "04": "Phân công",
    "05": "Đang xử lý",
    "06": "Hoàn thành",
    "13": "Lấy lại",
    "15": "Đồng ý",
    "16": "Từ chối",
}


def build_status_packet(
    *, code: str, sender: Mapping[str, str], answered_facts: PacketFacts, to: str, reason: str, at: datetime
) -> bytes:
    """Build the bytes of a status packet.

    Args:
        code: status code, a key of `DESCRIPTIONS`.
        sender: OrganId and OrganName of the agency that answers.
        answered_facts: facts of the packet that is answered.
        to: OrganId of its sender.
        reason: description; the code's Vietnamese name where empty.
        at: time of the status.
    """
    response = {
        "OrganId": to,
        "Code": answered_facts.code,
        "DocumentId": answered_facts.document_id,
        "PromulgationDate": answered_facts.issued_on,
    }
    header = Node(
        "MessageHeader",
        children=[
            Node("From", children=_build_text_nodes(sender)),
            Node("ResponseFor", children=_build_text_nodes(response)),
            *_build_text_nodes(
                {
                    "StatusCode": code,
                    "Description": reason.strip() or DESCRIPTIONS[code],
                    "Timestamp": format_packet_time(at),
                }
            ),
        ],
    )
    envelope = Node("edXMLEnvelope", children=[Node("edXMLHeader", children=[header])])
    return build_packet(Node("edXML", children=[envelope]))


def _build_text_nodes(values: Mapping[str, str]) -> list[Node]:
    return [Node(name, text=remove_non_xml(text)) for name, text in values.items()]
