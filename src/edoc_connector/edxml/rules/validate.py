"""Checking a message against every rule at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from ..findings import Severity
from ..message.model import Document, EncodedAttachment, Holder, Message, Model, StatusMessage
from ..message.table import ATTACHMENT, DOCUMENT_HEADER, DOCUMENT_TRACE, STATUS_HEADER, Row, Table
from ..message.values import VIETNAM, Kind
from . import rules
from .rules import Context, ItemRule, MessageRule, Problem, Rule


def problems(message: Message, *, at: datetime) -> tuple[Problem, ...]:
    """Check a message against the standard (QCVN 102:2016/BTTTT, amendment 1:2022; Decision 28/2018/QĐ-TTg).

    Args:
        message: the document or status.
        at: the time of writing, aware; a date of promulgation after its Vietnam date is a problem.

    Returns:
        Every problem, errors and warnings, in the order of the standard's tables.

    Raises:
        ValueError: the time has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError("the time of writing needs a time zone, e.g. datetime.now(UTC)")
    return tuple(_problems(message, Context(at.astimezone(VIETNAM).date())))


def _problems(message: Message, context: Context) -> Iterator[Problem]:
    if isinstance(message, StatusMessage):
        yield from _of_table("MessageHeader/", "", STATUS_HEADER, message)
        yield from _of_message(rules.STATUS_RULES, message, context)
        return
    yield from _of_table("MessageHeader/", "", DOCUMENT_HEADER, message)
    yield from _of_table("TraceHeaderList/", "", DOCUMENT_TRACE, message)
    yield from _of_items(rules.RECIPIENT_RULES, "MessageHeader/To", "recipients", message.recipients)
    yield from _of_message(rules.DOCUMENT_RULES, message, context)
    yield from _of_attachments(message)


def _of_message(about: Iterable[MessageRule], message: Message, context: Context) -> Iterator[Problem]:
    for one in about:
        for value, words in one.check(message, context):
            yield one.rule.broken(one.field, one.xpath, value, **words)


def _of_items(about: Iterable[ItemRule], xpath: str, field: str, items: Sequence[Any]) -> Iterator[Problem]:
    met: dict[str, set[str]] = {}
    for index, item in enumerate(items):
        for one in about:
            value = one.check(item)
            if one.key is not None and not _shared(one.key(item), met.setdefault(one.field, set())):
                continue
            if value is not None:
                where, name = f"{xpath}[{index + 1}]/{one.xpath}", f"{field}[{index}].{one.field}"
                yield one.rule.broken(name, where, value, said=value)


def _shared(key: str | None, before: set[str]) -> bool:
    if key is None or key in before:
        return key is not None
    before.add(key)
    return False


def _of_table(xpath: str, field: str, table: Table, holder: Holder) -> Iterator[Problem]:
    for row in table.rows:
        value = getattr(holder, row.attr)
        if not row.required and (value is None or value == ()):
            continue
        if isinstance(row.kind, Kind) and not row.many and _is_given(value) and not _flaws(value, row, row.kind):
            continue  # most need not be told where they stand
        where, name = xpath + row.path, field + row.attr
        items = value if row.many else (value,)
        if row.required and not _is_given(value) and row.attr != "trace":  # writing adds the sender's own TraceHeader
            yield rules.REQUIRED.broken(name, where, path=_plain(where))
        for index, item in enumerate(items):
            place = (f"{where}[{index + 1}]", f"{name}[{index}]") if row.many else (where, name)
            yield from _of_item(*place, row, item)


def _is_given(value: object) -> bool:
    return value is not None and value != () and (not isinstance(value, str) or bool(value.strip()))


def _plain(xpath: str) -> str:
    return re.sub(r"\[[0-9]+\]", "", xpath)


def _of_item(xpath: str, field: str, row: Row, item: object) -> Iterator[Problem]:
    if isinstance(item, Model) and isinstance(row.kind, Table):
        yield from _of_table(f"{xpath}/", f"{field}.", row.kind, item)
    elif item is not None and isinstance(row.kind, Kind):
        yield from _of_value(xpath, field, row, row.kind, item)


def _of_value(xpath: str, field: str, row: Row, kind: Kind, value: object) -> Iterator[Problem]:
    text = _text(value, kind)
    for rule, words in _flaws(value, row, kind):
        yield rule.broken(field, xpath, text, path=_plain(xpath), **words)


def _text(value: object, kind: Kind) -> str:
    try:
        return kind.write(value)
    except OverflowError:  # a time whose Vietnam date is beyond the calendar
        return str(value)


_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _flaws(value: object, row: Row, kind: Kind) -> list[tuple[Rule, dict[str, object]]]:
    """The rules about one value that it breaks, and their words."""
    text = _text(value, kind)
    found: list[tuple[Rule, dict[str, object]]] = []
    if character := _FORBIDDEN.search(text):
        found.append((rules.CHARACTER, {"character": f"U+{ord(character.group()):04X}"}))
    if row.limit is not None and len(text) > row.limit:
        rule = rules.TOO_LONG if row.over is Severity.ERROR else rules.LONG
        found.append((rule, {"size": len(text), "limit": row.limit}))
    if text == "null":
        found.append((rules.NULL, {}))
    elif text and kind.read(text) is None:  # what is written must be read back as it was
        found.append((rules.VALUE, {"kind": kind.name}))
    if text and (doubt := kind.doubt(text)):
        # an id of ours is ours to mend; one that a partner gave must be used as it is
        own = (row.attr, doubt) == ("id", "EDX-ID-DATE")
        found.append((rules.OWN_ID_DATE if own else rules.DOUBTS[doubt], {"text": text}))
    return found


def _of_attachments(document: Document) -> Iterator[Problem]:
    for index, attachment in enumerate(document.attachments):
        field, xpath = f"attachments[{index}].", f"AttachmentEncoded/Attachment[{index + 1}]/"
        # writing makes up an id where there is none, and looks at the content
        part = EncodedAttachment.of(attachment, content_id=attachment.content_id or "1", content="-")
        yield from _of_table(xpath, field, ATTACHMENT, part)
    yield from _of_items(rules.ATTACHMENT_RULES, "AttachmentEncoded/Attachment", "attachments", document.attachments)
