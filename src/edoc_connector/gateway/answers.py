"""Answers: JSON with an ETag, and files with an ETag that may be fetched in ranges."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from .idempotency import Answer

NO_SNIFFING = {"X-Content-Type-Options": "nosniff"}
"""Of a file that a stranger sent: a browser shall not find a page in it."""


def answer_json(request: Request, model: BaseModel) -> Response:
    """Answer with a model; with 304 where the client has it already."""
    body = model.model_dump_json().encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if _has(request, tag):
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, media_type="application/json", headers={"ETag": tag})


def answer_once(answer: Answer, *, status: int) -> Response:
    """Answer a request that may be repeated."""
    headers = {"Location": answer.location} if answer.location else {}
    headers |= {"Idempotency-Replayed": "true"} if answer.is_repeated else {}
    return Response(answer.body, status_code=status, media_type="application/json", headers=headers)


def answer_file(
    request: Request, path: Path, *, name: str, media_type: str, sha256: str, clean_up: Callable[[], None]
) -> Response:
    """Answer with a file, which is removed behind the answer; in part where the client asks so.

    Args:
        request: the request.
        path: the file.
        name: its name for the client.
        media_type: its media type.
        sha256: hash of its bytes, hex: its ETag.
        clean_up: removes it.
    """
    tag = f'"{sha256}"'
    if _has(request, tag):
        clean_up()
        return Response(status_code=304, headers={"ETag": tag})
    headers = {"ETag": tag, **NO_SNIFFING}
    return _TemporaryFileResponse(path, clean_up, media_type=media_type, filename=name, headers=headers)


class _TemporaryFileResponse(FileResponse):
    """A file that is removed when it was sent, or when the client went away.

    Args:
        path: the file.
        clean_up: removes it.
        options: those of the answer.
    """

    def __init__(self, path: Path, clean_up: Callable[[], None], **options: Any) -> None:
        super().__init__(path, **options)
        self._clean_up = clean_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._clean_up()


def _has(request: Request, tag: str) -> bool:
    """Whether the client says that it has what the tag stands for (RFC 9110, 13.1.2)."""
    given = request.headers.get("if-none-match", "")
    tags = {one.strip().removeprefix("W/") for one in given.split(",")}
    return tag in tags or given.strip() == "*"
