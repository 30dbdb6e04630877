"""Lines E1 to E3: what the hub refuses, an answer that is lost, a receiver that stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..._core import Text
from ...edxml import Document, Organization
from ...errors import AuthenticationRejected, EdocError, HubError, NotSent, OutcomeUnknown
from ...hubs import MessageType
from .outcomes import NotMet
from .raw_packets import write_packet
from .scene import Scene

_UNKNOWN_CODE = "000.99.99.H99"
_FOREIGN_CODE = "000.98.99.H99"


def see_refusals(scene: Scene) -> None:
    """E1: an unknown or locked recipient, a sender that is not ours, broken XML: refused, and named."""
    ours, theirs = scene.ours.settings.agency.id, scene.partner.organization.id
    stranger = Organization(id=_UNKNOWN_CODE, name="Mã không có trong danh bạ")
    foreign = Organization(id=_FOREIGN_CODE, name="Không phải mã của đơn vị")
    to_stranger = _writer(scene, scene.build("a", recipients=(stranger,)))
    of_foreigner = _writer(scene, scene.build("b", sender=foreign))
    cases: tuple[tuple[Text, Callable[[Path], None], str, str], ...] = (
        *_list_locked(scene),
        (Text("unknown recipient", "nơi nhận không tồn tại"), to_stranger, ours, _UNKNOWN_CODE),
        (Text("not our code as From", "nơi gửi không phải mã của đơn vị"), of_foreigner, _FOREIGN_CODE, theirs),
        (Text("broken XML", "XML hỏng"), _write_broken, ours, theirs),
    )
    taken = [name for name, make, sender, to in cases if not _is_refused(scene, name, make, sender, to)]
    if taken:
        raise NotMet(
            Text("the hub took: " + ", ".join(one.en for one in taken),
                 "trục vẫn nhận: " + ", ".join(one.vi for one in taken))
        )  # fmt: skip


def _list_locked(scene: Scene) -> tuple[tuple[Text, Callable[[Path], None], str, str], ...]:
    """List the case of a locked recipient, where the hub's operator named one."""
    if not scene.locked:
        scene.note("nơi nhận bị khóa: chưa kiểm thử, cần mã do đơn vị vận hành trục cung cấp (--locked)")
        return ()
    locked = Organization(id=scene.locked, name="Đơn vị đang bị khóa")
    make = _writer(scene, scene.build("c", recipients=(locked,)))
    return ((Text("locked recipient", "nơi nhận bị khóa"), make, scene.ours.settings.agency.id, scene.locked),)


def _writer(scene: Scene, document: Document) -> Callable[[Path], None]:
    return lambda path: write_packet(scene.ours, document, path)


def _write_broken(path: Path) -> None:
    path.write_bytes(b'<?xml version="1.0" encoding="utf-8"?><edXML><edXMLEnvelope>')


