"""What a connector sends: documents, the changes of what was sent, and whatever is queued."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

from ..edxml import Document, Organization, ReceiverChange, Replacement, StaffInfo
from ..store import DeliveryRow, Tx
from ._context import ConnectorContext
from .delivery import Delivery, build_deliveries
from .outbound import (
    Dispatcher,
    Flushed,
    Preview,
    SendBatch,
    SendBatches,
    SendResult,
    Submission,
    preview,
    request_take_back,
    require_delivery,
    send_each,
    submit,
    submit_recall,
    submit_replacement,
    submit_update,
)


class Sending:
    """Methods of `Connector` that store what goes out, and send it."""

    context: ConnectorContext
    outbox: Dispatcher
    batches: SendBatches

    def send(
        self,
        document: Document,
        *,
        deadline: datetime | timedelta | None = None,
        use_successors: bool = False,
    ) -> Delivery:
        """Store a document, then send it. The same document again is the same delivery, and is sent if it was not yet.

        A recipient that is not in the hub's directory is warned of in the log; see `check_recipients`.

        Args:
            document: the document; the sender must be the agency of the settings.
            use_successors: whether the heir takes the place of a recipient whose code ended.
            deadline: until when it is to be with every recipient, aware, or a span from when it is stored; by default
                what `limits.deadlines` says for its urgency. Once over it shows as expired, and nothing is sent again
                by itself. That of a known delivery is changed.

        Raises:
            InvalidQuery: the deadline is over already, or has no zone; nothing was stored.
            DocumentError: it breaks rules of the standard; nothing was stored.
            RecipientEnded: the code of a recipient ended; names its heir. Nothing was stored.
            AttachmentError: a file to attach is gone or empty; nothing was stored.
            DocumentIdConflict: another document was stored under its id, unless the hub refused that: it is corrected.
            SigningError, StoreError: the key or the store cannot be used; nothing was stored.
            HubError: the hub said no. The delivery is stored: ``failed`` where the packet is refused for good,
                ``ready`` where the hub is busy or refuses us. Calling again, once the cause is mended, sends it.
            NotSent: the hub was not reached; the delivery is ``ready``.
            OutcomeUnknown: the packet left and no answer came; the delivery is ``unknown``. Calling again asks the hub.
        """
        context = self._read_sending_context()
        return self._dispatch(submit(context, document, deadline=deadline, use_successors=use_successors))

    def queue(
        self,
        document: Document,
        *,
        deadline: datetime | timedelta | None = None,
        use_successors: bool = False,
    ) -> Delivery:
        """Store and sign a document, and leave it to a worker to send it; for a web request, which has no time to wait.

        The hub is not called. Before a worker there is (`edoc worker`), or another call sends what is due, the delivery
        stays ``ready``. The same document again is the same delivery, by the rules of `send`; one that failed is
        ``ready`` again.

        What is queued is sent, whatever becomes of a database transaction of the caller's: queue a document after that
        is committed (`transaction.on_commit` in Django).

        Args:
            document: the document; the sender must be the agency of the settings.
            use_successors: as for `send`.
            deadline: as for `send`.

        Raises:
            InvalidQuery: the deadline is over already, or has no zone; nothing was stored.
            DocumentError: it breaks rules of the standard; nothing was stored.
            RecipientEnded: the code of a recipient ended; names its heir. Nothing was stored.
            AttachmentError: a file to attach is gone or empty; nothing was stored.
            DocumentIdConflict: another document was stored under its id, unless the hub refused that: it is corrected.
            SigningError, StoreError: the key or the store cannot be used; nothing was stored.
        """
        submission = submit(
            self._read_sending_context(), document, deadline=deadline, use_successors=use_successors, queue=True
        )
        return self._dispatch(submission, queue=True)

    def send_many(
        self,
        documents: Iterable[Document],
        *,
        at_once: int | None = None,
        deadline: datetime | timedelta | None = None,
        use_successors: bool = False,
        queue: bool = False,
    ) -> Iterator[SendResult]:
        """Send many documents, several at a time; what became of each comes once it ended, in any order.

        Each is sent as `send` does, and an error of one keeps no other back. Documents are taken from their source one
        by one, in the thread of the caller, when there is room: of any number, `at_once` are in memory. While the
        source is waited for, no result comes. Nothing is sent before the first result is asked for.

        Whoever leaves the loop, or is interrupted in it, waits until everything that was begun has ended, at the latest
        where the connector is closed; the log tells of errors then. Where the source fails, or gives what is no
        document, that error is raised once all results were given. To go on after a crash, give the same documents
        again: each is one delivery.

        Args:
            documents: the documents; an iterator that makes them may be of any length.
            at_once: how many are worked on at a time, 1 to 256; left out, as many as ``limits.threads``. More than
                ``http.connections`` wait for one another.
            deadline: as for `send`, of each.
            use_successors: as for `send`.
            queue: whether to store and sign only, as `queue` does.

        Yields:
            of each document its delivery, or the error that `send` would have raised.

        Raises:
            InvalidQuery: `at_once` is out of bounds.
        """
        return send_each(
            self._begin_batch(at_once, deadline=deadline, use_successors=use_successors, queue=queue), documents
        )

    def preview(self, document: Document, *, use_successors: bool = False) -> Preview:
        """Check, build and sign a document as `send` would, and keep nothing: nothing is stored, and no hub called.

        Args:
            document: the document.
            use_successors: as for `send`.

        Raises:
            DocumentError: it breaks rules of the standard, or limits of the hub.
            RecipientEnded: the code of a recipient ended; names its heir.
            AttachmentError: a file to attach is gone or empty.
            DocumentIdConflict: another document was stored under its id.
            SigningError, StoreError: the key or the store cannot be used.
        """
        return preview(self._read_sending_context(), document, use_successors=use_successors)

    def recall(
        self,
        document_id: str,
        *,
        reason: str,
        recipients: Sequence[Organization] | None = None,
        staff: StaffInfo | None = None,
        queue: bool = False,
    ) -> Delivery:
        """Ask recipients to agree that a document is void (thu hồi; BussinessDocType 1). They answer 15 or 16.

        As long as one of them has not answered, calling again gives the same delivery. Who was not asked yet is asked
        by another one.

        Args:
            document_id: the document, which must be sent.
            reason: why.
            recipients: whom to ask; everybody who got it where they are left out, and in the place of one whose code
                ended its heir, where the directory names one.
            staff: the officer in charge.
            queue: whether to leave it to a worker, as `queue` does, instead of calling the hub now.

        Raises:
            NotFound: no document was sent under that id, its packet is gone, or nobody is named.
            StatusNotAllowed: the document is not sent yet.
            EdocError: as for `send`.
        """
        recall = submit_recall(
            self._read_sending_context(), document_id, reason=reason, recipients=recipients, staff=staff, queue=queue
        )
        return self._dispatch(recall, queue=queue)

    def update(
        self,
        document: Document,
        *,
        updates: str,
        reason: str,
        content_changed: bool = True,
        receivers: Sequence[ReceiverChange] = (),
        staff: StaffInfo | None = None,
        use_successors: bool = False,
        queue: bool = False,
    ) -> Delivery:
        """Send a document anew with changes (cập nhật; BussinessDocType 2). Recipients answer 15 or 16.

        Args:
            document: the document as it is now; where it has the id of the one it updates, it gets one of its own.
            updates: the document it updates, which must be sent.
            reason: why.
            content_changed: whether the content changed.
            receivers: recipients added and removed.
            staff: the officer in charge.
            use_successors: as for `send`.
            queue: whether to leave it to a worker, as `queue` does, instead of calling the hub now.

        Raises:
            NotFound: no document was sent under that id.
            StatusNotAllowed: the document is not sent yet.
            EdocError: as for `send`.
        """
        update = submit_update(
            self._read_sending_context(),
            document,
            document_id=updates,
            reason=reason,
            content_changed=content_changed,
            receivers=receivers,
            staff=staff,
            use_successors=use_successors,
            queue=queue,
        )
        return self._dispatch(update, queue=queue)

    def replace(
        self,
        document: Document,
        *,
        replaces: str | Sequence[str | Replacement],
        reason: str,
        staff: StaffInfo | None = None,
        use_successors: bool = False,
        queue: bool = False,
    ) -> Delivery:
        """Send a document that replaces others (thay thế; BussinessDocType 3). Recipients answer 15 or 16.

        Args:
            document: the new document.
            replaces: ids of the documents it replaces; who held them is looked up, unless a `Replacement` says so.
            reason: why.
            staff: the officer in charge.
            use_successors: as for `send`.
            queue: whether to leave it to a worker, as `queue` does, instead of calling the hub now.

        Raises:
            NotFound: no document was sent under such an id.
            StatusNotAllowed: a document is not sent yet.
            EdocError: as for `send`.
        """
        replaced = [replaces] if isinstance(replaces, str) else replaces
        replacement = submit_replacement(
            self._read_sending_context(),
            document,
            replaces=replaced,
            reason=reason,
            staff=staff,
            use_successors=use_successors,
            queue=queue,
        )
        return self._dispatch(replacement, queue=queue)

    def take_back(
        self,
        document_id: str,
        *,
        reason: str,
        recipients: Sequence[str] | None = None,
        staff: StaffInfo | None = None,
        queue: bool = False,
    ) -> Delivery:
        """Ask recipients to give a document back (lấy lại; status 13). They answer 15 or 16.

        The request is stored and goes out at once; where the hub is out of reach, or with `queue`, it leaves with a
        later call.

        Args:
            document_id: the document, which must be sent.
            reason: why.
            recipients: codes of those to ask; where they are left out, all who may still be asked.
            staff: the officer.
            queue: whether to leave it to a worker, as `queue` does, instead of calling the hub now.

        Raises:
            NotFound: no document was sent under that id, a code is none of its recipients, or none is named.
            StatusNotAllowed: a recipient has rejected or completed it, or was asked already; or it is not sent.
            DocumentError: the reason is missing.
        """
        request_take_back(self._read_sending_context(), document_id, organ_ids=recipients, reason=reason, staff=staff)
        if not queue:
            self.outbox.dispatch_due()
        return self.delivery(document_id)

    def delivery(self, document_id: str) -> Delivery:
        """Find a delivery by its DocumentId.

        Raises:
            NotFound: there is none.
        """
        with self.context.store.snapshot() as tx:
            return self._build_delivery(tx, require_delivery(tx, self.context, document_id))

    def flush(self) -> Flushed:
        """Send everything that is queued, whether it is due by its back-off or not; ask about unknown outcomes.

        Does not raise for what a message meets: that is in the result, and in the store.
        """
        flushed = self.outbox.flush(only_due=False)
        self.context.checkpoints.keep_if_due()
        return flushed

    # -- helpers

    def _build_delivery(self, tx: Tx, row: DeliveryRow) -> Delivery:
        return build_deliveries(tx, [row], arrival_within=self.context.limits.arrival_within)[0]

    def _begin_batch(
        self, at_once: int | None, *, deadline: datetime | timedelta | None, use_successors: bool, queue: bool
    ) -> SendBatch:
        send = partial(self.queue if queue else self.send, deadline=deadline, use_successors=use_successors)
        return self.batches.open(send, at_once=self.context.limits.threads if at_once is None else at_once)

    def _read_sending_context(self) -> ConnectorContext:
        """Read which hub sends; where none does, what is stored is made for the first one of the settings."""
        return self.context.read_sending() or self.context

    def _dispatch(self, submission: Submission, *, queue: bool = False) -> Delivery:
        """Send what was stored, then whatever else is due; return its delivery.

        Args:
            submission: what was stored.
            queue: whether to leave all that to a worker.
        """
        if queue:
            return self.delivery(submission.row.document_id)
        self.outbox.send(submission)
        self.context.checkpoints.keep_if_due()
        with self.context.store.snapshot() as tx:
            view = self._build_delivery(tx, tx.deliveries.get_by_id(submission.row.id))
            other_work = tx.leases.find_work(self.context.agency, self.context.overdue_limits)
        if not other_work:
            return view
        self.outbox.dispatch_due()
        return self.delivery(submission.row.document_id)
