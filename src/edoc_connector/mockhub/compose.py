"""Status packets that the hub writes when a person plays an agency on its page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from edoc_connector.mockhub.codes import packet_time
from edoc_connector.mockhub.packets import Facts, Node
from edoc_connector.mockhub.rebuild import build, printable

DESCRIPTIONS: Mapping[str, str] = {
    "01": "Đã đến",
    "02": "Từ chối tiếp nhận",
    "03": "Đã tiếp nhận",
    "15": "Đồng ý",
    "16": "Từ chối",
}


def status_packet(
    *, code: str, sender: Mapping[str, str], answered: Facts, to: str, reason: str, at: datetime
) -> bytes:
    """Bytes of a status packet.

    Args:
        code: status code, a key of `DESCRIPTIONS`.
        sender: OrganId and OrganName of the agency that answers.
        answered: facts of the packet that is answered.
        to: OrganId of its sender.
        reason: description; the code's Vietnamese name where empty.
        at: time of the status.
    """
    response = {
        "OrganId": to,
        "Code": answered.code,
        "DocumentId": answered.document_id,
        "PromulgationDate": answered.issued_on,
    }
    header = Node(
        "MessageHeader",
        children=[
            Node("From", children=_texts(sender)),
            Node("ResponseFor", children=_texts(response)),
            *_texts(
                {
                    "StatusCode": code,
                    "Description": reason.strip() or DESCRIPTIONS[code],
                    "Timestamp": packet_time(at),
                }
            ),
        ],
    )
    envelope = Node("edXMLEnvelope", children=[Node("edXMLHeader", children=[header])])
    return build(Node("edXML", children=[envelope]))


def _texts(values: Mapping[str, str]) -> list[Node]:
    return [Node(name, text=printable(text)) for name, text in values.items()]
