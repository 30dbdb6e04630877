"""Sender of statuses and confirmations, in batches, a few on the wire at a time.

A batch is claimed in one transaction, its packets are built and stored, it goes to the hub in a few threads, and one
transaction writes what became of it. Messages of one lane never stand in one batch: the later one waits for its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ..._core import (
    ForkAware,
    Text,
    bind_log_fields,
    describe_error,
    drop_traceback,
    get_logger,
    make_lock,
    watch_forks,
)
from ...edxml import StatusMessage
from ...errors import DuplicateDocument, EdocError, NotFound
from ...hubs import MessageType, Outcome
from ...store import (
    CONFIRM,
    DELIVERIES,
    DONE,
    FAIL,
    OUTGOING,
    STATUS,
    Altered,
    OutgoingRow,
    OutgoingState,
    PacketFile,
    ReceiptState,
    SpoolFile,
    Tx,
)
from .._context import ConnectorContext
from .._retry import NO_ERROR, as_error_columns, compute_next_attempt, decide_retry
from .confirmation_gate import UNSEEN_STATUSES, ConfirmationGate
from .packet_builder import build_packet
from .reconciler import HubCopy, Questions, Reconciler, build_wrong_id_error

log = get_logger("edoc_connector.connector.outbox")

BATCH_SIZE = 16  # messages claimed, and noted, in one transaction
SEND_THREADS = 4  # messages on the wire at a time

_REPORTED_CODES = frozenset({"01", "02", "03", "04", "05", "06"})
"""Statuses that a hub may be told by a call; the others are packets at every hub."""

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True, slots=True, kw_only=True)
class AckResult:
    """The result of trying to send a message.

    Args:
        key: of its row.
        error: what it met, if anything.
        opens_breaker: whether the next message would meet that too.
        is_open: whether the hub was asked about its outcome and did not tell.
    """

    key: int
    error: EdocError | None = None
    opens_breaker: bool = False
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AckOutcome:
    """The outcome of a message.

    Args:
        row: the message, claimed.
        doc_id: the hub's id of a status, where it told one; of a confirmation that of the packet.
        copy_id: the hub's id of the recipient's copy of a status, where its list told that.
        error: what it met; None where the hub took it.
        opens_breaker: whether the next message would meet the error too.
        is_closed: whether that matters to nobody: the hub was told ``fail`` before and takes no ``done`` after it.
        recorded_exchanges: what the hub said.
    """

    row: OutgoingRow
    doc_id: str | None = None
    copy_id: str | None = None
    error: EdocError | None = None
    opens_breaker: bool = False
    is_closed: bool = False
    recorded_exchanges: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _ClaimOptions:
    """What of the queue may be claimed; see `AckSender.send_next`."""

    only_due: bool
    exclude: Collection[int]
    only_id: int | None


class AckSender(ForkAware):
    """Sends statuses and confirmations.

    Args:
        context: the store, the hub and the key.
        reconciler: asks the hub about statuses that it may have.
        questions: the turn to ask.

    Attributes:
        gate: tells when confirmations may leave.
    """

    def __init__(self, context: ConnectorContext, reconciler: Reconciler, questions: Questions) -> None:
        self._questions = questions
        self._context = context
        self._reconciler = reconciler
        self.gate = ConfirmationGate(context)
        self._lock = make_lock()
        self._pool: ThreadPoolExecutor | None = None
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Begin without threads."""
        self._pool = None

    def close(self) -> None:
        """End the threads; nobody waits for one that is at the hub, which may take its time."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def send_next(
        self, *, only_due: bool, exclude: Collection[int] = (), only_id: int | None = None
    ) -> list[AckResult]:
        """Send the next messages whose turn it is, once each; where there is none, ask about one unknown outcome.

        Args:
            only_due: only what is due by its back-off.
            exclude: keys of messages to leave out.
            only_id: the key of the one that is meant.

        Returns:
            What became of each.
        """
        options = _ClaimOptions(only_due=only_due, exclude=exclude, only_id=only_id)
        rows = self._claim(options, state=OutgoingState.READY, limit=BATCH_SIZE)
        if rows:
            return self.send_claimed(rows)
        if self.gate.is_needed and (results := self._confirm_in_a_row(options)):
            return results
        with self._questions.ask_next() as may_ask:
            may_ask = may_ask or not only_due or only_id is not None
            return self.send_claimed(self._claim(options, state=OutgoingState.UNKNOWN, limit=1)) if may_ask else []

    def _claim(self, options: _ClaimOptions, *, state: OutgoingState, limit: int) -> list[OutgoingRow]:
        with self._context.store.transaction() as tx:
            return tx.outgoing.claim_batch(
                self._context.lease,
                agency=self._context.agency,
                states=[state],
                only_due=options.only_due,
                limit=limit,
                only_ids=None if options.only_id is None else [options.only_id],
                exclude=options.exclude,
                longest_due_first=state is OutgoingState.UNKNOWN,
                only_kind=STATUS if self.gate.is_needed else None,
                **self._context.list_claim_options(tx),
            )

    def _confirm_in_a_row(self, options: _ClaimOptions) -> list[AckResult]:
        """Send the confirmations that wait, once every status is here that they would confirm too."""
        choice: dict[str, Any] = {"only_due": options.only_due, "exclude": options.exclude, "only_id": options.only_id}
        wanted = self.gate.list_wanted(**choice)
        try:
            with self.gate.open_for(wanted) as may_leave:
                keys = [row.id for row in self.gate.list_wanted(**choice)] if may_leave else []
                return self.send_claimed(self._claim_confirmations(keys))
        except EdocError as error:
            opens_breaker = decide_retry(error).opens_breaker
            return [AckResult(key=row.id, error=error, opens_breaker=opens_breaker) for row in wanted]

    def _claim_confirmations(self, keys: Sequence[int]) -> list[OutgoingRow]:
        if not keys:
            return []
        with self._context.store.transaction() as tx:
            return tx.outgoing.claim_batch(
                self._context.lease,
                agency=self._context.agency,
                states=[OutgoingState.READY],
                only_due=False,
                limit=len(keys),
                only_ids=keys,
                **self._context.list_claim_options(tx),
            )

    def send_claimed(self, rows: Sequence[OutgoingRow]) -> list[AckResult]:
        """Send messages that are claimed, as `send_next` does."""
        if not rows:
            return []
        with self._context.lease_keeper.hold_all(OUTGOING.table_name, [row.id for row in rows]):
            unknown_rows = [row for row in rows if row.state == OutgoingState.UNKNOWN]
            results = [self._try_unknown(row) for row in unknown_rows]
            results += self._send_batch([row for row in rows if row not in unknown_rows])
        for result in results:
            if result.error is not None:
                log.warning("not sent: %s", result.error)
        return results

    # -- those that the hub has to be asked about

    def _try_unknown(self, row: OutgoingRow) -> AckResult:
        try:
            return self._look_up_or_send(row)
        except EdocError as error:
            return AckResult(
                key=row.id, error=drop_traceback(error), opens_breaker=decide_retry(error).opens_breaker, is_open=True
            )

    def _look_up_or_send(self, row: OutgoingRow) -> AckResult:
        self._context.hub.clear_exchanges()
        hub_copy = self._reconciler.look_up(row)
        if hub_copy is not None:
            exchanges = tuple(self._context.hub.take_exchanges())
            outcome = AckOutcome(row=row, doc_id=hub_copy.doc_id, copy_id=hub_copy.copy_id)
            return self._record_outcomes([replace(outcome, recorded_exchanges=exchanges)])[0]
        with self._context.store.transaction() as tx:
            options = self._context.list_claim_options(tx)
            rows = tx.outgoing.claim_batch(
                self._context.lease, agency=row.agency, only_due=False, only_ids=[row.id], **options
            )
        return self._send_batch(rows)[0] if rows else AckResult(key=row.id)

    # -- a batch

    def _send_batch(self, rows: Sequence[OutgoingRow]) -> list[AckResult]:
        ready, failures = self._prepare_packets(rows)
        return self._record_outcomes([*failures, *self._map_parallel(self._send_ack, ready)])

    def _prepare_packets(self, rows: Sequence[OutgoingRow]) -> tuple[list[OutgoingRow], list[AckOutcome]]:
        """Build the packets of statuses at their first sending: a missing key must not undo what they report.

        One that was built for another hub, and has no hash any more, is built anew.
        """
        ready = [row for row in rows if row.kind == CONFIRM or row.sha256 is not None]
        unbuilt = [row for row in rows if row not in ready]
        built_packets, failures = [], []
        for row in unbuilt:
            built = self._build_packet(row)
            if isinstance(built, SpoolFile):
                built_packets.append((row, built))
            else:
                opens_breaker = decide_retry(built).opens_breaker
                failures.append(AckOutcome(row=row, error=built, opens_breaker=opens_breaker))
        if built_packets:
            with self._context.store.transaction() as tx:
                ready += tx.outgoing.record_packets(built_packets)
            for row, _ in built_packets:
                if row.spool_file is not None:
                    self._context.store.spool.delete_file(row.spool_file)
        return ready, failures

    def _build_packet(self, row: OutgoingRow) -> SpoolFile | EdocError:
        message = StatusMessage.model_validate_json(row.message or "")
        try:
            return build_packet(self._context, message, at=self._context.store.clock())
        except EdocError as error:
            return drop_traceback(error)

    def _send_ack(self, row: OutgoingRow) -> AckOutcome:
        """Send one message. May be called from any thread."""
        with bind_log_fields(agency=row.agency, hub=self._context.hub_name, doc_id=row.hub_doc_id):
            return self._send_and_judge(row)

    def _send_and_judge(self, row: OutgoingRow) -> AckOutcome:
        hub = self._context.hub
        hub.clear_exchanges()
        outcome = AckOutcome(row=row)
        try:
            if row.kind == CONFIRM:
                confirm = hub.confirm_once if self.gate.is_needed else hub.confirm
                confirm(row.hub_doc_id or "", Outcome(row.code))
                outcome = AckOutcome(row=row, doc_id=row.hub_doc_id)
            else:
                hub_copy = self._send_status(row)
                outcome = AckOutcome(row=row, doc_id=hub_copy.doc_id, copy_id=hub_copy.copy_id)
        except EdocError as error:
            outcome = AckOutcome(row=row, error=drop_traceback(error), is_closed=self._is_closed_by_fail(row, error))
        outcome = replace(outcome, recorded_exchanges=tuple(hub.take_exchanges()))
        return replace(outcome, opens_breaker=self._is_common_error(outcome))

    def _is_common_error(self, outcome: AckOutcome) -> bool:
        """Whether the next message would meet the error too; a confirmation is about one docId, and may be alone."""
        error = outcome.error
        if error is None or outcome.is_closed:
            return False
        if outcome.row.kind == CONFIRM:
            return self._context.hub_probe.find_common_error(error) is not None
        return decide_retry(error).opens_breaker

    def _is_closed_by_fail(self, row: OutgoingRow, error: EdocError) -> bool:
        if row.kind != CONFIRM or row.code != DONE or decide_retry(error).next_state != OutgoingState.FAILED:
            return False
        told_fail = {"receipt_id": row.receipt_id, "code": FAIL, "state": OutgoingState.SENT}
        with self._context.store.snapshot() as tx:
            return bool(tx.outgoing.find_all(row.agency, **told_fail, limit=1))

    def _send_status(self, row: OutgoingRow) -> HubCopy:
        hub_copy = self._reconciler.find_sent_before_restore(row)
        if hub_copy is not None:
            return hub_copy
        if row.receipt_id and must_report(self._context, row.code):
            with self._context.store.snapshot() as tx:
                receipt = tx.receipts.get_by_id(row.receipt_id)
            if receipt.hub == self._context.hub_name:  # only that knows the docId
                self._context.hub.report_status(receipt.hub_doc_id, row.code)
                return HubCopy(None)
        packet = self._ensure_packet(row)
        try:
            result = self._context.hub.send(
                packet, message_type=MessageType.STATUS, sender=self._context.agency, recipients=[row.recipient or ""]
            )
        except DuplicateDocument as error:
            return self._reconciler.resolve_duplicate_status(row, error)
        return HubCopy(result.doc_id or None)

    def _ensure_packet(self, row: OutgoingRow) -> PacketFile:
        """Find the packet of a status; where it is gone or was altered, build one that says the same."""
        spool = self._context.store.spool
        try:
            return spool.verify_file(row.spool_file or "", row.sha256 or "")
        except (NotFound, Altered) as error:
            log.warning("status %s to %s is built anew: %s", row.code, row.recipient, error)
        rebuilt = self._build_packet(row)
        if isinstance(rebuilt, EdocError):
            raise rebuilt
        detail = Text("its packet was gone; built anew", "gói tin đã mất, đã tạo lại")
        with self._context.store.transaction() as tx:
            tx.outgoing.record_packets([(row, rebuilt)])
            tx.timeline.record_change(OUTGOING, row.id, old=row.state, new=row.state, detail=detail)
        return spool.locate(rebuilt.name)

    def _map_parallel(self, work: Callable[[A], B], rows: Sequence[A]) -> list[B]:
        if len(rows) < 2:
            return list(map(work, rows))
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(SEND_THREADS, thread_name_prefix="edoc-report")
            pool = self._pool
        return list(pool.map(work, rows))

    # -- what became of it

    def _record_outcomes(self, outcomes: Sequence[AckOutcome]) -> list[AckResult]:
        """Write outcomes down in one transaction; where that fails, each by itself."""
        if not outcomes:
            return []
        try:
            with self._context.store.transaction() as tx:
                outcomes = _disbelieve_bound(tx, outcomes)
                self._write_outcomes(tx, outcomes)
        except EdocError as error:
            if len(outcomes) > 1:
                return [result for outcome in outcomes for result in self._record_outcomes([outcome])]
            return [AckResult(key=outcomes[0].row.id, error=error, opens_breaker=decide_retry(error).opens_breaker)]
        return [
            AckResult(
                key=outcome.row.id,
                error=None if outcome.is_closed else outcome.error,
                opens_breaker=outcome.opens_breaker,
            )
            for outcome in outcomes
        ]

    def _write_outcomes(self, tx: Tx, outcomes: Sequence[AckOutcome]) -> None:
        sent_outcomes: list[AckOutcome] = []
        for outcome in outcomes:
            for exchange in outcome.recorded_exchanges:
                tx.audit_log.record("answer", OUTGOING, outcome.row.id, exchange)
            if outcome.is_closed:
                _close_confirmation(tx, outcome.row)
            elif outcome.error is not None:
                self._record_failure(tx, outcome.row, outcome.error)
            elif outcome.row.state == OutgoingState.UNKNOWN:
                if outcome.doc_id is not None:
                    tx.outgoing.take_id(OUTGOING, outcome.row.id, outcome.row.agency, outcome.doc_id)
                values: dict[str, Any] = {"sent_at": tx.now, "attempts": outcome.row.attempts + 1, **NO_ERROR}
                values |= {"hub_doc_id": outcome.doc_id, "copy_doc_id": outcome.copy_id}
                tx.outgoing.move(outcome.row, OutgoingState.SENT, **values)
            else:
                sent_outcomes.append(outcome)
        tx.outgoing.mark_sent(
            [(outcome.row, outcome.doc_id, outcome.copy_id) for outcome in sent_outcomes], values=NO_ERROR
        )
        confirmed = [outcome.row for outcome in sent_outcomes if outcome.row.kind == CONFIRM]
        if confirmed:
            remark = UNSEEN_STATUSES if self.gate.is_needed else None
            tx.receipts.mark_confirmed({row.receipt_id or 0: row.code for row in confirmed}, remark=remark)

    def _find_other_home(self, tx: Tx, row: OutgoingRow) -> str | None:
        """Find the hub that has the document of a status which another one refused: that may know nothing of it."""
        if row.kind != STATUS or row.is_tied:
            return None
        if row.receipt_id is not None:
            home = tx.receipts.get_by_id(row.receipt_id).hub
        else:
            home = tx.deliveries.get_by_id(row.delivery_id or 0).hub
        return home if home != self._context.hub_name and home in self._context.by_hub else None

    def _record_failure(self, tx: Tx, row: OutgoingRow, error: EdocError) -> None:
        """Record a failed attempt, as `decide_retry` has it; a confirmation is never unknown, it is sent again."""
        state = OutgoingState(decide_retry(error).next_state)
        if row.kind == CONFIRM and state is not OutgoingState.FAILED:
            state = OutgoingState.READY  # confirming twice is harmless, so an unknown outcome is no reason to ask
        values: dict[str, Any] = {"attempts": row.attempts + 1, **as_error_columns(error)}
        home = self._find_other_home(tx, row) if state is OutgoingState.FAILED else None
        if home is not None:
            tx.outgoing.move(row, OutgoingState.READY, cause=_describe_way_home(home, error), **values, **_tie_to(home))
            return
        if state is OutgoingState.UNKNOWN:
            values |= {"asked": 0}
        if state is OutgoingState.UNKNOWN and not row.was_unknown:
            values |= {"next_attempt_at": tx.now}
        else:
            values |= {"next_attempt_at": compute_next_attempt(self._context.limits, row.attempts, tx.now, error)}
        tx.outgoing.move(row, state, detail=describe_error(error), **values)
        if state is OutgoingState.FAILED:
            _record_subject_failure(tx, row, error)


def _tie_to(hub: str) -> dict[str, Any]:
    return {"hub": hub, "is_tied": True, "hub_doc_id": None, "copy_doc_id": None, "sha256": None}


def _describe_way_home(hub: str, error: EdocError) -> Text:
    return Text(
        f"refused here; it goes to the hub {hub}, which has the document: {error.message}",
        f"trục này từ chối; chuyển sang trục {hub} là nơi có văn bản: {error.vi}",
    )


def must_report(context: ConnectorContext, code: str) -> bool:
    """Whether a status of what came over a hub is told that hub by a call, which no other one takes."""
    return context.capabilities.tells_statuses_by_update and code in _REPORTED_CODES


def _disbelieve_bound(tx: Tx, outcomes: Sequence[AckOutcome]) -> list[AckOutcome]:
    """Take the statuses for which the hub told another packet's id for unknown."""
    told = {
        outcome.row.id: outcome.doc_id
        for outcome in outcomes
        if outcome.row.kind == STATUS and outcome.row.state == OutgoingState.SENDING and outcome.error is None
        if outcome.doc_id is not None
    }
    bound_keys = tx.outgoing.find_bound_to_others(OUTGOING, outcomes[0].row.agency, told)
    return [
        replace(outcome, error=build_wrong_id_error(outcome.doc_id)) if outcome.row.id in bound_keys else outcome
        for outcome in outcomes
    ]


