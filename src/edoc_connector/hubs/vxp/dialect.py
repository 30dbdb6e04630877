"""The dialect ``vxp``: the national hub and hubs built on the same product (VXP interface)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from ..._core import AnyFile, download_part, place_download, utc_now
from ..._version import __version__
from ..dialect import SECRET
from ..endpoint import UNUSABLE_ENDPOINT, UNUSABLE_USER_AGENT, is_usable_endpoint, require_settings
from ..fields import VIETNAM
from ..messages import build_protocol_error
from ..profile import HubCapabilities
from ..results import (
    Agency,
    AgencyChange,
    Fetched,
    MessageType,
    Outcome,
    SendResult,
    SentState,
    Waiting,
)
from ..wire import FileBody, Flow, Progress, WireRequest, WireResponse
from . import answers, calls, headers
from .calls import Call
from .messages import EMPTY_SECRET, UNKNOWN_FETCH_CALL

SERVICE_TYPE = "eDoc"

_WINDOW_TIME = "%d/%m/%Y %H:%M:%S"

_HEAD_BYTES = 4096  # enough of a download to recognise an answer in its place
_HTML_START = re.compile(
    rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*\?>\s*)?(<!--((?!-->).)*-->\s*)*<(!doctype\s+)?(html|head|body|title)\b",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vxp:
    """A hub of the VXP interface. Methods return flows; `HubClient` and `AsyncHubClient` have the same and drive them.

    Every method raises, beside the errors it names itself, those children of `HubError` that the tables of refusals
    give for the hub's codes and HTTP status; for an argument that a signed header cannot carry, ConfigError (a setting
    of ours), UnknownRecipient or HubError.

    Args:
        endpoint: URL under which the calls lie, ``https://…``; without user, query and fragment.
        system_id: this system's id at the hub.
        secret: the hub's secret for that id, as issued; never in a repr, a log or an error.
        sdk_compatible: write ``hash-file`` unpadded and append CRLF to packets, as the vendor's client does and hubs
            are known to expect; off, both are exact.
        fetch_with: ``downloadEdoc`` gives the packet's bytes; ``getEdoc`` has them as base64 in one JSON answer, for
            hubs without the other. Both go to the file as they arrive.
        user_agent: the User-Agent header.
        max_packet: most bytes of a packet to send or to fetch.
        max_answer: most bytes of a JSON answer; for getEdoc's, which holds a packet, `max_packet` counts.
        now: the clock of the time stamps; gives aware times.

    Raises:
        ConfigError: the endpoint, system id or secret cannot be used.
    """

    endpoint: str
    system_id: str
    secret: str = field(repr=False, metadata=SECRET)
    sdk_compatible: bool = True
    fetch_with: Literal["downloadEdoc", "getEdoc"] = "downloadEdoc"
    user_agent: str = f"edoc-connector/{__version__}"
    max_packet: int = 4 * 1024**3
    max_answer: int = 64 * 1024**2
    now: Callable[[], datetime] = field(default=utc_now, repr=False, compare=False)

    def __post_init__(self) -> None:
        headers.require_carriable("systemid", self.system_id)
        require_settings(
            (
                (is_usable_endpoint(self.endpoint), UNUSABLE_ENDPOINT),
                (bool(self.secret), EMPTY_SECRET),
                (self.user_agent.isascii() and self.user_agent.isprintable(), UNUSABLE_USER_AGENT),
                (self.fetch_with in ("downloadEdoc", "getEdoc"), UNKNOWN_FETCH_CALL),
            )
        )
        object.__setattr__(self, "endpoint", self.endpoint.rstrip("/"))

    @property
    def capabilities(self) -> HubCapabilities:
        """What the hub can do."""
        return HubCapabilities(tells_directory_changes=True)

    def send(
        self,
        packet: AnyFile,
        *,
        message_type: MessageType,
        sender: str,
        recipients: Sequence[str] = (),
        on_progress: Progress | None = None,
    ) -> Flow[SendResult]:
        """Hand a packet to the hub (sendEdoc). See `Dialect.send` for arguments and errors."""
        file_hash, content = headers.compute_file_hash(
            packet, sdk_compatible=self.sdk_compatible, limit=self.max_packet
        )
        values = {
            **_build_type_parameters(message_type),
            "hash-file": file_hash,
            "from": sender,
            "to": _format_compact_json(list(recipients)) if recipients else None,
        }
        body = FileBody(packet, tail=b"\r\n" if self.sdk_compatible else b"", content=content)
        answer = yield from self._call_json(calls.SEND, values, body=body, on_progress=on_progress)
        return SendResult(doc_id=answers.parse_doc_id(answer, calls.SEND))

    def list_waiting(self, message_type: MessageType = MessageType.EDOC) -> Flow[tuple[Waiting, ...]]:
        """List the packets that wait for this agency (getReceivedEdocList)."""
        answer = yield from self._call_json(calls.LIST_WAITING, _build_type_parameters(message_type))
        return answers.parse_waiting(answer, calls.LIST_WAITING, message_type)

    def fetch(self, doc_id: str, to: Path, *, on_progress: Progress | None = None) -> Flow[Fetched]:
        """Download a packet, with the call that `fetch_with` names. See `Dialect.fetch`."""
        if self.fetch_with == "getEdoc":
            return (yield from self.get_edoc(doc_id, to, on_progress=on_progress))
        return (yield from self.download_edoc(doc_id, to, on_progress=on_progress))

    def download_edoc(
        self, doc_id: str, to: Path, *, file_path: str | None = None, on_progress: Progress | None = None
    ) -> Flow[Fetched]:
        """Download a packet's bytes as they are (downloadEdoc).

        Args:
            doc_id: the hub's id of the packet.
            to: the file to write.
            file_path: the vendor client's ``filePath``, which hubs ignore.
            on_progress: called with the bytes received and, where known, the bytes in all.
        """
        call = calls.DOWNLOAD
        with download_part(to) as part:
            response = yield self._build_request(
                call,
                {"docId": doc_id, "filePath": file_path},
                save_to=part,
                limit=self.max_packet,
                on_progress=on_progress,
            )
            if response.saved is None:
                answers.parse_envelope(response, call)  # no success: raises the error for the code or the status
            if response.status != 200:
                raise build_protocol_error(call.name, f"HTTP {response.status} is no whole packet")
            self._refuse_answer_in_place_of_packet(part)
            size = place_download(part, to)
        return Fetched(doc_id=doc_id, path=to, size=size, sha256=response.sha256)

    def get_edoc(
        self, doc_id: str, to: Path, *, file_path: str | None = None, on_progress: Progress | None = None
    ) -> Flow[Fetched]:
        """Download a packet as base64 inside JSON (getEdoc), decoded as it arrives.

        Args:
            doc_id: the hub's id of the packet.
            to: the file to write.
            file_path: the vendor client's ``filePath``, which hubs ignore.
            on_progress: called with the bytes of the answer received and, where known, the bytes in all.
        """
        call = calls.GET
        with download_part(to) as part:
            response = yield self._build_request(
                call,
                {"docId": doc_id, "filePath": file_path},
                save_to=part,
                unwrap="data",
                limit=self.max_packet,
                on_progress=on_progress,
            )
            answers.parse_envelope(response, call)
            if response.saved is None:
                raise build_protocol_error(call.name, f"its data is not {'base64' if response.damaged else 'a text'}")
            if not part.stat().st_size:
                raise build_protocol_error(call.name, "its data is empty")
            size = place_download(part, to)
        return Fetched(doc_id=doc_id, path=to, size=size, sha256=response.sha256)

    def confirm(self, doc_id: str, outcome: Outcome = Outcome.DONE) -> Flow[None]:
        """Tell the hub the outcome of a packet (updateStatus).

        The refusal of a hub that knew it already counts as success.
        """
        yield from self._call_json(calls.CONFIRM, {"docid": doc_id, "status": Outcome(outcome).value})

    def sent_state(
        self, message_type: MessageType = MessageType.EDOC, *, doc_id: str | None = None, since: datetime | None = None
    ) -> Flow[tuple[SentState, ...]]:
        """Ask for the state of packets of ours (getSentEdocList). See `Dialect.sent_state`."""
        values = {**_build_type_parameters(message_type), "docId": doc_id, **self._build_window(since)}
        answer = yield from self._call_json(calls.SENT_STATE, values)
        return answers.parse_sent_states(answer, calls.SENT_STATE)

    def agencies(self) -> Flow[tuple[Agency, ...]]:
        """Read the hub's directory (getAgenciesList); `other_code` is the agency's former code."""
        return answers.parse_agencies((yield from self._call_json(calls.AGENCIES)), calls.AGENCIES)

    def agencies_qd20(self, level: int) -> Flow[tuple[Agency, ...]]:
        """Read the directory in codes of Decision 20/2020/QĐ-TTg (getAgenciesListQD20).

        `other_code` is the agency's code of QCVN 102:2016.

        Args:
            level: level of the codes, 1 for the highest.
        """
        answer = yield from self._call_json(calls.AGENCIES_QD20, {"level": str(level)})
        return answers.parse_agencies_qd20(answer, calls.AGENCIES_QD20)

    def agency_changes(self) -> Flow[tuple[AgencyChange, ...]]:
        """Read the changes of the directory (getSynchronizeUnit)."""
        return answers.parse_agency_changes((yield from self._call_json(calls.AGENCY_CHANGES)), calls.AGENCY_CHANGES)

    def register_agency(
        self,
        *,
        code: str,
        name: str,
        parent_code: str,
        mail: str = "",
        mobile: str = "",
        fax: str = "",
        id: str = "",  # the hub's word for it
    ) -> Flow[None]:
        """Register an agency below ours (registerAgency).

        Args:
            code: its code.
            name: its name.
            parent_code: code of the agency above it.
            mail: e-mail address.
            mobile: telephone number.
            fax: fax number.
            id: the directory's id of the entry, empty for a new one.

        Raises:
            OutcomeUnknown: no usable answer came; look into the directory before doing it again.
        """
        entry = {"id": id, "pcode": parent_code, "code": code, "name": name, "mail": mail, "mobile": mobile, "fax": fax}
        yield from self._call_json(calls.REGISTER_AGENCY, body=_format_compact_json(entry).encode())

    def delete_agency(self, code: str) -> Flow[None]:
        """Remove an agency below ours (deleteAgency).

        Args:
            code: its code.

        Raises:
            OutcomeUnknown: no usable answer came; look into the directory before doing it again.
        """
        yield from self._call_json(calls.DELETE_AGENCY, {"AgencyCode": code})

    def count_received_edoc(self) -> Flow[int]:
        """Count the documents received (countReceiveEdoc)."""
        return answers.parse_count(
            (yield from self._call_json(calls.COUNT_EDOC, _build_type_parameters(MessageType.EDOC))), calls.COUNT_EDOC
        )

    def count_received_status(self) -> Flow[int]:
        """Count the statuses received (countReceiveStatus)."""
        return answers.parse_count(
            (yield from self._call_json(calls.COUNT_STATUS, _build_type_parameters(MessageType.STATUS))),
            calls.COUNT_STATUS,
        )

    def _build_window(self, since: datetime | None) -> dict[str, str]:
        """Build the window of a list, in Vietnam's time; it ends a day ahead, as clocks differ."""
        if since is None:
            return {}
        window = {"fromDate": since, "toDate": self.now() + timedelta(days=1)}
        return {name: time.astimezone(VIETNAM).strftime(_WINDOW_TIME) for name, time in window.items()}

    def _call_json(
        self,
        call: Call,
        values: Mapping[str, str | None] | None = None,
        *,
        body: bytes | FileBody | None = None,
        on_progress: Progress | None = None,
    ) -> Flow[Mapping[str, Any]]:
        """Make a call with a JSON answer."""
        request = self._build_request(call, values or {}, body=body, limit=self.max_answer, on_progress=on_progress)
        return answers.parse_envelope((yield request), call)

    def _build_request(
        self,
        call: Call,
        values: Mapping[str, str | None],
        *,
        limit: int,
        body: bytes | FileBody | None = None,
        save_to: Path | None = None,
        unwrap: str = "",
        on_progress: Progress | None = None,
    ) -> WireRequest:
        parameters = {
            **values,
            "systemid": self.system_id,
            "timestamp": headers.format_timestamp(self.now()),
            "Content-Type": call.content_type,
        }
        signed = {name: value for name in call.signed_parameters if (value := parameters.get(name)) is not None}
        return WireRequest(
            method=call.method,
            url=f"{self.endpoint}/{call.name}",
            headers={
                "Content-Type": call.content_type,
                **headers.build_signed_headers(signed, self.secret),
                "User-Agent": self.user_agent,
            },
            body=call.body if body is None else body,
            save_to=save_to,
            unwrap=unwrap,
            limit=limit,
            sends=call.sends,
            on_progress=on_progress,
        )

    def _refuse_answer_in_place_of_packet(self, part: Path) -> None:
        """Refuse a download that is a JSON answer or a page: some hubs say no with status 200.

        Anything else is kept, however odd: judging packets is not the hub layer's business.
        """
        call = calls.DOWNLOAD
        head = _read_start(part, _HEAD_BYTES)
        if not head.strip():
            raise build_protocol_error(call.name, "it is empty")
        if _HTML_START.match(head):
            raise build_protocol_error(call.name, "it is an HTML page, as proxies send")
        if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            answers.parse_envelope(WireResponse(200, {}, _read_start(part, self.max_answer)), call)
            raise build_protocol_error(call.name, "it is JSON and not a packet")


def _read_start(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _build_type_parameters(message_type: MessageType) -> dict[str, str | None]:
    return {"servicetype": SERVICE_TYPE, "messagetype": MessageType(message_type).value}


def _format_compact_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
