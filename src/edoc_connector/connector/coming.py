"""One round of receiving: packets are handed out in their order while others are brought in and answers are sent."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from ..errors import EdocError
from ..store import ReceiptState, receipts
from ..store.records import ReceiptRow
from .inbox import Inbox
from .outbox import Outbox
from .prefetch import Prefetch
from .receipt import Receipt
from .session import Session

log = logging.getLogger("edoc_connector.connector.coming")

_LOOKED_UP = 100  # keys of waiting packets that are looked up at a time


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
        self._prefetch.stop()
        self._sender.stop()

    @property
    def trouble(self) -> EdocError | None:
        """What went wrong with the hub, if anything did."""
        return self._prefetch.trouble

    def _next(self) -> Receipt | None:
        while True:
            self._sender.check()
            below = self._prefetch.complete_below()
            row = self._claimed(below)
            if row is not None:
                return Receipt(self._session, row, sent=self._send, claimed=True)
            if below is None:
                return None
            self._prefetch.wait(below)

    def _claimed(self, below: int | None) -> ReceiptRow | None:
        """The next packet that waits, held for the application; only those before all that may still come in."""
        session = self._session
        while self._waiting or self._look_up(below):
            self._after = self._waiting.popleft()
            with session.transaction() as tx:
                row = receipts.claim(
                    tx, session.lease, agency=session.agency, state=ReceiptState.WAITING, key=self._after
                )
            self._prefetch.passed(self._after)
            if row is not None:
                return row
        return None

    def _look_up(self, below: int | None) -> bool:
        with self._session.store.reading() as tx:
            keys = receipts.waiting_keys(tx, self._session.agency, after=self._after, below=below, limit=_LOOKED_UP)
        self._waiting.extend(keys)
        return bool(keys)

    def _send(self) -> None:
        """Send what was queued: in the background while there is more to hand out."""
        if self._waiting or self._prefetch.coming:
            self._sender.poke()
        else:
            with self._sender.idle():
                self._outbox.kick()


class _Sender:
    """Sends confirmations and statuses in a thread, which begins with the first.

    Args:
        outbox: sends.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._poked = threading.Event()
        self._busy = threading.Lock()
        self._stopping = False
        self._broken: BaseException | None = None
        self._thread: threading.Thread | None = None

    def poke(self) -> None:
        """Something was queued."""
        self._poked.set()
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
            thread.join()
            self._thread = None

    def _run(self) -> None:
        try:
            while not self._stopping or self._poked.is_set():
                self._poked.wait()
                self._poked.clear()
                with self._busy:
                    self._outbox.report_due()
        except BaseException as error:  # it is the caller's to meet; who leaves the loop early finds it in the log
            log.warning("what was queued waits for the next call: %s", error)
            self._broken = error
