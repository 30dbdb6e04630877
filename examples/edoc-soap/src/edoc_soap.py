"""The dialect ``edoc-soap``: the oldest provincial hubs, SOAP 1.1 with attachments (``eDoc 1.0``).

An example of a dialect that another package brings: one module, and the entry point in ``pyproject.toml``. It imports
only what ``edoc_connector.hubs``, ``.edxml`` and ``.errors`` offer.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import NamedTuple

from lxml import etree

from edoc_connector.edxml import NS, VIETNAM, parse_xml
from edoc_connector.errors import DuplicateDocument, EdocError, HubError, PacketError
from edoc_connector.hubs import (
    SECRET,
    UNUSABLE_ENDPOINT,
    Agency,
    AnyFile,
    Fetched,
    FileBody,
    Flow,
    HubCapabilities,
    MessageType,
    Outcome,
    PacketProfile,
    Progress,
    RefusalMeaning,
    SendResult,
    SentState,
    Text,
    Waiting,
    WireRequest,
    WireResponse,
    as_printable,
    build_denial,
    build_lost_answer_error,
    build_protocol_error,
    build_refusal,
    build_status_error,
    create_private,
    download_part,
    is_header_value,
    is_usable_endpoint,
    parse_identifier,
    parse_time,
    place_download,
    require_sendable,
    require_settings,
)

__all__ = ["EdocSoap"]

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
TOKEN = "http://e-doc.vn/xsd"  # noqa: S105  the namespace of the header
TRACE_PREFIX = "trace-"
"""Begins the docIds of statuses: the hub gives them none."""

_ENVELOPE_ROOM = 1024 * 1024  # around a packet
_DIGEST_LENGTH = 32

_NOT_EXACT = (
    "system_id must be the OrganId of this agency and secret its token at the hub: printable ASCII without spaces at "
    "the ends.",
    "system_id phải là mã định danh (OrganId) của đơn vị, secret là token của đơn vị tại trục: ký tự ASCII in được, "
    "không có dấu cách ở hai đầu.",
)
_NO_LIMIT = (
    "max_packet, max_answer and first_days must be more than 0, overlap_hours 0 or more.",
    "max_packet, max_answer và first_days phải lớn hơn 0, overlap_hours từ 0 trở lên.",
)

EXISTS = "M.Exist"
DENIED = frozenset({"Invalid Credentials", "Unauthorized", "M.Token"})
MEANINGS = {
    EXISTS: RefusalMeaning(
        DuplicateDocument,
        "The hub has this document already. It was sent before: do not send it again.",
        "Trục đã có văn bản này. Văn bản đã được gửi trước đó, không gửi lại.",
    ),
}
REPEATED_STATUS = ("M.UpdateTraces", "exist trace")


class Call(NamedTuple):
    """A call of the hub: its SOAPAction, the element that asks, the one that answers, and whether it hands over."""

    action: str
    request: str
    answer: str
    sends: bool = False


SEND = Call("SendDocument", "SendDocument", "SendDocumentResponse", sends=True)
REPORT = Call("UpdateTraces", "UpdateTraces", "Report", sends=True)
LIST = Call("GetPendingDocumentIds", "GetPendingDocumentIdsRequest", "GetPendingDocumentIdsResponse")
FETCH = Call("GetDocument", "GetDocumentRequest", "GetDocumentResponse")
CONFIRM = Call("ConfirmReceived", "ConfirmReceived", "Report")
TRACES = Call("GetTraces", "GetTraces", "GetTracesResponse")
AGENCIES = Call("GetOrganizations", "GetOrganizations", "GetOrganizationsResponse")


@dataclass(frozen=True, slots=True, kw_only=True)
class EdocSoap:
    """A provincial hub of the first generation. Methods return flows; see `edoc_connector.hubs.Dialect`.

    Args:
        endpoint: URL of the service.
        system_id: OrganId of the agency.
        secret: its token; never in a repr, a log or an error.
        first_days: days that the first list of statuses looks back.
        overlap_hours: hours before the time that statuses are read up to, which are asked for once more.
        max_packet: most bytes of a packet. One that is fetched is held in memory.
        max_answer: most bytes of every other answer.
        now: the clock.

    Raises:
        ConfigError: a setting cannot be used.
    """

    endpoint: str
    system_id: str
    secret: str = field(repr=False, metadata=SECRET)
    first_days: int = 7
    overlap_hours: int = 24
    max_packet: int = 64 * 1024 * 1024
    max_answer: int = 16 * 1024 * 1024
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC), repr=False, compare=False)
    _listed: dict[str, Trace] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        is_exact = all(value and is_header_value(value) for value in (self.system_id, self.secret))
        are_positive = min(self.max_packet, self.max_answer, self.first_days) > 0 <= self.overlap_hours
        require_settings(
            (
                (is_usable_endpoint(self.endpoint), UNUSABLE_ENDPOINT),
                (is_exact, Text(*_NOT_EXACT)),
                (are_positive, Text(*_NO_LIMIT)),
            )
        )

    @property
    def capabilities(self) -> HubCapabilities:
        """What the hub can do: statuses are asked for by time, 01 is told by itself, nothing lists what was sent."""
        return HubCapabilities(
            has_sent_list=False,
            lists_by_date=True,
            first_days=self.first_days,
            tells_delivery=False,
            repeats_statuses=True,
            confirms_arrival=True,
            packet=PacketProfile(max_packet=self.max_packet),
        )

    # --- Sending. ---

    def send(
        self,
        packet: AnyFile,
        *,
        message_type: MessageType,
        sender: str,  # noqa: ARG002  the interface of all dialects; the hub reads it in the packet
        recipients: Sequence[str] = (),  # noqa: ARG002
        on_progress: Progress | None = None,
    ) -> Flow[SendResult]:
        """Hand a packet over: a document by SendDocument, a status by UpdateTraces. See `Dialect.send`.

        Raises:
            DuplicateDocument: the hub has the document (``M.Exist``).
        """
        require_sendable(packet, limit=self.max_packet)
        is_status = MessageType(message_type) is MessageType.STATUS
        call = REPORT if is_status else SEND
        response = yield self._build_request(call, self._build_body(call, is_signed=True), packet, on_progress)
        answer = _read_answer(response, call)
        if is_status:
            return SendResult(doc_id="")  # the hub numbers no status
        doc_id = parse_identifier(_find_text(answer.body, "DocId"))
        if doc_id is None or doc_id.lower() == "null":
            raise build_protocol_error(call.action, "it has no usable DocId")
        return SendResult(doc_id=doc_id)

    # --- Receiving. ---

    def list_waiting(
        self, message_type: MessageType = MessageType.EDOC, *, since: datetime | None = None
    ) -> Flow[tuple[Waiting, ...]]:
        """List the documents that wait, or the statuses since a time, some hours before it included.

        GetTraces without a time empties the hub's list as it answers: a lost answer would lose statuses.
        """
        if MessageType(message_type) is MessageType.EDOC:
            return (yield from self._list_documents())
        start = since or self.now() - timedelta(days=self.first_days)
        traces = yield from self._ask_traces(start - timedelta(hours=self.overlap_hours))
        self._listed.clear()  # what was listed is fetched before the next list
        self._listed.update({trace.doc_id: trace for trace in traces})
        return tuple(trace.as_waiting() for trace in traces)

    def _list_documents(self) -> Flow[tuple[Waiting, ...]]:
        answer = _read_answer((yield self._build_request(LIST, self._build_body(LIST))), LIST)
        rows = _require_rows(answer.body, LIST, "DocumentIds", "DocumentId")
        usable = dict.fromkeys(doc_id for row in rows if (doc_id := parse_identifier(row.text or "")) is not None)
        if rows and not usable:
            raise build_protocol_error(LIST.action, "no DocumentId of it is usable")
        return tuple(Waiting(doc_id=doc_id, message_type=MessageType.EDOC) for doc_id in usable)

    def fetch(self, doc_id: str, to: Path, *, on_progress: Progress | None = None) -> Flow[Fetched]:
        """Download a packet; that of a status is made of what GetTraces says. See `Dialect.fetch`."""
        if doc_id.startswith(TRACE_PREFIX):
            content = yield from self._fetch_trace(doc_id)
        else:
            content = yield from self._fetch_document(doc_id, to, on_progress)
        with download_part(to) as part:
            with create_private(part) as file:
                file.write(content)
            size = place_download(part, to)
        return Fetched(doc_id=doc_id, path=to, size=size, sha256=hashlib.sha256(content).hexdigest())

    def _fetch_document(self, doc_id: str, to: Path, on_progress: Progress | None) -> Flow[bytes]:
        body = self._build_body(FETCH, DocumentId=doc_id)
        with download_part(to) as part:
            response = yield self._build_request(FETCH, body, None, on_progress, save_to=part)
            answer = _read_answer(response, FETCH)
        content = answer.find_attachment(FETCH)
        if len(content) > self.max_packet:
            raise build_protocol_error(FETCH.action, f"its packet is larger than {self.max_packet} bytes")
        return content

    def _fetch_trace(self, doc_id: str) -> Flow[bytes]:
        """Give the status as it was listed last; another process's is asked for once more, as a list by time can be."""
        found = self._listed.get(doc_id)
        if found is None:
            noted = parse_time(doc_id.removeprefix(TRACE_PREFIX).partition("-")[0])
            earliest = self.now() - timedelta(
                days=self.first_days
            )  # the time is its sender's, whose clock may be ahead
            traces = yield from self._ask_traces(min(noted or earliest, earliest))
            found = next((trace for trace in traces if trace.doc_id == doc_id), None)
        if found is None:
            raise _build_gone_error(doc_id)
        return found.build_packet()

    def confirm(self, doc_id: str, outcome: Outcome = Outcome.DONE) -> Flow[None]:
        """Tell the hub that a document is stored (ConfirmReceived), which tells the sender 01.

        The hub takes one word only: a packet that cannot be read is confirmed too, and ``processing`` is not told. A
        status is not confirmed: asked for with a time, it stays listed.
        """
        if Outcome(outcome) is Outcome.PROCESSING or doc_id.startswith(TRACE_PREFIX):
            return
        _read_answer((yield self._build_request(CONFIRM, self._build_body(CONFIRM, DocumentId=doc_id))), CONFIRM)

    # --- Questions. ---

    def sent_state(
        self,
        message_type: MessageType = MessageType.EDOC,  # noqa: ARG002  the interface of all dialects
        *,
        doc_id: str | None = None,  # noqa: ARG002
        since: datetime | None = None,  # noqa: ARG002
    ) -> Flow[tuple[SentState, ...]]:
        """Refuse to tell the state of packets of ours: the hub has no such call.

        Raises:
            HubError: always.
        """
        yield from ()
        raise HubError(
            "This hub has no list of sent packets. The recipient's status tells that a document arrived.",
            vi="Trục này không có danh sách gói tin đã gửi. Trạng thái của nơi nhận cho biết văn bản đã tới.",
        )

    def agencies(self) -> Flow[tuple[Agency, ...]]:
        """Read the hub's directory (GetOrganizations)."""
        answer = _read_answer((yield self._build_request(AGENCIES, self._build_body(AGENCIES))), AGENCIES)
        rows = _require_rows(answer.body, AGENCIES, "Organizations", "Organization")
        codes = ((parse_identifier(_find_text(row, "OrganId")), row) for row in rows)
        found = tuple(_build_agency(code, row) for code, row in codes if code is not None)
        if not found:
            raise build_protocol_error(AGENCIES.action, "no entry of it has a usable OrganId")
        return found

    def _ask_traces(self, since: datetime) -> Flow[tuple[Trace, ...]]:
        stamp = f"{since.astimezone(VIETNAM):%Y-%m-%d %H:%M:%S}"
        answer = _read_answer((yield self._build_request(TRACES, self._build_body(TRACES, Timestamp=stamp))), TRACES)
        traces = (Trace(row) for row in _require_rows(answer.body, TRACES, "Traces", "Status"))
        return tuple({trace.doc_id: trace for trace in traces}.values())

    # --- Requests. ---

    def _build_body(self, call: Call, *, is_signed: bool = False, **values: str) -> etree._Element:
        """Build what the body of the envelope asks: token and OrganId again, then the values."""
        identity = {"Token": self.secret, "OrganId": self.system_id}
        element = etree.Element(call.request)
        _add_texts(element, identity | values)
        if is_signed:  # the hub looks for both in the KeyInfo of what is handed over
            _add_texts(etree.SubElement(etree.SubElement(element, "Signature"), "KeyInfo"), identity)
            etree.SubElement(element, "Document", href=f"cid:{_PACKET_ID}")
        return element

    def _build_request(
        self,
        call: Call,
        element: etree._Element,
        packet: AnyFile | None = None,
        on_progress: Progress | None = None,
        *,
        save_to: Path | None = None,
    ) -> WireRequest:
        boundary = f"edoc-{secrets.token_hex(16)}"
        head, tail = _build_frame(boundary, _build_envelope(self.secret, element), has_packet=packet is not None)
        kind = f'multipart/related; type="text/xml"; boundary="{boundary}"; start="Start"'
        return WireRequest(
            method="POST",
            url=self.endpoint,
            headers={"Content-Type": kind, "SOAPAction": call.action},
            body=head + tail if packet is None else FileBody(packet, head=head, tail=tail),
            save_to=save_to,
            limit=self.max_answer if save_to is None else self.max_packet * 2 + _ENVELOPE_ROOM,  # base64 at the most
            sends=call.sends,
            on_progress=on_progress,
        )


