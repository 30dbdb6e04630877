"""A document at the desk: what it says, what happened to it, and what a person does with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote

from starlette.responses import Response

from .._core import Text, open_file
from ..connector import Authority, Connector, Receipt, ReceiptState
from ..edxml import Attachment
from ..store import DeliveryRow, DeliveryState, ReceiptRow
from .call import Call, Denied
from .composing import CHANGEABLE, CHANGES
from .roles import Act
from .views import (
    UNREADABLE,
    Badge,
    badge,
    describe_events,
    format_time,
    list_facts,
    list_files,
    list_standing,
    load_received,
    load_sent,
    pick,
    read_received,
    read_sent,
)

_DOCUMENT_SECONDS: Final = 5
REQUESTS: Final = ("recall", "update", "replace", "take_back")
ANSWERED: Final = ("15", "16")
"""Codes with which a request is answered."""
_FILE_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that may be given to a document that came in.

    Args:
        act: what one must be allowed to.
        give: gives it, with the person's words.
    """

    act: Act
    give: Callable[[Receipt, str], None]


ANSWERS: Final[Mapping[str, Answer]] = {
    "accept": Answer(Act.ACCEPT, lambda receipt, words: receipt.accept(words or None, queue=True)),
    "reject": Answer(Act.REJECT, lambda receipt, words: receipt.reject(words, queue=True)),
    "assign": Answer(Act.ASSIGN, lambda receipt, words: receipt.assign(words or None, queue=True)),
    "processing": Answer(Act.PROGRESS, lambda receipt, words: receipt.processing(words or None, queue=True)),
    "complete": Answer(Act.PROGRESS, lambda receipt, words: receipt.complete(words or None, queue=True)),
    "agree": Answer(Act.ANSWER, lambda receipt, words: receipt.agree_change(words or None, queue=True)),
    "refuse": Answer(Act.ANSWER, lambda receipt, words: receipt.refuse_change(words, queue=True)),
}
_NEXT: Final[Mapping[str | None, tuple[str, ...]]] = {
    None: ("accept", "reject"),
    "01": ("accept", "reject"),
    "03": ("assign", "processing", "complete"),
    "04": ("assign", "processing", "complete"),
    "05": ("processing", "complete"),
}


