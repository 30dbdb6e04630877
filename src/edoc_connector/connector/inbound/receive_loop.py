"""One round of receiving: packets are handed out in their order while others are brought in and answers are sent."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from ..._core.text import both
from ...errors import EdocError, StoreError
from ...store import ReceiptState, Tx, receipts
from ...store.rows import ReceiptRow
from .._context import Session
from ..outbound.outbox import Outbox
from .inbox import Inbox
from .prefetch import Prefetch
from .receipt import Receipt

log = logging.getLogger("edoc_connector.connector.coming")

_LOOKED_UP = 100  # keys of waiting packets that are looked up at a time
_ENOUGH = 8  # packets whose answers leave together
_GATHERING = 0.05  # seconds that the first of them waits for the others


class Coming:
    """What one call of `Connector.receive` hands out. A context manager; at its end what was queued has been sent.

    Args:
        session: the store and the hub.
        inbox: fetches.
        outbox: sends.
        handed: where receipts are noted that are in the application's hands.
    """

    def __init__(self, session: Session, inbox: Inbox, outbox: Outbox, handed: list[Receipt]) -> None:
        self._session = session
        self._outbox = outbox
        self._handed = handed
        self._prefetch = Prefetch(session, inbox)
        self._sender = _Sender(outbox)
        self._waiting: deque[int] = deque()
        self._after = 0
        self._turn = threading.Lock()  # of who claims
        self._ahead: Receipt | None = None
        self._stopped = False

    def __enter__(self) -> Self:
        self._prefetch.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if kind is None:
            self._sender.check()
            self._outbox.kick()

    def __iter__(self) -> Iterator[Receipt]:
        while (receipt := self._next()) is not None:
            self._handed[:] = [one for one in self._handed if one.claimed]
            self._handed.append(receipt)
            yield receipt

    def stop(self) -> None:
        """End the threads. What was not handed out waits for the next call."""
        with self._turn:
            self._stopped = True
            left, self._ahead = self._ahead, None
        self._prefetch.stop()
        self._sender.stop()
        if left is not None:
            _give_back(left)

    @property
    def trouble(self) -> EdocError | None:
        """What went wrong with the hub, if anything did."""
        return self._prefetch.trouble

    def _next(self) -> Receipt | None:
        while True:
            self._sender.check()
            below = self._prefetch.complete_below()
            with self._turn:
                receipt = self._claimed(below)
            if receipt is not None:
                self._prefetch.passed(receipt.key)
                return receipt
            if below is None:
                return None
            self._prefetch.wait(below)

    def _claimed(self, below: int | None) -> Receipt | None:
        """The next packet that waits, held for the application; only those before all that may still come in."""
        receipt, self._ahead = self._ahead, None
        while receipt is None and (self._waiting or self._look_up(below)):
            with self._session.transaction() as tx:
                row = self._claim(tx)
            if row is not None:
                return self._receipt(row)
            self._prefetch.passed(self._after)
        return receipt

    def _claim(self, tx: Tx) -> ReceiptRow | None:
        """Take the first of those that were looked up, unless somebody else has it."""
        session = self._session
        self._after = self._waiting.popleft()
        return receipts.claim(tx, session.lease, agency=session.agency, state=ReceiptState.WAITING, key=self._after)

    def _receipt(self, row: ReceiptRow) -> Receipt:
        return Receipt(self._session, row, sent=self._send, claimed=True, followed=self._followed)

    @contextmanager
    def _followed(self) -> Iterator[Callable[[Tx], None]]:
        """The next packet is claimed in the transaction that ends the one before it: most applications ask for it then.

        Not where somebody asks for it already.
        """
        if not self._turn.acquire(blocking=False):
            yield _nobody
            return
        keys: list[int] = []
        rows: list[ReceiptRow] = []

        def follow(tx: Tx) -> None:
            if self._waiting and self._ahead is None and not self._stopped:
                keys.append(self._waiting[0])
                row = self._claim(tx)
                rows.extend([] if row is None else [row])

        try:
            yield follow
            if rows:
                self._ahead = self._receipt(rows[0])
        except BaseException:
            self._waiting.extendleft(keys)  # nothing was claimed
            raise
        finally:
            self._turn.release()

    def _look_up(self, below: int | None) -> bool:
        with self._session.store.reading() as tx:
            keys = receipts.waiting_keys(tx, self._session.agency, after=self._after, below=below, limit=_LOOKED_UP)
        self._waiting.extend(keys)
        return bool(keys)

    def _send(self) -> None:
        """Send what was queued: in the background while there is more to hand out."""
        if self._ahead is not None or self._waiting or self._prefetch.coming:
            self._sender.poke()
        else:
            with self._sender.idle():
                self._outbox.kick()


def _nobody(_: Tx) -> None:
    """Nothing is claimed."""


def _give_back(receipt: Receipt) -> None:
    try:
        receipt.give_back(both("not handed out", "chưa giao"))
    except StoreError as error:
        log.warning("docId %s waits until its lease runs out: %s", receipt.hub_doc_id, error)


class _Sender:
    """Sends confirmations and statuses in a thread, which begins with the first.

    Args:
        outbox: sends.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._queued = 0
        self._poked = threading.Event()
        self._enough = threading.Event()
        self._busy = threading.Lock()
        self._stopping = False
        self._broken: BaseException | None = None
        self._thread: threading.Thread | None = None

    def poke(self) -> None:
        """Something was queued."""
        self._queued += 1
        self._poked.set()
        if self._queued >= _ENOUGH:
            self._enough.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="edoc-sender", daemon=True)
            self._thread.start()

    def idle(self) -> threading.Lock:
        """A lock that is held while something is sent."""
        return self._busy

    def check(self) -> None:
        """Raise what ended the thread, if something did."""
        if self._broken is not None:
            raise self._broken

    def stop(self) -> None:
        """End the thread, after what was queued so far."""
        self._stopping = True
        thread = self._thread  # another call, from another thread, may be at it too
        if thread is not None:
            self._poked.set()
            self._enough.set()
            thread.join()
            self._thread = None

    def _run(self) -> None:
        try:
            while not self._stopping or self._poked.is_set():
                self._poked.wait()
                self._enough.wait(_GATHERING)
                self._gathered()
                with self._busy:
                    self._outbox.report_due()
        except BaseException as error:  # it is the caller's to meet; who leaves the loop early finds it in the log
            log.warning("what was queued waits for the next call: %s", error)
            self._broken = error

    def _gathered(self) -> None:
        self._poked.clear()
        self._queued = 0
        if not self._stopping:
            self._enough.clear()
