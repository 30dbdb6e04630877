"""States of deliveries, receipts and outgoing messages, and the moves between them.

First the rules, then the tables; nothing else decides whether a move is allowed, and which marks a state leaves. The
database holds the same tables as triggers, so that no other program can make a move that is not listed here.

* A row that leaves this machine is stored first, and the network happens between two moves, never inside one.
* ``sending`` and ``handling`` are held under a lease. When the lease runs out, the holder is taken for dead: what it
  was sending may or may not have arrived (``unknown``); what it was handling is offered again.
* ``unknown`` ends by what the hub says, never by a guess.
* Nothing is deleted: a delivery that failed stays, with the reason, and only its caller may make it ``ready`` again:
  the same packet, or a corrected one where the hub refused it and certainly never had it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .._core import Labelled, Text, label_members
from ..errors import StoreError


@label_members(
    {
        "ready": Text("to be sent", "chờ gửi"),
        "sending": Text("being sent", "đang gửi"),
        "unknown": Text("outcome unknown", "chưa rõ kết quả"),
        "sent": Text("sent", "đã gửi"),
        "failed": Text("failed", "không gửi được"),
    }
)
class DeliveryState(Labelled, StrEnum):
    """Where a packet that we send stands with the hub."""

    READY = "ready"
    SENDING = "sending"
    UNKNOWN = "unknown"
    SENT = "sent"
    FAILED = "failed"


@label_members(
    {
        "listed": Text("to be downloaded", "chờ tải về"),
        "waiting": Text("to be handled", "chờ xử lý"),
        "handling": Text("being handled", "đang xử lý"),
        "handled": Text("handled", "đã xử lý"),
        "confirmed": Text("confirmed", "đã xác nhận với trục"),
        "duplicate": Text("came twice", "bản trùng"),
        "quarantined": Text("set aside", "đã cách ly"),
    }
)
class ReceiptState(Labelled, StrEnum):
    """Where a packet that came in stands."""

    LISTED = "listed"
    WAITING = "waiting"
    HANDLING = "handling"
    HANDLED = "handled"
    CONFIRMED = "confirmed"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"


@label_members(
    {
        "ready": Text("to be sent", "chờ gửi"),
        "sending": Text("being sent", "đang gửi"),
        "unknown": Text("outcome unknown", "chưa rõ kết quả"),
        "sent": Text("sent", "đã gửi"),
        "failed": Text("failed", "không gửi được"),
    }
)
class OutgoingState(Labelled, StrEnum):
    """Where a confirmation or a status packet of ours stands."""

    READY = "ready"
    SENDING = "sending"
    UNKNOWN = "unknown"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Transition:
    """One allowed change of state.

    Args:
        old: the state before; None for a new row.
        new: the state after.
        cause: what makes it happen, in a few words; written to the timeline.
        cause_vi: the same in Vietnamese.
    """

    old: str | None
    new: str
    cause: str
    cause_vi: str

    def describe(self, detail: Text | str = "") -> Text:
        """Describe the move: its cause, then further words."""
        words = Text.of(detail)
        return Text(_join_words(self.cause, words.en), _join_words(self.cause_vi, words.vi))


@dataclass(frozen=True, slots=True, eq=False)
class StateMachine:
    """The states of one table and the moves between them.

    Args:
        subject: name of the thing in the timeline.
        table_name: name of the table.
        states: every state.
        transitions: every allowed move.
        leased_states: the states that belong to one worker for as long as its lease runs.
        marks: columns that entering a state sets, and that stay set: what a row ever was.
    """

    subject: str
    table_name: str
    states: type[StrEnum]
    transitions: tuple[Transition, ...]
    leased_states: frozenset[str]
    marks: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)

    def find_transition(self, old: str | None, new: str) -> Transition | None:
        """Find the move between two states; None where there is none."""
        return next((move for move in self.transitions if (move.old, move.new) == (old, new)), None)

    def require_transition(self, old: str | None, new: str) -> Transition:
        """Require the move between two states.

        Raises:
            StoreError: there is none.
        """
        transition = _TRANSITIONS.get((self.subject, old, new))
        if transition is None:
            raise _build_transition_error(self, old, new)
        return transition

    def list_next_states(self, old: str | None) -> tuple[str, ...]:
        """List the states that may follow one."""
        return tuple(move.new for move in self.transitions if move.old == old)


def _join_words(cause: str, detail: str) -> str:
    return f"{cause}: {detail}" if detail else cause


_D, _R, _O = DeliveryState, ReceiptState, OutgoingState

DELIVERIES = StateMachine(
    subject="delivery",
    table_name="deliveries",
    states=DeliveryState,
    leased_states=frozenset({_D.SENDING}),
    marks={
        _D.UNKNOWN: {"was_unknown": True, "never_accepted": False},
        _D.SENT: {"never_accepted": False},
        # Unless the hub refused what is in the packet: then whoever moves it says so.
        _D.FAILED: {"never_accepted": False},
    },
    transitions=(
        Transition(None, _D.READY, "stored, before anything is sent", "đã lưu trước khi gửi"),
        Transition(_D.READY, _D.SENDING, "sending began", "bắt đầu gửi"),
        Transition(_D.SENDING, _D.SENT, "the hub took it", "trục đã nhận"),
        # Also when the hub cannot take it now, or refuses us rather than the packet: the queue is kept.
        Transition(
            _D.SENDING, _D.READY, "it did not reach the hub; to be tried again", "chưa đến được trục, sẽ gửi lại"
        ),
        # Also when the lease ran out: the worker may have died after the hub said yes.
        Transition(
            _D.SENDING,
            _D.UNKNOWN,
            "the request left and no usable answer came",
            "đã gửi đi nhưng chưa nhận được trả lời rõ ràng",
        ),
        Transition(_D.SENDING, _D.FAILED, "the hub refused it for good", "trục từ chối hẳn"),
        Transition(_D.UNKNOWN, _D.SENT, "the hub was asked and has it", "đã hỏi lại, trục có gói tin"),
        Transition(
            _D.UNKNOWN,
            _D.READY,
            "the hub was asked twice and does not have it",
            "đã hỏi trục hai lần, trục không có gói tin",
        ),
        Transition(_D.FAILED, _D.READY, "its caller sends it again", "đơn vị gửi lại"),
        Transition(_D.SENT, _D.READY, "the hub was asked and has it no more", "đã hỏi lại, trục không còn gói tin"),
    ),
)

RECEIPTS = StateMachine(
    subject="receipt",
    table_name="receipts",
    states=ReceiptState,
    leased_states=frozenset({_R.HANDLING}),
    marks={_R.WAITING: {"was_admitted": True}},
    transitions=(
        Transition(None, _R.LISTED, "the hub offers it", "trục có gói tin chờ nhận"),
        Transition(_R.LISTED, _R.WAITING, "downloaded, checked and kept", "đã tải về, kiểm tra và lưu"),
        Transition(
            _R.LISTED,
            _R.HANDLED,
            "a status, taken in",
            "là thông báo trạng thái, đã tiếp nhận",
        ),
        Transition(
            _R.LISTED, _R.DUPLICATE, "a document that is here already came once more", "văn bản đã có, đến lần nữa"
        ),
        Transition(
            _R.LISTED,
            _R.QUARANTINED,
            "it cannot be read, or may not be let in",
            "không đọc được hoặc không được phép nhận",
        ),
        Transition(_R.WAITING, _R.HANDLING, "handed to the application", "đã giao cho phần mềm của đơn vị"),
        # Also when the lease ran out: the application may have died in the middle.
        Transition(
            _R.HANDLING,
            _R.WAITING,
            "the application did not finish with it; to be offered again",
            "phần mềm của đơn vị chưa xử lý xong, sẽ giao lại",
        ),
        Transition(_R.HANDLING, _R.HANDLED, "the application finished with it", "phần mềm của đơn vị đã xử lý xong"),
        Transition(
            _R.HANDLING,
            _R.QUARANTINED,
            "the application failed on it too often",
            "phần mềm của đơn vị gặp lỗi quá nhiều lần",
        ),
        Transition(
            _R.HANDLED,
            _R.CONFIRMED,
            "the hub knows that we have it",
            "trục đã ghi nhận đơn vị nhận được gói tin",
        ),
        # Also when the application was done with it: whoever sends first under an id does not keep it by that.
        *(
            Transition(
                state,
                _R.QUARANTINED,
                "a document came under its id that is attested better",
                "có văn bản cùng mã văn bản được xác thực tốt hơn",
            )
            for state in (_R.WAITING, _R.HANDLED, _R.CONFIRMED)
        ),
        Transition(_R.QUARANTINED, _R.WAITING, "let in after all, by a person", "người phụ trách cho nhận"),
        Transition(
            _R.QUARANTINED,
            _R.LISTED,
            "it is looked at once more",
            "xem xét lại gói tin",
        ),
    ),
)

OUTGOING = StateMachine(
    subject="outgoing",
    table_name="outgoing",
    states=OutgoingState,
    leased_states=frozenset({_O.SENDING}),
    marks={_O.UNKNOWN: {"was_unknown": True}},
    transitions=(
        Transition(None, _O.READY, "queued together with what it reports", "đã xếp hàng chờ gửi cùng việc được báo"),
        Transition(_O.READY, _O.SENDING, "sending began", "bắt đầu gửi"),
        Transition(_O.SENDING, _O.SENT, "the hub took it", "trục đã nhận"),
        Transition(
            _O.SENDING, _O.READY, "it did not reach the hub; to be tried again", "chưa đến được trục, sẽ gửi lại"
        ),
        Transition(
            _O.SENDING,
            _O.UNKNOWN,
            "the request left and no usable answer came",
            "đã gửi đi nhưng chưa nhận được trả lời rõ ràng",
        ),
        Transition(_O.SENDING, _O.FAILED, "the hub refused it for good", "trục từ chối hẳn"),
        Transition(_O.UNKNOWN, _O.SENT, "the hub was asked and has it", "đã hỏi lại, trục có gói tin"),
        Transition(
            _O.UNKNOWN,
            _O.READY,
            "the hub was asked twice and does not have it",
            "đã hỏi trục hai lần, trục không có gói tin",
        ),
        # A confirmation that the hub has forgotten, or never saw: it offers the packet again.
        Transition(_O.SENT, _O.READY, "the hub offers the packet again", "trục lại đưa ra gói tin này"),
        Transition(_O.FAILED, _O.READY, "the hub offers the packet again", "trục lại đưa ra gói tin này"),
    ),
)

MACHINES = (DELIVERIES, RECEIPTS, OUTGOING)

_TRANSITIONS = {(machine.subject, move.old, move.new): move for machine in MACHINES for move in machine.transitions}


def _build_transition_error(machine: StateMachine, old: str | None, new: str) -> StoreError:
    next_states = ", ".join(machine.list_next_states(old))
    subject_vi = {"delivery": "văn bản đi", "receipt": "gói tin đến", "outgoing": "thông báo gửi đi"}[machine.subject]
    return StoreError(
        f"a {machine.subject} may not go from {old or 'nothing'} to {new}; allowed: {next_states or 'nothing'}.",
        vi=f"{subject_vi} không được chuyển từ {old or 'chưa có'} sang {new}; "
        + (f"chỉ được chuyển sang: {next_states}." if next_states else "không còn bước nào nữa."),
    )
