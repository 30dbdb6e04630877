"""The calls of every dialect, and the marks on the fields of dialects that are dataclasses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from .._core import AnyFile
from .results import Agency, AgencyChange, Fetched, MessageType, Outcome, SendResult, SentState, Waiting
from .wire import Flow, Progress

SECRET: Mapping[str, bool] = MappingProxyType({"secret": True})
"""Metadata of a dialect's field that holds a secret: ``secret: str = field(repr=False, metadata=SECRET)``.

A configuration takes such a field as a reference only, and evidence leaves out every answer's text that repeats it.
"""

_CLOCK_FIELD = "now"


class Dialect(Protocol):
    """Speak a hub's protocol: methods return flows, which a client drives.

    A dialect that a configuration names is a dataclass whose fields are its settings, secret ones marked with `SECRET`.
    A field called ``now`` is the clock of its time stamps, a callable that gives aware times; no configuration sets it,
    nor a field with ``init=False``, in which a dialect keeps what it learnt of its hub.
    """

    def send(
        self,
        packet: AnyFile,
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
            on_progress: called with the bytes sent and the bytes in all.

        Raises:
            HubError: the hub refused; the class says why. Not retried unless `retryable`.
            ProtocolError: an answer came that says neither yes nor no; as with OutcomeUnknown, ask the hub before
                sending again.
            OutcomeUnknown: the packet left and no usable answer came.
            NotSent: the packet did not leave, or not whole.
            AttachmentError: the file is missing, empty, or changed while it was sent.
        """
        ...

    def list_waiting(self, message_type: MessageType = MessageType.EDOC) -> Flow[tuple[Waiting, ...]]:
        """List the packets that wait for this agency.

        A dialect whose hub lists what came on some dates (`HubCapabilities.lists_by_date`) also takes ``since``: it is
        a `DatedDialect`.

        Args:
            message_type: documents or statuses.
        """
        ...

    def fetch(self, doc_id: str, to: Path, *, on_progress: Progress | None = None) -> Flow[Fetched]:
        """Download a packet.

        Args:
            doc_id: the hub's id of the packet.
            to: the file to write. It appears when the packet is complete, and replaces a file of that name.
            on_progress: called with the bytes received and, where known, the bytes in all.
        """
        ...

    def confirm(self, doc_id: str, outcome: Outcome = Outcome.DONE) -> Flow[None]:
        """Tell the hub the outcome of a packet; telling it again is harmless.

        Args:
            doc_id: the hub's id of the packet.
            outcome: ``done`` for a packet that is stored, ``fail`` for one that cannot be read.
        """
        ...

    def sent_state(
        self, message_type: MessageType = MessageType.EDOC, *, doc_id: str | None = None, since: datetime | None = None
    ) -> Flow[tuple[SentState, ...]]:
        """Ask for the state of packets of ours, one entry per receiver.

        Args:
            message_type: documents or statuses.
            doc_id: the hub's id of one packet; without it the hub answers for recent ones.
            since: aware; only those sent since then, by the hub's clock. A hub that knows no such window leaves it out.
        """
        ...

    def agencies(self) -> Flow[tuple[Agency, ...]]:
        """Read the hub's directory."""
        ...


class DatedDialect(Dialect, Protocol):
    """Speak the protocol of a hub that lists what came on some dates, fetched or not."""

    def list_waiting(
        self, message_type: MessageType = MessageType.EDOC, *, since: datetime | None = None
    ) -> Flow[tuple[Waiting, ...]]:
        """List the packets that came since a time, those that wait first; all of them, or an error.

        Args:
            message_type: documents or statuses.
            since: aware; as far back as the dialect looks at first where it is left out.
        """
        ...


class ReportingDialect(Dialect, Protocol):
    """Speak the protocol of a hub that is told the codes 01 to 06 by a call instead of by packets."""

    def report_status(self, doc_id: str, code: str) -> Flow[None]:
        """Tell a business status of a document that came in.

        Args:
            doc_id: the hub's id of the document.
            code: ``01`` to ``06``.
        """
        ...


class ChangingDialect(Dialect, Protocol):
    """Speak the protocol of a hub that tells what changed in its directory."""

    def agency_changes(self) -> Flow[tuple[AgencyChange, ...]]:
        """Read the changes of the directory."""
        ...


class AskingDialect(Dialect, Protocol):
    """Speak the protocol of a hub that tells whether it has a document of ours, named by its code."""

    def has_document(self, *, sender: str, recipients: Sequence[str], code: str) -> Flow[bool]:
        """Ask whether the hub has a document.

        Args:
            sender: code of the sending agency.
            recipients: codes of all receivers, in the packet's order: of a part of them a hub knows nothing.
            code: number and notation, as ``12/SNV-VP``.
        """
        ...


def list_setting_fields(dialect: object) -> tuple[dataclasses.Field[Any], ...]:
    """List the fields that a configuration may set; a dialect that is no dataclass has none.

    Args:
        dialect: a dialect or authenticator, or its class.
    """
    candidate: Any = dialect
    fields = dataclasses.fields(candidate) if dataclasses.is_dataclass(candidate) else ()
    return tuple(field for field in fields if field.init and field.name != _CLOCK_FIELD)


def is_secret(field: dataclasses.Field[Any]) -> bool:
    """Tell whether a field is marked with `SECRET`."""
    return bool(field.metadata.get("secret"))


def collect_secrets(dialect: object) -> tuple[str, ...]:
    """Collect the texts in the secret fields of a dialect or authenticator, without the empty ones."""
    values = (getattr(dialect, field.name) for field in list_setting_fields(dialect) if is_secret(field))
    return tuple(value for value in values if isinstance(value, str) and value)


def with_clock(dialect: Dialect, clock: Callable[[], datetime]) -> Dialect:
    """Copy a dialect with another clock; one that has none is returned as it is.

    Args:
        dialect: the dialect.
        clock: gives aware times.
    """
    candidate: Any = dialect
    fields = dataclasses.fields(candidate) if dataclasses.is_dataclass(candidate) else ()
    if _CLOCK_FIELD not in {field.name for field in fields}:
        return dialect
    adjusted: Dialect = dataclasses.replace(candidate, **{_CLOCK_FIELD: clock})
    return adjusted
