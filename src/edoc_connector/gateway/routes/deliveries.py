"""Documents that were sent: lists, states, explanations, evidence, and requests to withdraw them."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from ...connector import Delivery, DeliveryState
from .. import models
from ..access import After, IdempotencyKey, Limit, OfficeOf
from ..addresses import decode_delivery_id, format_delivery_href
from ..answers import answer_file, answer_json, answer_once
from ..convert import build_organization, build_staff, describe_delivery, describe_delivery_fully, describe_story
from ..idempotency import compute_digest, run_once
from ..offices import Office
from ..openapi import UNCHANGED, describe_file, describe_problems

router = APIRouter(tags=["deliveries"], responses=describe_problems(404, 409, 422))

PATH = "/v1/agencies/{agency}/deliveries"
ITEM = PATH + "/{delivery_id}"


@router.get(PATH, response_model=models.DeliveryPage, responses=dict(UNCHANGED))
def list_deliveries(
    request: Request,
    office: OfficeOf,
    state: DeliveryState | None = None,
    recipient: models.Code | None = None,
    since: models.Moment | None = None,
    until: models.Moment | None = None,
    number: Annotated[models.Code | None, Query(description="`7816/SNV-VP`, or `7816` alone.")] = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """List deliveries, newest first."""
    found = office.connector.deliveries(
        limit=limit, after=after, state=state, recipient=recipient, since=since, until=until, number=number
    )
    return answer_json(request, models.DeliveryPage(items=list(map(describe_delivery, found)), next=found.next))


@router.get(ITEM, response_model=models.DeliveryDetail, responses=dict(UNCHANGED))
def get_delivery(request: Request, office: OfficeOf, delivery_id: models.Code) -> Response:
    """Get a delivery, with its state at every recipient and everything that happened."""
    return answer_json(request, describe_delivery_fully(_find(office, delivery_id)))


@router.get(ITEM + "/explanation", response_model=models.StoryOut, responses=dict(UNCHANGED))
def explain_delivery(request: Request, office: OfficeOf, delivery_id: models.Code) -> Response:
    """Explain what happened to a document and what happens next, for a person."""
    return answer_json(request, describe_story(office.connector.explain(_find(office, delivery_id).id)))


@router.get(
    ITEM + "/evidence",
    response_class=Response,
    responses={200: describe_file("application/zip", "The pack of evidence."), **UNCHANGED},
)
def get_delivery_evidence(request: Request, office: OfficeOf, delivery_id: models.Code) -> Response:
    """Get everything there is about a document as a zip that is checked without us (`edoc evidence --check`)."""
    return answer_evidence(request, office, _find(office, delivery_id).id)


@router.post(ITEM + "/recall", status_code=201, response_model=models.DeliveryDetail)
def recall_delivery(
    office: OfficeOf, delivery_id: models.Code, body: models.RecallIn, idempotency_key: IdempotencyKey = None
) -> Response:
    """Ask recipients to agree that the document is void (thu hồi); they answer 15 or 16."""
    document_id = decode_delivery_id(delivery_id)

    def work() -> tuple[models.DeliveryDetail, str]:
        recipients = None if body.recipients is None else list(map(build_organization, body.recipients))
        recall = office.connector.recall(
            document_id, reason=body.reason, recipients=recipients, staff=build_staff(body.staff), queue=True
        )
        return describe_delivery_fully(recall), format_delivery_href(office.agency, recall.id)

    digest = compute_digest("recall", document_id, body.model_dump(mode="json"))
    return answer_once(run_once(office, idempotency_key, digest, work), status=201)


@router.post(ITEM + "/take-back", response_model=models.DeliveryDetail)
def take_back_delivery(
    office: OfficeOf, delivery_id: models.Code, body: models.TakeBackIn, idempotency_key: IdempotencyKey = None
) -> Response:
    """Ask recipients to give the document back (lấy lại; status 13); they answer 15 or 16."""
    document_id = decode_delivery_id(delivery_id)

    def work() -> tuple[models.DeliveryDetail, str]:
        taken = office.connector.take_back(
            document_id, reason=body.reason, recipients=body.recipients, staff=build_staff(body.staff), queue=True
        )
        return describe_delivery_fully(taken), ""

    digest = compute_digest("take-back", document_id, body.model_dump(mode="json"))
    return answer_once(run_once(office, idempotency_key, digest, work), status=200)


def _find(office: Office, delivery_id: str) -> Delivery:
    return office.connector.delivery(decode_delivery_id(delivery_id))


def answer_evidence(request: Request, office: Office, document_id: str) -> Response:
    """Answer with the pack of evidence about a document."""
    with ExitStack() as stack:
        folder = stack.enter_context(office.scratch())
        pack = office.connector.evidence(document_id, out=folder / "evidence.zip")
        clean_up = stack.pop_all().close
    return answer_file(
        request,
        pack,
        name="evidence.zip",
        media_type="application/zip",
        sha256=_hash_file(pack),
        clean_up=clean_up,
    )


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
