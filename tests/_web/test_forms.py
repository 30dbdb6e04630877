"""Forms as they come over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edoc_connector._web import TooLarge, read_form

if TYPE_CHECKING:
    from tests._web.conftest import PlainBrowser


async def echo(request: Request) -> Response:
    """Say what came."""
    try:
        form = await read_form(request, limit=1000, most_files=1)
    except TooLarge as error:
        return Response(str(error), 413)
    files = {name: [(one.name, one.media_type, len(one.content)) for one in of] for name, of in form.uploads.items()}
    return JSONResponse({"values": form.values, "files": files})


@pytest.fixture
def post(browse: Callable[[Starlette], PlainBrowser]) -> Callable[..., httpx.Response]:
    """Sends a form to a program that says what came."""
    return partial(browse(Starlette(routes=[Route("/", echo, methods=["POST"])])).ask, "POST", "/")


def test_values_and_files_are_read(post: Callable[..., httpx.Response]) -> None:
    """Repeated fields keep their order, and the name of a file has no folders."""
    file = ("f", ("C:\\x\\y.pdf", b"abc", "application/pdf"))
    answer = post(data={"a": ["1", "2"]}, files=[file])
    assert answer.json() == {"values": {"a": ["1", "2"]}, "files": {"f": [["y.pdf", "application/pdf", 3]]}}


async def stream() -> AsyncIterator[bytes]:
    """A body that does not say how large it is."""
    yield b"a=1"


def test_what_is_too_large_is_not_read(post: Callable[..., httpx.Response]) -> None:
    """A form larger than the page takes, or of unknown size, is refused before it is read."""
    assert post(data={"a": "x" * 1000}).status_code == 413
    assert post(content=stream()).status_code == 413
    assert post(files=[("f", ("a", b"1")), ("f", ("b", b"2"))]).status_code == 400
