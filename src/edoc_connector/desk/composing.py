"""Composing a document at the desk, or an update or a replacement of one that was sent, and sending it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from starlette.responses import Response

from .._web import Form, Upload
from ..connector import Connector, Delivery
from ..edxml import VIETNAM, Attachment, Document, Organization, Priority, ReceiverChange, SignerInfo
from ..errors import EdocError
from .call import Call, Denied
from .roles import Act
from .views import read_sent

_REQUIRED: Final = ("number", "notation", "subject", "type", "signer")
_FOUND: Final = 12
CHANGES: Final = ("update", "replace")
CHANGEABLE: Final = ("new", "update", "replace")
"""Kinds of what was sent that may be updated or replaced."""
_UNSAID: Final = frozenset({"", "application/octet-stream"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changed:
    """The document that is updated or replaced.

    Args:
        kind: ``update`` or ``replace``.
        id: number of its row.
        document: as it was sent.
        files: as they were sent.
    """

    kind: str
    id: int
    document: Document
    files: tuple[Attachment, ...]

    @property
    def path(self) -> str:
        """Path of the form."""
        return f"/outgoing/{self.id}/{self.kind}"


@dataclass(frozen=True, slots=True)
class Composing:
    """The form of a document."""

    connector: Connector

    def show(self, call: Call) -> Response:
        """Show the form; of an update or a replacement with what was sent filled in."""
        changed = self._find_changed(call)
        return self._render(call, Form() if changed is None else _fill_in(changed), changed)

    def find_agencies(self, call: Call) -> Response:
        """Find recipients as somebody types: those chosen already stay, in front."""
        return call.render("compose_agencies.html", choices=self._list_choices(call.form), form=call.form)

    def send(self, call: Call) -> Response:
        """Sign a document with the agency's key, and queue it."""
        call.require(Act.SIGN)
        form, changed = call.form, self._find_changed(call)
        errors = dict(self._find_errors(form, changed))
        if errors:
            words = {name: call.translate(text) for name, text in errors.items()}
            return self._render(call, form.with_errors(words), changed, status=422)
        try:
            with self.connector.context.store.acting_as(call.person.actor):
                delivery = self._queue(form, changed)
        except EdocError as error:
            words = {"": error.vi if call.language == "vi" else error.message}
            return self._render(call, form.with_errors(words), changed, status=422)
        with self.connector.context.store.snapshot() as tx:
            row = tx.deliveries.find_all(self.connector.context.agency, document_id=delivery.id)[0]
        return call.pages.redirect(f"/outgoing/{row.id}", call.translate("compose.sent", code=delivery.code))

    def _queue(self, form: Form, changed: _Changed | None) -> Delivery:
        """Queue the document of a form, as what it is."""
        document = self._build_document(form, changed)
        if changed is None:
            return self.connector.queue(document)
        reason, earlier = form.get("reason"), changed.document
        if changed.kind == "replace":
            return self.connector.replace(document, replaces=earlier.id, reason=reason, queue=True)
        receivers = _compare_recipients(earlier, document)
        return self.connector.update(document, updates=earlier.id, reason=reason, receivers=receivers, queue=True)

    def _find_changed(self, call: Call) -> _Changed | None:
        """Find the document that the form is about; None where it is a new one.

        Raises:
            Denied: no such document was sent, or it is a request itself.
            EdocError: its packet cannot be read.
        """
        parameters = call.request.path_params
        if "kind" not in parameters:
            return None
        number, kind = parameters["id"], parameters["kind"]
        with self.connector.context.store.snapshot() as tx:
            rows = tx.deliveries.find_all(self.connector.context.agency, id=number) if number < 1 << 31 else []
        if kind not in CHANGES or not rows or rows[0].business not in CHANGEABLE:
            raise Denied("wrong.missing")
        document, files = read_sent(self.connector, rows[0])
        return _Changed(kind=kind, id=number, document=document, files=files)

    def _find_errors(self, form: Form, changed: _Changed | None) -> Iterator[tuple[str, str]]:
        required = _REQUIRED if changed is None else (*_REQUIRED, "reason")
        yield from ((name, "wrong.empty") for name in required if not form.get(name))
        if not _list_codes(form):
            yield "codes", "wrong.recipients"
        for name in ("date", "due"):
            text = form.get(name)
            if (text or name == "date") and _parse_day(text) is None:
                yield name, "wrong.date"

    def _build_document(self, form: Form, changed: _Changed | None) -> Document:
        known = {one.code: one.name for one in self.connector.check_recipients(_list_codes(form))}
        priority = form.get("priority")
        return Document(
            sender=self.connector.settings.organization(),
            recipients=tuple(Organization(id=code, name=known.get(code) or code) for code in _list_codes(form)),
            number=form.get("number"),
            notation=form.get("notation"),
            issued_on=date.fromisoformat(form.get("date")),
            due_date=_parse_day(form.get("due")),
            type_name=form.get("type"),
            subject=form.get("subject"),
            signer=SignerInfo(full_name=form.get("signer"), position=form.get("position") or None),
            place=form.get("place") or None,
            priority=Priority(int(priority)) if priority in ("1", "2", "3") else None,
            attachments=(*_list_kept(form, changed), *map(_build_attachment, form.uploads.get("files", ()))),
        )

    def _list_choices(self, form: Form) -> list[tuple[str, str]]:
        chosen, text = list(form.list("to"))[:200], form.get("find")
        found = (
            {one.code: one.name for one in self.connector.find_agencies(text, ended=False, limit=_FOUND)}
            if text
            else {}
        )
        names = {one.code: one.name for one in self.connector.check_recipients(chosen)} if chosen else {}
        listed = {code: names.get(code) or "" for code in chosen} | {
            code: found[code] for code in found if code not in chosen
        }
        return [(code, f"{code} — {name}" if name else code) for code, name in listed.items()]

    def _render(self, call: Call, form: Form, changed: _Changed | None, *, status: int = 200) -> Response:
        priorities = [(str(one.value), one.vi if call.language == "vi" else one.en) for one in list(Priority)[:4]]
        today = datetime.now(VIETNAM).date().isoformat()
        choices = self._list_choices(form)
        values = {"form": form, "priorities": priorities, "today": today, "choices": choices, "changed": changed}
        files = [] if changed is None else [(str(n), one.safe_name) for n, one in enumerate(changed.files)]
        return call.render("compose.html", status=status, files=files, **values)