def _close_confirmation(tx: Tx, row: OutgoingRow) -> None:
    """Close the confirmation of a packet that was set aside, told ``fail`` and let in later: the hub's part is over."""
    words = Text(
        "it was told fail when the packet was set aside, and keeps to that",
        "trục đã được báo fail khi gói tin bị cách ly và giữ nguyên như vậy",
    )
    tx.outgoing.move(row, OutgoingState.FAILED, detail=words, attempts=row.attempts + 1, **NO_ERROR)
    receipt = tx.receipts.get_by_id(row.receipt_id or 0)
    if receipt.state == ReceiptState.HANDLED:
        tx.receipts.move(receipt, ReceiptState.CONFIRMED, detail=words)


def _record_subject_failure(tx: Tx, row: OutgoingRow, error: EdocError) -> None:
    """Note a message that failed for good where people look: at the receipt or delivery that it was about."""
    kind = "xác nhận" if row.kind == CONFIRM else "trạng thái"
    detail = Text(
        f"{row.kind} {row.code} failed for good: {error.message}", f"không gửi được {kind} {row.code}: {error.vi}"
    )
    if row.receipt_id is not None:
        tx.receipts.record_note(tx.receipts.get_by_id(row.receipt_id), detail=detail)
    elif row.delivery_id is not None:
        state = tx.deliveries.get_by_id(row.delivery_id).state
        tx.timeline.record_change(
            DELIVERIES, row.delivery_id, old=state, new=state, detail=detail, recipient=row.recipient
        )
