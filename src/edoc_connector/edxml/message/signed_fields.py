"""The fields of a message as names and texts: those that a seal covers, those that hubs refresh, and the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from ..._core import to_nfc
from ..attachments import Attachment
from .model import Document, Message, Model, Organization
from .table import DOCUMENT_HEADER, DOCUMENT_TRACE, ENCODED_ATTACHMENT, ORGANIZATION, STATUS_HEADER, Row, Table
from .values import Kind


def facts(message: Message) -> tuple[tuple[str, str], ...]:
    """List the fields of a message that a seal covers.

    Names are element paths joined by dots, without MessageHeader and TraceHeaderList; a repeated element carries its
    index from 1 (``ResponseFor.1.Code``), except ``To.OrganId``, which is listed once per recipient, sorted. Values are
    as written in a packet, in Unicode NFC, with LF line ends, trimmed; empty ones are left out.

    Args:
        message: the document or status.

    Returns:
        Pairs of name and value, in the order of the standard's tables.
    """
    tables = (DOCUMENT_HEADER, DOCUMENT_TRACE) if isinstance(message, Document) else (STATUS_HEADER,)
    return tuple(chain.from_iterable(_iter_table_fields("", table, message) for table in tables))


def refreshed_facts(message: Message) -> tuple[tuple[str, str], ...]:
    """List the names of organisations, which hubs rewrite from their directories, and which a seal covers apart.

    ``From.OrganName``, and ``To.N.OrganName`` for each recipient of a document, N from 1 in the order in which
    ``To.OrganId`` is listed. Values are as in `facts`.
    """
    return tuple(_iter_organization_fields(message, lambda row: row.refreshed))


def list_unsealed_fields(message: Message) -> tuple[str, ...]:
    """List the fields with a value that no seal covers: contact data of organisations, and the stations passed."""
    names = [name for name, _ in _iter_organization_fields(message, lambda row: not (row.sealed or row.refreshed))]
    return (*names, "TraceHeader") if isinstance(message, Document) and message.trace else tuple(names)


def list_unsealed_parts(attachment: Attachment) -> tuple[str, ...]:
    """List the parts of an attachment with a value that no seal covers: its content type, ids and the like."""
    rows = (row for row in ENCODED_ATTACHMENT.rows if not row.refreshed and row.attr not in ("name", "content"))
    return tuple(row.name for row in rows if getattr(attachment, row.attr))


def _iter_organization_fields(message: Message, is_wanted: Callable[[Row], bool]) -> Iterator[tuple[str, str]]:
    rows = [row for row in ORGANIZATION.rows if is_wanted(row)]
    for holder, organization in _iter_organizations(message):
        for row in rows:
            if text := normalise(getattr(organization, row.attr) or ""):
                yield f"{holder}.{row.name}", text


def _iter_organizations(message: Message) -> Iterator[tuple[str, Organization]]:
    yield "From", message.sender
    if isinstance(message, Document):
        ordered = sorted(message.recipients, key=lambda one: (normalise(one.id), normalise(one.name)))
        yield from ((f"To.{number}", one) for number, one in enumerate(ordered, 1))


def normalise(text: str) -> str:
    """Normalise a text as seals sign it: Unicode NFC, LF line ends, no spaces around."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return to_nfc(text).strip()


def _iter_table_fields(prefix: str, table: Table, holder: Model) -> Iterator[tuple[str, str]]:
    for row in table.sealed:
        value = getattr(holder, row.attr)
        if value is None or value == ():
            continue
        name = prefix + row.name
        if row.path == "To":
            yield from sorted(chain.from_iterable(_iter_value_fields(name, row, one) for one in value))
        elif row.many:
            yield from _iter_numbered_fields(name, row, value)
        else:
            yield from _iter_value_fields(name, row, value)


def _iter_numbered_fields(name: str, row: Row, values: Iterable[object]) -> Iterator[tuple[str, str]]:
    index = 1
    for value in values:
        pairs = list(_iter_value_fields(f"{name}.{index}", row, value))
        yield from pairs
        # an empty value is not written, so it takes no number
        index += bool(pairs)


def _iter_value_fields(name: str, row: Row, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(row.kind, Kind):
        text = normalise(row.kind.write(value))
        if text:
            yield name, text
    elif isinstance(value, Model):
        yield from _iter_table_fields(f"{name}.", row.kind, value)
