"""Requests that may be repeated (Idempotency-Key): the same content gets the same answer, other content is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from ..errors import EdocError
from ..store import RequestRow
from .errors import KeyReused
from .offices import Office, Offices
from .uploads import Upload


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request.

    Args:
        body: its JSON.
        location: address of what was made; empty where nothing was.
        is_repeated: whether it was given before.
    """

    body: str
    location: str = ""
    is_repeated: bool = False


Work = Callable[[], tuple[BaseModel, str]]
"""Does what a request wants; gives the answer's model, and the address of what was made."""


def run_once(office: Office, key: str | None, digest: str, work: Work) -> Answer:
    """Do what a request wants, unless it was done: then give the answer of that time.

    A request whose answer was not kept, since the machine failed, is done again; what it does is the same delivery.

    Args:
        office: the agency.
        key: the request's Idempotency-Key; None where it has none.
        digest: hash of the request's content.
        work: does it.

    Raises:
        KeyReused: another request has the key.
        EdocError: what the work raises; the key is free again.
    """
    if key is None:
        return _work(work)
    with office.store.transaction() as tx:
        row = tx.gateway_requests.reserve(office.agency, key, digest)
    if row.digest != digest:
        raise _build_reused_error()
    if row.answer is not None:
        return Answer(**json.loads(row.answer), is_repeated=True)
    return _keep_answer(office, row, work)


def _keep_answer(office: Office, row: RequestRow, work: Work) -> Answer:
    try:
        answer = _work(work)
    except EdocError:
        with office.store.transaction() as tx:
            tx.gateway_requests.release(row)
        raise
    with office.store.transaction() as tx:
        tx.gateway_requests.answer(row, json.dumps({"body": answer.body, "location": answer.location}))
    return answer


def _work(work: Work) -> Answer:
    model, location = work()
    return Answer(model.model_dump_json(), location)


def compute_upload_digest(upload: Upload) -> str:
    """Compute the hash of an upload: the same however its files came."""
    document = upload.document.model_dump(mode="json", exclude={"attachments": {"__all__": {"content"}}})
    inline = {one.name: _hash(one.content) for one in upload.document.attachments if one.content is not None}
    files = inline | {file.name: file.sha256 for file in upload.files}
    document["attachments"] = [
        one for one in document["attachments"] if any(one[name] for name in one if name != "name")
    ]
    return compute_digest("documents", document, files)


def compute_digest(*parts: Any) -> str:
    """Compute the hash of what a request says."""
    return _hash(json.dumps(parts, sort_keys=True, default=str).encode())


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def forget_old_answers(offices: Offices) -> None:
    """Forget answers that were kept long enough."""
    for _, store in offices.stores:
        with store.transaction() as tx:
            tx.gateway_requests.forget(timedelta(days=offices.settings.remember_days))


def _build_reused_error() -> KeyReused:
    return KeyReused(
        "this Idempotency-Key came with other content before: use a new one for a new request.",
        vi="Idempotency-Key này đã được dùng với nội dung khác: hãy dùng giá trị mới cho yêu cầu mới.",
    )
