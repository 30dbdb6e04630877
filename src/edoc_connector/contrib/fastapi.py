"""Documents in a FastAPI application: a connector for as long as the application runs, and a task that receives.

::

    app = FastAPI(lifespan=edoc_lifespan("edoc.toml", register))

    @app.post("/letters")
    async def send(connector: Edoc) -> str:
        return (await connector.queue(document)).id
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, TypeAlias

from fastapi import Depends, FastAPI
from fastapi.requests import HTTPConnection

from .._core import get_logger, log_exception
from ..config import Settings
from ..connector import AsyncConnector, AsyncReceipt

log = get_logger("edoc_connector.contrib.fastapi")

ReceiptHandler: TypeAlias = Callable[[AsyncReceipt], Awaitable[object]]

_REST_SECONDS = 30.0


def edoc_lifespan(
    settings: Settings | str | Path, handle: ReceiptHandler | None = None, *, every: float = 30.0
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Make the lifespan of an application: a connector is open in it, and what comes in is handled on its event loop.

    Every process of the server receives; each document is one process' at a time.

    Args:
        settings: of the agency, or the path of an ``edoc.toml``; read when the application starts.
        handle: called with each packet inside ``async with receipt``. An exception is logged, and leaves the packet
            waiting for a later poll. Left out, nothing is received: a worker does that.
        every: seconds between two polls, which also send what was queued.

    Raises:
        EdocError: as for `Connector`, when the application starts.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncConnector.open(settings) as connector:
            app.state.edoc = connector
            task = asyncio.create_task(_keep_receiving(connector, handle, every)) if handle is not None else None
            try:
                yield
            finally:
                await _cancel(task)

    return lifespan


def get_connector(connection: HTTPConnection) -> AsyncConnector:
    """Get the application's connector, as a dependency; `Edoc` is the short form."""
    connector: AsyncConnector = connection.app.state.edoc
    return connector


Edoc: TypeAlias = Annotated[AsyncConnector, Depends(get_connector)]
"""The connector, as an argument of a path operation."""


async def _keep_receiving(connector: AsyncConnector, handle: ReceiptHandler, every: float) -> None:
    while True:
        try:
            async with aclosing(connector.watch(every=every)) as receipts:
                async for receipt in receipts:
                    await _handle_one(receipt, handle)
        except Exception as error:  # the store, or a mistake of ours: requests are served on, and so is the next poll
            log_exception(log, logging.ERROR, "receiving failed, and is tried again", error=error)
        await asyncio.sleep(_REST_SECONDS)


async def _handle_one(receipt: AsyncReceipt, handle: ReceiptHandler) -> None:
    try:
        async with receipt:
            await handle(receipt)
    except Exception as error:
        log_exception(log, logging.ERROR, "the application failed on docId %s", receipt.hub_doc_id, error=error)


async def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
