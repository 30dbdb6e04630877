"""Documents to send: taken, signed and stored at once; a worker sends them."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ...connector import Delivery
from ...edxml import Document
from .. import models
from ..access import IdempotencyKey, OfficeOf
from ..addresses import format_delivery_href
from ..answers import answer_once
from ..convert import build_document, build_receiver_changes, build_staff, describe_delivery_fully
from ..errors import InvalidRequest
from ..idempotency import Answer, compute_upload_digest, run_once
from ..offices import Office
from ..openapi import FORM_BODY, JSON_BODY, describe_problems
from ..uploads import FORM_TYPE, JSON_TYPE, Upload, read_upload

router = APIRouter(tags=["documents"], responses=describe_problems(404, 409, 413, 415, 422))


PATH = "/v1/agencies/{agency}/documents"


@router.post(PATH, status_code=201, response_model=models.DeliveryDetail, openapi_extra=dict(JSON_BODY))
async def send_document(request: Request, office: OfficeOf, idempotency_key: IdempotencyKey = None) -> Response:
    """Check, sign and store a document, with small files in it as base64; it is sent soon after.

    With `update` or `replace` it acts on documents that were sent. The same document again is the same delivery.
    """
    return await _take_document(request, office, idempotency_key, JSON_TYPE)


@router.post(PATH + "/form", status_code=201, response_model=models.DeliveryDetail, openapi_extra=dict(FORM_BODY))
async def send_document_form(request: Request, office: OfficeOf, idempotency_key: IdempotencyKey = None) -> Response:
    """Check, sign and store a document whose files come beside it, of any size: as `send_document`."""
    return await _take_document(request, office, idempotency_key, FORM_TYPE)


async def _take_document(request: Request, office: Office, idempotency_key: str | None, media_type: str) -> Response:
    with office.scratch() as folder:
        upload = await read_upload(request, folder, office.settings.gateway, wanted=media_type)
        answer = await run_in_threadpool(_submit_once, office, upload, idempotency_key)
    return answer_once(answer, status=201)


def _submit_once(office: Office, upload: Upload, key: str | None) -> Answer:
    def work() -> tuple[models.DeliveryDetail, str]:
        delivery = _submit(office, upload)
        return describe_delivery_fully(delivery), format_delivery_href(office.agency, delivery.id)

    return run_once(office, key, compute_upload_digest(upload), work)


def _submit(office: Office, upload: Upload) -> Delivery:
    """Store the document, as a new one, an update or a replacement.

    Raises:
        InvalidRequest: it is to be both.
        EdocError: as for `Connector.queue`.
    """
    given = upload.document
    document = build_document(upload, office.settings.organization())
    if given.update is not None and given.replace is not None:
        raise InvalidRequest(
            "a document is an update or a replacement, not both.",
            vi="Văn bản chỉ có thể là bản cập nhật hoặc bản thay thế, không thể cả hai.",
        )
    if given.update is not None:
        return _submit_update(office, document, given.update)
    if given.replace is not None:
        return _submit_replacement(office, document, given.replace)
    return office.connector.queue(document)


def _submit_update(office: Office, document: Document, update: models.UpdateIn) -> Delivery:
    return office.connector.update(
        document,
        updates=update.document_id,
        reason=update.reason,
        content_changed=update.content_changed,
        receivers=build_receiver_changes(update),
        staff=build_staff(update.staff),
        queue=True,
    )


def _submit_replacement(office: Office, document: Document, replace: models.ReplaceIn) -> Delivery:
    return office.connector.replace(
        document,
        replaces=replace.document_ids,
        reason=replace.reason,
        staff=build_staff(replace.staff),
        queue=True,
    )