def _build_agency(code: str, row: etree._Element) -> Agency:
    name, mail = (as_printable(_find_text(row, field_name)) for field_name in ("OrganName", "Email"))
    return Agency(code=code, name=name, mail=mail)


# --- Envelopes and their parts. ---

_PACKET_ID = "Packet"


def _build_envelope(token: str, element: etree._Element) -> bytes:
    envelope = etree.Element(etree.QName(SOAP, "Envelope"), nsmap={"soap": SOAP})
    header = etree.SubElement(envelope, etree.QName(SOAP, "Header"))
    etree.SubElement(header, etree.QName(TOKEN, "Token"), nsmap={None: TOKEN}).text = token
    etree.SubElement(envelope, etree.QName(SOAP, "Body")).append(element)
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")


def _add_texts(element: etree._Element, values: dict[str, str]) -> None:
    for name, value in values.items():
        etree.SubElement(element, name).text = value


def _build_frame(boundary: str, envelope: bytes, *, has_packet: bool) -> tuple[bytes, bytes]:
    """Build what stands before the packet, and what stands behind it (RFC 2387)."""

    def open_part(content_id: str, kind: str) -> bytes:
        fields = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{content_id}>\r\n\r\n"
        return f"--{boundary}\r\n{fields}".encode("ascii")

    head = open_part("Start", "text/xml; charset=UTF-8") + envelope
    if has_packet:
        head += b"\r\n" + open_part(_PACKET_ID, "application/octet-stream")
    return head, f"\r\n--{boundary}--\r\n".encode("ascii")


class _Answer(NamedTuple):
    """An answer of the hub that is a success.

    Args:
        body: the element that answers.
        attachments: the other parts, by their Content-ID without brackets.
    """

    body: etree._Element
    attachments: dict[str, bytes]

    def find_attachment(self, call: Call) -> bytes:
        """Find the one that the body refers to; the only one where it refers to none.

        Raises:
            ProtocolError: there is none, or more than one.
        """
        named = {
            cid for one in self.body.iter() if (cid := (one.get("href") or "").removeprefix("cid:")) and cid.strip()
        }
        found = [content for cid, content in self.attachments.items() if not named or cid in named]
        if len(found) != 1 or not found[0]:
            raise build_protocol_error(call.action, f"it has {len(found)} packets attached, or an empty one")
        return found[0]


def _read_answer(response: WireResponse, call: Call) -> _Answer:
    """Read an answer; raise what it means where it is no success.

    Raises:
        HubError: the hub refused.
        OutcomeUnknown: the call handed something over, and the answer is empty, cut off, or a 5xx.
        ProtocolError: the answer is not the hub's.
    """
    if not 200 <= response.status < 300:
        raise build_status_error(response, sends=call.sends)
    content = response.saved.read_bytes() if response.saved is not None else response.body
    if call.sends and not content.strip():
        raise build_lost_answer_error("empty")
    envelope, attachments = _split_parts(content, response.headers.get("content-type", ""), call)
    body = _find_body(envelope, call)
    errors = _list_errors(body)
    if _is_success(body, call) and not errors:
        return _Answer(_require_answer(body, call), attachments)
    if call is REPORT and errors and all(_is_repeated(*error) for error in errors):
        return _Answer(body, attachments)
    raise _build_refusal(errors, response, call)


