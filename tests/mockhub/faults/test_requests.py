"""The record of requests is bounded."""

from __future__ import annotations

from edoc_connector.mockhub.faults.asgi import Message
from edoc_connector.mockhub.faults.requests import MOST_REQUESTS, RequestLog, SeenRequest


async def receive() -> Message:
    """Nothing more comes."""
    return {"type": "http.disconnect"}


async def send(_: Message) -> None:
    """Nobody reads it."""


def test_the_oldest_is_forgotten() -> None:
    """A hub that runs for months keeps the last requests only, and forgotten ones are noted no more."""
    log = RequestLog()
    for number in range(MOST_REQUESTS + 5):
        log.record(
            SeenRequest(method="GET", path="/x", callers=frozenset(), doc_id=str(number), kind=""), receive, send
        )
    seen = log.list_seen()
    assert (len(seen), seen[0].doc_id) == (MOST_REQUESTS, "5")
    log.update(0, status=200)
    assert log.list_seen() == seen