@dataclass(frozen=True, slots=True)
class Documents:
    """Pages of one document."""

    connector: Connector

    # -- what came in

    def show_received(self, call: Call) -> Response:
        """Show a document that came in."""
        row = self._require_received(call)
        receipt = Receipt(self.connector.context, row)
        context = self.connector.context
        with context.store.snapshot() as tx:
            (view,) = load_received(tx, context.agency, [row.id], call.language)
        values: dict[str, Any] = {
            "view": view,
            "document_id": receipt.id,
            "recipients": [],
            "base": f"/incoming/{row.id}",
        }
        values |= self._tell_story(call, receipt.hub_doc_id) | {"buttons": _list_answers(call, receipt)}
        values |= {"is_received": True, "is_unknown": False, "has_recall": False}
        values |= {"is_set_aside": receipt.state is ReceiptState.QUARANTINED, "changes": ()}
        if not call.is_part:
            values |= self._read(call, lambda: read_received(receipt)) | {"signature": _describe_signature(call, row)}
            authority = pick(call.language, Authority(row.authority)) if row.authority else ""
            values |= {"authority": authority, "same_number": _describe_same_number(call, receipt)}
        return call.render_live("document.html", "document_live.html", seconds=_DOCUMENT_SECONDS, **values)

    def answer(self, call: Call) -> Response:
        """Answer a document that came in: the act stands in the evidence with the person."""
        row, name = self._require_received(call), call.form.get("act")
        answer = ANSWERS.get(name)
        if answer is None:
            raise Denied("wrong.missing")
        call.require(answer.act)
        receipt = Receipt(self.connector.context, row)
        with self.connector.context.store.acting_as(call.person.actor):
            if receipt.state is ReceiptState.WAITING:
                with receipt:
                    answer.give(receipt, call.form.get("reason"))
            else:
                answer.give(receipt, call.form.get("reason"))
        return call.tell_done(f"/incoming/{row.id}", call.translate(f"act.{name}"))

    def recheck(self, call: Call) -> Response:
        """Verify a packet that was set aside once more."""
        row = self._require_received(call)
        self.connector.recheck(row.hub_doc_id, by=call.person.actor)
        return call.tell_done(f"/incoming/{row.id}", call.translate("act.recheck"))

    def send_received_packet(self, call: Call) -> Response:
        """Send the packet as it came."""
        return self._send_packet(self._require_received(call))

    def send_received_file(self, call: Call) -> Response:
        """Send an attachment."""
        receipt = Receipt(self.connector.context, self._require_received(call))
        return _send_file(call, read_received(receipt)[1])

    # -- what goes out

    def show_sent(self, call: Call) -> Response:
        """Show a document that we send."""
        row = self._require_sent(call)
        context = self.connector.context
        with context.store.snapshot() as tx:
            (view,) = load_sent(tx, context.agency, [row.id], call.language)
        delivery = self.connector.delivery(row.document_id)
        recipients = [
            (
                one.organ_id,
                one.name,
                list_standing(call.language, one),
                [badge(call.language, one.change)] if one.change else [],
                format_time(one.time),
                format_time(one.learnt_at),
                one.description or "",
            )
            for one in delivery.recipients
        ]
        is_unknown = row.state == DeliveryState.UNKNOWN
        values: dict[str, Any] = {"view": view, "document_id": row.document_id, "recipients": recipients}
        values |= self._tell_story(call, row.document_id) | {"base": f"/outgoing/{row.id}", "is_received": False}
        # also a moment before it is sent: the form is on the page then, and the rule is the library's
        is_leaving = row.state in (DeliveryState.READY, DeliveryState.SENDING, DeliveryState.SENT)
        has_recall = is_leaving and row.business == "new" and call.person.may(Act.RECALL)
        has_changes = is_leaving and row.business in CHANGEABLE and call.person.may(Act.SEND)
        values |= {"is_unknown": is_unknown and call.person.may(Act.SETTLE), "has_recall": has_recall, "buttons": ()}
        values |= {"is_set_aside": False, "changes": CHANGES if has_changes else ()}
        if not call.is_part:
            values |= self._read(call, lambda: read_sent(self.connector, row)) | {"signature": None, "authority": ""}
            values |= {"same_number": ""}
        return call.render_live("document.html", "document_live.html", seconds=_DOCUMENT_SECONDS, **values)

    def change(self, call: Call) -> Response:
        """Recall a document, take it back, or settle what became of it."""
        row, name = self._require_sent(call), call.form.get("act")
        reason, person = call.form.get("reason"), call.person.actor
        acts: dict[str, tuple[Act, Callable[[], object]]] = {
            "recall": (Act.RECALL, lambda: self.connector.recall(row.document_id, reason=reason, queue=True)),
            "take_back": (Act.RECALL, lambda: self.connector.take_back(row.document_id, reason=reason, queue=True)),
            "arrived": (Act.SETTLE, lambda: self.connector.settle(row.document_id, arrived=True, by=person)),
            "not_arrived": (Act.SETTLE, lambda: self.connector.settle(row.document_id, arrived=False, by=person)),
        }
        if name not in acts:
            raise Denied("wrong.missing")
        act, run = acts[name]
        call.require(act)
        with self.connector.context.store.acting_as(person):
            run()
        return call.tell_done(f"/outgoing/{row.id}", call.translate(f"act.{name}"))

    def send_sent_packet(self, call: Call) -> Response:
        """Send the packet as it went."""
        return self._send_packet(self._require_sent(call))

    def send_sent_file(self, call: Call) -> Response:
        """Send an attachment."""
        return _send_file(call, read_sent(self.connector, self._require_sent(call))[1])

    # -- what both have

    def _require_received(self, call: Call) -> ReceiptRow:
        with self.connector.context.store.snapshot() as tx:
            rows = tx.receipts.find_all(self.connector.context.agency, id=_get_id(call))
        return _require_one(rows)

    def _require_sent(self, call: Call) -> DeliveryRow:
        with self.connector.context.store.snapshot() as tx:
            rows = tx.deliveries.find_all(self.connector.context.agency, id=_get_id(call))
        return _require_one(rows)

    def _tell_story(self, call: Call, any_id: str) -> dict[str, Any]:
        story = self.connector.explain(any_id)
        events = describe_events(story, call.language, agency=self.connector.context.agency)
        return {"events": events, "next": story.next_vi if call.language == "vi" else story.next}

    def _read(self, call: Call, read: Callable[[], Any]) -> dict[str, Any]:
        """Read the packet; where that fails the page says why, and shows what the store knows."""
        try:
            document, attachments = read()
            return {"facts": list_facts(document, call.language), "files": list_files(attachments), "why": ""}
        except UNREADABLE as error:
            why = error.vi if call.language == "vi" else error.message
            return {"facts": [], "files": [], "why": why}

    def _send_packet(self, row: DeliveryRow | ReceiptRow) -> Response:
        if row.spool_file is None or row.sha256 is None:
            raise Denied("wrong.missing")
        with open_file(self.connector.context.store.require_packet(row.spool_file, row.sha256)) as source:
            content = source.read()
        headers = {**_FILE_HEADERS, "content-disposition": f'attachment; filename="{row.id}.edxml"'}
        return Response(content, media_type="application/xml", headers=headers)


