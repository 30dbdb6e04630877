"""Requests that may be repeated."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from edoc_connector.store import Store

if TYPE_CHECKING:
    from tests.store.conftest import Clock


def test_a_key_is_one_request(store: Store, clock: Clock) -> None:
    """The first content has the key, until it failed or was forgotten; the first answer stays."""
    with store.transaction() as tx:
        row = tx.gateway_requests.reserve("H29.05", "key", "a")
    with store.transaction() as tx:
        assert tx.gateway_requests.reserve("H29.05", "key", "b").digest == "a"
        assert tx.gateway_requests.reserve("H30", "key", "b").digest == "b"
        tx.gateway_requests.release(row)
        again = tx.gateway_requests.reserve("H29.05", "key", "b")
        tx.gateway_requests.answer(again, "first")
        tx.gateway_requests.answer(again, "second")
        tx.gateway_requests.release(again)
        assert tx.gateway_requests.reserve("H29.05", "key", "b").answer == "first"
        assert tx.gateway_requests.forget(timedelta(days=7)) == 0
    clock.forward(8 * 86400)
    with store.transaction() as tx:
        assert tx.gateway_requests.forget(timedelta(days=7)) == 2
