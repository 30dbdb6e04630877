"""A hub of the first generation to test against, written from its description; it shares no code with the dialect."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from xml.etree import ElementTree
from xml.sax.saxutils import escape

VIETNAM = timezone(timedelta(hours=7))
REPORT = "<Report><IsSuccess>true</IsSuccess></Report>"


def refuse(code: str, words: str) -> str:
    """Write the report of a refusal."""
    error = f"<Error><Code>{code}</Code><Description>{words}</Description></Error>"
    return f"<Report><IsSuccess>false</IsSuccess><ErrorList>{error}</ErrorList></Report>"


def find_all(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """Find the elements of a name, whatever their namespace."""
    return [one for one in element.iter() if one.tag.rpartition("}")[2] == name]


def find_text(element: ElementTree.Element, *names: str) -> str:
    """Find a text by the names that lead to it."""
    for name in names:
        found = find_all(element, name)
        if not found:
            return ""
        element = found[0]
    return element.text or ""


@dataclass
class Trace:
    """A status, for the agency that sent the document."""

    owner: str
    xml: str
    key: tuple[str, str, str]
    at: datetime
    is_listed: bool = True


@dataclass
class SoapHub:
    """The hub: a context manager that serves on loopback.

    Args:
        agencies: code to token.
        drops: actions whose next answer is lost behind the work.
        calls: each action with the body of its envelope.
    """

    agencies: dict[str, str]
    drops: list[str] = field(default_factory=list)
    calls: list[tuple[str, ElementTree.Element]] = field(default_factory=list)
    documents: dict[str, bytes] = field(default_factory=dict)
    waiting: list[tuple[str, str]] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _build_handler(self))
        self._server.daemon_threads = True
        self._lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/edoc/services"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, action: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Answer a request: the content type and the body."""
        message = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
        decoded = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
        parts = [content for content in decoded if isinstance(content, bytes)]
        envelope = ElementTree.fromstring(parts[0])
        asked = find_all(envelope, "Body")[0][0]
        with self._lock:
            self.calls.append((action, asked))
            organ = find_text(asked, "OrganId")
            tokens = {find_text(envelope, "Header", "Token"), find_text(asked, "Token")}
            if tokens != {self.agencies.get(organ)}:
                return wrap(refuse("Invalid Credentials", "token"))
            actions: dict[str, Callable[[], tuple[str, bytes]]] = {
                "SendDocument": lambda: self._take_document(organ, asked, parts[1]),
                "UpdateTraces": lambda: self._take_status(organ, asked, parts[1]),
                "GetPendingDocumentIds": lambda: self._list_documents(organ),
                "GetDocument": lambda: self._give_document(find_text(asked, "DocumentId")),
                "ConfirmReceived": lambda: self._confirm(organ, find_text(asked, "DocumentId")),
                "GetTraces": lambda: self._list_traces(organ, find_text(asked, "Timestamp")),
                "GetOrganizations": self._list_organizations,
            }
            return actions[action]()

    def _take_document(self, organ: str, asked: ElementTree.Element, packet: bytes) -> tuple[str, bytes]:
        if find_text(asked, "Signature", "KeyInfo", "OrganId") != organ:
            return wrap(refuse("M.Signature", "checkSignature"))
        root = ElementTree.fromstring(packet)
        document_id = find_text(root, "MessageHeader", "DocumentId")
        if any(find_text(ElementTree.fromstring(one), "DocumentId") == document_id for one in self.documents.values()):
            return wrap(refuse("M.Exist", "Document exist"))
        doc_id = str(len(self.documents) + 1)
        self.documents[doc_id] = packet
        self.waiting += [(find_text(one, "OrganId"), doc_id) for one in find_all(root, "To")]
        return wrap(f"<SendDocumentResponse>{REPORT}<DocId>{doc_id}</DocId></SendDocumentResponse>")

    def _take_status(self, organ: str, asked: ElementTree.Element, packet: bytes) -> tuple[str, bytes]:
        if find_text(asked, "Signature", "KeyInfo", "OrganId") != organ:
            return wrap(refuse("M.Signature", "checkSignature"))
        header = find_all(ElementTree.fromstring(packet), "edXMLHeader")[0][0]
        code, document_id = find_text(header, "StatusCode"), find_text(header, "ResponseFor", "DocumentId")
        key = (organ, document_id, code)
        if code != "05" and any(trace.key == key for trace in self.traces):
            return wrap(refuse("M.UpdateTraces", "Exist trace"))
        xml = "".join(ElementTree.tostring(one, "unicode") for one in header)
        self._add_trace(find_text(header, "ResponseFor", "OrganId"), xml, key)
        return wrap(REPORT)

    def _add_trace(self, owner: str, xml: str, key: tuple[str, str, str]) -> None:
        self.traces.append(Trace(owner, xml, key, datetime.now(VIETNAM)))

    def _list_documents(self, organ: str) -> tuple[str, bytes]:
        ids = "".join(f"<DocumentId>{doc_id}</DocumentId>" for owner, doc_id in self.waiting if owner == organ)
        return wrap(
            f"<GetPendingDocumentIdsResponse>{REPORT}<DocumentIds>{ids}</DocumentIds></GetPendingDocumentIdsResponse>"
        )

    def _give_document(self, doc_id: str) -> tuple[str, bytes]:
        if doc_id not in self.documents:
            return wrap(refuse("GetDocument", "not found"))
        answer = f'<GetDocumentResponse>{REPORT}<Document href="cid:doc"/></GetDocumentResponse>'
        return wrap(answer, self.documents[doc_id])

    def _confirm(self, organ: str, doc_id: str) -> tuple[str, bytes]:
        """Take the document off the list, and write 01 for its sender."""
        if (organ, doc_id) in self.waiting:
            self.waiting.remove((organ, doc_id))
            root = ElementTree.fromstring(self.documents[doc_id])
            sender, document_id = find_text(root, "From", "OrganId"), find_text(root, "DocumentId")
            self._add_trace(sender, self._write_arrival(organ, sender, document_id), (organ, document_id, "01"))
        return wrap(REPORT)

    def _write_arrival(self, organ: str, sender: str, document_id: str) -> str:
        now = f"{datetime.now(VIETNAM):%Y/%m/%d %H:%M:%S}"
        return (
            f"<ResponseFor><OrganId>{sender}</OrganId><DocumentId>{escape(document_id)}</DocumentId></ResponseFor>"
            f"<From><OrganId>{organ}</OrganId></From><StatusCode>01</StatusCode><Timestamp>{now}</Timestamp>"
        )

    def _list_traces(self, organ: str, since: str) -> tuple[str, bytes]:
        """List statuses since a time; without one those not listed yet, which are then gone."""
        found = [trace for trace in self.traces if trace.owner == organ]
        if since:
            start = datetime.strptime(since, "%Y-%m-%d %H:%M:%S").replace(tzinfo=VIETNAM)
            found = [trace for trace in found if trace.at >= start]
        else:
            found = [trace for trace in found if trace.is_listed]
            for trace in found:
                trace.is_listed = False
        rows = "".join(f"<Status>{trace.xml}</Status>" for trace in found)
        return wrap(f"<GetTracesResponse>{REPORT}<Traces>{rows}</Traces></GetTracesResponse>")

    def _list_organizations(self) -> tuple[str, bytes]:
        rows = "".join(
            f"<Organization><OrganId>{code}</OrganId><OrganName>Đơn vị {code}</OrganName></Organization>"
            for code in self.agencies
        )
        return wrap(
            f"<GetOrganizationsResponse>{REPORT}<Organizations>{rows}</Organizations></GetOrganizationsResponse>"
        )


def wrap(body: str, attachment: bytes | None = None) -> tuple[str, bytes]:
    """Wrap an answer in an envelope, and that in parts where something is attached."""
    body = body.replace(">", ' xmlns="http://www.e-doc.vn/Schema/">', 1)
    envelope = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{body}</s:Body></s:Envelope>'
    ).encode()
    if attachment is None:
        return "text/xml; charset=UTF-8", envelope
    parts = b"--B\r\nContent-Type: text/xml\r\nContent-ID: <root>\r\n\r\n" + envelope
    parts += b"\r\n--B\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n"
    parts += b"Content-ID: <doc>\r\n\r\n" + attachment + b"\r\n--B--\r\n"
    return 'multipart/related; type="text/xml"; boundary="B"; start="<root>"', parts


def _build_handler(hub: SoapHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # a body would wait 40 ms for the word that the headers arrived

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            action = self.headers["SOAPAction"].strip('"')
            content_type, answer = hub.answer(action, self.headers["Content-Type"], body)
            if action in hub.drops:
                hub.drops.remove(action)
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler
