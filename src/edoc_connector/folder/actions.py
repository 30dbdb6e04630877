"""What an item asks for, done so that doing it again changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from ..connector import Change, Connector, Receipt
from ..edxml import StatusCode
from ..errors import StatusNotAllowed
from .columns import ACTION_NAMES, find_action
from .documents import build_document
from .problems import ItemProblem

Action: TypeAlias = Callable[["Errand"], None]


class Errand:
    """One entry of a control file that is worked on.

    Args:
        connector: of the agency.
        department: whose folder it was put into; empty for none.
        name: name of the control file, without its ending.
        values: fields by name.
        files: the files that belong to it.
    """

    def __init__(
        self, connector: Connector, *, department: str, name: str, values: Mapping[str, Any], files: Sequence[Path]
    ) -> None:
        self.connector = connector
        self.department = department
        self.name = name
        self.values = dict(values)
        self.files = files

    def run(self) -> None:
        """Do it.

        Raises:
            ItemProblem: a field is missing or wrong.
            EdocError: as the connector's call.
        """
        wished = str(self.values.pop("action", "send"))
        name = find_action(wished)
        if name is None:
            known = ", ".join(one.name for one in ACTION_NAMES)
            raise ItemProblem(
                f"there is no action {wished}; there are: {known}.", vi=f"Không có thao tác {wished}; có: {known}."
            )
        _ACTIONS[name](self)

    def remember(self, document_id: str) -> None:
        """Remember whose document it is, before it can have any status."""
        with self.connector.context.store.transaction() as tx:
            tx.folder_items.add(self.connector.context.agency, document_id, department=self.department, name=self.name)

    def require(self, field: str) -> str:
        """Require a field.

        Raises:
            ItemProblem: it is not given.
        """
        value = self.values.get(field)
        if not isinstance(value, str) or not value.strip():
            raise ItemProblem(f"{field} is missing: give it.", vi=f"Thiếu {field}: hãy ghi thêm.")
        return value.strip()

    def find(self, field: str) -> str | None:
        """Find a text that need not be given.

        Raises:
            ItemProblem: it is no text.
        """
        value = self.values.get(field)
        if value is not None and not isinstance(value, str):
            raise ItemProblem(f"{field} is no text: put it in quotes.", vi=f"{field} phải là chuỗi trong ngoặc kép.")
        return value

    def refuse_unknown(self, *known: str) -> None:
        """Refuse fields that the action knows nothing of.

        Raises:
            ItemProblem: names them.
        """
        unknown = sorted({*self.values} - {*known})
        if unknown:
            names = ", ".join(unknown)
            raise ItemProblem(
                f"the action takes no {names}: leave that out.", vi=f"Thao tác này không có {names}: hãy bỏ đi."
            )


def _send(errand: Errand) -> None:
    if not errand.files:
        raise ItemProblem(
            "no file belongs to it: name its files, or give the one file the name of this one (7816.json, 7816.pdf).",
            vi="Không có tệp đính kèm: hãy ghi tên tệp, hoặc đặt tệp cùng tên (7816.json, 7816.pdf).",
        )
    deadline = _parse_deadline(errand.values.pop("deadline", None))
    document = build_document(errand.connector, errand.values, errand.files)
    errand.remember(document.id)
    errand.connector.queue(document, deadline=deadline)


def _parse_deadline(text: Any) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        raise ItemProblem(
            "deadline: write it as 2026-11-20T17:00:00+07:00.", vi="deadline: hãy ghi dạng 2026-11-20T17:00:00+07:00."
        ) from None


def _answer_with(code: StatusCode, call: Callable[[Receipt, str | None], None]) -> Action:
    def answer(errand: Errand) -> None:
        errand.refuse_unknown("document_id", "sender", "text")
        receipt = errand.connector.receipt(errand.require("document_id"), sender=errand.find("sender"))
        if receipt.status != code:
            call(receipt, errand.find("text"))

    return answer


def _settle_with(change: Change, call: Callable[[Receipt, str | None], None]) -> Action:
    def settle(errand: Errand) -> None:
        errand.refuse_unknown("document_id", "sender", "text")
        receipt = errand.connector.receipt(errand.require("document_id"), sender=errand.find("sender"))
        with errand.connector.context.store.snapshot() as tx:
            standing = tx.receipts.get_by_id(receipt.key).change
        if standing != change:
            call(receipt, errand.find("text"))

    return settle


def _recall(errand: Errand) -> None:
    errand.refuse_unknown("document_id", "text")
    recall = errand.connector.recall(errand.require("document_id"), reason=errand.require("text"), queue=True)
    errand.remember(recall.id)


def _take_back(errand: Errand) -> None:
    errand.refuse_unknown("document_id", "text")
    document_id = errand.require("document_id")
    try:
        errand.connector.take_back(document_id, reason=errand.require("text"), queue=True)
    except StatusNotAllowed:
        if all(one.change is None for one in errand.connector.delivery(document_id).recipients):
            raise
        # asked for already: by this item, before the program ended


_ACTIONS: Mapping[str, Action] = {
    "send": _send,
    "accept": _answer_with(StatusCode.ACCEPTED, lambda one, text: one.accept(text, queue=True)),
    "reject": _answer_with(StatusCode.REJECTED, lambda one, text: one.reject(text or "", queue=True)),
    "assign": _answer_with(StatusCode.ASSIGNED, lambda one, text: one.assign(text, queue=True)),
    "processing": _answer_with(StatusCode.PROCESSING, lambda one, text: one.processing(text, queue=True)),
    "complete": _answer_with(StatusCode.COMPLETED, lambda one, text: one.complete(text, queue=True)),
    "agree_change": _settle_with(Change.AGREED, lambda one, text: one.agree_change(text, queue=True)),
    "refuse_change": _settle_with(Change.REFUSED, lambda one, text: one.refuse_change(text or "", queue=True)),
    "recall": _recall,
    "take_back": _take_back,
}
