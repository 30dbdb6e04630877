"""A provincial eDoc hub's interface on the hub's port: the same packets, agencies and faults as ``vxp``.

Written from the interface's description alone. Traps of real hubs are switches (`EdocserviceTraps`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from edoc_connector._core import make_private_folder, write_private
from edoc_connector.mockhub.codes import ErrorCode, RefusedError
from edoc_connector.mockhub.dialects.old_packets import rebuild_document, translate_codes
from edoc_connector.mockhub.dialects.wrong_bodies import read_wrong_body
from edoc_connector.mockhub.faults import FAULT_EXTENSION, Fault
from edoc_connector.mockhub.incoming import Incoming
from edoc_connector.mockhub.packets import Node, PacketFacts, extract_facts, find_header, parse_packet
from edoc_connector.mockhub.traps import EdocserviceTraps

if TYPE_CHECKING:
    from edoc_connector.mockhub.hub import Hub
    from edoc_connector.mockhub.storage import Agency, Packet, Receipt

BASE: Final = "EdocService"
SEND: Final = "sendDocument"
_TYPES: Final = frozenset({"EDOC", "STATUS"})
_NEEDED: Final = ("OrganAdd", "OrganName")
_LOST: Final = "lost"
_HEADER = re.compile(rb"(</?)(\w+:)?(MessageHeader|Status)(?=[\s>])")
_REFUSED: Final = "9999"
_CONTENTS = re.compile(rb"<(?:\w+:)?ContentTransferEncoded(?:\s[^>]*)?>([^<]*)<")


class _HubError(Exception):
    """A refusal in the hub's form.

    Args:
        code: of the error; empty for something thrown inside, of which nothing is said.
        text: its description.
        status: what the answer's ``status`` says.
        outer_code: what its ``code`` says.
    """

    def __init__(self, code: str, text: str = "", *, status: str = "Fail", outer_code: str = _REFUSED) -> None:
        super().__init__(f"{code}: {text}")
        self.code, self.text, self.status, self.outer_code = code, text, status, outer_code

    def build_answer(self, *, sends: bool = False) -> dict[str, Any]:
        """Build the answer; that to a packet that was sent has a docId too, 0."""
        errors = {"errors": [{"code": self.code, "description": self.text}]} if self.code else {}
        return {**({"docId": 0} if sends else {}), "status": self.status, "code": self.outer_code, **errors}


@dataclass(frozen=True, slots=True)
class SeenCall:
    """A call as it came.

    Args:
        name: the last part of the path.
        agency: organId that asked.
        type: ``EDOC``, ``STATUS`` or nothing.
        doc_id: docId of the header, or nothing.
    """

    name: str
    agency: str
    type: str
    doc_id: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.name, self.type, self.doc_id) if part)


@dataclass(slots=True)
class EdocserviceDesk:
    """The hub's state beside that of the national one: numbers, and packets as they came.

    Args:
        hub: the hub behind it.

    Attributes:
        calls: in the order they came.
        denied: how many were answered 401.
    """

    hub: Hub
    calls: list[SeenCall] = field(default_factory=list)
    denied: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)
    _cached: dict[int, str] = field(default_factory=dict)
    _folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self._folder = self.hub.config.data / "edocservice"
        make_private_folder(self._folder)

    @property
    def traps(self) -> EdocserviceTraps:
        """The switches."""
        return self.hub.config.edocservice

    def get_method(self, name: str) -> str:
        """Get the HTTP method that a call wants."""
        if name == "getPendingDocIds":
            return self.traps.list_method
        return "GET" if name == "getOrganizations" else "POST"

    def list_calls(self, agency: str = "") -> list[str]:
        """List the calls of an agency, or of all, as texts such as ``getDocument EDOC 57``."""
        return [str(call) for call in self.calls if agency in ("", call.agency)]

    def number(self, packet: Packet) -> int:
        """Give the number of a packet: documents and statuses are numbered apart."""
        if packet.id not in self._numbers:
            for kind in ("edoc", "status"):
                for number, one in enumerate(self.hub.storage.list_packets(message_type=kind), start=1):
                    self._numbers[one.id] = number + self.traps.first_number - 1
        return self._numbers[packet.id]

    def find_packet(self, number: int, kind: str) -> Packet | None:
        """Find a packet by its number."""
        found = self.hub.storage.list_packets(message_type=kind)
        place = number - self.traps.first_number
        return found[place] if 0 <= place < len(found) else None

    def clear_cache(self) -> None:
        """Forget which packet was stored last under each number."""
        self._cached.clear()

    def keep(self, packet: Packet, content: bytes) -> int:
        """Keep a packet as it came; gives its number."""
        write_private(self._folder / packet.id, content)
        number = self.number(packet)
        self._cached[number] = packet.id
        return number

    def name_agency(self, code: str) -> str:
        """Give the code by which this hub knows an agency, whichever form is given."""
        agency = self.hub.storage.find_agency(code) if self.traps.old_codes else None
        return code if agency is None else agency.old_code or agency.code

    def find_code(self, code: str) -> str:
        """Find the code by which the other dialects know an agency, whichever form is given."""
        agency = self.hub.storage.find_agency(code) if self.traps.old_codes else None
        return code if agency is None else agency.code

    def read_content(self, packet: Packet) -> bytes:
        """Read a packet as receivers get it: as it came, or built anew."""
        kept = self._folder / packet.id
        content = kept.read_bytes() if kept.exists() else self.hub.get_path(packet).read_bytes()
        if packet.message_type == "status":
            content = rename_header(content, "Status")
        elif not self.traps.keeps_packets:
            content = rebuild_document(content, number=self.number(packet), find_agency=self.hub.storage.find_agency)
        content = translate_codes(content, self.name_agency) if self.traps.old_codes else content
        return content if self.hub.tamper is None else self.hub.tamper(content)

    def find_cached(self, number: int, kind: str) -> Packet | None:
        """Find what the hub takes for the packet of a number and kind: the other kind's, where its cache is shared."""
        cached = self._cached.get(number) if self.traps.shares_cache else None
        return self.find_packet(number, kind) if cached is None else self.hub.storage.find_packet(cached)

    def authenticate(self, request: Request) -> Agency:
        """Give the agency that asks.

        Raises:
            _HubError: it is not let in.
        """
        code, token = request.headers.get("organid", ""), request.headers.get("authorization", "")
        if not code or not token:
            raise _HubError("Unauthorized", "organId or Authorization is missing", status="False")
        agency = self.hub.storage.find_agency(code)
        known = "" if agency is None else self.hub.secrets.get(agency.system_id, "")
        is_good = bool(known) and hmac.compare_digest(known.encode(), token.encode())
        if self.traps.token_by_login:
            is_good = self.hub.lgsp.holds_token(token)
        if agency is None or not is_good:
            raise _HubError("Invalid Credentials", "the token is not this organisation's", status="False")
        return agency


