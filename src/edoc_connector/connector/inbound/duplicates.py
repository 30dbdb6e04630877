"""A body that is here already, under another docId: the same document once more, or a hub that mixed bodies up?

A hub's list names no DocumentId, so a wrong body of the right sender and recipient can only be told by what else is
here. Confirming it as a duplicate would make the hub forget a document that never came. So before anything counts as a
duplicate, both docIds are downloaded once more: where either gives another packet now, that one is taken in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from ...edxml import Document
from ...errors import AttachmentError, EdocError, PacketError, StoreError, VerificationFailed
from ...store import SpoolFile, Tx, receipts
from ...store.rows import ReceiptRow
from .._context import Session
from .._retry import fate
from .admission import Judged

log = logging.getLogger("edoc_connector.connector.doubles")

_LOOKS = 5  # a hub that cannot be asked for so long is believed


@dataclass(frozen=True, slots=True)
class Doubles:
    """Looks twice at what seems to be a duplicate.

    Args:
        session: the store.
        download: fetches the packet of a docId into the spool.
        judge: reads and verifies a packet for a receipt.
    """

    session: Session
    download: Callable[[str], SpoolFile]
    judge: Callable[[SpoolFile, ReceiptRow], Judged]

    def look(self, row: ReceiptRow, judged: Judged) -> Judged:
        """What to take in for a receipt: the packet that came, or the one that a second look brought.

        Raises:
            EdocError: the hub could not be asked; the receipt has to wait.
        """
        with self.session.store.reading() as tx:
            other = held(tx, row, judged)
        if other is None:
            return judged
        for doc_id in (row.hub_doc_id, other.hub_doc_id):
            found = self._another(doc_id, row, judged)
            if found is not None:
                log.error("the hub had given the same body for docIds %s and %s", row.hub_doc_id, other.hub_doc_id)
                self.session.store.spool.discard(judged.file.name)  # its content is here, under the other docId
                return found
        return judged

    def _another(self, doc_id: str, row: ReceiptRow, judged: Judged) -> Judged | None:
        """The packet that the hub gives for a docId now, where it is one that is not here."""
        try:
            file = self.download(doc_id)
        except EdocError as error:
            if fate(error).state == "failed" or row.attempts >= _LOOKS:
                log.warning("whether docId %s has a body of its own cannot be found out: %s", doc_id, error)
                return None
            raise
        try:
            found = self._new(file, row, judged)
        except StoreError:
            self.session.store.spool.discard(file.name)
            raise
        if found is None:
            self.session.store.spool.discard(file.name)
        return found

    def _new(self, file: SpoolFile, row: ReceiptRow, judged: Judged) -> Judged | None:
        if file.sha256 == judged.file.sha256:
            return None
        try:
            found = self.judge(file, row)
        except (PacketError, VerificationFailed, AttachmentError):
            return None
        with self.session.store.reading() as tx:
            known = found.fingerprint == judged.fingerprint or held(tx, row, found) is not None
        return None if known else found


def held(tx: Tx, row: ReceiptRow, judged: Judged) -> ReceiptRow | None:
    """The receipt that has the same content already, if there is one."""
    message = judged.message
    T = receipts.T  # noqa: N806  a table
    if isinstance(message, Document):
        other = receipts.effective(tx, row.agency, message.id, message.sender.id)
        same = other is not None and other.id != row.id and other.fingerprint == judged.fingerprint
        return other if same else None
    where = [T.c.fingerprint == judged.fingerprint, T.c.message_type == receipts.STATUS, T.c.id != row.id]
    return next(iter(receipts.find(tx, row.agency, *where, limit=1)), None)
