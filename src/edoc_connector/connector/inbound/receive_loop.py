"""The receive loop: hand packets out in order while others are brought in and acknowledgements are sent."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from ..._core import ForkAware, Text, get_logger, watch_forks
from ...errors import EdocError, StoreError
from ...store import ReceiptRow, ReceiptState, Tx
from .._context import ConnectorContext
from ..outbound import ConfirmationGate, Dispatcher
from .inbox import Inbox
from .prefetch import Prefetch, ReceiveInterruption
from .receipt import Receipt, build_forked_error

log = get_logger("edoc_connector.connector.coming")

_IDS_PER_LOOKUP = 100  # keys of waiting packets that are looked up at a time
_ACKS_PER_ROUND = 8  # packets whose answers leave together
_GATHER_SECONDS = 0.05  # seconds that the first of them waits for the others


class ReceiveLoop(ForkAware):
    """Hands out the packets of one call of `Connector.receive`. A context manager; at its end the queue was sent.

    Args:
        context: the store and the hub.
        inbox: brings packets in.
        outbox: sends acknowledgements.
        gate: of the hub, for those where one confirmation confirms more than its packet.
        handed_out: where receipts are noted that are in the application's hands.
        interruption: ends it early: then nothing more is handed out or sent.
    """

    def __init__(
        self,
        context: ConnectorContext,
        inbox: Inbox,
        outbox: Dispatcher,
        gate: ConfirmationGate,
        handed_out: list[Receipt],
        interruption: ReceiveInterruption,
    ) -> None:
        self._context = context
        self._outbox = outbox
        self._handed_out = handed_out
        self._interruption = interruption
        self._prefetch = Prefetch(context, inbox, interruption)
        self._ack_pump = AckPump(outbox)
        self._waiting_ids: deque[int] = deque()
        self._after_id = 0
        self._claim_lock = threading.Lock()
        self._claimed_ahead: Receipt | None = None
        self._stopped = False
        self._is_parents = False
        self._gate = gate
        self._holds_gate = False
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """End here: the threads, and what was claimed, are the parent's."""
        self._is_parents = self._stopped = True
        self._holds_gate = False
        self._claimed_ahead = None
        self._claim_lock = threading.Lock()

    def __enter__(self) -> Self:
        self._gate.hold()
        self._holds_gate = True
        try:
            self._prefetch.__enter__()
        except BaseException:
            self._release_gate()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_over = self._interruption.is_set() or self._is_parents
        self.stop()
        if kind is None and not is_over:
            self._ack_pump.raise_thread_error()
            self._outbox.dispatch_due()

    def __iter__(self) -> Iterator[Receipt]:
        while (receipt := self._take_next()) is not None:
            self._handed_out[:] = [earlier for earlier in self._handed_out if earlier.claimed]
            self._handed_out.append(receipt)
            yield receipt

    def stop(self) -> None:
        """End the threads. What was not handed out waits for the next call."""
        if self._is_parents:
            return
        with self._claim_lock:
            self._stopped = True
            unclaimed, self._claimed_ahead = self._claimed_ahead, None
        self._prefetch.stop()
        self._release_gate()
        self._ack_pump.stop()
        if unclaimed is not None:
            _give_back(unclaimed)

    @property
    def first_error(self) -> EdocError | None:
        """What went wrong with the hub, if anything did."""
        return self._prefetch.first_error

    def _take_next(self) -> Receipt | None:
        while True:
            if self._is_parents:
                raise build_forked_error()
            if self._interruption.is_set():
                return None
            self._ack_pump.raise_thread_error()
            below_id = self._prefetch.find_lowest_pending()
            with self._claim_lock:
                receipt = self._claim_next_waiting(below_id)
            if receipt is not None:
                self._prefetch.mark_handed_out(receipt.key)
                return receipt
            if below_id is None:
                return None
            self._prefetch.wait_for(below_id)

    def _claim_next_waiting(self, below_id: int | None) -> Receipt | None:
        """Claim the next packet that waits, for the application; only one before all that may still come in."""
        receipt, self._claimed_ahead = self._claimed_ahead, None
        while receipt is None and (self._waiting_ids or self._look_up_waiting(below_id)):
            with self._context.store.transaction() as tx:
                row = self._claim_first(tx)
            self._after_id = self._waiting_ids.popleft()
            if row is not None:
                return self._build_receipt(row)
            self._prefetch.mark_handed_out(self._after_id)
        return receipt

    def _claim_first(self, tx: Tx) -> ReceiptRow | None:
        """Claim the first of those that were looked up, unless somebody else has it."""
        context = self._context
        return tx.receipts.claim_next(
            context.lease, agency=context.agency, state=ReceiptState.WAITING, only_id=self._waiting_ids[0]
        )

    def _build_receipt(self, row: ReceiptRow) -> Receipt:
        verified = self._prefetch.take_verified(row.id)
        return Receipt(self._context, row, receive_loop=self, verified=verified, is_claimed=True)

    # -- for the receipts

    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        """Open the transaction that ends a packet; the next one is claimed in it: most applications ask for it then.

        Not where somebody asks for it already.
        """
        if not self._claim_lock.acquire(blocking=False):
            with self._context.store.transaction() as tx:
                yield tx
            return
        try:
            claims_next = bool(self._waiting_ids) and self._claimed_ahead is None and not self._stopped
            with self._context.store.transaction() as tx:
                yield tx
                row = self._claim_first(tx) if claims_next else None
            if claims_next:  # only now: nothing is claimed before the transaction has ended
                self._after_id = self._waiting_ids.popleft()
            if row is not None:
                self._claimed_ahead = self._build_receipt(row)
        finally:
            self._claim_lock.release()

    def dispatch_due(self) -> None:
        """Send what was queued: in the background while there is more to hand out."""
        if self._is_parents:
            self._outbox.dispatch_due()
        elif self._claimed_ahead is not None or self._waiting_ids or self._prefetch.has_more:
            self._ack_pump.notify()
        else:
            self._release_gate()
            with self._ack_pump.sending_lock:
                self._outbox.dispatch_due()

    def _release_gate(self) -> None:
        """Let confirmations leave, where one of them confirms more than its packet: what was listed is here."""
        if self._holds_gate:
            self._holds_gate = False
            self._gate.release()

    # -- waiting packets

    def _look_up_waiting(self, below_id: int | None) -> bool:
        with self._context.store.snapshot() as tx:
            ids = tx.receipts.list_waiting_ids(
                self._context.agency, after_id=self._after_id, below_id=below_id, limit=_IDS_PER_LOOKUP
            )
        self._waiting_ids.extend(ids)
        return bool(ids)


