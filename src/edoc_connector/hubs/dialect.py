"""What every dialect can do, whatever its wire looks like."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from edoc_connector.hubs.results import Agency, Fetched, MessageType, Outcome, SendResult, SentState, Waiting
from edoc_connector.hubs.wire import Flow, Progress


class Dialect(Protocol):
    """A hub's way of talking. Methods return flows; a client drives them."""

    def send(
        self,
        packet: Path,
        *,
        message_type: MessageType,
        sender: str,
        recipients: Sequence[str] = (),
        on_progress: Progress | None = None,
    ) -> Flow[SendResult]:
        """Hand a packet to the hub.

        Args:
            packet: the packet's file; its bytes go out unchanged.
            message_type: document or status.
            sender: code of the sending agency.
            recipients: codes of the receivers, where the hub wants them beside those in the packet.
            on_progress: told the bytes sent and the bytes in all.

        Raises:
            HubError: the hub refused; its child says why. Not retried unless `retryable`.
            ProtocolError: an answer came that tells neither; as with OutcomeUnknown, ask the hub before sending again.
            OutcomeUnknown: the packet left and no usable answer came.
            NotSent: the packet did not leave, or not whole.
            AttachmentError: the file is missing, empty, or changed while it was sent.
        """
        ...

    def list_waiting(self, message_type: MessageType = MessageType.EDOC) -> Flow[tuple[Waiting, ...]]:
        """List the packets that wait for this agency.

        Args:
            message_type: documents or statuses.
        """
        ...

    def fetch(self, doc_id: str, to: Path, *, on_progress: Progress | None = None) -> Flow[Fetched]:
        """Download a packet. Until it is complete nothing is at `to`; what was there is replaced.

        Args:
            doc_id: the hub's id of the packet.
            to: the file to write.
            on_progress: told the bytes received and, where known, the bytes in all.
        """
        ...

    def confirm(self, doc_id: str, outcome: Outcome = Outcome.DONE) -> Flow[None]:
        """Tell the hub what became of a packet. Saying it again is harmless.

        Args:
            doc_id: the hub's id of the packet.
            outcome: ``done`` when it is stored, ``fail`` when it cannot be read.
        """
        ...

    def sent_state(
        self, message_type: MessageType = MessageType.EDOC, *, doc_id: str | None = None
    ) -> Flow[tuple[SentState, ...]]:
        """Ask where packets of ours stand, one entry per receiver.

        Args:
            message_type: documents or statuses.
            doc_id: the hub's id of one packet; without it the hub answers for recent ones.
        """
        ...

    def agencies(self) -> Flow[tuple[Agency, ...]]:
        """Read the hub's directory."""
        ...
