"""The other side of an acceptance run: a second agency of ours, or a partner with a system of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from ..._core import Text
from ...connector import Connector
from ...edxml import VIETNAM, Document, Organization
from ...errors import EdocError, NotFound
from .outcomes import PartnerAwaited
from .state import RunState


class Partner(Protocol):
    """The other side."""

    organization: Organization
    is_own: bool

    @property
    def connector(self) -> Connector:
        """Its connector, where it is ours."""
        ...

    def receive(self) -> None:
        """Receive what waits there."""
        ...

    def answer(self, document_id: str, code: str, words: str) -> None:
        """Answer a document with a status."""
        ...

    def expect_answer(self, document_id: str, code: str) -> None:
        """Say that a status is to come."""
        ...

    def require_confirmation(self, run: RunState, line: str, files: Mapping[str, str]) -> None:
        """Require the partner's word that files came as they were sent."""
        ...

    def send(self, document: Document) -> None:
        """Send a document to us."""
        ...


class OwnPartner:
    """A second agency of ours, which does at once what it has to do.

    Args:
        connector: its connector.
        run: the run.
        sender: our code.
    """

    is_own = True

    def __init__(self, connector: Connector, run: RunState, sender: str) -> None:
        self.connector = connector
        self.organization = Organization(id=connector.settings.agency.id, name=connector.settings.agency.name)
        self._run = run
        self._sender = sender

    def receive(self) -> None:
        """Receive what waits, and note what arrived."""
        receive_all(self.connector, self._run, "partner")

    def answer(self, document_id: str, code: str, words: str) -> None:
        """Answer a document; what it sends already is not sent twice."""
        receipt = self.connector.receipt(document_id, sender=self._sender)
        if receipt.status != code and not (code == "15" and receipt.withdrawn):
            _ANSWERS[code](receipt, words)
        self.connector.flush()

    def expect_answer(self, document_id: str, code: str) -> None:  # noqa: ARG002  the protocol's signature
        """Send what is queued."""
        self.connector.flush()

    def require_confirmation(self, run: RunState, line: str, files: Mapping[str, str]) -> None:
        """Require nothing: what arrives is seen."""

    def send(self, document: Document) -> None:
        """Send a document to us."""
        self.connector.send(document)


_ANSWERS: Mapping[str, Any] = {
    "02": lambda receipt, words: receipt.reject(words),
    "03": lambda receipt, words: receipt.accept(words or None),
    "04": lambda receipt, words: receipt.assign(words or None),
    "05": lambda receipt, words: receipt.processing(words or None),
    "06": lambda receipt, words: receipt.complete(words or None),
    "15": lambda receipt, words: receipt.agree_change(words or None),
    "16": lambda receipt, words: receipt.refuse_change(words),
}


class RemotePartner:
    """A partner with a system of its own: what it has to do is told, and waited for.

    Args:
        organization: the partner.
    """

    is_own = False

    def __init__(self, organization: Organization) -> None:
        self.organization = organization

    @property
    def connector(self) -> Connector:
        """None of ours.

        Raises:
            PartnerAwaited: always.
        """
        raise PartnerAwaited(
            Text("only a second agency of ours can show this: run it with --second",
                 "chỉ thực hiện được với đơn vị thứ hai của mình: chạy với --second")
        )  # fmt: skip

    def receive(self) -> None:
        """Receive nothing: the partner does."""

    def answer(self, document_id: str, code: str, words: str) -> None:
        """Wait for the partner's answer."""
        self.expect_answer(document_id, code, words)

    def expect_answer(self, document_id: str, code: str, words: str = "") -> None:
        """Tell what the partner has to send.

        Raises:
            PartnerAwaited: always.
        """
        reason = f" ({words})" if words else ""
        raise PartnerAwaited(
            Text(f"{self.organization.id} has to answer {document_id} with {code}{reason}",
                 f"{self.organization.id} cần gửi trạng thái {code}{reason} cho văn bản {document_id}")
        )  # fmt: skip

    def require_confirmation(self, run: RunState, line: str, files: Mapping[str, str]) -> None:
        """Require that somebody noted the partner's word (`edoc acceptance --confirm`).

        Raises:
            PartnerAwaited: nobody has.
        """
        if line in run.confirmed:
            run.get_line(line).evidence.append(run.confirmed[line])
            return
        listed = "; ".join(f"{name} {value}" for name, value in files.items())
        raise PartnerAwaited(
            Text(f"ask {self.organization.id} whether the files came with these SHA-256: {listed}; then run "
                 f"edoc acceptance --confirm {line} --by NAME",
                 f"hỏi {self.organization.id} xem các tệp có đúng mã SHA-256: {listed}; sau đó chạy "
                 f"edoc acceptance --confirm {line} --by TÊN")
        )  # fmt: skip

    def send(self, document: Document) -> None:
        """Tell the partner what to send.

        Raises:
            PartnerAwaited: always.
        """
        raise PartnerAwaited(
            Text(f"{self.organization.id} has to send us a document whose subject has “{document.subject}”",
                 f"{self.organization.id} cần gửi một văn bản có trích yếu chứa “{document.subject}”")
        )  # fmt: skip


def receive_all(connector: Connector, run: RunState, side: str) -> None:
    """Receive everything that waits, and note what arrived, each time that it is handed out.

    Raises:
        EdocError: what the hub said, after everything that is here was noted.
    """
    try:
        for receipt in connector.receive():
            with receipt:
                known = run.arrivals.setdefault(f"{side} {receipt.document.id if receipt.business else receipt.id}", [])
                known.append(_describe_arrival(receipt))
    finally:
        run.save()


def _describe_arrival(receipt: Any) -> dict[str, Any]:
    """Describe what a receiver sees of a document."""
    try:
        document, files = receipt.document, {one.name: one.sha256 for one in receipt.attachments}
    except (NotFound, EdocError) as error:
        return {"at": receipt.received_at.isoformat(), "docId": receipt.hub_doc_id, "kind": receipt.kind, "files": {},
                "problem": error.message}  # fmt: skip
    verification = receipt.verification
    return {
        "at": receipt.received_at.isoformat(),
        "docId": receipt.hub_doc_id,
        "kind": receipt.kind,
        "sender": receipt.sender,
        "code": receipt.code,
        "subject": document.subject,
        "files": files,
        "priority": None if document.priority is None else int(document.priority),
        "due_date": document.due_date and document.due_date.isoformat(),
        "responses_for": [one.document_id for one in document.responses_for],
        "content": document.content,
        "verification": verification.status.name,
        "method": verification.method,
        "signer": verification.signer,
        "reason": verification.reason,
    }


def describe_moment(moment: datetime | None) -> str:
    """Describe a time in Vietnam."""
    return "–" if moment is None else f"{moment.astimezone(VIETNAM):%d/%m/%Y %H:%M:%S}"
