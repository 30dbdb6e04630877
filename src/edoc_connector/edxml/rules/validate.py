"""Validation of a message against every rule at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from ..._core import Text
from ...errors import InvalidFields
from ..message import (
    DOCUMENT_HEADER,
    DOCUMENT_TRACE,
    ENCODED_ATTACHMENT,
    ORGAN_ID,
    STATUS_HEADER,
    VIETNAM,
    CheckableMessage,
    Document,
    EncodedAttachment,
    FieldProblem,
    Kind,
    Message,
    Model,
    Row,
    StatusMessage,
    Table,
    ValueHolder,
    find_hidden_character,
)
from ..severity import Severity
from . import rules
from .rules import ItemRule, MessageRule, Problem, Rule, RuleContext


def problems(message: Message, *, at: datetime) -> tuple[Problem, ...]:
    """Check a message against the standard (QCVN 102:2016/BTTTT, amendment 1:2022; Decision 28/2018/QĐ-TTg).

    Args:
        message: the document or status.
        at: the time of writing, aware; a date of promulgation after its Vietnam date is a problem.

    Returns:
        Every problem, errors and warnings, in the order of the standard's tables.

    Raises:
        InvalidFields: the time has no time zone; it is a ValueError.
    """
    if at.tzinfo is None:
        words = Text(
            "the time of writing needs a time zone, e.g. datetime.now(UTC)",
            "thời điểm ghi cần có múi giờ, ví dụ datetime.now(UTC)",
        )
        raise InvalidFields(words.en, vi=words.vi, problems=[FieldProblem("timezone_aware", "at", words.en, words.vi)])
    return tuple(_find_problems(message, RuleContext(at.astimezone(VIETNAM).date())))


CheckableMessage.problem_finder = problems


def _find_problems(message: Message, context: RuleContext) -> Iterator[Problem]:
    if isinstance(message, StatusMessage):
        yield from _check_table("MessageHeader/", "", STATUS_HEADER, message)
        yield from _apply_message_rules(rules.STATUS_RULES, message, context)
        return
    yield from _check_table("MessageHeader/", "", DOCUMENT_HEADER, message)
    yield from _check_table("TraceHeaderList/", "", DOCUMENT_TRACE, message)
    yield from _apply_item_rules(rules.RECIPIENT_RULES, "MessageHeader/To", "recipients", message.recipients)
    yield from _apply_message_rules(rules.DOCUMENT_RULES, message, context)
    yield from _check_attachments(message)


def _apply_message_rules(
    message_rules: Iterable[MessageRule], message: Message, context: RuleContext
) -> Iterator[Problem]:
    for message_rule in message_rules:
        for value, words in message_rule.check(message, context):
            yield message_rule.rule.build_problem(message_rule.field, message_rule.xpath, value, **words)


def _apply_item_rules(
    item_rules: Iterable[ItemRule], xpath: str, field: str, items: Sequence[Any]
) -> Iterator[Problem]:
    seen_keys: dict[str, set[str]] = {}
    for index, item in enumerate(items):
        for item_rule in item_rules:
            value = item_rule.check(item)
            if item_rule.key is not None and not _is_repeated_key(
                item_rule.key(item), seen_keys.setdefault(item_rule.field, set())
            ):
                continue
            if value is not None:
                item_xpath, name = f"{xpath}[{index + 1}]/{item_rule.xpath}", f"{field}[{index}].{item_rule.field}"
                yield item_rule.rule.build_problem(name, item_xpath, value, repeated=value)


def _is_repeated_key(key: str | None, seen_keys: set[str]) -> bool:
    if key is None or key in seen_keys:
        return key is not None
    seen_keys.add(key)
    return False


def _check_table(xpath: str, field: str, table: Table, holder: ValueHolder) -> Iterator[Problem]:
    for row in table.rows:
        value = getattr(holder, row.attr)
        if not row.required and (value is None or value == ()):
            continue
        if isinstance(row.kind, Kind) and not row.many and _has_value(value) and not _find_flaws(value, row, row.kind):
            continue  # without a problem no path is needed, which is the case for most values
        row_xpath, name = xpath + row.path, field + row.attr
        items = value if row.many else (value,)
        if row.required and not _has_value(value) and row.attr != "trace":  # writing adds the sender's own TraceHeader
            yield rules.REQUIRED.build_problem(name, row_xpath, path=_without_positions(row_xpath))
        for index, item in enumerate(items):
            place = (f"{row_xpath}[{index + 1}]", f"{name}[{index}]") if row.many else (row_xpath, name)
            yield from _check_item(*place, row, item)


def _has_value(value: object) -> bool:
    return value is not None and value != () and (not isinstance(value, str) or bool(value.strip()))


def _without_positions(xpath: str) -> str:
    return re.sub(r"\[[0-9]+\]", "", xpath)


def _check_item(xpath: str, field: str, row: Row, item: object) -> Iterator[Problem]:
    if isinstance(item, Model) and isinstance(row.kind, Table):
        yield from _check_table(f"{xpath}/", f"{field}.", row.kind, item)
    elif item is not None and isinstance(row.kind, Kind):
        yield from _check_value(xpath, field, row, row.kind, item)


def _check_value(xpath: str, field: str, row: Row, kind: Kind, value: object) -> Iterator[Problem]:
    text = _as_text(value, kind)
    for rule, words in _find_flaws(value, row, kind):
        yield rule.build_problem(field, xpath, text, path=_without_positions(xpath), **words)


def _as_text(value: object, kind: Kind) -> str:
    try:
        return kind.write(value)
    except OverflowError:  # a time whose Vietnam date is beyond the calendar
        return str(value)


_FORBIDDEN_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _find_flaws(value: object, row: Row, kind: Kind) -> list[tuple[Rule, dict[str, object]]]:
    """Find the rules about one value that it breaks, each with its message fields."""
    text = _as_text(value, kind)
    found: list[tuple[Rule, dict[str, object]]] = []
    if character := _FORBIDDEN_CHARACTER.search(text):
        found.append((rules.CHARACTER, {"character": f"U+{ord(character.group()):04X}"}))
    if row.limit is not None and len(text) > row.limit:
        rule = rules.TOO_LONG if row.excess_severity is Severity.ERROR else rules.LONG
        found.append((rule, {"size": len(text), "limit": row.limit}))
    if text == "null":
        found.append((rules.NULL, {}))
    elif text and kind.read(text) is None:  # a written value must read back equal
        found.append((rules.VALUE, {"kind": kind.name}))
    if kind is ORGAN_ID and (hidden := find_hidden_character(text)):
        found.append((rules.CODE_LETTERS, {"character": f"U+{ord(hidden):04X}"}))
    elif text and kind.find_doubt is not None and (doubt := kind.find_doubt(text)):
        # our own id can be corrected; a partner's must be used as it is
        own = (row.attr, doubt) == ("id", "EDX-ID-DATE")
        found.append((rules.OWN_ID_DATE if own else rules.DOUBTS[doubt], {"text": text}))
    return found


def _check_attachments(document: Document) -> Iterator[Problem]:
    for index, attachment in enumerate(document.attachments):
        field, xpath = f"attachments[{index}].", f"AttachmentEncoded/Attachment[{index + 1}]/"
        # writing numbers an attachment without an id, and checks the content
        part = EncodedAttachment.from_attachment(attachment, content_id=attachment.content_id or "1", content="-")
        yield from _check_table(xpath, field, ENCODED_ATTACHMENT, part)
    yield from _apply_item_rules(
        rules.ATTACHMENT_RULES, "AttachmentEncoded/Attachment", "attachments", document.attachments
    )
