"""Documents that came in: lists, contents, files, and the statuses that their senders get."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from ...connector import Receipt, ReceiptState
from ...edxml import Attachment, StaffInfo
from ...errors import NotFound
from .. import models
from ..access import After, IdempotencyKey, Limit, OfficeOf
from ..answers import answer_file, answer_json, answer_once
from ..convert import build_staff, describe_receipt, describe_receipt_fully, describe_story
from ..errors import NotNow
from ..idempotency import compute_digest, run_once
from ..openapi import UNCHANGED, describe_file, describe_problems
from .deliveries import answer_evidence

router = APIRouter(tags=["receipts"], responses=describe_problems(404, 409, 422))

PATH = "/v1/agencies/{agency}/receipts"
ITEM = PATH + "/{receipt_id}"
Number = Annotated[int, Path(ge=1, le=(1 << 31) - 1)]

_Report = Callable[[Receipt, str | None, StaffInfo | None], None]

# What may be said of a document that came in, by code (Decision 28/2018/QĐ-TTg).
_REPORTS: Mapping[str, _Report] = {
    "02": lambda receipt, words, staff: receipt.reject(words or "", staff=staff, queue=True),
    "03": lambda receipt, words, staff: receipt.accept(words, staff=staff, queue=True),
    "04": lambda receipt, words, staff: receipt.assign(words, staff=staff, queue=True),
    "05": lambda receipt, words, staff: receipt.processing(words, staff=staff, queue=True),
    "06": lambda receipt, words, staff: receipt.complete(words, staff=staff, queue=True),
    "15": lambda receipt, words, staff: receipt.agree_change(words, staff=staff, queue=True),
    "16": lambda receipt, words, staff: receipt.refuse_change(words or "", staff=staff, queue=True),
}
_HANDLED_STATES = (ReceiptState.HANDLED, ReceiptState.CONFIRMED)


@router.get(PATH, response_model=models.ReceiptPage, responses=dict(UNCHANGED))
def list_receipts(
    request: Request,
    office: OfficeOf,
    state: ReceiptState | None = None,
    kind: Annotated[models.Code | None, Query(description="`new`, `recall`, `update`, `replace`, `take_back`.")] = None,
    sender: models.Code | None = None,
    since: models.Moment | None = None,
    until: models.Moment | None = None,
    number: Annotated[models.Code | None, Query(description="`7816/SNV-VP`, or `7816` alone.")] = None,
    statuses: Annotated[bool, Query(description="Whether statuses are listed too.")] = False,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """List packets that came in, newest first. Those that wait for you have the state `waiting`."""
    found = office.connector.receipts(
        limit=limit,
        after=after,
        state=state,
        kind=kind,
        sender=sender,
        since=since,
        until=until,
        number=number,
        statuses=statuses,
    )
    return answer_json(request, models.ReceiptPage(items=list(map(describe_receipt, found)), next=found.next))


@router.get(ITEM, response_model=models.ReceiptDetail, responses=dict(UNCHANGED))
def get_receipt(request: Request, office: OfficeOf, receipt_id: Number) -> Response:
    """Get a packet that came in: the document, its files, and what its signatures are worth."""
    return answer_json(request, describe_receipt_fully(office.find_receipt(receipt_id)))


@router.get(
    ITEM + "/attachments/{number}",
    response_class=Response,
    responses={
        200: describe_file("*/*", "The file. It has an ETag, and may be fetched in ranges."),
        206: describe_file("*/*", "The part of the file that Range asks for."),
        **UNCHANGED,
    },
)
def get_attachment(
    request: Request, office: OfficeOf, receipt_id: Number, number: Annotated[int, Path(ge=0, le=100_000)]
) -> Response:
    """Get a file of a document that came in."""
    attachment = _find_attachment(office.find_receipt(receipt_id), number)
    with ExitStack() as stack:
        path = stack.enter_context(office.scratch()) / "attachment"
        attachment.save(path)
        clean_up = stack.pop_all().close
    return answer_file(
        request,
        path,
        name=attachment.safe_name,
        media_type=_get_media_type(attachment),
        sha256=attachment.sha256,
        clean_up=clean_up,
    )


@router.get(ITEM + "/explanation", response_model=models.StoryOut, responses=dict(UNCHANGED))
def explain_receipt(request: Request, office: OfficeOf, receipt_id: Number) -> Response:
    """Explain what happened to a packet that came in and what happens next, for a person."""
    return answer_json(request, describe_story(office.connector.explain(office.find_receipt(receipt_id).hub_doc_id)))


@router.get(
    ITEM + "/evidence",
    response_class=Response,
    responses={200: describe_file("application/zip", "The pack of evidence."), **UNCHANGED},
)
def get_receipt_evidence(request: Request, office: OfficeOf, receipt_id: Number) -> Response:
    """Get everything there is about a document that came in as a zip that is checked without us."""
    receipt = office.find_receipt(receipt_id)
    return answer_evidence(request, office, receipt.id or receipt.hub_doc_id)


@router.post(ITEM + "/handled", response_model=models.ReceiptOut)
def mark_handled(office: OfficeOf, receipt_id: Number) -> Response:
    """Say that your software has the document: it is confirmed to the hub, and 01 goes to its sender.

    Saying it again changes nothing.
    """

    def work() -> tuple[models.ReceiptOut, str]:
        receipt = office.find_receipt(receipt_id)
        if receipt.state not in _HANDLED_STATES:
            _require_waiting(receipt)
            with receipt:
                pass
        return describe_receipt(office.find_receipt(receipt_id)), ""

    return answer_once(run_once(office, None, "", work), status=200)


@router.post(ITEM + "/statuses", status_code=201, response_model=models.ReceiptOut)
def report_status(
    office: OfficeOf, receipt_id: Number, body: models.StatusIn, idempotency_key: IdempotencyKey = None
) -> Response:
    """Report how it stands with a document that came in: 02 rejected, 03 accepted, 04, 05, 06; answer 15 or 16.

    The document has to be handled first.
    """

    def work() -> tuple[models.ReceiptOut, str]:
        receipt = office.find_receipt(receipt_id)
        _require_handled(receipt)
        _REPORTS[body.code](receipt, body.description, build_staff(body.staff))
        return describe_receipt(office.find_receipt(receipt_id)), ""

    digest = compute_digest("status", receipt_id, body.model_dump(mode="json"))
    return answer_once(run_once(office, idempotency_key, digest, work), status=201)


def _require_waiting(receipt: Receipt) -> None:
    if receipt.state != ReceiptState.WAITING:
        raise NotNow(
            f"the packet is {receipt.state}: only one that is waiting can be handled.",
            vi=f"Gói tin đang ở tình trạng {receipt.state}: chỉ xử lý được gói tin đang chờ (waiting).",
        )


def _require_handled(receipt: Receipt) -> None:
    if receipt.state not in _HANDLED_STATES:
        raise NotNow(
            f"the packet is {receipt.state}: call `handled` first, when your software has it.",
            vi=f"Gói tin đang ở tình trạng {receipt.state}: hãy gọi `handled` trước, khi phần mềm đã lưu văn bản.",
        )


def _find_attachment(receipt: Receipt, number: int) -> Attachment:
    attachments = receipt.attachments
    if number >= len(attachments):
        raise NotFound(
            f"the document has {len(attachments)} files, counted from 0.",
            vi=f"Văn bản có {len(attachments)} tệp, đánh số từ 0.",
        )
    return attachments[number]


def _get_media_type(attachment: Attachment) -> str:
    """Get the media type of a file, where what came is one."""
    kind = attachment.content_type
    return kind if kind.isascii() and kind.isprintable() and kind.count("/") == 1 else "application/octet-stream"
