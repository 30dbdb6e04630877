"""A provincial platform's REST interface on the hub's port: the same packets, agencies and faults as ``vxp``.

Written from the interface's description alone. Traps of real platforms are switches (`LgspTraps`).
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from edoc_connector.mockhub.codes import VIETNAM, ErrorCode, RefusedError, format_hub_time
from edoc_connector.mockhub.dialects.wrong_bodies import read_wrong_body
from edoc_connector.mockhub.faults import FAULT_EXTENSION, Fault
from edoc_connector.mockhub.incoming import Incoming
from edoc_connector.mockhub.packets import extract_facts, parse_packet
from edoc_connector.mockhub.traps import LgspTraps

if TYPE_CHECKING:
    from edoc_connector.mockhub.hub import Hub
    from edoc_connector.mockhub.storage import Packet, Receipt

LOGIN: Final = "auth/login"
_REPORTED_CODES: Final = frozenset({"01", "02", "03", "04", "05", "06"})
_STATES: Final = frozenset({"processing", "done", "fail"})
_UNPREFIXED = re.compile(rb"<(?![/!?]|edXML:)")
_SIGNATURE = re.compile(rb"<((?:\w+:)?Signature)\b.*</\1>", re.DOTALL)  # of another namespace, under its own prefix
_CUT_FORM = "IncorrectInput: Failed to read the request form. Unexpected end of Stream"
_CONTENT = re.compile(r"AttachmentName>([^<]*)</.*?ContentTransferEncoded(?:\s[^>]*)?>([^<]+)</", re.DOTALL)
_MAX_FORM_OVERHEAD: Final = 1 << 16


class _Denied(Exception):
    """Something in front of the platform does not let a request in.

    Args:
        text: the plain text of its answer.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(slots=True)
class LgspDesk:
    """The platform's state beside the hub's: tokens and logins.

    Args:
        hub: the hub behind it.

    Attributes:
        logins: how many logins were answered with a token.
        refused_logins: how many were not.
        requests: calls in the order they came, by name.
    """

    hub: Hub
    logins: int = 0
    refused_logins: int = 0
    requests: list[str] = field(default_factory=list)
    _tokens: dict[str, float] = field(default_factory=dict)
    _is_logging_in: bool = False

    @property
    def traps(self) -> LgspTraps:
        """The switches."""
        return self.hub.config.lgsp

    def holds_token(self, token: str) -> bool:
        """Tell whether a token was given and is good now."""
        return self._tokens.get(token, 0.0) > time.monotonic()

    def rotate_tokens(self) -> None:
        """Make every token that was given bad, before its time."""
        self._tokens.clear()

    async def log_in(self, request: Request) -> Response:
        """Answer a login."""
        traps = self.traps
        try:
            entry = json.loads(await request.body())
        except ValueError:
            entry = None
        if self._is_logging_in and not traps.parallel_logins:
            self.refused_logins += 1
            return PlainTextResponse("Too Many Requests", 429)
        self._is_logging_in = True
        try:
            await asyncio.sleep(traps.login_seconds)
        finally:
            self._is_logging_in = False
        given = entry if isinstance(entry, dict) else {}
        if not traps.username or not _is_same(given.get("username"), traps.username, given, traps.password):
            self.refused_logins += 1
            return PlainTextResponse("Unauthorized", 401)
        token = f"mock.{secrets.token_urlsafe(690)}"
        self._tokens[token] = time.monotonic() + traps.token_lifetime.total_seconds()
        self.logins += 1
        data = {"id": 1, "username": traps.username, "name": traps.username, "token": token}
        return _build_json({"code": 200, "message": "OK", "data": data})

    def authenticate(self, request: Request) -> str:
        """Give the system that asks.

        Raises:
            _Denied: it is not let in.
        """
        if self.traps.username:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not self.holds_token(token):
                raise _Denied("licenseInfo:invalid")
        system_id, key = request.headers.get("x-systemid", ""), request.headers.get("x-secretkey", "")
        known = self.hub.secrets.get(system_id, "")
        if not known or not hmac.compare_digest(known.encode(), key.encode()):
            raise _Denied("Unauthorized")
        return system_id


def _is_same(username: object, expected: str, given: Mapping[str, Any], password: str) -> bool:
    told = given.get("password")
    return username == expected and isinstance(told, str) and hmac.compare_digest(told.encode(), password.encode())


_Handler = Callable[[LgspDesk, str, Request], Awaitable[dict[str, Any]]]


