"""Entries of the registers, with the columns that Decree 30/2020/NĐ-CP gives them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from ..._core import Labelled, Text, label_members, write_private
from . import files

Language = Literal["vi", "en"]


@label_members(
    {
        "incoming": Text("register of incoming documents", "sổ văn bản đến"),
        "outgoing": Text("register of outgoing documents", "sổ văn bản đi"),
    }
)
class RegisterDirection(Labelled, StrEnum):
    """Which of the two registers."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingEntry:
    """A document that we sent, as the register of outgoing documents has it (Decree 30/2020/NĐ-CP).

    Args:
        document_id: the DocumentId.
        code: số, ký hiệu.
        issued_on: ngày tháng văn bản.
        type_name: tên loại.
        subject: trích yếu nội dung.
        signer: người ký.
        recipients: nơi nhận: name and code of each.
        copy_holder: đơn vị, người nhận bản lưu, where the document names it.
        copies: số lượng bản; None where the document does not say.
        remarks: ghi chú, in both languages: what became of it where that is not simply sent.
    """

    document_id: str
    code: str
    issued_on: date
    type_name: str
    subject: str
    signer: str
    recipients: tuple[str, ...]
    copy_holder: str
    copies: int | None
    remarks: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingEntry:
    """A document that came in, as the register of incoming documents has it (Decree 30/2020/NĐ-CP).

    Args:
        document_id: the DocumentId.
        received_at: ngày đến: when the hub offered it, UTC.
        number: số đến: its place among the documents accepted (03) in that year; None where it was not accepted.
        author: tác giả: the agency or person it is from.
        code: số, ký hiệu.
        issued_on: ngày tháng văn bản; None where the document does not say.
        type_name: tên loại.
        subject: trích yếu nội dung.
        unit: đơn vị hoặc người nhận: the words of the assignment (04).
        passed_on_at: ngày chuyển: when it was assigned, UTC; None where it was not.
        signature: ký nhận: empty, for a hand to sign.
        remarks: ghi chú, in both languages: what became of it.
    """

    document_id: str
    received_at: datetime
    number: int | None
    author: str
    code: str
    issued_on: date | None
    type_name: str
    subject: str
    unit: str
    passed_on_at: datetime | None
    signature: str
    remarks: Text


E = TypeVar("E", OutgoingEntry, IncomingEntry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Register(Generic[E]):
    """A register of some time.

    Args:
        direction: which one.
        agency: code of the agency.
        entries: the documents, in the order in which they were stored.
    """

    direction: RegisterDirection
    agency: str
    entries: tuple[E, ...]

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[E]:
        return iter(self.entries)

    def format_csv(self, language: Language = "vi") -> bytes:
        """Format it as CSV that Excel opens as it is: UTF-8 with a mark, and no cell that it would compute.

        Args:
            language: of heads and remarks.
        """
        return files.format_csv(self._list_columns(), self.entries, language)

    def format_xlsx(self, language: Language = "vi") -> bytes:
        """Format it as a workbook of Excel; needs the extra ``xlsx``.

        Args:
            language: of heads and remarks.

        Raises:
            ConfigError: the extra is not installed.
        """
        title = self.direction.vi if language == "vi" else self.direction.en
        return files.format_xlsx(self._list_columns(), self.entries, language, title=title)

    def write_csv(self, path: str | Path, *, language: Language = "vi") -> None:
        """Write it as CSV: see `format_csv`."""
        write_private(Path(path), self.format_csv(language))

    def write_xlsx(self, path: str | Path, *, language: Language = "vi") -> None:
        """Write it as a workbook: see `format_xlsx`."""
        write_private(Path(path), self.format_xlsx(language))

    def _list_columns(self) -> tuple[files.Column, ...]:
        columns: dict[RegisterDirection, tuple[files.Column, ...]] = {
            RegisterDirection.OUTGOING: OUTGOING_COLUMNS,
            RegisterDirection.INCOMING: INCOMING_COLUMNS,
        }
        return columns[self.direction]


def _join_subject(entry: Any) -> str:
    return f"{entry.type_name} {entry.subject}".strip() if entry.type_name != entry.subject else entry.subject


OUTGOING_COLUMNS = (
    files.Column(Text("Number and notation", "Số, ký hiệu văn bản"), lambda one: one.code, 18),
    files.Column(Text("Date", "Ngày tháng văn bản"), lambda one: one.issued_on, 12),
    files.Column(Text("Type and subject", "Tên loại và trích yếu nội dung văn bản"), _join_subject, 50),
    files.Column(Text("Signed by", "Người ký"), lambda one: one.signer, 22),
    files.Column(Text("Recipients", "Nơi nhận văn bản"), lambda one: "; ".join(one.recipients), 36),
    files.Column(Text("Copy kept by", "Đơn vị, người nhận bản lưu"), lambda one: one.copy_holder, 18),
    files.Column(Text("Copies", "Số lượng bản"), lambda one: one.copies, 9),
    files.Column(Text("Remarks", "Ghi chú"), lambda one: one.remarks, 28),
)
INCOMING_COLUMNS = (
    files.Column(Text("Came on", "Ngày đến"), lambda one: one.received_at, 12),
    files.Column(Text("Arrival number", "Số đến"), lambda one: one.number, 8),
    files.Column(Text("Author", "Tác giả"), lambda one: one.author, 28),
    files.Column(Text("Number and notation", "Số, ký hiệu văn bản"), lambda one: one.code, 18),
    files.Column(Text("Date", "Ngày tháng văn bản"), lambda one: one.issued_on, 12),
    files.Column(Text("Type and subject", "Tên loại và trích yếu nội dung văn bản"), _join_subject, 50),
    files.Column(Text("Unit or person", "Đơn vị hoặc người nhận"), lambda one: one.unit, 22),
    files.Column(Text("Passed on", "Ngày chuyển"), lambda one: one.passed_on_at, 12),
    files.Column(Text("Signature", "Ký nhận"), lambda one: one.signature, 10),
    files.Column(Text("Remarks", "Ghi chú"), lambda one: one.remarks, 28),
)
