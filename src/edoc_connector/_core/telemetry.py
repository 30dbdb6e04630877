"""Spans and metrics by OpenTelemetry's conventions for messaging; nothing where nobody has loaded OpenTelemetry.

Whoever collects spans or metrics loads OpenTelemetry's API to say so. Where it is not loaded nobody listens, and an
observation is one look whether it is. Names, attributes and units are those of the semantic conventions `messaging.*`;
ours begin with `edoc.`. No attribute holds what a document says, a text of an error, or a secret: ids and codes only.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from .._version import __version__
from ..errors import find_stored_name
from .text import Text

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.metrics import Counter, Histogram
    from opentelemetry.trace import Link, SpanContext, Tracer

SCOPE = "edoc_connector"
_API = "opentelemetry.trace"
_SCHEMA = "https://opentelemetry.io/schemas/1.30.0"
_BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0, 120.0)
_MAX_REMEMBERED = 1000  # documents that were queued in this process and not sent yet


class Operation(StrEnum):
    """What is done with a message; its value is `messaging.operation.name`."""

    QUEUE = "queue"
    SEND = "send"
    REPORT = "report"
    POLL = "poll"
    FETCH = "fetch"
    PROCESS = "process"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class OperationRule:
    """The form of an operation's span.

    Args:
        type: `messaging.operation.type`.
        kind: name of the span's kind.
        meaning: what is done.
    """

    type: str
    kind: str
    meaning: Text


OPERATION_RULES: Mapping[Operation, OperationRule] = {
    Operation.QUEUE: OperationRule(
        "create",
        "PRODUCER",
        Text(
            "a document is checked, signed and stored by `queue`",
            "kiểm tra, ký và lưu văn bản bằng `queue`",
        ),
    ),
    Operation.SEND: OperationRule(
        "send",
        "PRODUCER",
        Text(
            "a packet is handed to the hub",
            "gửi gói tin lên trục",
        ),
    ),
    Operation.REPORT: OperationRule(
        "send",
        "PRODUCER",
        Text(
            "a status is told by a call, at hubs that take it so",
            "báo trạng thái bằng lệnh gọi, với trục nhận theo cách đó",
        ),
    ),
    Operation.POLL: OperationRule(
        "receive",
        "CLIENT",
        Text(
            "the hub is asked what waits",
            "hỏi trục có gói tin nào đang chờ",
        ),
    ),
    Operation.FETCH: OperationRule(
        "receive",
        "CLIENT",
        Text(
            "a packet is downloaded",
            "tải gói tin về",
        ),
    ),
    Operation.PROCESS: OperationRule(
        "process",
        "CONSUMER",
        Text(
            "your software handles a packet: a handler, or the block `with receipt:`",
            "phần mềm của đơn vị xử lý gói tin: hàm xử lý hoặc khối `with receipt:`",
        ),
    ),
    Operation.CONFIRM: OperationRule(
        "settle",
        "CLIENT",
        Text(
            "the hub is told that a packet came",
            "xác nhận với trục đã nhận gói tin",
        ),
    ),
}
_SENDING = frozenset({Operation.SEND, Operation.REPORT})


class Observation:
    """One operation that is observed; this one tells nobody. A context manager that ends it with what it met."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""

    def note(
        self,
        *,
        message_id: str | None = None,
        document_id: str | None = None,
        size: int | None = None,
        count: int | None = None,
    ) -> None:
        """Note what became known.

        Args:
            message_id: the hub's docId.
            document_id: the DocumentId.
            size: bytes of the packet.
            count: how many messages were listed.
        """

    def attach(self) -> None:
        """Make it what spans of this thread, or of this task, belong to; nothing where it is."""

    def detach(self) -> None:
        """End that; where another thread or task attached it, forget that one."""

    def end(self, error: BaseException | str | None = None) -> None:
        """End the operation, once.

        Args:
            error: what it met, or the name of its class.
        """


UNOBSERVED = Observation()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagingTelemetry:
    """Observes the messages of one agency at one hub.

    Args:
        system: name of the hub's dialect.
        agency: code of the agency.
        hub: name of the hub.
        endpoint: its address.
    """

    system: str = ""
    agency: str = ""
    hub: str = ""
    endpoint: str = ""

    def observe(
        self, operation: Operation, destination: str, *, message_id: str | None = None, document_id: str | None = None
    ) -> Observation:
        """Begin to observe an operation.

        Args:
            operation: which.
            destination: the kind of packet, ``edoc`` or ``status``.
            message_id: the hub's docId, where it is known.
            document_id: the DocumentId, where it is known.
        """
        if _API not in sys.modules:
            return UNOBSERVED
        return _LiveObservation(self, operation, destination, message_id, document_id)

    def list_attributes(self, operation: Operation, destination: str) -> dict[str, Any]:
        """List the attributes of an operation that tell it from few others: those of its metrics."""
        address = urlsplit(self.endpoint)
        attributes: dict[str, Any] = {
            "messaging.system": self.system,
            "messaging.operation.name": operation.value,
            "messaging.operation.type": OPERATION_RULES[operation].type,
            "messaging.destination.name": destination,
            "edoc.agency": self.agency,
            "edoc.hub": self.hub,
        }
        if address.hostname:
            attributes["server.address"] = address.hostname
            attributes["server.port"] = address.port or (443 if address.scheme == "https" else 80)
        return attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instruments:
    tracer: Tracer
    duration: Histogram
    process_duration: Histogram
    sent: Counter
    consumed: Counter