def _give_back(receipt: Receipt) -> None:
    try:
        receipt.give_back(Text("not handed out", "chưa giao"))
    except StoreError as error:
        log.warning("docId %s waits until its lease runs out: %s", receipt.hub_doc_id, error)


class AckPump:
    """Sends confirmations and statuses in a thread, which begins with the first.

    Args:
        outbox: sends.

    Attributes:
        sending_lock: held while something is sent.
    """

    def __init__(self, outbox: Dispatcher) -> None:
        self._outbox = outbox
        self._queued_count = 0
        self._has_work = threading.Event()
        self._has_full_round = threading.Event()
        self.sending_lock = threading.Lock()
        self._is_stopping = False
        self._thread_error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def notify(self) -> None:
        """Wake the thread: something was queued."""
        self._queued_count += 1
        self._has_work.set()
        if self._queued_count >= _ACKS_PER_ROUND:
            self._has_full_round.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="edoc-sender", daemon=True)
            self._thread.start()

    def raise_thread_error(self) -> None:
        """Raise what ended the thread, if something did."""
        if self._thread_error is not None:
            raise self._thread_error

    def stop(self) -> None:
        """End the thread, after what was queued so far."""
        self._is_stopping = True
        thread = self._thread  # another call, from another thread, may be at it too
        if thread is not None:
            self._has_work.set()
            self._has_full_round.set()
            thread.join()
            self._thread = None

    def _run(self) -> None:
        try:
            while not self._is_stopping or self._has_work.is_set():
                self._has_work.wait()
                self._has_full_round.wait(_GATHER_SECONDS)
                self._reset_events()
                with self.sending_lock:
                    self._outbox.send_due_acks()
        except BaseException as error:  # it is the caller's to meet; who leaves the loop early finds it in the log
            log.warning("what was queued waits for the next call: %s", error)
            self._thread_error = error

    def _reset_events(self) -> None:
        self._has_work.clear()
        self._queued_count = 0
        if not self._is_stopping:
            self._has_full_round.clear()
