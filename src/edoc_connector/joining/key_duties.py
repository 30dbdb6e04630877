"""What each key has to do: which one signs, which ones are needed by what is on its way, and what is due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from .._core import Text
from ..connector import Connector, Delivery, DeliveryState
from ..edxml import read
from ..errors import NotFound, PacketError, StoreError
from ..signing import KeyStatus, fingerprint, verify

_LOOKS_BACK = timedelta(days=90)
_ON_ITS_WAY = (DeliveryState.READY, DeliveryState.SENDING, DeliveryState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDuty:
    """What a key has to do.

    Args:
        status: the key.
        on_its_way: how many documents that it signed no recipient has reported yet.
        step: what is due.
    """

    status: KeyStatus
    on_its_way: int
    step: Text


def read_key_duties(connector: Connector) -> tuple[KeyDuty, ...]:
    """Read what each configured key has to do.

    Documents of the last ninety days count that are queued, or sent to a recipient who has reported nothing: it will
    check the signature with the certificate of the key that made it.

    Args:
        connector: of the agency.
    """
    statuses = tuple(connector.check_subject.read_keys())
    counts = _count_on_their_way(connector)
    return tuple(_build_duty(status, statuses, counts) for status in statuses)


def _build_duty(status: KeyStatus, statuses: Sequence[KeyStatus], counts: Counter[str]) -> KeyDuty:
    on_its_way = counts[fingerprint(status.certificate)] if status.certificate is not None else 0
    return KeyDuty(status=status, on_its_way=on_its_way, step=_find_step(status, statuses, on_its_way))


def _find_step(status: KeyStatus, statuses: Sequence[KeyStatus], on_its_way: int) -> Text:
    if status.certificate is None or status.days_left is None:
        return _REPAIR
    if status.signs:
        if status.warn is None or status.succeeded:
            return _NOTHING
        return _RENEW
    if status.days_left >= 0 and _is_newer(status, statuses):
        return _WAITS
    return _KEEP if on_its_way else _REMOVE


def _is_newer(status: KeyStatus, statuses: Sequence[KeyStatus]) -> bool:
    signing = next((one.certificate for one in statuses if one.signs), None)
    if signing is None or status.certificate is None:
        return True
    return status.certificate.not_valid_before_utc > signing.not_valid_before_utc


_NOTHING = Text("nothing is due", "chưa phải làm gì")
_REPAIR = Text(
    "it cannot be loaded: see edoc keys, and mend it or take it out", "không nạp được: xem edoc keys, sửa hoặc bỏ đi"
)
_RENEW = Text(
    "ask the authority for a new key now (where it wants a request for a key of your own: edoc keys request --key NEW "
    "--succession FILE), tell partners that pinned this one, and add the new key to [signing] keys beside it",
    "hãy đề nghị cấp khóa mới ngay (nếu nơi cấp cần yêu cầu cho khóa tự tạo: edoc keys request --key KHÓA-MỚI "
    "--succession TỆP), báo các đối tác đã ghim khóa này, rồi thêm khóa mới vào [signing] keys bên cạnh khóa này",
)
_WAITS = Text("it takes over by itself once it is valid", "sẽ tự thay thế khi có hiệu lực")
_KEEP = Text(
    "do not have it revoked: documents that it signed are still on their way",
    "chưa được thu hồi: còn văn bản do khóa này ký đang trên đường",
)
_REMOVE = Text("nothing needs it any more: take it out of [signing] keys", "không còn cần: hãy bỏ khỏi [signing] keys")


def _count_on_their_way(connector: Connector) -> Counter[str]:
    """Count documents on their way by the fingerprint of the certificate that signed them."""
    since = connector.context.store.clock() - _LOOKS_BACK
    found: Counter[str] = Counter()
    for delivery in connector.iter_deliveries(since=since):
        if _is_on_its_way(delivery):
            name = _find_signer(connector, delivery.id)
            found[name] += 1
    return found


def _is_on_its_way(delivery: Delivery) -> bool:
    if delivery.state in _ON_ITS_WAY:
        return True
    return delivery.state is DeliveryState.SENT and any(one.status is None for one in delivery.recipients)


def _find_signer(connector: Connector, document_id: str) -> str:
    """Find the fingerprint of the certificate that signed a packet of ours; empty where it is gone, or not signed."""
    context = connector.context
    with context.store.snapshot() as tx:
        row = tx.deliveries.find_by_document_id(context.agency, document_id)
    if row is None:
        return ""
    try:
        certificate = verify(read(context.store.spool.verify_file(row.spool_file, row.sha256))).certificate
    except (NotFound, StoreError, PacketError):
        return ""
    return "" if certificate is None else fingerprint(certificate)