def _is_refused(scene: Scene, name: Text, make: Callable[[Path], None], sender: str, to: str) -> bool:
    """Send a packet that no hub should take; note what the hub says."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "packet.edxml"
        make(path)
        hub = scene.ours.context.hub
        try:
            scene.retry(lambda: hub.send(path, message_type=MessageType.EDOC, sender=sender, recipients=(to,)))
        except AuthenticationRejected as error:
            if sender == scene.ours.settings.agency.id:
                raise NotMet(Text(error.message, error.vi)) from error
            scene.note(f"{name.vi}: {type(error).__name__} {error.code or ''}".strip())
            return True
        except HubError as error:
            scene.note(f"{name.vi}: {type(error).__name__} {error.code or ''}".strip())
            return True
        except EdocError as error:
            scene.note(f"{name.vi}: {type(error).__name__}")
            return True
        finally:
            hub.clear_exchanges()
    return False


@contextmanager
def _break(owner: object, name: str, broken: Callable[..., object]) -> Iterator[None]:
    """Put something else in the place of a method of one object, for a while."""
    setattr(owner, name, broken)
    try:
        yield
    finally:
        delattr(owner, name)


def lose_answer(scene: Scene) -> None:
    """E2: the connection is cut after the upload; there is one document at the partner."""
    document = scene.build()
    hub = scene.ours.context.hub
    send = hub.send
    cut: list[str] = []

    def send_and_lose(packet: Any, **options: Any) -> Any:
        result = send(packet, **options)
        if cut:
            return result
        cut.append(result.doc_id)
        raise OutcomeUnknown("the connection was cut after the upload, for the test.", vi="Kết nối bị cắt để kiểm thử.")

    if document.id not in scene.memory:
        with _break(hub, "send", send_and_lose):
            scene.memory[document.id] = {one.name: one.sha256 for one in document.attachments}
            scene.tolerate(lambda: scene.ours.send(document))
        scene.note("kết nối bị cắt sau khi tải lên" if cut else "kết nối bị cắt trước khi tải lên")
    scene.require(lambda: _is_settled(scene, document.id), scene.go_on, _UNSETTLED)
    scene.require_arrival(document.id)
    if scene.partner.is_own:
        scene.tolerate(scene.partner.receive)
        times = len(scene.run.arrivals[f"partner {document.id}"])
        if times != 1:
            raise NotMet(Text(f"it came {times} times", f"văn bản đến {times} lần"))


_UNSETTLED = Text("the outcome was not settled in time", "chưa xác định được kết quả kịp thời gian chờ")


def _is_settled(scene: Scene, document_id: str) -> bool:
    return scene.ours.delivery(document_id).sent_at is not None


def stop_receiver(scene: Scene) -> None:
    """E3: we stop between fetching and confirming; what came is handed out once."""
    mark = f"[{scene.line}]"
    key = f"ours {_send_back(scene, mark)}"
    hub = scene.ours.context.hub

    def stop(*_: object, **__: object) -> None:
        raise NotSent("stopped before the confirmation, for the test.", vi="Dừng trước khi xác nhận để kiểm thử.")

    missing = Text("the document did not come to us", "văn bản chưa đến")
    if key not in scene.run.arrivals:
        with _break(hub, "confirm", stop), _break(hub, "confirm_once", stop):
            scene.require(lambda: key in scene.run.arrivals, scene.receive, missing)
    for _ in range(3):
        scene.tolerate(scene.ours.flush)
        scene.tolerate(scene.receive)
    times = len(scene.run.arrivals[key])
    scene.note(f"{key.partition(' ')[2]}: {times} lần")
    if times != 1:
        raise NotMet(Text(f"it was handed out {times} times", f"văn bản được giao {times} lần"))


def _send_back(scene: Scene, mark: str) -> str:
    """Have the partner send us a document with a mark in its subject; return its id."""
    return send_back(scene, scene.build("", subject=f"Kiểm thử kết nối {mark}"), mark)


def send_back(scene: Scene, document: Any, mark: str) -> str:
    """Have the partner send us a document, once; return its id.

    Raises:
        PartnerAwaited: the partner has not sent it yet.
    """
    turned = document.model_copy(
        update={
            "sender": scene.partner.organization,
            "recipients": (scene.ours.settings.organization(),),
            "id": f"{scene.partner.organization.id}.{document.number}.{document.notation}",
        }
    )
    if scene.partner.is_own:
        if turned.id not in scene.memory:
            scene.retry(lambda: scene.partner.send(turned))
            scene.memory[turned.id] = {one.name: one.sha256 for one in turned.attachments}
        return str(turned.id)
    scene.tolerate(scene.receive)
    for name, arrivals in scene.run.arrivals.items():
        if name.startswith("ours ") and mark in str(arrivals[0].get("subject", "")):
            return name.partition(" ")[2]
    scene.partner.send(turned)  # says what it waits for
    return str(turned.id)
