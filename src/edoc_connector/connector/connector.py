"""The connector: send and receive documents for one agency over its hub, or over several while it moves."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Self

from .._core import ABOUT_SETTINGS, Text, get_logger, notice_fork, sleep_until
from ..config import POLICY_ANY, Settings
from ..errors import EdocError, HubError, NotFound, TransportError, set_language, show_details
from ..hubs import Progress
from ..signing import Signer, VerifyMode
from ..store import ReceiptRow
from ._channels import HubChannels
from ._context import SigningKey
from ._opening import SharedResources, open_context
from ._pdf_policy import require_pdf_support
from .agencies import Agencies
from .checks import CheckResult, Subject, run_checks
from .handlers import HandlerRegistration, Handlers
from .holdings import end_watch, watch_abandonment
from .inbound import Receipt, ReceiveInterruption, ReceiveLoop
from .lists import Lists
from .naming import find_receipt
from .operations import Administration, compare_spool
from .outbound import SendBatches
from .sending import Sending
from .takeover import Takeovers

log = get_logger("edoc_connector.connector")

WATCH_SECONDS = 30.0


class Connector(HandlerRegistration, Sending, Administration, Agencies, Lists, Takeovers):
    """Sends and receives documents for one agency, over its hub, with everything kept in a store.

    Blocking, and safe to share between threads; `receive` is for one thread at a time. Several processes, or machines
    on one PostgreSQL, may run the same connector. What is queued goes out with every call, or with `flush`. In a
    process that is forked, a connector that was opened before has connections and leases of its own.

    Use it as a context manager, or call `close`.

    Args:
        settings: see `Settings`.
        signer: the key, instead of the one in the settings; a remote signing service for example.
        on_progress: told, while a packet goes over the wire, its bytes so far and in all; None where that is unknown.
        shared: what other connectors of the program share with this one: a worker's, for many agencies. The key is
            then loaded when it is first used, and not at once to warn early.

    Raises:
        ConfigError: the settings cannot be used.
        SigningError: what they name as a key is no key's URI.
        StoreError: the store cannot be opened.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        signer: Signer | None = None,
        on_progress: Progress | None = None,
        shared: SharedResources | None = None,
    ) -> None:
        self.settings = settings
        show_details(settings.logs.details)
        if settings.lang is not None:
            set_language(settings.lang)
        settings.check_secret_files()
        policy = settings.policy()
        require_pdf_support(settings)
        self._signing_key = SigningKey(settings.signer() if signer is None else signer, is_own=signer is None)
        self.context = open_context(
            settings, policy, get_signer=self._signing_key.pin_signer, on_progress=on_progress, shared=shared
        )
        self.channels = HubChannels(self.context)
        self.outbox = self.channels.dispatcher
        self.inbox = self.channels.first.inbox
        self.batches = SendBatches()
        self._handed_out: list[Receipt] = []
        self._receive_loop: ReceiveLoop | None = None
        if shared is None:  # else the checks, which a worker begins with, tell of it
            self._signing_key.warn_if_unusable()
        settings.warn_of_shortfall()
        if self.context.store.identity.is_restoring:
            log.warning("the store was restored, and is not caught up with what happened since: see `edoc restored`")
        self.handlers = Handlers()
        self._receiving_in = self.context.lease.owner
        self._finalizer = watch_abandonment(self, self.context, self._signing_key.close)

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
        """Wait for what `send_many` began, give back what was handed out and not handled, and close all connections."""
        end_watch(self, self._finalizer)
        self._forget_parents_receipts()
        try:
            self.batches.wait_for_all()
            self._stop_receive_loop()
            self._give_back_handed_out()
        finally:
            self.context.lease_keeper.stop()
            self.channels.close()
            self.context.store.close()
            self._signing_key.close()

    # -- receiving

    def receive(self) -> Iterator[Receipt]:
        """Poll the hub once, or each of several; every packet that waits to be handled comes once.

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

    def watch(self, *, every: float = WATCH_SECONDS, stop: threading.Event | None = None) -> Iterator[Receipt]:
        """Receive again and again; the loop ends when it is left, or with `stop`.

        A hub that refuses or is not reached is logged, and asked again with the next poll. What is queued is sent with
        each poll too.

        Args:
            every: seconds between the end of a poll's packets and the next poll.
            stop: set, from any thread or a signal handler, it ends the loop: within a tenth of a second where it waits,
                else before the next poll.

        Yields:
            each packet, as `receive` does: handled only by ``with receipt:``, and not before the block has ended.

        Raises:
            EdocError: as for `receive`, but for what the hub says and what does not reach it.
        """
        stop = threading.Event() if stop is None else stop
        while not stop.is_set():
            try:
                yield from self.receive()
            except (HubError, TransportError) as error:
                log_passing_error(error, every)
            sleep_until(stop.is_set, every)

    def _receive_until(self, interruption: ReceiveInterruption) -> Generator[Receipt]:
        """Receive as `receive` does, until another thread interrupts it."""
        self._forget_parents_receipts()
        if self.context.policy.mode is VerifyMode.ANY:
            _warn_of_policy_any(self.context.agency, self.context.store.url)
        self._stop_receive_loop()
        self._give_back_handed_out()
        errors: list[EdocError] = []
        for channel in self.channels:
            if interruption.is_set():
                return
            channel.inbox.recover()
            own_interruption = ReceiveInterruption()  # each loop sets its own at its end
            interruption.wake = own_interruption.set
            if interruption.is_set():  # by another thread, a moment ago
                return
            self._receive_loop = receive_loop = ReceiveLoop(
                channel.context,
                channel.inbox,
                self.outbox,
                channel.outbox.ack_sender.gate,
                self._handed_out,
                own_interruption,
            )
            with receive_loop:
                for receipt in receive_loop:
                    yield receipt
                    self.context.checkpoints.keep_if_due()
            errors += [receive_loop.first_error] if receive_loop.first_error is not None else []
        if errors:
            raise errors[0]

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

    def recheck(self, hub_doc_id: str, *, by: str | None = None) -> Receipt:
        """Verify a packet that was set aside once more, by the settings of today.

        The next `receive` hands a document out, unless it is here already; a status is entered in the delivery it is
        about; a packet that could not be downloaded is asked for again by the next `receive`. Where the stored bytes
        still may not come in, the hub is asked for them once more.

        Args:
            hub_doc_id: the hub's id of the packet.
            by: who wants it, for the timeline.

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
        with self.context.store.acting_as(by):
            self.channels.for_receipt(row).inbox.recheck(row)
        self.outbox.dispatch_due()
        with self.context.store.snapshot() as tx:
            return Receipt(self.context, tx.receipts.get_by_id(row.id), outbox=self.outbox)

    # -- what an operator must know

    def checks(self, *, remote: bool = False) -> tuple[CheckResult, ...]:
        """Look at every condition that an operator must know, and tell of each whether it is there.

        Args:
            remote: whether also at those for which the hub, and servers that tell of revocation, are called.

        Returns:
            a result of each check, in the order of the registry; where the store does not answer, those that need it
            are ``unknown``.
        """
        return run_checks(self.check_subject, remote=remote)

    @classmethod
    def diagnose(cls, settings: Settings, *, remote: bool = False) -> tuple[CheckResult, ...]:
        """Look at every condition as `checks` does, also where the connector cannot be opened.

        Args:
            settings: of the agency.
            remote: as for `checks`.
        """
        try:
            with cls(settings) as connector:
                return connector.checks(remote=remote)
        except EdocError as error:
            return run_checks(Subject(settings=settings, opening_error=error), remote=remote)

    @property
    def check_subject(self) -> Subject:
        """The agency, as its checks look at it."""
        return Subject(
            settings=self.settings,
            opened=self.context,
            read_keys=self._signing_key.read_statuses,
            read_faults=partial(compare_spool, self.context),
        )

    # -- helpers

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


def log_passing_error(error: EdocError, seconds: float) -> None:
    """Log what a poll of `watch` met, which the next one may not meet."""
    log.warning("%s; the hub is asked again in %g seconds", error, seconds)


@cache
def _warn_of_policy_any(agency: str, store_url: str) -> None:  # noqa: ARG001  they tell configurations apart
    """Warn of a policy that lets everything in, once per process and configuration."""
    log.warning(POLICY_ANY.en, extra=ABOUT_SETTINGS)


@contextmanager
def open_connectors(agencies: Sequence[Settings]) -> Iterator[tuple[Connector, ...]]:
    """Open a connector for each agency; those of several share what can be shared.

    Args:
        agencies: the settings of each.

    Raises:
        ConfigError: settings cannot be used.
        SigningError: what they name as a key is no key's URI.
        StoreError: a store cannot be opened.
    """
    with ExitStack() as stack:
        shared = SharedResources() if len(agencies) > 1 else None
        if shared is not None:
            stack.callback(shared.close)
        yield tuple(stack.enter_context(Connector(settings, shared=shared)) for settings in agencies)