@functools.cache
def _get_instruments() -> _Instruments:
    """Make the instruments; what is set up later takes them over."""
    from opentelemetry import metrics, trace

    meter = metrics.get_meter(SCOPE, __version__, schema_url=_SCHEMA)
    return _Instruments(
        tracer=trace.get_tracer(SCOPE, __version__, schema_url=_SCHEMA),
        duration=meter.create_histogram(
            "messaging.client.operation.duration",
            unit="s",
            description="Duration of an operation with a hub.",
            explicit_bucket_boundaries_advisory=_BOUNDARIES,
        ),
        process_duration=meter.create_histogram(
            "messaging.process.duration",
            unit="s",
            description="Duration of handling a message in the application.",
            explicit_bucket_boundaries_advisory=_BOUNDARIES,
        ),
        sent=meter.create_counter(
            "messaging.client.sent.messages", unit="{message}", description="Messages that were handed to a hub."
        ),
        consumed=meter.create_counter(
            "messaging.client.consumed.messages", unit="{message}", description="Messages that were downloaded."
        ),
    )


class _QueuedContexts:
    """The spans in which documents were queued, until they are sent; of this process, and of the newest ones only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contexts: OrderedDict[tuple[str, str], SpanContext] = OrderedDict()

    def remember(self, agency: str, document_id: str, context: SpanContext) -> None:
        """Keep the span in which a document was queued."""
        with self._lock:
            self._contexts[agency, document_id] = context
            if len(self._contexts) > _MAX_REMEMBERED:
                self._contexts.popitem(last=False)

    def find(self, agency: str, document_id: str) -> SpanContext | None:
        """Find the span in which a document was queued."""
        with self._lock:
            return self._contexts.get((agency, document_id))

    def forget(self, agency: str, document_id: str) -> None:
        """Forget a document that was sent."""
        with self._lock:
            self._contexts.pop((agency, document_id), None)


_queued = _QueuedContexts()


class _LiveObservation(Observation):
    """An operation with a span and with metrics."""

    __slots__ = (
        "_attributes", "_document_id", "_instruments", "_is_over", "_operation", "_place", "_span", "_started_at",
        "_token",
    )  # fmt: skip

    def __init__(
        self,
        place: MessagingTelemetry,
        operation: Operation,
        destination: str,
        message_id: str | None,
        document_id: str | None,
    ) -> None:
        from opentelemetry.trace import SpanKind

        self._instruments = _get_instruments()
        self._place = place
        self._operation = operation
        self._document_id = document_id
        self._attributes = place.list_attributes(operation, destination)
        links = self._list_links()
        # by the conventions the span that creates a message is its producer, and the one that sends it then is not
        kind = SpanKind.CLIENT if links else SpanKind[OPERATION_RULES[operation].kind]
        self._span = self._instruments.tracer.start_span(
            f"{operation.value} {destination}", kind=kind, attributes=dict(self._attributes), links=links
        )
        self._token: Token[Any] | None = None
        self.note(message_id=message_id, document_id=document_id)
        self._is_over = False
        self._started_at = time.perf_counter()

    def __enter__(self) -> Self:
        self.attach()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()
        self.end(error)

    def note(
        self,
        *,
        message_id: str | None = None,
        document_id: str | None = None,
        size: int | None = None,
        count: int | None = None,
    ) -> None:
        self._document_id = document_id or self._document_id
        known = {
            "messaging.message.id": message_id or None,
            "messaging.message.conversation_id": document_id or None,
            "messaging.message.body.size": size,
            "messaging.batch.message_count": count,
        }
        self._span.set_attributes({name: value for name, value in known.items() if value is not None})

    def attach(self) -> None:
        from opentelemetry import context, trace

        if self._token is None:
            self._token = context.attach(trace.set_span_in_context(self._span))

    def detach(self) -> None:
        from opentelemetry import context, trace

        # a block that is left in another thread or task has nothing to end there: its context went with the other
        if self._token is not None and trace.get_current_span() is self._span:
            context.detach(self._token)
        self._token = None

    def end(self, error: BaseException | str | None = None) -> None:
        from opentelemetry.trace import Status, StatusCode

        if self._is_over:
            return
        self._is_over = True
        seconds = time.perf_counter() - self._started_at
        if error is not None:
            self._attributes["error.type"] = error if isinstance(error, str) else find_stored_name(error)
            self._span.set_attribute("error.type", self._attributes["error.type"])
            self._span.set_status(Status(StatusCode.ERROR))
        elif self._document_id and self._operation is Operation.QUEUE:
            _queued.remember(self._place.agency, self._document_id, self._span.get_span_context())
        elif self._document_id and self._operation is Operation.SEND:
            _queued.forget(self._place.agency, self._document_id)
        self._span.end()
        self._measure(seconds, failed=error is not None)

    def _measure(self, seconds: float, *, failed: bool) -> None:
        instruments = self._instruments
        is_process = self._operation is Operation.PROCESS
        (instruments.process_duration if is_process else instruments.duration).record(seconds, self._attributes)
        if self._operation in _SENDING:
            instruments.sent.add(1, self._attributes)
        elif self._operation is Operation.FETCH and not failed:
            instruments.consumed.add(1, self._attributes)

    def _list_links(self) -> list[Link]:
        """List the span in which a document was queued that is sent now."""
        from opentelemetry.trace import Link

        if self._operation is not Operation.SEND or not self._document_id:
            return []
        queued = _queued.find(self._place.agency, self._document_id)
        return [] if queued is None or not queued.is_valid else [Link(queued)]


def read_trace_ids() -> dict[str, str]:
    """Read the ids of the span that this thread works in, as hexadecimal digits; none where there is no such span."""
    if _API not in sys.modules:
        return {}
    from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

    context = get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": format_trace_id(context.trace_id), "span_id": format_span_id(context.span_id)}
