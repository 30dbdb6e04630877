"""The connector: send and receive documents for one agency over one hub."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from .._core import ABOUT_SETTINGS, Text, get_logger, notice_fork
from ..config import POLICY_ANY, Settings
from ..edxml import Document, Organization, ReceiverChange, Replacement, StaffInfo
from ..errors import EdocError, NotFound, show_details
from ..hubs import Progress
from ..signing import Signer, VerifyMode
from ..store import DirectoryEntry, ReceiptRow
from ._opening import SigningKey, open_context
from ._pdf_policy import require_pdf_support
from .checks import CheckResult, Subject, run_checks
from .delivery import Delivery, build_deliveries
from .handlers import HandlerRegistration, Handlers
from .holdings import end_watch, watch_abandonment
from .inbound import Inbox, Receipt, ReceiveInterruption, ReceiveLoop, StatusSweep
from .lists import Lists
from .naming import find_receipt
from .operations import Administration
from .outbound import (
    Flushed,
    Outbox,
    Submission,
    request_take_back,
    submit,
    submit_recall,
    submit_replacement,
    submit_update,
)

log = get_logger("edoc_connector.connector")


class Connector(HandlerRegistration, Administration, Lists):
    """Sends and receives documents for one agency, over one hub, with everything kept in a store.

    Blocking, and safe to share between threads; `receive` is for one thread at a time. Several processes, or machines
    on one PostgreSQL, may run the same connector. What is queued goes out with every call, or with `flush`. In a
    process that is forked, a connector that was opened before has connections and leases of its own.

    Use it as a context manager, or call `close`.

    Args:
        settings: see `Settings`.
        signer: the key, instead of the one in the settings; a remote signing service for example.
        on_progress: told, while a packet goes over the wire, its bytes so far and in all; None where that is unknown.

    Raises:
        ConfigError: the settings cannot be used.
        SigningError: what they name as a key is no key's URI.
        StoreError: the store cannot be opened.
    """

    def __init__(
        self, settings: Settings, *, signer: Signer | None = None, on_progress: Progress | None = None
    ) -> None:
        self.settings = settings
        show_details(settings.logs.details)
        settings.check_secret_files()
        policy = settings.policy()
        require_pdf_support(settings)
        self._signing_key = SigningKey(settings.signer() if signer is None else signer, is_own=signer is None)
        self.context = open_context(settings, policy, get_signer=self._signing_key.pin_signer, on_progress=on_progress)
        self.outbox = Outbox(self.context)
        self.inbox = Inbox(self.context)
        self.outbox.ack_sender.gate.sweep = StatusSweep(self.context, self.inbox)
        self._handed_out: list[Receipt] = []
        self._receive_loop: ReceiveLoop | None = None
        self._signing_key.warn_if_unusable()
        settings.warn_of_shortfall()
        if self.context.store.identity.is_restoring:
            log.warning("the store was restored, and is not caught up with what happened since: see `edoc restored`")
        self.handlers = Handlers()
        self._receiving_in = self.context.lease.owner
        self._finalizer = watch_abandonment(self, self.context, self.context.guard, self._signing_key.close)

    @classmethod
    def open(
        cls, settings: Settings | str | Path, *, signer: Signer | None = None, on_progress: Progress | None = None
    ) -> Self:
        """Open a connector.

        Args:
            settings: settings, or the path of an ``edoc.toml``.
            signer: the key, instead of the one in the settings.
            on_progress: told how far a packet is on the wire.

        Raises:
            ConfigError: the settings cannot be read or used.
            SigningError: what they name as a key is no key's URI.
            StoreError: the store cannot be opened.
        """
        loaded_settings = settings if isinstance(settings, Settings) else Settings.load(settings)
        return cls(loaded_settings, signer=signer, on_progress=on_progress)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back what was handed out and not handled, and close every connection."""
        end_watch(self, self._finalizer)
        self._forget_parents_receipts()
        try:
            self._stop_receive_loop()
            self._give_back_handed_out()
        finally:
            self.context.guard.release()
            self.context.lease_keeper.stop()
            self.outbox.close()
            self.context.hub.close()
            self.context.store.close()
            self._signing_key.close()

    # -- sending

    def send(self, document: Document) -> Delivery:
        """Store a document, then send it. The same document again is the same delivery, and is sent if it was not yet.

        Args:
            document: the document; the sender must be the agency of the settings.

        Raises:
            DocumentError: it breaks rules of the standard; nothing was stored.
            AttachmentError: a file to attach is gone or empty; nothing was stored.
            DocumentIdConflict: another document was stored under its id, unless the hub refused that: it is corrected.
            SigningError, StoreError: the key or the store cannot be used; nothing was stored.
            HubError: the hub said no. The delivery is stored: ``failed`` where the packet is refused for good,
                ``ready`` where the hub is busy or refuses us. Calling again, once the cause is mended, sends it.
            NotSent: the hub was not reached; the delivery is ``ready``.
            OutcomeUnknown: the packet left and no answer came; the delivery is ``unknown``. Calling again asks the hub.
        """
        submission = submit(self.context, document)
        self.outbox.send(submission)
        return self._dispatch_others(submission)

    def recall(
        self,
        document_id: str,
        *,
        reason: str,
        recipients: Sequence[Organization] | None = None,
        staff: StaffInfo | None = None,
    ) -> Delivery:
        """Ask recipients to agree that a document is void (thu hồi; BussinessDocType 1). They answer 15 or 16.

        As long as one of them has not answered, calling again gives the same delivery. Who was not asked yet is asked
        by another one.

        Args:
            document_id: the document, which must be sent.
            reason: why.
            recipients: whom to ask; everybody who got it where they are left out.
            staff: the officer in charge.

        Raises:
            NotFound: no document was sent under that id, its packet is gone, or nobody is named.
            StatusNotAllowed: the document is not sent yet.
            EdocError: as for `send`.
        """
        recall = submit_recall(self.context, document_id, reason=reason, recipients=recipients, staff=staff)
        self.outbox.send(recall)
        return self._dispatch_others(recall)

    def update(
        self,
        document: Document,
        *,
        updates: str,
        reason: str,
        content_changed: bool = True,
        receivers: Sequence[ReceiverChange] = (),
        staff: StaffInfo | None = None,
    ) -> Delivery:
        """Send a document anew with changes (cập nhật; BussinessDocType 2). Recipients answer 15 or 16.

        Args:
            document: the document as it is now; where it has the id of the one it updates, it gets one of its own.
            updates: the document it updates, which must be sent.
            reason: why.
            content_changed: whether the content changed.
            receivers: recipients added and removed.
            staff: the officer in charge.

        Raises:
            NotFound: no document was sent under that id.
            StatusNotAllowed: the document is not sent yet.
            EdocError: as for `send`.
        """
        update = submit_update(
            self.context,
            document,
            document_id=updates,
            reason=reason,
            content_changed=content_changed,
            receivers=receivers,
            staff=staff,
        )
        self.outbox.send(update)
        return self._dispatch_others(update)

    def replace(
        self,
        document: Document,
        *,
        replaces: str | Sequence[str | Replacement],
        reason: str,
        staff: StaffInfo | None = None,
    ) -> Delivery:
        """Send a document that replaces others (thay thế; BussinessDocType 3). Recipients answer 15 or 16.

        Args:
            document: the new document.
            replaces: ids of the documents it replaces; who held them is looked up, unless a `Replacement` says so.
            reason: why.
            staff: the officer in charge.

        Raises:
            NotFound: no document was sent under such an id.
            StatusNotAllowed: a document is not sent yet.
            EdocError: as for `send`.
        """
        replaced = [replaces] if isinstance(replaces, str) else replaces
        replacement = submit_replacement(self.context, document, replaces=replaced, reason=reason, staff=staff)
        self.outbox.send(replacement)
        return self._dispatch_others(replacement)

    def take_back(
        self,
        document_id: str,
        *,
        reason: str,
        recipients: Sequence[str] | None = None,
        staff: StaffInfo | None = None,
    ) -> Delivery:
        """Ask recipients to give a document back (lấy lại; status 13). They answer 15 or 16.

        The request is stored and goes out at once; where the hub is out of reach it leaves with a later call.

        Args:
            document_id: the document, which must be sent.
            reason: why.
            recipients: codes of those to ask; where they are left out, all who may still be asked.
            staff: the officer.

        Raises:
            NotFound: no document was sent under that id, a code is none of its recipients, or none is named.
            StatusNotAllowed: a recipient has rejected or completed it, or was asked already; or it is not sent.
            DocumentError: the reason is missing.
        """
        request_take_back(self.context, document_id, organ_ids=recipients, reason=reason, staff=staff)
        self.outbox.dispatch_due()
        return self.delivery(document_id)

    def delivery(self, document_id: str) -> Delivery:
        """Find a delivery by its DocumentId.

        Raises:
            NotFound: there is none.
        """
        with self.context.store.snapshot() as tx:
            return self._build_view(tx, document_id)

    def flush(self) -> Flushed:
        """Send everything that is queued, whether it is due by its back-off or not; ask about unknown outcomes.

        Does not raise for what a message meets: that is in the result, and in the store.
        """
        flushed = self.outbox.flush(only_due=False)
        self.context.checkpoints.keep_if_due()
        return flushed

    # -- receiving

    def receive(self) -> Iterator[Receipt]:
        """Poll the hub once; every packet that waits to be handled comes once.

        Further packets are downloaded and verified in the background while one is handled, and what is to be told
        the hub and the senders leaves in the background too. Whoever leaves the loop early finds the rest waiting.

        These are documents of every kind, and requests to take a document back (`Receipt.kind`). Other statuses are
        entered in the deliveries they are about. Packets that cannot be read, or that the policy does not let in, are
        set aside (`receipts` with state QUARANTINED); the hub is told once it gave the same bytes twice, `limits.grace`
        apart.

        Yields:
            each packet, to be used as a context manager. One that is not is offered again by the next call.

        Raises:
            EdocError: what went wrong with the hub, after everything that is here already was handed out.
        """
        return self._receive_until(ReceiveInterruption())

    def _receive_until(self, interruption: ReceiveInterruption) -> Generator[Receipt]:
        """Receive as `receive` does, until another thread interrupts it."""
        self._forget_parents_receipts()
        if self.context.policy.mode is VerifyMode.ANY:
            _warn_of_policy_any(self.context.agency, self.settings.store_url())
        self._stop_receive_loop()
        self._give_back_handed_out()
        self.inbox.recover()
        self._receive_loop = receive_loop = ReceiveLoop(
            self.context, self.inbox, self.outbox, self._handed_out, interruption
        )
        with receive_loop:
            for receipt in receive_loop:
                yield receipt
                self.context.checkpoints.keep_if_due()
        if receive_loop.first_error is not None:
            raise receive_loop.first_error

    def receipt(self, document_id: str, *, sender: str | None = None) -> Receipt:
        """Find a document that came in or was set aside, by its DocumentId; or any packet by the hub's id of it.

        Args:
            document_id: the id.
            sender: code of the organisation it came from. A DocumentId is its sender's: another may use the same.

        Raises:
            NotFound: there is none.
            DocumentIdConflict: packets of several senders have that id, and `sender` was left out.
        """
        return Receipt(self.context, self._find_receipt(document_id, sender), outbox=self.outbox)

    def recheck(self, hub_doc_id: str) -> Receipt:
        """Verify a packet that was set aside once more, by the settings of today.

        The next `receive` hands a document out, unless it is here already; a status is entered in the delivery it is
        about; a packet that could not be downloaded is asked for again by the next `receive`. Where the stored bytes
        still may not come in, the hub is asked for them once more.

        Raises:
            NotFound: there is none, or its bytes are gone.
            VerificationFailed: the policy still does not let it in.
            PacketError: it still cannot be read.
            AttachmentError: a file in it cannot be decoded.
            DocumentIdConflict: another document is here under its id.
            StoreError: it is not set aside.
        """
        with self.context.store.snapshot() as tx:
            row = tx.receipts.find_by_hub_doc_id(self.context.agency, hub_doc_id)
        row = row or self._find_receipt(hub_doc_id)
        self.inbox.recheck(row)
        self.outbox.dispatch_due()
        with self.context.store.snapshot() as tx:
            return Receipt(self.context, tx.receipts.get_by_id(row.id), outbox=self.outbox)

    # -- what an operator must know

    def checks(self) -> tuple[CheckResult, ...]:
        """Look at every condition that an operator must know, and tell of each whether it is there.

        Returns:
            a result of each check, in the order of the registry; where the store does not answer, those that need it
            are ``unknown``.
        """
        return run_checks(self.check_subject)

    @classmethod
    def diagnose(cls, settings: Settings) -> tuple[CheckResult, ...]:
        """Look at every condition as `checks` does, also where the connector cannot be opened.

        Args:
            settings: of the agency.
        """
        try:
            with cls(settings) as connector:
                return connector.checks()
        except EdocError as error:
            return run_checks(Subject(settings=settings, opening_error=error))

    @property
    def check_subject(self) -> Subject:
        """The agency, as its checks look at it."""
        return Subject(settings=self.settings, opened=self.context, read_keys=self._signing_key.read_statuses)

    # -- the directory

    def sync_directory(self) -> int:
        """Take over the hub's directory of agencies, and return how many it has.

        Raises:
            EdocError: the hub did not give it; the one in the store stays as it was.
        """
        self.context.hub.clear_exchanges()
        listed = self.context.hub.agencies()
        codes = {agency.id: agency.code for agency in listed if agency.id}
        entries = [
            DirectoryEntry(
                code=agency.code,
                name=agency.name or agency.code,
                other_code=agency.other_code or None,
                parent=codes.get(agency.parent_id),
                email=agency.mail or None,
            )
            for agency in listed
        ]
        with self.context.store.transaction() as tx:
            return tx.directory.replace_agencies(self.context.agency, entries)

    # -- helpers

    def _dispatch_others(self, submission: Submission) -> Delivery:
        """Send whatever else is due, and return the delivery of the document that was sent."""
        self.context.checkpoints.keep_if_due()
        with self.context.store.snapshot() as tx:
            row = tx.deliveries.get_by_id(submission.row.id)
            view = build_deliveries(tx, [row], undelivered_after=self.context.limits.undelivered_after)[0]
            other_work = tx.leases.find_work(self.context.agency, self.context.overdue_limits)
        if not other_work:
            return view
        self.outbox.dispatch_due()
        return self.delivery(submission.row.document_id)

    def _find_receipt(self, any_id: str, sender: str | None = None) -> ReceiptRow:
        with self.context.store.snapshot() as tx:
            row = find_receipt(tx, self.context.agency, any_id, sender)
        if row is None:
            raise NotFound(
                f"no document came in under the id {any_id}: call receive(), or look for it with receipts().",
                vi=f"Không có văn bản đến với mã {any_id}: hãy gọi receive() hoặc tra bằng receipts().",
            )
        return row

    def _forget_parents_receipts(self) -> None:
        """Forget what the process was receiving that this one was forked from: it goes on with that."""
        notice_fork()
        if self._receiving_in != self.context.lease.owner:
            self._receiving_in = self.context.lease.owner
            self._handed_out.clear()
            self._receive_loop = None

    def _stop_receive_loop(self) -> None:
        """End the threads of an earlier `receive` that was left in the middle."""
        if self._receive_loop is not None:
            self._receive_loop.stop()
            self._receive_loop = None

    def _give_back_handed_out(self) -> None:
        """Offer again what was handed out by an earlier call and never entered."""
        for receipt in self._handed_out:
            if not receipt.inside:
                receipt.give_back(Text("handed out and not handled", "đã giao nhưng chưa được xử lý"))
        self._handed_out[:] = [receipt for receipt in self._handed_out if receipt.inside]


@cache
def _warn_of_policy_any(agency: str, store_url: str) -> None:  # noqa: ARG001  they tell configurations apart
    """Warn of a policy that lets everything in, once per process and configuration."""
    log.warning(POLICY_ANY.en, extra=ABOUT_SETTINGS)
