"""Spans and metrics of a document's whole way, by the conventions `messaging.*`, and the fields of log lines."""

from __future__ import annotations

import json
import subprocess
import sys
import timeit
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import messaging_attributes
from opentelemetry.trace import SpanKind

from edoc_connector._core import LOG_FIELDS, OPERATION_RULES, JsonFormatter, MessagingTelemetry, Operation
from edoc_connector.connector import AsyncConnector, Handlers
from edoc_connector.edxml import Attachment, SignerInfo
from edoc_connector.errors import NotSent
from edoc_connector.testing import RunningHub, sample_document
from edoc_connector.worker import Worker

if TYPE_CHECKING:
    from .conftest import Office

_MARKED = ("Trích-yếu-riêng", "tên-tệp-riêng", "ruột-riêng", "Người-ký-riêng", "secret-H29", "secret-G22")
_OWN_ATTRIBUTES = {"edoc.agency", "edoc.hub", "server.address", "server.port", "error.type"}
_KNOWN = {value for name, value in vars(messaging_attributes).items() if name.startswith("MESSAGING_")}


class Collector:
    """Collects the spans and metrics of this process, as a program does that uses OpenTelemetry."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        trace.set_tracer_provider(self.provider)
        metrics.set_meter_provider(MeterProvider(metric_readers=[self._reader]))

    def find(self, name: str) -> list[ReadableSpan]:
        """Find the spans of a name."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def read_points(self) -> dict[str, list[dict[str, Any]]]:
        """Read the attributes of each metric's points."""
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: [dict(point.attributes or {}) for point in metric.data.data_points]
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture(scope="module")
def _collector() -> Iterator[Collector]:
    one = Collector()  # a process has one for good
    yield one
    one.exporter.shutdown()  # keeps nothing of what other tests do


@pytest.fixture
def collector(_collector: Collector) -> Collector:
    """The collector, empty."""
    _collector.exporter.clear()
    return _collector


def make_document(**values: Any) -> Any:
    attachment = Attachment.from_bytes(b"<private>" + "ruột-riêng".encode(), name="tên-tệp-riêng.txt")
    signer = SignerInfo(full_name="Người-ký-riêng")
    return sample_document(subject="Trích-yếu-riêng", attachments=(attachment,), signer=signer, **values)


def read_attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_whole_round_is_seen(office: Office, hub: RunningHub, collector: Collector) -> None:
    """Sending, polling, downloading, handling and confirming are spans, named and typed by the conventions."""
    sender, receiver = office("H29.05"), office("G22")
    delivery = sender.send(make_document())
    for receipt in receiver.receive():
        with receipt:
            receipt.accept()
    list(sender.receive())
    (sent,) = collector.find("send edoc")
    attributes = read_attributes(sent)
    assert sent.kind is SpanKind.PRODUCER
    assert attributes == {
        "messaging.system": "vxp",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "edoc",
        "messaging.message.id": delivery.hub_doc_id,
        "messaging.message.conversation_id": delivery.id,
        "edoc.agency": "H29.05",
        "edoc.hub": "hub",
        "server.address": "127.0.0.1",
        "server.port": int(hub.url.rpartition(":")[2].partition("/")[0]),
    }
    (received,) = [one for one in collector.find("fetch packet") if read_attributes(one)["edoc.agency"] == "G22"]
    assert received.kind is SpanKind.CLIENT
    assert read_attributes(received)["messaging.message.body.size"] > 1000
    (handled,) = collector.find("process edoc")
    assert handled.kind is SpanKind.CONSUMER
    assert read_attributes(handled)["messaging.message.conversation_id"] == delivery.id
    assert {one["messaging.operation.type"] for one in map(read_attributes, collector.find("confirm packet"))} == {
        "settle"
    }
    assert {read_attributes(one)["messaging.batch.message_count"] for one in collector.find("poll edoc")} == {0, 1}
    assert collector.find("send status")
    assert not [one.name for one in collector.exporter.get_finished_spans() if one.events]


def test_metrics_of_a_round(office: Office, hub: RunningHub, collector: Collector) -> None:
    """The four metrics of the conventions have what tells few operations apart, and no id."""
    test_a_whole_round_is_seen(office, hub, collector)
    points = collector.read_points()
    assert set(points) == {
        "messaging.client.operation.duration",
        "messaging.client.sent.messages",
        "messaging.client.consumed.messages",
        "messaging.process.duration",
    }
    for one in (point for metric in points.values() for point in metric):
        assert not {name for name in one if "message.id" in name or "conversation" in name}


def test_no_content_and_no_secret_in_attributes(office: Office, hub: RunningHub, collector: Collector) -> None:
    """Every attribute is one of the conventions or one of ours, and holds nothing that a document says."""
    sender, receiver = office("H29.05"), office("G22")
    sender.queue(make_document())
    handlers = Handlers()
    handlers.on_receipt(_fail)
    with Worker([sender.settings]) as one, Worker([receiver.settings], handlers=handlers) as other:
        one.run_once()
        other.run_once()
    spans = collector.exporter.get_finished_spans()
    told = "\n".join(str((span.name, span.attributes, span.status.description, span.events)) for span in spans)
    assert not [mark for mark in _MARKED if mark in told]
    assert {name for span in spans for name in span.attributes or {}} <= _KNOWN | _OWN_ATTRIBUTES
    failed = [read_attributes(span)["error.type"] for span in collector.find("process edoc")]
    assert set(failed) == {"ValueError"}