_Handler = Callable[[EdocserviceDesk, "Agency", Request], Awaitable[dict[str, Any]]]


def build_routes(hub: Hub) -> list[Route]:
    """Build the routes of the hub, under any base path."""
    desk = hub.edocservice
    return [
        Route(f"{prefix}/{BASE}/{name}", _build_endpoint(desk, name, handler), methods=["GET", "POST"])
        for prefix in ("", "/{base:path}")
        for name, handler in CALLS.items()
    ]


def find_call_path(path: str) -> str | None:
    """Find the path of a call without its base path, ``/EdocService/getDocument``; None where it is none of these."""
    _, found, name = path.rpartition(f"/{BASE}/")
    return f"/{BASE}/{name}" if found and name in CALLS else None


def rename_header(packet: bytes, name: str) -> bytes:
    """Rename the header of a status packet, whose elements are the same: ``MessageHeader`` or ``Status``."""
    return _HEADER.sub(rb"\1\2" + name.encode(), packet)


def _build_endpoint(desk: EdocserviceDesk, name: str, handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        headers = request.headers
        desk.calls.append(SeenCall(name, headers.get("organid", ""), headers.get("type", ""), headers.get("docid", "")))
        if request.method != desk.get_method(name):
            await request.body()
            return Response(status_code=405)
        try:
            agency = desk.authenticate(request)
        except _HubError as denied:
            await request.body()
            desk.denied += 1
            return _build_json(denied.build_answer(), 401)
        try:
            _require_allowed(desk, name)
            return _build_json(await handler(desk, agency, request))
        except _WrongMediaTypeError:
            return Response(status_code=415)
        except _HubError as refused:
            return _build_json(refused.build_answer(sends=name == SEND))
        except RefusedError as refused:
            return _build_json(_HubError("SendDocument", refused.text).build_answer(sends=name == SEND))
        except ClientDisconnect:
            return Response(status_code=400)  # for nobody: the client is gone, and nothing was kept

    return endpoint


def _require_allowed(desk: EdocserviceDesk, name: str) -> None:
    if name in desk.hub.config.refuse:
        raise _HubError("BadRequest", f"{name} is refused by this hub's configuration")


def _build_json(content: Mapping[str, Any], status: int = 200) -> Response:
    body = {name: value for name, value in content.items() if value is not None}
    return Response(json.dumps(body, ensure_ascii=False).encode(), status, media_type="application/json")


def _succeed(**values: Any) -> dict[str, Any]:
    return {"status": "Success", "code": "0", "errors": [], **values}


def _read_type(request: Request) -> str:
    found = request.headers.get("type", "")
    if found not in _TYPES:
        raise _HubError("BadRequest", "type is neither EDOC nor STATUS")
    return found.lower()


def _read_number(request: Request) -> int:
    text = request.headers.get("docid", "")
    if not text.isdecimal():
        raise _HubError("DocID", "docId is missing")
    return int(text)


# --- Sending. ---


class _WrongMediaTypeError(Exception):
    """A packet that came as another type than octets."""


async def _send(desk: EdocserviceDesk, agency: Agency, request: Request) -> dict[str, Any]:
    body = await request.body()
    if request.headers.get("content-type", "") != "application/octet-stream":
        raise _WrongMediaTypeError
    kind = _read_type(request)
    if len(body) > desk.hub.config.max_packet:
        raise _HubError("SendDocument", "the packet is too large")
    number = await run_in_threadpool(_accept, desk, agency, kind, _cut_tail(body, request))
    return {"docId": number, **_succeed()}


def _cut_tail(body: bytes, request: Request) -> bytes:
    """Cut off the line end that the vendor's client sends behind the bytes that it hashes."""
    told, cut = request.headers.get("hash-edoc", ""), body.removesuffix(b"\r\n")
    return cut if hashlib.sha256(cut).hexdigest() == told else body


def _accept(desk: EdocserviceDesk, agency: Agency, kind: str, packet: bytes) -> int:
    try:
        _require_profile(desk, kind, packet)
        plain = rename_header(packet, "MessageHeader") if kind == "status" else packet
        plain = translate_codes(plain, desk.find_code) if desk.traps.old_codes else plain
        facts = extract_facts(parse_packet(plain))
    except RefusedError:
        raise _HubError("", status="Error") from None  # what it cannot read is thrown inside
    to = _find_receivers(desk, facts) if kind == "status" else None
    incoming = Incoming(packet=plain, system_id=agency.system_id, sender=facts.sender, message_type=kind, to=to)
    try:
        packet_id = desk.hub.accept(incoming)
    except RefusedError as refused:
        raise _describe_refusal(refused, kind) from refused
    stored = desk.hub.storage.find_packet(packet_id)
    assert stored is not None  # noqa: S101  it was stored a moment ago
    if not desk.traps.forwards or (kind == "edoc" and not _has_contents(packet)):
        _lose(desk, stored)
    return desk.keep(stored, packet)


def _describe_refusal(refused: RefusedError, kind: str) -> _HubError:
    if refused.code is not ErrorCode.EXISTS:
        return _HubError("SendDocument", refused.text)
    if kind == "status":
        return _HubError("M.UpdateTraces", "Exist trace")
    return _HubError("ExistDoc", "the document exists")


def _require_profile(desk: EdocserviceDesk, kind: str, packet: bytes) -> None:
    """Require what this hub demands beyond the standard."""
    header = find_header(parse_packet(packet))
    message = header.find_first("MessageHeader")
    if kind == "status":
        if b":Status>" not in packet and b":Status " not in packet:
            raise _HubError("", status="Error")
        _require_children(message, ("StaffInfo",))
        return
    codes = [to.get_value("OrganId") for to in message.list_children("To")]
    if len(set(codes)) != len(codes):
        raise _HubError("MessageHeader.To.OrganId", "duplicate recipient")
    for to in message.list_children("To"):
        _require_children(to, _NEEDED)
    _require_children(message, ("Content", "OtherInfo"))
    least = desk.traps.min_code_length
    if any(code.count(".") > 3 or len(code) < least for code in codes):  # parts between dots, not characters
        raise _HubError("R.OrganId", "OrganId is out of range")
    if message.get_value("DocumentType", "Type") not in ("1", "2"):
        raise _HubError("R.DocumentType", "Type is out of range")
    business = header.find_descendant("TraceHeaderList", "Bussiness")
    if not all(business.get_value(name).isdecimal() for name in ("BussinessDocType", "Paper")):
        raise _HubError("N.Bussiness", "BussinessDocType and Paper are integers")


def _require_children(node: Node, names: tuple[str, ...]) -> None:
    for name in names:
        if not node.list_children(name):
            raise _HubError(f"N.{name}", f"{name} is required")


def _has_contents(packet: bytes) -> bool:
    contents = _CONTENTS.findall(packet)
    return bool(contents) and all(content.strip() for content in contents)


def _lose(desk: EdocserviceDesk, packet: Packet) -> None:
    """Keep a packet where no receiver gets it, and nobody is told."""
    for receipt in desk.hub.storage.list_receipts(packet.id):
        desk.hub.mark(receipt, packet, _LOST)


def _find_receivers(desk: EdocserviceDesk, facts: PacketFacts) -> tuple[str, ...]:
    """Find who receives a status: the issuer of the document, or its recipients where that one speaks itself.

    The document is found by its issuer and its code; its DocumentId is not looked at.

    Raises:
        _HubError: there is no such document.
    """
    agency = desk.hub.storage.find_agency(facts.recipients[0])
    documents = [one for one in _list_documents(desk) if agency is not None and one.sender == agency.code]
    found = next((one for one in reversed(documents) if one.notation == facts.notation), None)
    if found is None:
        raise _HubError("M.UpdateStatusDoc", "document not found", status="Error", outer_code="0")
    if facts.sender != found.sender:
        return (found.sender,)
    return tuple(receipt.recipient for receipt in desk.hub.storage.list_receipts(found.id))


# --- Receiving. ---


async def _list(desk: EdocserviceDesk, agency: Agency, request: Request) -> dict[str, Any]:
    kind = _read_type(request)
    await request.body()
    rows = await run_in_threadpool(lambda: list(_iter_rows(desk, agency, kind)))
    return _succeed(data=rows, docIDs=[row["docId"] for row in rows])


def _iter_rows(desk: EdocserviceDesk, agency: Agency, kind: str) -> Iterator[dict[str, Any]]:
    """Give a row for each document and recipient."""
    for receipt, packet in desk.hub.storage.list_waiting(agency.system_id, kind):
        if receipt.recipient == agency.code:
            for one in desk.hub.storage.list_receipts(packet.id):
                yield {
                    "docId": desk.number(packet),
                    "organId": desk.name_agency(one.recipient),
                    "docCode": packet.notation,
                }


async def _fetch(desk: EdocserviceDesk, agency: Agency, request: Request) -> dict[str, Any]:
    kind, number = _read_type(request), _read_number(request)
    await request.body()
    fault = request.scope.get(FAULT_EXTENSION)
    content = await run_in_threadpool(_read_packet, desk, agency, kind, number, fault)
    return {} if content is None else _succeed(data=base64.b64encode(content).decode())


def _read_packet(desk: EdocserviceDesk, agency: Agency, kind: str, number: int, fault: Fault | None) -> bytes | None:
    if _find_receipt(desk, agency, desk.find_packet(number, kind)) is None:
        return None
    packet = desk.find_cached(number, kind)
    if packet is None:
        return None
    wrong = read_wrong_body(desk.hub, packet, fault)
    return desk.read_content(packet) if wrong is None else wrong


def _find_receipt(desk: EdocserviceDesk, agency: Agency, packet: Packet | None) -> Receipt | None:
    receipts = [] if packet is None else desk.hub.storage.list_receipts(packet.id)
    return next((one for one in receipts if one.recipient == agency.code and one.state != _LOST), None)


async def _confirm(desk: EdocserviceDesk, agency: Agency, request: Request) -> dict[str, Any]:
    number = _read_number(request)
    await request.body()
    await run_in_threadpool(_take_off, desk, agency, number)
    return _succeed()


def _take_off(desk: EdocserviceDesk, agency: Agency, number: int) -> None:
    """Take a number off the lists, of documents and of statuses, and every status that waits with it."""
    waiting = {
        kind: [one for one in desk.hub.storage.list_waiting(agency.system_id, kind) if one[0].recipient == agency.code]
        for kind in ("edoc", "status")
    }
    for kind, found in waiting.items():
        for receipt, packet in found:
            is_all = kind == "status" and desk.traps.confirms_all_statuses
            if is_all or desk.number(packet) == number:
                desk.hub.mark(receipt, packet, "done")


# --- The directory, and questions. ---


async def _organizations(desk: EdocserviceDesk, agency: Agency, request: Request) -> dict[str, Any]:
    root = desk.find_code(request.query_params.get("organId", agency.code))
    everyone = desk.hub.storage.list_agencies()
    below, size = {root}, 0
    while len(below) > size:
        size = len(below)
        below |= {one.code for one in everyone if one.parent in below}
    rows = [
        {
            "organId": desk.name_agency(one.code),
            "organName": one.name,
            "organizationInCharge": desk.name_agency(one.parent) or None,
            "email": one.mail,
        }
        for one in everyone
        if one.code in below
    ]
    return _succeed(organizations=rows)


async def _exists(desk: EdocserviceDesk, _: Agency, request: Request) -> dict[str, Any]:
    try:
        entry = json.loads(await request.body())
    except ValueError:
        entry = None
    given = entry if isinstance(entry, dict) else {}
    asked = tuple(str(given.get(name, "")) for name in ("fromOrgan", "toOrgan", "docCode"))
    found = await run_in_threadpool(lambda: any(_name(desk, one) == asked for one in _list_documents(desk)))
    return _succeed(code="200", isExist=found)


def _list_documents(desk: EdocserviceDesk) -> list[Packet]:
    return desk.hub.storage.list_packets(message_type="edoc")


def _name(desk: EdocserviceDesk, packet: Packet) -> tuple[str, str, str]:
    """Name a document as the hub does: its sender, all of its recipients, and its code up to the first ``#``."""
    recipients = [desk.name_agency(one.recipient) for one in desk.hub.storage.list_receipts(packet.id)]
    return desk.name_agency(packet.sender), "#".join(recipients), packet.notation.partition("#")[0]


CALLS: Final[Mapping[str, _Handler]] = {
    SEND: _send,
    "getPendingDocIds": _list,
    "getDocument": _fetch,
    "confirmReceived": _confirm,
    "getOrganizations": _organizations,
    "checkExistDocument": _exists,
}
