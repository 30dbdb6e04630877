"""Lines C1 to C4: the statuses of a document."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from ..._core import Text
from ...edxml import ResponseFor, StatusCode, StatusMessage, write
from ...hubs import MessageType
from ...signing import enveloped
from .outcomes import NotMet, PartnerAwaited
from .partners import describe_moment
from .raw_packets import build_form
from .scene import Scene, describe_codes

_REASON = "Gửi không đúng cơ quan, đơn vị nhận (kiểm thử)"


def see_arrival(scene: Scene) -> None:
    """C1: what is received is told with 01 by itself."""
    document_id = scene.send(scene.build())
    scene.require_arrival(document_id)
    entry = scene.require_status(document_id, "01")
    sent_at = scene.ours.delivery(document_id).sent_at
    if sent_at is None:
        return
    # its own time counts where it gives one: we may have looked much later
    seconds = max(0.0, (min(entry.time, entry.stated_at or entry.time) - sent_at).total_seconds())
    allowed = scene.ours.settings.limits.arrival_within
    if seconds > allowed:
        raise NotMet(
            Text(f"01 came after {seconds:.0f} seconds; the hub's time (arrival_within) is {allowed:.0f}",
                 f"01 đến sau {seconds:.0f} giây; thời gian quy định (arrival_within) là {allowed:.0f} giây")
        )  # fmt: skip
    scene.note(f"01 sau {seconds:.0f} giây")


def see_progress(scene: Scene) -> None:
    """C2: 03, 04, 05, 06 in order, with who sent them and when."""
    document_id = scene.send(scene.build())
    scene.require_arrival(document_id)
    for code in ("03", "04", "05", "06"):
        scene.answer(document_id, code, f"Kiểm thử {code}")
    entries = scene.list_codes(document_id)
    order = [one.to for one in entries if one.to != "01"]
    if order != ["03", "04", "05", "06"] or not all(one.actor and one.time for one in entries):
        raise NotMet(
            Text(f"the statuses came as {order}", f"các trạng thái đến theo thứ tự {order}"),
        )
    scene.note(describe_codes(entries))


def see_rejection(scene: Scene) -> None:
    """C3: 02 with its reason."""
    document_id = scene.send(scene.build())
    scene.require_arrival(document_id)
    scene.answer(document_id, "02", _REASON)
    said = scene.ours.delivery(document_id).recipient(scene.partner.organization.id).description
    if not said or (scene.partner.is_own and said != _REASON):
        raise NotMet(Text(f"the reason came as {said!r}", f"lý do đến nơi là {said!r}"))
    scene.note(f"02: {said}")


def see_disorder(scene: Scene) -> None:
    """C4: a code out of order is recorded and flagged."""
    document_id = scene.send(scene.build())
    scene.require_arrival(document_id)
    scene.answer(document_id, "03")
    scene.answer(document_id, "06")
    if not _count_disorder(scene, document_id):
        _send_disorder(scene, document_id)
    missing = Text("the code out of order was not recorded", "trạng thái sai thứ tự không được ghi nhận")
    scene.require(lambda: _count_disorder(scene, document_id) > 0, scene.receive, missing)
    scene.note(describe_codes(scene.list_codes(document_id)))


def _count_disorder(scene: Scene, document_id: str) -> int:
    return scene.ours.delivery(document_id).recipient(scene.partner.organization.id).out_of_order


def _send_disorder(scene: Scene, document_id: str) -> None:
    """Send 04 after 06, which the library itself never does."""
    if not scene.partner.is_own:
        code = scene.partner.organization.id
        raise PartnerAwaited(
            Text(f"{code} has to send 04 about {document_id} after 06", f"{code} cần gửi 04 cho {document_id} sau 06")
        )
    if scene.memory.get("disorder"):
        return
    context, delivery = scene.partner.connector.context, scene.ours.delivery(document_id)
    now = datetime.now(UTC)
    about = ResponseFor(
        organ_id=scene.ours.settings.agency.id,
        code=delivery.code,
        document_id=document_id,
        issued_on=delivery.issued_on,
    )
    message = StatusMessage(
        sender=scene.partner.connector.settings.organization(),
        response_for=about,
        code=StatusCode.ASSIGNED,
        timestamp=now,
        description="Kiểm thử sai thứ tự",
    )
    signer = context.get_signer()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "status.edxml"
        signature = enveloped(signer, status=message) if signer is not None else None
        write(message, path, at=now, signature=signature, form=build_form(scene.partner.connector))
        result = scene.retry(
            lambda: context.hub.send(
                path,
                message_type=MessageType.STATUS,
                sender=scene.partner.organization.id,
                recipients=(scene.ours.settings.agency.id,),
            )
        )
    scene.memory["disorder"] = result.doc_id or "–"
    scene.note(f"04 sau 06: docId {result.doc_id or '–'}, {describe_moment(now)}")
