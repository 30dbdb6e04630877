"""The scene of a line: the two sides, what is remembered, and waiting with an end."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from ..._core import Text
from ...connector import Connector, Delivery, DeliveryState, TimelineEntry
from ...edxml import VIETNAM, Attachment, Document, Organization, SignerInfo
from ...errors import EdocError, HubError, NotFound, TransportError
from .outcomes import NotMet
from .partners import Partner, describe_moment, receive_all
from .state import LineState, RunState
from .undecided import require_word, settle_by_sight

_T = TypeVar("_T")
_LINES_OF_BYTES = frozenset("BE")
"""Groups of lines in which the partner's own eyes must compare what came; in the others its statuses say enough."""
_SIGHT_AFTER = 1 / 8
"""Part of the time to wait after which what is with neither side counts as not taken by the hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the steps of a line have.

    Args:
        line: its id.
        ours: our connector.
        partner: the other side.
        third: another recipient, for what goes to two.
        run: the run.
        wait: seconds until what has not come counts as missing.
        pause: seconds between two looks.
        large: bytes of the large document.
        locked: code of an agency that the hub has locked; empty where none is known.
    """

    line: str
    ours: Connector
    partner: Partner
    third: Organization
    run: RunState
    wait: float
    pause: float
    large: int
    locked: str = ""

    @property
    def state(self) -> LineState:
        """The line's own state."""
        return self.run.get_line(self.line)

    @property
    def memory(self) -> dict[str, Any]:
        """What the line has to know when it goes on."""
        return self.state.memory

    def note(self, evidence: str) -> None:
        """Note an id, a time or a hash as evidence; once, however often the line is run."""
        if evidence not in self.state.evidence:
            self.state.evidence.append(evidence)

    # -- documents

    def build(self, name: str = "", **fields: Any) -> Document:
        """Build a document of this line; the same again when the run goes on.

        Args:
            name: tells apart the documents of one line.
            **fields: of the document, other than the usual ones.
        """
        begun = self.run.begun_at.astimezone(VIETNAM)
        usual: dict[str, Any] = {
            "sender": self.ours.settings.organization(),
            "recipients": (self.partner.organization,),
            "number": f"{begun:%j%H%M%S}",
            "notation": f"KT-{self.line}{name}",
            "issued_on": begun.date(),
            "type_name": "Công văn",
            "place": "Hà Nội",
            "subject": f"Kiểm thử kết nối [{self.line}]",
            "signer": SignerInfo(full_name="Người ký thử nghiệm", position="Thử nghiệm"),
            "attachments": (Attachment.from_bytes(build_pdf(self.line), name="van-ban-kiem-thu.pdf"),),
        }
        return Document(**usual | fields)

    def send(self, document: Document) -> str:
        """Send a document, once however often the line is run; wait until the hub has it; return its id.

        Raises:
            NotMet: the hub refuses it, or does not take it in time.
        """
        if self._is_known(document.id):  # a file in it may be made anew by now, as a signed one is
            return self.send_by(document.id, lambda: self.ours.delivery(document.id))
        self.memory[document.id] = {one.name: one.sha256 for one in document.attachments}
        self.run.save()
        return self.send_by(document.id, lambda: self.ours.send(document))

    def _is_known(self, document_id: str) -> bool:
        try:
            self.ours.delivery(document_id)
        except NotFound:
            return False
        return document_id in self.memory

    def send_by(self, document_id: str, submit: Callable[[], Delivery]) -> str:
        """Submit something, and wait until the hub has it; return the id of the delivery.

        Raises:
            NotMet: the hub refuses it, or does not take it in time.
            PartnerAwaited: the hub cannot tell whether it took it, and only the partner can.
        """
        try:
            document_id = submit().id
        except (HubError, TransportError) as error:
            if isinstance(error, HubError) and not error.retryable and not self._is_stored(document_id):
                raise _as_not_met(error) from error
        try:
            self.require(lambda: self._is_sent(document_id), self.go_on, self._describe_unsent(document_id))
        except NotMet:
            if not self.partner.is_own:
                require_word(self.ours, self.partner.organization, document_id)
            raise
        delivery = self.ours.delivery(document_id)
        self.note(f"{delivery.id}: docId {delivery.hub_doc_id or '–'}, {describe_moment(delivery.sent_at)}")
        return delivery.id

    def _is_stored(self, document_id: str) -> bool:
        state = self.ours.delivery(document_id).state
        return state in (DeliveryState.READY, DeliveryState.UNKNOWN, DeliveryState.SENT)

    def _is_sent(self, document_id: str) -> bool:
        delivery = self.ours.delivery(document_id)
        if delivery.state is DeliveryState.FAILED:
            raise NotMet(Text(delivery.last_error or "", delivery.last_error_vi or ""))
        return delivery.state is DeliveryState.SENT

    @staticmethod
    def _describe_unsent(document_id: str) -> Text:
        return Text(
            f"{document_id} was not taken by the hub in time", f"trục không nhận {document_id} kịp thời gian chờ"
        )

    def go_on(self) -> None:
        """Send what is queued, and let both sides receive: a recipient's status settles what the hub cannot tell."""
        self.ours.flush()
        self.partner.receive()
        self.receive()

    # -- what comes back

    def receive(self) -> None:
        """Receive what waits for us, and note what arrived."""
        receive_all(self.ours, self.run, "ours")

    def list_codes(self, document_id: str) -> list[TimelineEntry]:
        """List the statuses of the partner about a document, in the order they came."""
        code = self.partner.organization.id
        entries = self.ours.delivery(document_id).timeline
        return [one for one in entries if one.recipient == code and one.to.isdigit()]

    def require_status(self, document_id: str, code: str) -> TimelineEntry:
        """Wait for a status of the partner about a document.

        Raises:
            NotMet: it did not come in time.
            PartnerAwaited: the partner has to send it.
        """

        def has_come() -> bool:
            return any(one.to == code for one in self.list_codes(document_id))

        if not self.partner.is_own:
            self.tolerate(self.receive)
        if not has_come():
            self.partner.expect_answer(document_id, code)
        missing = Text(
            f"status {code} about {document_id} did not come", f"chưa nhận được trạng thái {code} của {document_id}"
        )
        self.require(has_come, self.receive, missing)
        entry = next(one for one in self.list_codes(document_id) if one.to == code)
        self.note(f"{code}: {entry.actor}, {describe_moment(entry.time)}")
        return entry

    def answer(self, document_id: str, code: str, words: str = "") -> TimelineEntry:
        """Have the partner answer a document with a status, and wait for it here."""
        if not any(one.to == code for one in self.list_codes(document_id)):
            self.retry(lambda: self.partner.answer(document_id, code, words))
        return self.require_status(document_id, code)

    def require_arrival(self, document_id: str) -> dict[str, Any]:
        """Wait until a document of ours is with the partner, byte for byte.

        Returns:
            what the partner saw of it; of a partner whom we do not run, nothing.

        Raises:
            NotMet: it did not come, or with other files.
            PartnerAwaited: the partner has to say so.
        """
        sent = self.memory.get(document_id, {})
        if not self.partner.is_own:
            self.require_status(document_id, "01")
            if self.line[0] in _LINES_OF_BYTES:
                self.partner.require_confirmation(self.run, self.line, sent)
            return {}
        missing = Text(f"{document_id} did not come to the partner", f"đối tác chưa nhận được {document_id}")
        self.require(lambda: bool(self.run.arrivals.get(f"partner {document_id}")), self.partner.receive, missing)
        arrival = self.run.arrivals[f"partner {document_id}"][0]
        if sent and arrival["files"] != sent:
            raise NotMet(
                Text(f"the files of {document_id} came as others: {arrival['files']}",
                     f"tệp đính kèm của {document_id} khác lúc gửi: {arrival['files']}")
            )  # fmt: skip
        for name, digest in sent.items():
            self.note(f"{name}: SHA-256 {digest}")
        return arrival

    # -- waiting

    def require(self, is_done: Callable[[], bool], step: Callable[[], object], missing: Text) -> None:
        """Repeat a step until something is so.

        Raises:
            NotMet: it is not in time.
        """
        begun = time.monotonic()
        last: EdocError | None = None
        while not is_done():
            waited = time.monotonic() - begun
            if waited > self.wait:
                why = Text(f"; {last.message}", f"; {last.vi}") if last is not None else Text("", "")
                raise NotMet(Text(missing.en + why.en, missing.vi + why.vi))
            last = self.tolerate(step) or last
            self._look_where_hub_is_blind(begun)
            if not is_done():
                time.sleep(self.pause)

    def _look_where_hub_is_blind(self, begun: float) -> None:
        """See at the other side what arrived, where that is ours and the hub had its time to tell."""
        if self.partner.is_own and time.monotonic() - begun > self.wait * _SIGHT_AFTER:
            self.tolerate(self._settle_by_sight)

    def _settle_by_sight(self) -> None:
        self.go_on()
        settle_by_sight(self.ours, self.partner.connector)

    @staticmethod
    def tolerate(step: Callable[[], object]) -> EdocError | None:
        """Do a step, and return the error of a hub or connection that may be over soon."""
        try:
            step()
        except (HubError, TransportError) as error:
            return error
        return None

    def retry(self, step: Callable[[], _T]) -> _T:
        """Do a step again while the hub is busy, out of reach, or cannot tell what it has.

        Raises:
            NotMet: it is so for too long.
        """
        begun = time.monotonic()
        while True:
            try:
                return step()
            except (HubError, TransportError) as error:
                is_passing = isinstance(error, TransportError) or error.retryable
                if not is_passing:
                    raise
                if time.monotonic() - begun > self.wait:
                    raise _as_not_met(error) from error
            self._look_where_hub_is_blind(begun)
            time.sleep(self.pause)


def _as_not_met(error: EdocError) -> NotMet:
    return NotMet(Text(error.message, error.vi))


def build_pdf(words: str) -> bytes:
    """Build a small PDF file."""
    from ...testing import sample_pdf

    return sample_pdf([f"KIEM THU KET NOI {words}"])


def digest(data: bytes) -> str:
    """Compute the SHA-256 of bytes, hex."""
    return hashlib.sha256(data).hexdigest()


def describe_codes(entries: Sequence[TimelineEntry]) -> str:
    """Describe statuses with who sent them and when."""
    return "; ".join(f"{one.to} {one.actor} {describe_moment(one.time)}" for one in entries)


def now_text() -> str:
    """Give the time as evidence has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
