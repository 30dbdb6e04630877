"""The form in which a person composes a document."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Final

from edoc_connector._web import Form, Upload
from edoc_connector.mockhub.packets import Draft, DraftFile

if TYPE_CHECKING:
    from edoc_connector.mockhub.hub import Hub

_REQUIRED: Final = ("number", "notation", "subject")


def find_errors(hub: Hub, form: Form) -> dict[str, str]:
    """Find what is wrong with a form: names of texts, by field."""
    return dict(_iter_errors(hub, form))


def _iter_errors(hub: Hub, form: Form) -> Iterator[tuple[str, str]]:
    if hub.storage.find_agency(form.get("sender")) is None:
        yield "sender", "wrong.agency"
    if not form.list("to") or any(hub.storage.find_agency(code) is None for code in form.list("to")):
        yield "to", "wrong.recipients"
    yield from ((name, "wrong.empty") for name in _REQUIRED if not form.get(name))
    try:
        date.fromisoformat(form.get("date"))
    except ValueError:
        yield "date", "wrong.date"


def build_draft(hub: Hub, form: Form) -> Draft:
    """Build the draft of a form that has no errors."""
    priority = form.get("priority")
    return Draft(
        sender=_name_agency(hub, form.get("sender")),
        recipients=[_name_agency(hub, code) for code in form.list("to")],
        number=form.get("number"),
        notation=form.get("notation"),
        issued_on=date.fromisoformat(form.get("date")),
        subject=form.get("subject"),
        type_name=form.get("type") or "Công văn",
        place=form.get("place") or "Hà Nội",
        signer=form.get("signer"),
        priority=int(priority) if priority in ("1", "2", "3") else 0,
        files=[_build_file(one) for one in form.uploads.get("files", ())],
    )


def _name_agency(hub: Hub, code: str) -> tuple[str, str]:
    agency = hub.storage.find_agency(code)
    return (code, code) if agency is None else (agency.code, agency.name)


def _build_file(upload: Upload) -> DraftFile:
    guessed = mimetypes.guess_type(upload.name)[0]
    return DraftFile(upload.name, guessed or upload.media_type, upload.content)
