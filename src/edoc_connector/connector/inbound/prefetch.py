"""Packets are brought in while the application handles those before them.

A thread takes what the hub listed, in order, a round of a few packets at a time: claimed in one transaction, downloaded
in a few threads, verified there too where that takes long, entered in one transaction. It stays ahead of the
application by so many packets and bytes and no more. What was claimed and not asked for when the application leaves is
given back.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ...errors import EdocError
from ...hubs import MessageType
from ...store import LeaseLost, receipts
from ...store.rows import ReceiptRow
from .._context import Session
from .._retry import fate
from .inbox import Inbox
from .intake import Arrival

log = logging.getLogger("edoc_connector.connector.prefetch")

THREADS = 4  # downloads at a time
ROUND = 8  # packets claimed, and entered, in one transaction
ROUND_BYTES = 32 << 20  # and about as many bytes: where packets are large the first one is not kept waiting
AHEAD = 32  # packets that are here and not handed out yet
AHEAD_BYTES = 256 << 20  # and their bytes, from which on nothing further is asked for


@dataclass(frozen=True, slots=True)
class _Step:
    """Some packets of one kind: to be fetched, or to be looked at again."""

    keys: tuple[int, ...]
    again: bool


class _Left(Exception):
    """Nobody waits for the packet any more."""


class Prefetch:
    """What one call of `Connector.receive` brings in. A context manager: at its end its threads have ended.

    Args:
        session: the store and the hub.
        inbox: fetches.
    """

    def __init__(self, session: Session, inbox: Inbox) -> None:
        self._session = session
        self._inbox = inbox
        self._steps: list[_Step] = []
        self._trouble: EdocError | None = None
        self._broken: BaseException | None = None
        self._changed = threading.Condition()
        self._to_come: set[int] = set()
        self._in_order: deque[int] = deque()
        self._here: dict[int, int] = {}
        self._wanted: int | None = None
        self._next_round = THREADS
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Ask the hub what it offers, and begin."""
        for kind in (MessageType.EDOC, MessageType.STATUS):  # documents first: a status may be about one of them
            if not self._list(kind):
                break
        self._to_come = {key for step in self._steps if not step.again for key in step.keys}
        self._in_order = deque(sorted(self._to_come))
        if sum(len(step.keys) for step in self._steps) > 1:
            self._thread = threading.Thread(target=self._guarded, name="edoc-prefetch", daemon=True)
            self._thread.start()
        else:
            self._run()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the threads; packets that are under way are given back."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    @property
    def trouble(self) -> EdocError | None:
        """The first thing that went wrong with the hub."""
        return self._trouble

    def complete_below(self) -> int | None:
        """The least key that may still come in; None where nothing will.

        Raises:
            BaseException: what ended the thread.
        """
        with self._changed:
            if self._broken is not None:
                raise self._broken
            while self._in_order and self._in_order[0] not in self._to_come:
                self._in_order.popleft()
            return self._in_order[0] if self._in_order else None

    def wait(self, key: int) -> None:
        """Wait until a packet came in, or will not come."""
        with self._changed:
            self._wanted = key
            self._changed.notify_all()
            self._changed.wait_for(lambda: key not in self._to_come)

    def passed(self, key: int) -> None:
        """Packets up to this one are in the application's hands: there is room for others."""
        with self._changed:
            for one in [one for one in self._here if one <= key]:
                del self._here[one]
            self._changed.notify_all()

    @property
    def coming(self) -> bool:
        """Whether further packets are here or will be."""
        with self._changed:
            return bool(self._to_come or self._here)

    # -- in the thread

    def _list(self, kind: MessageType) -> bool:
        try:
            new, known = self._inbox.listed(kind)
        except EdocError as error:
            return not self._met(error)
        steps = (_Step(tuple(sorted(new)), again=False), _Step(tuple(known), again=True))
        self._steps += [step for step in steps if step.keys]
        return True

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:  # it is the caller's to meet; who leaves the loop early finds it in the log
            log.warning("what was not brought in waits for the next call: %s", error)
            self._broken = error
            self._gone(self._to_come.copy())

    def _run(self) -> None:
        try:
            for step in self._steps:
                if not (self._looked_again(step.keys) if step.again else self._fetched(step.keys)):
                    break
        except EdocError as error:  # of the store: what is here already is handed out first
            self._met(error)
        self._gone(self._to_come.copy())

    def _looked_again(self, keys: Sequence[int]) -> bool:
        for key in keys:
            if self._stopped.is_set():
                return False
            try:
                self._inbox.look_again(key)
            except EdocError as error:
                if self._met(error):
                    return False
        return True

    def _fetched(self, keys: Sequence[int]) -> bool:
        """Whether the next step may be begun."""
        if len(keys) == 1:
            return self._rounds(None, keys)
        with ThreadPoolExecutor(min(THREADS, len(keys)), thread_name_prefix="edoc-download") as pool:
            return self._rounds(pool, keys)

    def _rounds(self, pool: ThreadPoolExecutor | None, keys: Sequence[int]) -> bool:
        left = deque(keys)
        while left and self._room():
            taken = [left.popleft() for _ in range(min(self._next_round, len(left)))]
            rows = self._inbox.claimed(taken)
            self._gone(set(taken) - {row.id for row in rows})  # another worker is at it, or was
            with self._session.keeper.holding(receipts.T, [row.id for row in rows]):
                if not self._round(pool, rows):
                    return False
        return not self._stopped.is_set()

    def _room(self) -> bool:
        """Wait until there is room for another round; False where nobody waits for it any more."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopped.is_set() or self._wanted in self._to_come or self._below_bounds()
            )
        return not self._stopped.is_set()

    def _below_bounds(self) -> bool:
        return len(self._here) < AHEAD and sum(self._here.values()) < AHEAD_BYTES

    def _round(self, pool: ThreadPoolExecutor | None, rows: Sequence[ReceiptRow]) -> bool:
        came = pool.map(self._brought, rows) if pool is not None else map(self._brought, rows)
        found = [one if one is None else self._inbox.judged(one) for one in came]
        arrivals = [one for one in found if one is not None]
        self._inbox.let_go([row for row, one in zip(rows, found, strict=True) if one is None])
        errors = self._inbox.enter(arrivals)
        self._arrived(arrivals)
        return not any(self._met(error) for error in errors)

    def _brought(self, row: ReceiptRow) -> Arrival | None:
        if self._stopped.is_set():
            return None
        try:
            return self._inbox.brought(row, on_progress=self._progress, later=True)
        except _Left:
            return None

    def _progress(self, done: int, size: int | None) -> None:
        if self._stopped.is_set():
            raise _Left
        if self._session.on_progress is not None:
            self._session.on_progress(done, size)

    def _met(self, error: EdocError) -> bool:
        """Note what went wrong; whether the next packet would meet it too."""
        if isinstance(error, LeaseLost):
            log.info("another worker has it: %s", error)
            return False
        log.warning("not received: %s", error)
        self._trouble = self._trouble or error
        return fate(error).pause

    def _arrived(self, arrivals: Sequence[Arrival]) -> None:
        sizes = [one.file.size for one in arrivals if one.file is not None]
        if sizes:
            self._next_round = max(1, min(ROUND, ROUND_BYTES * len(sizes) // max(1, sum(sizes))))
        with self._changed:
            self._here |= {one.row.id: one.judged.file.size for one in arrivals if one.judged and one.is_document}
            self._to_come -= {one.row.id for one in arrivals}
            self._changed.notify_all()

    def _gone(self, keys: set[int]) -> None:
        with self._changed:
            self._to_come -= keys
            self._changed.notify_all()
