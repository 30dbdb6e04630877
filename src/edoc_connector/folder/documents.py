"""Documents made of the fields of an item."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..connector import Connector
from ..edxml import Attachment, Document, OrganId
from ..errors import InvalidFields
from .columns import split_list
from .problems import ItemProblem

_VIETNAMESE_DATE = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})")


def build_document(connector: Connector, values: Mapping[str, Any], files: Sequence[Path]) -> Document:
    """Make the document of an item, with its files.

    Args:
        connector: whose agency sends it, and whose directory has the names of recipients.
        values: the fields; those of `Document`, or the shorter ones of a CSV line.
        files: the files to attach.

    Raises:
        ItemProblem: a field is missing or wrong; says which.
        AttachmentError: a file is gone.
    """
    fields = dict(values)
    fields.setdefault("sender", connector.settings.organization().model_dump())
    _split_code(fields)
    for name in ("issued_on", "due_date"):
        if isinstance(fields.get(name), str):
            fields[name] = _parse_date(fields[name])
    _nest_signer(fields)
    if "recipients" in fields:
        fields["recipients"] = _name_recipients(connector, fields["recipients"])
    fields["attachments"] = ()
    try:
        document = Document.model_validate(fields)
    except InvalidFields as error:
        raise _explain_fields(error) from None
    return document.model_copy(update={"attachments": tuple(map(Attachment.from_path, files))})


def _split_code(fields: dict[str, Any]) -> None:
    code = fields.pop("code", None)
    if isinstance(code, str):
        number, _, notation = code.partition("/")
        fields.setdefault("number", number.strip())
        fields.setdefault("notation", notation.strip())


def _parse_date(text: str) -> str:
    found = _VIETNAMESE_DATE.fullmatch(text.strip())
    return f"{found[3]}-{int(found[2]):02}-{int(found[1]):02}" if found else text


def _nest_signer(fields: dict[str, Any]) -> None:
    position = fields.pop("signer_position", None)
    if isinstance(fields.get("signer"), str):
        fields["signer"] = {"full_name": fields["signer"], "position": position}


def _name_recipients(connector: Connector, given: Any) -> Any:
    """Complete recipients that are given by their code, or as ``CODE=Name``."""
    listed = split_list(given) if isinstance(given, str) else given
    if not isinstance(listed, list):
        return listed
    split = [one.partition("=") if isinstance(one, str) else None for one in listed]
    codes = {OrganId.parse(parts[0].strip()).value for parts in split if parts is not None}
    with connector.context.store.snapshot() as tx:
        known = tx.directory.load(connector.context.agency, codes)
    return [
        one if parts is None else _build_recipient(parts[0].strip(), parts[2].strip(), known)
        for one, parts in zip(listed, split, strict=True)
    ]


def _build_recipient(code: str, name: str, known: Mapping[str, Any]) -> dict[str, str]:
    row = known.get(OrganId.parse(code).value)
    return {"id": code, "name": name or (row.name if row is not None else code)}


def _explain_fields(error: InvalidFields) -> ItemProblem:
    faults = [(one.field or "?", one) for one in error.problems]
    return ItemProblem(
        "; ".join(f"{field}: {one.message}" for field, one in faults),
        vi="; ".join(f"{field}: {one.message_vi}" for field, one in faults),
    )
