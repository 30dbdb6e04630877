"""Lists of an agency: what changed, and the hub's directory."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from ...errors import InvalidQuery
from .. import models
from ..access import After, Limit, OfficeOf
from ..answers import answer_json
from ..convert import describe_agency, describe_entry
from ..events import build_event, find_event
from ..offices import Office
from ..openapi import UNCHANGED, describe_problems

router = APIRouter(tags=["lists"], responses=describe_problems(422))

_SCANNED = 1000  # entries that are looked through for a page


@router.get("/v1/agencies/{agency}/changes", response_model=models.ChangePage, responses=dict(UNCHANGED))
def list_changes(
    request: Request,
    office: OfficeOf,
    after: Annotated[
        str | None,
        Query(
            max_length=20, pattern="^[0-9]+$", description="`next` of the page before; left out, from the beginning."
        ),
    ] = None,
    limit: Limit = 100,
) -> Response:
    """List what changed, oldest first: what webhooks tell, for software that would rather ask.

    `next` is always there. Ask again with it, at once while `more` is true, later when it is not.
    """
    return answer_json(request, _read_changes(office, _parse_number(after), limit))


def _parse_number(after: str | None) -> int:
    number = int(after or 0)
    if number >= 1 << 31:
        raise InvalidQuery(
            "this is no `next` of a page of changes.", vi="Đây không phải giá trị `next` của danh sách thay đổi."
        )
    return number


def _read_changes(office: Office, number: int, limit: int) -> models.ChangePage:
    with office.store.snapshot() as tx:
        rows = tx.changes.read_after(number, limit=_SCANNED)
    items: list[models.EventOut] = []
    for row in rows:
        if len(items) == limit:
            break
        number = row.entry.id
        name = find_event(row) if row.agency == office.agency else None
        items += [] if name is None else [build_event(row, name)]
    has_more = bool(rows) and (rows[-1].entry.id != number or len(rows) == _SCANNED)
    return models.ChangePage(items=items, next=str(number), more=has_more)


@router.get("/v1/agencies/{agency}/directory", response_model=models.DirectoryPage, responses=dict(UNCHANGED))
def search_directory(
    request: Request,
    office: OfficeOf,
    q: Annotated[
        models.Code | None,
        Query(description="Beginnings of words of the name or code, without diacritics too; the best `limit` of them."),
    ] = None,
    active: Annotated[bool | None, Query(description="Only agencies that there are still, or only others.")] = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Search the hub's directory of agencies, by code."""
    if q is not None:
        ended = None if active is None else not active
        found = office.connector.find_agencies(q, ended=ended, limit=limit)
        return answer_json(request, models.DirectoryPage(items=list(map(describe_agency, found)), next=None))
    page = office.connector.directory(active=active, limit=limit, after=after)
    return answer_json(request, models.DirectoryPage(items=list(map(describe_entry, page)), next=page.next))
