"""What a hub without a list of sent packets cannot tell: a run that has both sides looks there, as a person would."""

from __future__ import annotations

from ..._core import Text
from ...connector import Connector, DeliveryState, Unsettled
from ...edxml import Organization
from ...errors import NotFound
from .outcomes import PartnerAwaited

_DOCUMENT = "document"
_SAW = "edoc acceptance"


def settle_by_sight(ours: Connector, partner: Connector) -> None:
    """Settle what neither hub nor connector can decide by what is at the other side; it is sent again if it is not.

    Both sides have to have received everything that waits for them, a while after it was sent.

    Args:
        ours: our connector.
        partner: that of our second agency.

    Raises:
        EdocError: a side cannot be asked.
    """
    for sender, receiver in ((ours, partner), (partner, ours)):
        for one in sender.reconcile().undecided:
            arrived = _has_arrived(one, sender, receiver)
            sender.settle(one.document_id, what=one.what, recipient=one.recipient, arrived=arrived, by=_SAW)


def _has_arrived(one: Unsettled, sender: Connector, receiver: Connector) -> bool:
    if one.what == _DOCUMENT:
        return _has_receipt(receiver, one.document_id)
    try:
        timeline = receiver.delivery(one.document_id).timeline
    except NotFound:
        return False  # a status about what is not the other side's
    return any(entry.recipient == sender.settings.agency.id and entry.to == one.what for entry in timeline)


def _has_receipt(connector: Connector, document_id: str) -> bool:
    try:
        connector.receipt(document_id)
    except NotFound:
        return False
    return True


def require_word(ours: Connector, partner: Organization, document_id: str) -> None:
    """Require the word of a partner with a system of its own about what the hub cannot tell.

    Raises:
        PartnerAwaited: the outcome is open, and nobody can tell but the partner.
    """
    is_unknown = ours.delivery(document_id).state is DeliveryState.UNKNOWN
    if is_unknown and any(one.document_id == document_id for one in ours.reconcile().undecided):
        raise PartnerAwaited(
            Text(f"this hub cannot tell whether it took {document_id}: ask {partner.id} whether it came, then run edoc "
                 f"settle {document_id} --arrived, or --not-arrived to send it again",
                 f"trục này không cho biết đã nhận {document_id} hay chưa: hỏi {partner.id} xem văn bản đã đến chưa, "
                 f"rồi chạy edoc settle {document_id} --arrived, hoặc --not-arrived để gửi lại")
        )  # fmt: skip