def build_routes(hub: Hub) -> list[Route]:
    """Build the routes of the platform, under any base path."""
    desk = hub.lgsp
    routes = []
    for prefix in ("", "/{base:path}"):
        routes.append(Route(f"{prefix}/v1/{LOGIN}", desk.log_in, methods=["POST"]))
        for name, (method, handler) in CALLS.items():
            routes.append(Route(f"{prefix}/v1/{name}", _build_endpoint(desk, name, handler), methods=[method]))
    return routes


def find_call_path(path: str) -> str | None:
    """Find the path of a call without its base path, ``/v1/sendEdoc``; None where it is none of the platform's."""
    _, found, name = path.rpartition("/v1/")
    return f"/v1/{name}" if found and (name in CALLS or name == LOGIN) else None


def _build_endpoint(desk: LgspDesk, name: str, handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        desk.requests.append(name)
        try:
            system_id = desk.authenticate(request)
            _require_allowed(desk, name)
            return _build_json(_wrap(desk, await handler(desk, system_id, request)))
        except _Denied as denied:
            await request.body()
            return PlainTextResponse(denied.text, 401)
        except _CutFormError:
            return PlainTextResponse(_CUT_FORM, 400)
        except RefusedError as refused:
            return _build_json(_wrap_refusal(desk, refused))
        except ClientDisconnect:
            return Response(status_code=400)  # for nobody: the client is gone, and nothing was kept

    return endpoint


def _require_allowed(desk: LgspDesk, name: str) -> None:
    if name in desk.hub.config.refuse:
        raise RefusedError(ErrorCode.PROCESSING, f"{name} is refused by this hub's configuration")


def _build_json(content: Any) -> Response:
    return Response(json.dumps(content, ensure_ascii=False).encode(), media_type="application/json")


def _wrap(desk: LgspDesk, values: dict[str, Any]) -> dict[str, Any]:
    success = {"success": True} if desk.traps.answers == "guide" else {"code": 200, "errorDetail": None}
    return {**success, "message": "OK", **values}


def _wrap_refusal(desk: LgspDesk, refused: RefusedError) -> dict[str, Any]:
    data = {"docId": None, "status": "error", "errorCode": _CODES.get(refused.code, "21"), "errorDesc": refused.text}
    if desk.traps.answers == "guide":
        return {"success": False, "message": refused.text, "data": data}
    return {"code": 500, "message": refused.text, "data": data, "errorDetail": [{"exception": refused.text}]}


_CODES: Final[Mapping[ErrorCode, str]] = {
    code: code.value
    for code in (
        ErrorCode.AUTHENTICATION, ErrorCode.UNKNOWN_AGENCY, ErrorCode.UNKNOWN_SENDER, ErrorCode.SYSTEM,
        ErrorCode.PROCESSING, ErrorCode.NOT_EDXML, ErrorCode.LOCKED,
    )
}  # fmt: skip


# --- The calls. ---


class _CutFormError(Exception):
    """A form without a length, or without its end."""


async def _send(desk: LgspDesk, system_id: str, request: Request) -> dict[str, Any]:
    if "content-length" not in request.headers:
        await request.body()
        raise _CutFormError
    if int(request.headers["content-length"]) > desk.hub.config.max_packet + _MAX_FORM_OVERHEAD:
        raise RefusedError(ErrorCode.PROCESSING, "the packet is too large")
    form = _parse_form(request.headers.get("content-type", ""), await request.body())
    doc_id = await run_in_threadpool(_accept, desk, system_id, form)
    return {"docId": doc_id} if desk.traps.answers == "guide" else {"data": {"docId": doc_id, "status": "OK"}}


def _parse_form(content_type: str, body: bytes) -> dict[str, bytes]:
    """Parse a multipart form: the parts by their names."""
    boundary = re.search(r'boundary="?([^";]+)"?', content_type)
    parts = body.split(b"--" + boundary[1].encode()) if boundary else []
    if len(parts) < 3 or parts[-1].strip() != b"--":
        raise _CutFormError
    form = {}
    for part in parts[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        if name is not None:
            form[name[1].decode("latin-1")] = content.removesuffix(b"\r\n")
    return form


def _accept(desk: LgspDesk, system_id: str, form: Mapping[str, bytes]) -> str:
    packet, message_type = form.get("edocFile", b""), form.get("messageType", b"").decode("latin-1")
    if not packet or message_type not in ("edoc", "status"):
        raise RefusedError(ErrorCode.NOT_EDXML, "edocFile or messageType is missing")
    facts = extract_facts(parse_packet(packet))
    to = _leave_out_abroad(desk, packet, facts.sender, facts.recipients)
    return desk.hub.accept(
        Incoming(packet=packet, system_id=system_id, sender=facts.sender, message_type=message_type, to=to)
    )


def _leave_out_abroad(
    desk: LgspDesk, packet: bytes, sender: str, recipients: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Leave out the recipients that the national hub would refuse to forward to; None to leave it to the packet.

    The platform itself takes packets without the prefix; the hub behind it refuses them, and nobody says so.
    """
    start, end = packet.find(b"edXMLEnvelope"), packet.rfind(b"edXMLEnvelope")
    envelope = _SIGNATURE.sub(b"", packet[start:end])
    if not desk.traps.checks_prefix or not _UNPREFIXED.search(envelope):
        return None
    province = sender.split(".")[0]
    at_home = tuple(code for code in recipients if code.split(".")[0] == province)
    return at_home or (sender,)


async def _list(desk: LgspDesk, system_id: str, request: Request) -> dict[str, Any]:
    query = request.query_params
    start, end = (_parse_day(query.get(name, "")) for name in ("fromDate", "toDate"))
    if query.get("messageType") not in ("edoc", "status"):
        raise RefusedError(ErrorCode.PROCESSING, "messageType is neither edoc nor status")
    window = desk.traps.window
    if window is not None and end - start >= window:
        raise RefusedError(ErrorCode.PROCESSING, "the window is too wide")
    found = await run_in_threadpool(desk.hub.storage.list_received, system_id, query["messageType"])
    rows = [_build_row(receipt, packet) for receipt, packet in found if start <= _to_day(receipt.created) <= end]
    return {"count": len(rows), "data": rows}


def _parse_day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y/%m/%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise RefusedError(ErrorCode.PROCESSING, f"{text!r} is no day") from error


def _to_day(stored: str) -> date:
    return datetime.fromisoformat(stored).astimezone(VIETNAM).date()


def _build_row(receipt: Receipt, packet: Packet) -> dict[str, str]:
    return {
        "serviceType": "eDoc",
        "createdTime": format_hub_time(datetime.fromisoformat(receipt.created)),
        "updatedTime": format_hub_time(datetime.fromisoformat(receipt.updated)),
        "messageType": packet.message_type,
        "docId": receipt.id,
        "from": packet.sender,
        "to": receipt.recipient,
        "status": receipt.state,
        "statusDesc": receipt.state,
    }


async def _fetch(desk: LgspDesk, system_id: str, request: Request) -> dict[str, Any]:
    doc_id = request.query_params.get("docId", "")
    data = await run_in_threadpool(_read_packet, desk, system_id, doc_id, request.scope.get(FAULT_EXTENSION))
    return {"data": data}


def _read_packet(desk: LgspDesk, system_id: str, doc_id: str, fault: Fault | None) -> dict[str, Any]:
    _, packet = desk.hub.get_received(system_id, doc_id)
    wrong = read_wrong_body(desk.hub, packet, fault)
    content = desk.hub.get_path(packet).read_bytes() if wrong is None else wrong
    if desk.hub.tamper is not None:
        content = desk.hub.tamper(content)
    told = {"docId": doc_id, "from": packet.sender, "edocCode": packet.notation, "edocAbstract": packet.title}
    if desk.traps.packets == "base64":
        return {**told, "data": base64.b64encode(content).decode()}
    text = content.decode("utf-8", "replace")
    files = [{"fileName": name, "fileContent": file} for name, file in _CONTENT.findall(text)]
    if desk.traps.packets == "split":
        text = re.sub(r"(ContentTransferEncoded(?:\s[^>]*)?>)[^<]+(</)", r"\1\2", text)
    return {"docId": doc_id, "edxml": text, "attachments": files}


async def _update(desk: LgspDesk, system_id: str, request: Request) -> dict[str, Any]:
    try:
        entry = json.loads(await request.body())
    except ValueError:
        entry = None
    given = entry if isinstance(entry, dict) else {}
    doc_id, status = str(given.get("docId", "")), given.get("status")
    if status in _REPORTED_CODES:
        desk.hub.note_report(system_id, doc_id, str(status))
    elif status in _STATES:
        await run_in_threadpool(desk.hub.confirm, system_id, doc_id, str(status))
    else:
        raise RefusedError(ErrorCode.PROCESSING, "status is none that updateStatus takes")
    return {}


async def _agencies(desk: LgspDesk, _: str, __: Request) -> dict[str, Any]:
    rows = [
        {
            "orgCode": one.code, "orgName": one.name, "parentCode": one.parent, "address": "", "email": one.mail,
            "phone": "",
        }
        for one in desk.hub.storage.list_agencies()
    ]  # fmt: skip
    return {"data": rows}


CALLS: Final[Mapping[str, tuple[str, _Handler]]] = {
    "sendEdoc": ("POST", _send),
    "syncReceivedEdocList": ("GET", _list),
    "getEdoc": ("GET", _fetch),
    "updateStatus": ("POST", _update),
    "getAgenciesList": ("GET", _agencies),
}