def _fail(receipt: Any) -> None:
    raise ValueError(f"cannot register {receipt.document.subject}")


def test_an_error_is_its_class(office: Office, hub: RunningHub, collector: Collector) -> None:
    """What fails has `error.type`, the class of the error, and no text."""
    sender = office("H29.05")
    hub.stop()
    with pytest.raises(NotSent):
        sender.send(make_document())
    (span,) = collector.find("send edoc")
    assert read_attributes(span)["error.type"] == "NotSent"
    assert span.status.description is None
    assert not span.status.is_ok


def test_a_queued_document_is_linked_to_its_sending(office: Office, hub: RunningHub, collector: Collector) -> None:
    """In one process the worker's sending links to the request that queued the document, and is its client."""
    sender = office("H29.05")
    with collector.provider.get_tracer("a web application").start_as_current_span("POST /documents") as request:
        delivery = sender.queue(make_document())
    with Worker([sender.settings]) as worker:
        worker.run_once()
    (queued,), (sent,) = collector.find("queue edoc"), collector.find("send edoc")
    assert queued.kind is SpanKind.PRODUCER
    assert queued.parent == request.get_span_context()
    assert read_attributes(queued)["messaging.message.conversation_id"] == delivery.id
    assert read_attributes(queued)["messaging.operation.type"] == "create"
    assert [link.context for link in sent.links] == [queued.get_span_context()]
    assert sent.kind is SpanKind.CLIENT


def test_the_application_works_inside_the_span(office: Office, hub: RunningHub, collector: Collector) -> None:
    """What an application observes in its block belongs to the span of the packet, and nothing after the block does."""
    office("H29.05").send(make_document())
    for receipt in office("G22").receive():
        with receipt:
            inside = trace.get_current_span()
        assert trace.get_current_span() is trace.INVALID_SPAN
    (handled,) = collector.find("process edoc")
    assert inside.get_span_context() == handled.get_span_context()


def test_coroutines_work_inside_the_span(
    office: Office, hub: RunningHub, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """The same in an asynchronous block, whose beginning and end run in threads."""
    office("H29.05").send(make_document())
    settings = office("G22").settings
    found: list[Any] = []

    async def receive() -> None:
        async with AsyncConnector(settings) as connector:
            async for receipt in connector.receive():
                async with receipt:
                    found.append(trace.get_current_span().get_span_context())
                found.append(trace.get_current_span())

    anyio.run(receive)
    (handled,) = collector.find("process edoc")
    assert found == [handled.get_span_context(), trace.INVALID_SPAN]
    assert "detach" not in caplog.text


def test_log_lines_say_what_they_are_about(
    office: Office, hub: RunningHub, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """Each line in JSON has the agency, the hub, the ids, the error's class and the span, by the table of the page."""
    sender = office("H29.05")
    delivery = sender.queue(make_document())
    hub.stop()
    with collector.provider.get_tracer("test").start_as_current_span("round") as span:
        sender.flush()
    with Worker([sender.settings]) as worker:
        worker.run_once(rounds=1)
    common = {"agency": "H29.05", "hub": "hub", "error": "NotSent"}
    trace_id = f"{span.get_span_context().trace_id:032x}"
    assert common | {"document_id": delivery.id, "trace_id": trace_id} == _read_fields(caplog, "not sent")
    assert common | {"job": "poll"} == _read_fields(caplog, "poll of")
    used = {name for record in caplog.records for name in record.__dict__.get("edoc_context", {})}
    assert used <= set(LOG_FIELDS)


def _read_fields(caplog: pytest.LogCaptureFixture, words: str) -> dict[str, Any]:
    """Read the fields of the first line that begins with some words, as they are written; without the span's own id."""
    record = next(one for one in caplog.records if one.getMessage().startswith(words))
    fields: dict[str, Any] = json.loads(JsonFormatter().format(record))
    return {name: value for name, value in fields.items() if name in LOG_FIELDS and name != "span_id"}


def test_operations_are_those_of_the_conventions() -> None:
    """Each type of an operation is a value of the conventions' own list, and each operation has one."""
    values = {one.value for one in messaging_attributes.MessagingOperationTypeValues}
    assert {rule.type for rule in OPERATION_RULES.values()} <= values
    assert set(OPERATION_RULES) == set(Operation)


def test_nothing_is_loaded_or_paid_for_without_it() -> None:
    """Where nobody has loaded OpenTelemetry, a connector does not either, and an observation costs under 2 µs."""
    code = (
        "import sys, timeit\nfrom edoc_connector import Connector\n"
        "from edoc_connector._core import MessagingTelemetry, Operation\n"
        "telemetry = MessagingTelemetry(system='vxp')\n"
        "def one():\n    with telemetry.observe(Operation.SEND, 'edoc', document_id='x') as seen:\n"
        "        seen.note(message_id='y')\n"
        "print(min(timeit.repeat(one, number=10000, repeat=5)) / 10000 * 1e9)\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 2000


def test_the_api_alone_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """An observation with a span that is kept costs less than a millisecond: a call to a hub takes several."""
    telemetry = MessagingTelemetry(system="vxp", agency="H29.05", hub="hub", endpoint="https://hub.example.vn/api")

    def observe() -> None:
        with telemetry.observe(Operation.POLL, "edoc") as seen:
            seen.note(count=0)

    assert min(timeit.repeat(observe, number=200, repeat=5)) / 200 < 0.001