def _list_answers(call: Call, receipt: Receipt) -> tuple[str, ...]:
    """List the answers that the person may give now."""
    if receipt.state not in (ReceiptState.WAITING, ReceiptState.HANDLED, ReceiptState.CONFIRMED):
        return ()
    if receipt.kind in REQUESTS:
        names: Sequence[str] = () if receipt.status in ANSWERED else ("agree", "refuse")
    elif receipt.change_requested:
        names = ("agree", "refuse")
    else:
        names = () if receipt.withdrawn else _NEXT.get(receipt.status, ())
    return tuple(name for name in names if call.person.may(ANSWERS[name].act))


def _describe_signature(call: Call, row: ReceiptRow) -> tuple[Badge, str] | None:
    if row.verification is None:
        return None
    tone = {"valid": "good", "invalid": "bad"}.get(row.verification.lower(), "wait")
    words = row.verification_vi if call.language == "vi" else row.verification_text
    return Badge(call.translate(f"signature.{row.verification.lower()}"), tone), words or ""


def _describe_same_number(call: Call, receipt: Receipt) -> str:
    """Say which other document has the number, for the clerk; empty where none has it."""
    found = next((one for one in receipt.authority_findings if one.code == "SAME-NUMBER"), None)
    return "" if found is None else pick(call.language, Text(found.message, found.message_vi))


def _send_file(call: Call, attachments: Sequence[Attachment]) -> Response:
    """Send a file: a PDF opens in the browser, anything else, which could be a page of somebody's, is saved."""
    number = call.request.path_params["number"]
    if number >= len(attachments):
        raise Denied("wrong.missing")
    attachment = attachments[number]
    content = b"".join(attachment.pieces())
    is_pdf = content.startswith(b"%PDF-")
    place = "inline" if is_pdf else "attachment"
    headers = {**_FILE_HEADERS, "content-disposition": f"{place}; filename*=UTF-8''{quote(attachment.safe_name)}"}
    return Response(content, media_type="application/pdf" if is_pdf else "application/octet-stream", headers=headers)


def _get_id(call: Call) -> int:
    number: int = call.request.path_params["id"]
    if number >= 1 << 31:
        raise Denied("wrong.missing")
    return number


def _require_one(rows: Sequence[R]) -> R:
    if not rows:
        raise Denied("wrong.missing")
    return rows[0]
