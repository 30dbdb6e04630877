"""Files of documents in flight, as an older connector exports them: CSV with a line for each recipient, or JSON."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from ..._core import Text, decode_table, rearm_cell, split_table
from ...edxml import VIETNAM, StatusCode
from ...errors import describe_system_error, describe_system_error_vi
from .records import ImportFileError, InFlight, InFlightRecipient

COLUMNS: Mapping[str, Text] = {
    "direction": Text("`sent` (where it is left out) or `received`", "`sent` (bỏ trống cũng vậy) hoặc `received`"),
    "document_id": Text("DocumentId", "DocumentId"),
    "hub_doc_id": Text("the hub's id (docId)", "mã của trục (docId)"),
    "code": Text("number and notation, `7816/SNV-VP`", "số và ký hiệu, `7816/SNV-VP`"),
    "subject": Text("subject (trích yếu)", "trích yếu"),
    "issued_on": Text(
        "date of promulgation, `2026-11-20` or `20/11/2026`", "ngày ban hành, `2026-11-20` hoặc `20/11/2026`"
    ),
    "state": Text(
        "`sent` (where it is left out): the hub has it; anything else is left to the older connector",
        "`sent` (bỏ trống cũng vậy): trục đã có; giá trị khác thì để phần mềm cũ gửi",
    ),
    "sent_at": Text(
        "when the hub took it, or when it came in; ISO 8601, Vietnam time where it names no zone",
        "lúc trục nhận, hoặc lúc văn bản đến; theo ISO 8601, không ghi múi giờ là giờ Việt Nam",
    ),
    "recipient": Text(
        "of what was sent: code of a recipient; a line for each", "với văn bản đi: mã nơi nhận, mỗi nơi một dòng"
    ),
    "recipient_name": Text("its name", "tên nơi nhận"),
    "sender": Text("of what came in: code of the sender", "với văn bản đến: mã nơi gửi"),
    "status": Text(
        "last status of that recipient, or last status that you sent: `01` to `06`, `15`, `16`",
        "trạng thái cuối của nơi nhận, hoặc trạng thái cuối đơn vị đã gửi: `01` đến `06`, `15`, `16`",
    ),
    "status_at": Text("its time", "thời điểm của trạng thái"),
    "status_text": Text("its words", "nội dung kèm trạng thái"),
    "register_number": Text("number in the register", "số trong sổ (số đi, số đến)"),
}
_CODES = frozenset(str(code) for code in StatusCode) - {"13"}
_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_SHOWN = 10


def read_import_file(path: Path) -> list[InFlight]:
    """Read a file of documents in flight.

    Raises:
        ImportFileError: it cannot be read, or lines of it cannot be used; each is named.
    """
    lines = _read_lines(path)
    problems: list[Text] = []
    found: dict[tuple[bool, str, str], InFlight] = {}
    for number, line in lines:
        try:
            one = _build_one(line)
            key = (one.is_sent, one.document_id, one.sender)  # an id is its sender's
            found[key] = _join(found[key], one) if key in found else one
        except _LineError as error:
            problems.append(Text(f"{number}: {error.words.en}", f"{number}: {error.words.vi}"))
    if problems:
        shown = problems[:_SHOWN]
        raise ImportFileError(
            f"{len(problems)} lines cannot be used, nothing was taken over: {'; '.join(one.en for one in shown)}.",
            vi=f"{len(problems)} dòng không dùng được, chưa tiếp nhận gì: {'; '.join(one.vi for one in shown)}.",
            problems=problems,
        )
    return list(found.values())


class _LineError(Exception):
    """A line cannot be used."""

    def __init__(self, en: str, vi: str) -> None:
        super().__init__(en)
        self.words = Text(en, vi)


def _read_lines(path: Path) -> list[tuple[int, Mapping[str, str]]]:
    try:
        text = decode_table(path.read_bytes())
        return _parse_csv(text) if path.suffix.casefold() == ".csv" else _parse_json(text)
    except OSError as error:
        raise ImportFileError(
            f"{path} cannot be read: {describe_system_error(error)}.",
            vi=f"Không đọc được {path}: {describe_system_error_vi(error)}.",
        ) from error
    except (ValueError, csv.Error, RecursionError) as error:
        raise ImportFileError(
            f"{path.name} is neither CSV nor JSON in UTF-8: {error}.",
            vi=f"{path.name} không phải CSV hoặc JSON dạng UTF-8: {error}.",
        ) from error


def _parse_csv(text: str) -> list[tuple[int, Mapping[str, str]]]:
    rows = split_table(text)
    heads = [head.strip() for head in rows[0]] if rows else []
    _require_known(heads)
    return [
        (number, _name_cells(heads, row) | _keep_rest(row[len(heads) :]))
        for number, row in enumerate(rows[1:], 2)
        if any(cell.strip() for cell in row)
    ]


def _name_cells(heads: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    return {head: rearm_cell(cell.strip()) for head, cell in zip(heads, row, strict=False)}


def _keep_rest(cells: Sequence[str]) -> dict[str, str]:
    """Keep the cells of a line that no column is for, so that the line is named."""
    return {"": "".join(cells).strip()} if cells else {}


def _parse_json(text: str) -> list[tuple[int, Mapping[str, str]]]:
    """Parse a list of objects; each may hold its recipients as a list of objects."""
    value = json.loads(text)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError("a list of objects is wanted")
    lines: list[tuple[int, Mapping[str, str]]] = []
    for number, one in enumerate(value, 1):
        recipients = one.pop("recipients", None) or [{}]
        if not isinstance(recipients, list) or not all(isinstance(recipient, dict) for recipient in recipients):
            raise ValueError(f"{number}: `recipients` is a list of objects")
        for recipient in recipients:
            merged = {name: _as_cell(cell, number) for name, cell in (one | recipient).items()}
            _require_known(list(merged))
            lines.append((number, merged))
    return lines


def _as_cell(value: object, number: int) -> str:
    """Take a value as a cell of a table would have it."""
    if value is None:
        return ""
    if type(value) not in (str, int):
        raise ValueError(f"{number}: values are texts and numbers")
    return str(value).strip()


def _require_known(heads: Sequence[str]) -> None:
    unknown = [head for head in heads if head not in COLUMNS]
    if unknown:
        raise ValueError(f"unknown columns {', '.join(unknown)}; known are {', '.join(COLUMNS)}")
    repeated = sorted({head for head in heads if heads.count(head) > 1})
    if repeated:
        raise ValueError(f"columns stand twice: {', '.join(repeated)}")


_MOST_CHARACTERS = {"subject": 4000, "status_text": 4000}
_MOST_OTHERS = 255


def _require_storable(line: Mapping[str, str]) -> None:
    """Require cells that every database takes, before anything is taken over."""
    if line.get(""):
        raise _LineError("it has more cells than columns", "số ô nhiều hơn số cột")
    for name, cell in line.items():
        if "\0" in cell or any("\ud800" <= letter <= "\udfff" for letter in cell):
            raise _LineError(f"{name} holds what is no letter", f"{name} có ký tự không hợp lệ")
        most = _MOST_CHARACTERS.get(name, _MOST_OTHERS)
        if len(cell) > most:
            raise _LineError(f"{name} has more than {most} characters", f"{name} dài hơn {most} ký tự")


def _build_one(line: Mapping[str, str]) -> InFlight:
    _require_storable(line)
    is_sent = _choose_direction(line.get("direction", ""))
    is_at_hub = line.get("state", "").casefold() in ("", "sent", "đã gửi") or not is_sent
    status = _parse_status(line.get("status", ""))
    recipients: tuple[InFlightRecipient, ...] = ()
    if is_sent:
        recipients = (
            InFlightRecipient(
                organ_id=_require(line, "recipient"),
                name=line.get("recipient_name") or line["recipient"],
                status=status,
                status_at=_parse_time(line.get("status_at", "")),
                status_text=line.get("status_text") or None,
            ),
        )
    return InFlight(
        is_sent=is_sent,
        document_id=_require(line, "document_id"),
        hub_doc_id=_require(line, "hub_doc_id") if is_at_hub else line.get("hub_doc_id", ""),
        code=_require(line, "code"),
        subject=line.get("subject", ""),
        issued_on=_parse_date(_require(line, "issued_on")),
        is_at_hub=is_at_hub,
        sent_at=_parse_time(line.get("sent_at", "")) or datetime.now(UTC),
        sender="" if is_sent else _require(line, "sender"),
        status=None if is_sent else status,
        recipients=recipients,
        register_number=line.get("register_number") or None,
    )


def _join(one: InFlight, other: InFlight) -> InFlight:
    """Join two lines about the same document."""
    if not one.is_sent:
        raise _LineError("the document stands twice", "văn bản bị lặp")
    if any(known.organ_id == other.recipients[0].organ_id for known in one.recipients):
        raise _LineError("the recipient stands twice", "nơi nhận bị lặp")
    if (one.hub_doc_id, one.code, one.issued_on) != (other.hub_doc_id, other.code, other.issued_on):
        raise _LineError("another line says otherwise of this document", "dòng khác ghi văn bản này khác đi")
    return replace(one, recipients=(*one.recipients, *other.recipients))


def _require(line: Mapping[str, str], name: str) -> str:
    value = line.get(name, "")
    if not value:
        raise _LineError(f"{name} is missing", f"thiếu {name}")
    return value


def _choose_direction(text: str) -> bool:
    if text not in ("", "sent", "received"):
        raise _LineError("direction is sent or received", "direction là sent hoặc received")
    return text != "received"


def _parse_status(text: str) -> str | None:
    if text and text not in _CODES:
        raise _LineError(f"there is no status {text}", f"không có trạng thái {text}")
    return text or None


def _parse_date(text: str) -> date:
    found = _DATE.fullmatch(text)
    try:
        return date(int(found[3]), int(found[2]), int(found[1])) if found else date.fromisoformat(text)
    except ValueError:
        raise _LineError(f"{text} is no date", f"{text} không phải ngày") from None


def _parse_time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=VIETNAM)).astimezone(UTC)
    except (ValueError, OverflowError):  # the latter of the first and the last day that there are
        raise _LineError(f"{text} is no time", f"{text} không phải thời gian") from None