def _split_parts(content: bytes, content_type: str, call: Call) -> tuple[bytes, dict[str, bytes]]:
    """Split an answer into its envelope and its attachments; one without parts is an envelope."""
    if not content_type.lower().startswith("multipart/"):
        return content, {}
    head = f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser().parsebytes(head + content)
    parts = [part for part in message.walk() if part is not message]
    contents = [_decode_part(part) for part in parts]
    if not parts or message.defects or any(part.defects or part.is_multipart() for part in parts):
        raise build_protocol_error(call.action, "its parts are broken, or cut off")
    ids = [str(part.get("Content-ID", number)).strip("<> ") for number, part in enumerate(parts)]
    start = str(message.get_param("start", "")).strip("<> ")
    root = ids.index(start) if start in ids else 0
    return contents[root], {ids[i]: one for i, one in enumerate(contents) if i != root}


def _decode_part(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _find_body(envelope: bytes, call: Call) -> etree._Element:
    try:
        root = parse_xml(envelope.strip())
    except PacketError as error:
        raise build_protocol_error(call.action, f"it is no XML that can be read ({error.code})") from None
    bodies = [one for one in root if _name(one) == "Body"] if root.tag == etree.QName(SOAP, "Envelope") else []
    if len(bodies) != 1:
        raise build_protocol_error(call.action, "it is no SOAP envelope with one body")
    return bodies[0]


def _is_success(body: etree._Element, call: Call) -> bool:
    verdicts = [_find_text(one, "IsSuccess").strip().lower() for one in body.iter() if _name(one) == "Report"]
    if len(verdicts) != 1 or verdicts[0] not in ("true", "false"):
        raise build_protocol_error(call.action, "it has no Report that says yes or no")
    return verdicts[0] == "true"


def _list_errors(body: etree._Element) -> list[tuple[str, str]]:
    errors = [one for one in body.iter() if _name(one) == "Error"]
    return [(_find_text(one, "Code").strip(), _find_text(one, "Description").strip()) for one in errors]


def _is_repeated(code: str, words: str) -> bool:
    return code == REPEATED_STATUS[0] and REPEATED_STATUS[1] in words.lower()


def _require_answer(body: etree._Element, call: Call) -> etree._Element:
    found = [one for one in body if _name(one) == call.answer]
    if len(found) != 1:
        raise build_protocol_error(call.action, f"it has no {call.answer}")
    return found[0]


def _build_refusal(errors: Sequence[tuple[str, str]], response: WireResponse, call: Call) -> EdocError:
    if any(code in DENIED for code, _ in errors):
        return build_denial(response)
    words = "; ".join(f"{code}: {text}".strip(": ") for code, text in errors)
    code = errors[0][0] if errors else ""
    return build_refusal(code, words, sends=call.sends, answer=response, meaning=MEANINGS.get(code))


def _require_rows(answer: etree._Element, call: Call, list_name: str, row_name: str) -> list[etree._Element]:
    """Require a list of elements of one name, and nothing beside them."""
    lists = [one for one in answer if _name(one) == list_name]
    texts = [text for one in lists for text in (one.text, *(row.tail for row in one))]
    is_clean = not any((text or "").strip() for text in texts)
    if len(lists) != 1 or not is_clean or any(_name(row) != row_name for row in lists[0]):
        raise build_protocol_error(call.action, f"it has no list {list_name} of {row_name}")
    return list(lists[0])


def _find_text(element: etree._Element, name: str) -> str:
    """Find the text of the child of a name, whatever its namespace; empty where it is not one, or no text."""
    found = [one for one in element if _name(one) == name]
    return (found[0].text or "") if len(found) == 1 and not len(found[0]) else ""


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


# --- Statuses. ---


class Trace(NamedTuple):
    """A status in the hub's list.

    Args:
        element: as the hub gives it, with the elements of the header of a status packet.
    """

    element: etree._Element

    @property
    def doc_id(self) -> str:
        """An id made of what it says: the same whenever it is listed, and its time, to ask for it again."""
        said = "\n".join(f"{_name(one)}={(one.text or '').strip()}" for one in self.element.iter())
        digest = hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:_DIGEST_LENGTH]
        return f"{TRACE_PREFIX}{self._format_time()}-{digest}"

    @property
    def time(self) -> datetime | None:
        """Its time, aware UTC; None where it has none in a known form."""
        return parse_time(_find_text(self.element, "Timestamp"))

    def as_waiting(self) -> Waiting:
        """Express it as a packet that waits."""
        sender = next((one for one in self.element if _name(one) == "From"), self.element)
        return Waiting(
            doc_id=self.doc_id,
            message_type=MessageType.STATUS,
            sender=as_printable(_find_text(sender, "OrganId")),
            created_at=self.time,
        )

    def build_packet(self) -> bytes:
        """Build the status packet that says the same."""
        root = etree.Element(etree.QName(NS, "edXML"), nsmap={"edXML": NS})
        envelope = etree.SubElement(root, etree.QName(NS, "edXMLEnvelope"))
        header = etree.SubElement(envelope, etree.QName(NS, "edXMLHeader"))
        _copy_into(header, self.element)
        return etree.tostring(root, xml_declaration=True, encoding="UTF-8")

    def _format_time(self) -> str:
        return f"{self.time.astimezone(VIETNAM):%Y%m%d%H%M%S}" if self.time is not None else ""


def _copy_into(parent: etree._Element, element: etree._Element) -> None:
    """Copy an element and what is below it, with the names of the standard."""
    copy = etree.SubElement(parent, etree.QName(NS, _name(element)))
    children = list(_iter_elements(element))
    copy.text = None if children else element.text
    for child in children:
        _copy_into(copy, child)


def _iter_elements(element: etree._Element) -> Iterator[etree._Element]:
    return (one for one in element if isinstance(one.tag, str))


def _build_gone_error(doc_id: str) -> HubError:
    shown = as_printable(doc_id, 60)
    return HubError(
        f"The hub does not list the status {shown} any more. List the waiting packets again, or ask its sender.",
        vi=f"Trục không còn liệt kê trạng thái {shown}. Hãy lấy lại danh sách chờ nhận hoặc hỏi nơi gửi.",
    )
