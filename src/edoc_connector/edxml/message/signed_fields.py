"""The signed fields of a message, as the names and texts that a seal covers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from ..._core import to_nfc
from .model import Document, Message, Model
from .table import DOCUMENT_HEADER, DOCUMENT_TRACE, STATUS_HEADER, Row, Table
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
