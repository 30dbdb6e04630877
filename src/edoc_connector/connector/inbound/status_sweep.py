"""The sweep of statuses: bring in every one that waits, before a confirmation would confirm them unseen.

For hubs where any confirmation does (`HubCapabilities.confirms_all_statuses`).
"""

from __future__ import annotations

from typing import Any

from ..._core import get_logger
from ...errors import EdocError, NotFound
from ...hubs import MessageType
from ...store import STATUS, ReceiptState
from .._context import ConnectorContext
from .inbox import Inbox

log = get_logger("edoc_connector.connector.inbox")

_REQUESTS_PER_SWEEP = 50


class StatusSweep:
    """Brings every status in that waits at the hub.

    Args:
        context: the store and the hub.
        inbox: lists, and whose intake fetches.
    """

    def __init__(self, context: ConnectorContext, inbox: Inbox) -> None:
        self._context = context
        self._inbox = inbox

    def __call__(self, *, lists_documents: bool) -> bool:
        """Bring every status in; whether none is left that did not come.

        Args:
            lists_documents: whether documents are listed too, so that their numbers are known.

        Raises:
            EdocError: the hub did not say what waits.
        """
        if lists_documents:
            self._inbox.poll_offers(MessageType.EDOC)
        self._inbox.poll_offers(MessageType.STATUS)
        keys = self._inbox.list_due_ids(MessageType.STATUS)
        if keys:
            self._inbox.intake.fetch(keys)
        self._take_up_requests()
        return not self._has_unfetched()

    def _has_unfetched(self) -> bool:
        """Whether a status is listed that did not come, or of which another packet came and that is asked for again.

        One that never came in all its tries does not count: it would hold up everything for ever.
        """
        of_hub: dict[str, Any] = {"message_type": STATUS, "hub": self._context.hub_name}
        listed: dict[str, Any] = {**of_hub, "state": ReceiptState.LISTED}
        set_aside: dict[str, Any] = {**of_hub, "state": ReceiptState.QUARANTINED, "refetch": True}
        with self._context.store.snapshot() as tx:
            is_listed = bool(tx.receipts.find_all(self._context.agency, limit=1, **listed))
            odd = tx.receipts.find_all(self._context.agency, **set_aside)
        return is_listed or any(row.spool_file is not None for row in odd)

    def _take_up_requests(self) -> None:
        """Take up requests whose document came after them: statuses are brought in first."""
        choice: dict[str, Any] = {"message_type": STATUS, "state": ReceiptState.QUARANTINED}
        choice |= {"error_code": NotFound.__name__, "hub": self._context.hub_name}
        with self._context.store.snapshot() as tx:
            rows = tx.receipts.find_all(self._context.agency, limit=_REQUESTS_PER_SWEEP, **choice)
        for row in rows:
            try:
                self._inbox.recheck(row)
            except EdocError as error:
                log.info("docId %s stays set aside: %s", row.hub_doc_id, error)