def _fill_in(changed: _Changed) -> Form:
    """Fill the form in with what was sent; a replacement has a number, a date and files of its own."""
    document, signer = changed.document, changed.document.signer
    values = {
        "to": [one.id for one in document.recipients],
        "notation": [document.notation],
        "subject": [document.subject],
        "type": [document.type_name],
        "signer": [signer.full_name],
        "position": [signer.position or ""],
        "place": [document.place or ""],
        "priority": [str(int(document.priority or 0))],
        "due": [document.due_date.isoformat() if document.due_date else ""],
    }
    if changed.kind == "update":
        values["number"] = [document.number]
        values["date"] = [document.issued_on.isoformat() if document.issued_on else ""]
        values["keep"] = [str(number) for number in range(len(changed.files))]
    return Form(values=values)


def _compare_recipients(earlier: Document, now: Document) -> list[ReceiverChange]:
    """Compare whom a document goes to with whom it went to."""
    before, after = ({one.id: None for one in document.recipients} for document in (earlier, now))
    added = [ReceiverChange(organ_id=code, added=True) for code in after if code not in before]
    return added + [ReceiverChange(organ_id=code, added=False) for code in before if code not in after]


def _list_kept(form: Form, changed: _Changed | None) -> list[Attachment]:
    """List the files of the earlier document that go with this one too."""
    wanted = set(form.list("keep"))
    return [one for number, one in enumerate(changed.files if changed else ()) if str(number) in wanted]


def _list_codes(form: Form) -> list[str]:
    """List the codes of the recipients that were chosen or written, each once."""
    written = (one for one in re.split(r"[\s,;]+", form.get("codes")) if one)
    return list(dict.fromkeys([*form.list("to"), *written]))


def _parse_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _build_attachment(upload: Upload) -> Attachment:
    said = None if upload.media_type in _UNSAID else upload.media_type
    return Attachment.from_bytes(upload.content, name=upload.name, content_type=said)
