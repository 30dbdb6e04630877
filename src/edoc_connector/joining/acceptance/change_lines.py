"""Lines D1 to D3: recall, update, replacement and taking back, and their answers."""

from __future__ import annotations

from collections.abc import Callable

from ..._core import Text
from ...connector import Delivery, ReceiptState
from ...errors import CallNotSupported, DocumentError, PacketRefused
from .outcomes import NotMet, NotPossible
from .scene import Scene

_REASON = "Ban hành nhầm (kiểm thử)"


def _send_accepted(scene: Scene, name: str = "") -> str:
    """Send a document that the partner accepts."""
    document_id = scene.send(scene.build(name))
    scene.require_arrival(document_id)
    scene.answer(document_id, "03")
    return document_id


def _ask(scene: Scene, step: str, submit: Callable[[], Delivery]) -> str:
    """Send a change once however often the line is run; return its id.

    Raises:
        NotPossible: the hub has no such kind of packet.
    """
    known = scene.memory.get(step)
    if known is not None:
        return str(known)
    try:
        change = scene.send_by("", submit)  # queued: an error of a call would not say which delivery it is about
    except (PacketRefused, CallNotSupported, DocumentError) as error:
        raise NotPossible(
            Text(f"the hub takes no such packet: {error.message}", f"trục không nhận loại gói tin này: {error.vi}")
        ) from error
    scene.memory[step] = change
    scene.run.save()
    return change


def agree_to_recall(scene: Scene) -> None:
    """D1: a recall is agreed to; the document is frozen here, void there, and its history stays."""
    document_id = _send_accepted(scene)
    recall = _ask(scene, "recall", lambda: scene.ours.recall(document_id, reason=_REASON, queue=True))
    scene.require_arrival(recall)
    scene.answer(recall, "15")
    ours = scene.ours.delivery(document_id)
    is_frozen = ours.recipient(scene.partner.organization.id).withdrawn
    is_void = not scene.partner.is_own or scene.partner.connector.receipt(document_id).withdrawn
    if not (is_frozen and is_void and any(one.to == "03" for one in ours.timeline)):
        raise NotMet(
            Text(f"after 15: frozen here {is_frozen}, void there {is_void}",
                 f"sau 15: nơi gửi đóng {is_frozen}, nơi nhận hết hiệu lực {is_void}")
        )  # fmt: skip


def refuse_recall(scene: Scene) -> None:
    """D2: a recall is refused; the document stays in force."""
    document_id = _send_accepted(scene)
    recall = _ask(scene, "recall", lambda: scene.ours.recall(document_id, reason=_REASON, queue=True))
    scene.require_arrival(recall)
    scene.answer(recall, "16", "Đã thi hành (kiểm thử)")
    if scene.ours.delivery(document_id).recipient(scene.partner.organization.id).withdrawn:
        raise NotMet(Text("the document is withdrawn though 16 came", "văn bản bị thu hồi dù nơi nhận trả lời 16"))


def answer_changes(scene: Scene) -> None:
    """D3: update, replacement and taking back are each answered."""
    updated, replaced, taken = (_send_accepted(scene, name) for name in "abc")
    update = scene.build("d", subject="Kiểm thử kết nối [D3] bản cập nhật")
    replacement = scene.build("e", subject="Kiểm thử kết nối [D3] bản thay thế")
    update_id = _ask(scene, "update", lambda: scene.ours.update(update, updates=updated, reason=_REASON, queue=True))
    scene.require_arrival(update_id)
    scene.answer(update_id, "15")
    replacement_id = _ask(
        scene, "replace", lambda: scene.ours.replace(replacement, replaces=replaced, reason=_REASON, queue=True)
    )
    scene.require_arrival(replacement_id)
    scene.answer(replacement_id, "15")
    if "take_back" not in scene.memory:
        scene.ours.take_back(taken, reason=_REASON, queue=True)
        scene.memory["take_back"] = taken
    missing = Text("the request to take it back did not come", "yêu cầu lấy lại không đến nơi")
    if scene.partner.is_own:
        scene.require(lambda: _is_asked(scene, taken), lambda: _bring_request(scene), missing)
    scene.answer(taken, "15")


def _is_asked(scene: Scene, document_id: str) -> bool:
    receipt = scene.partner.connector.receipt(document_id)
    return receipt.change_requested or receipt.withdrawn


def _bring_request(scene: Scene) -> None:
    """Bring the request to the partner.

    Raises:
        NotPossible: the hub brings it to us, as it addresses a status by the document's owner alone.
    """
    scene.go_on()
    set_aside = scene.ours.receipts(state=ReceiptState.QUARANTINED)
    if any(one.sender == scene.ours.settings.agency.id for one in set_aside):
        raise NotPossible(
            Text("update and replacement were answered; a request to take back comes to its own sender at this hub",
                 "cập nhật và thay thế đã được trả lời; yêu cầu lấy lại bị trục chuyển về chính nơi gửi")
        )  # fmt: skip
