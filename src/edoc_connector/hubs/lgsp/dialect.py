"""The dialect ``lgsp``: provincial integration platforms, documents over REST."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ..._core import AnyFile, download_part, place_download, utc_now
from ..._version import __version__
from ..auth import TokenLogin
from ..dialect import SECRET
from ..endpoint import (
    UNUSABLE_ENDPOINT,
    UNUSABLE_USER_AGENT,
    is_header_value,
    is_usable_endpoint,
    require_settings,
)
from ..messages import build_protocol_error
from ..packet_hash import require_sendable
from ..profile import MIB, HubCapabilities, PacketProfile
from ..results import Agency, Fetched, MessageType, Outcome, SendResult, SentState, Waiting
from ..wire import FileBody, Flow, Progress, WireRequest, WireResponse
from . import answers, calls, packets
from .calls import Call
from .messages import (
    INCOMPLETE_LOGIN,
    UNUSABLE_CREDENTIALS,
    UNUSABLE_LIMIT,
    UNUSABLE_WINDOW,
    build_no_sent_list_error,
)
from .multipart import build_form
from .windows import format_day, split_windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Lgsp:
    """A provincial platform. Methods return flows; `HubClient` and `AsyncHubClient` have the same and drive them.

    Every method raises, beside the errors it names itself, those children of `HubError` that the tables of refusals
    give for the platform's codes and HTTP status.

    Args:
        endpoint: base URL of the platform, path included: ``https://host/apithunghiem``. It differs per environment.
        system_id: SystemId of the agency.
        secret: its SecretKey; never in a repr, a log or an error.
        username: name of the application's login; empty for a platform that asks for none.
        password: password of that login.
        application_code: applicationCode of that login.
        token_lifetime: seconds that a token is used for; platforms keep one 30 minutes at most.
        first_days: days that the first list looks back.
        window_days: most days that one list asks for, 2 to 7: wider windows are refused.
        statuses_by_update: whether the codes 01 to 06 are told by ``updateStatus`` instead of packets. Whether a
            platform forwards them is unknown.
        max_attachment: most bytes of one attachment to send; more needs an upload in parts that nobody describes.
        max_packet: most bytes of a packet to send or to fetch.
        max_answer: most bytes of a JSON answer beside a packet.
        user_agent: the User-Agent header.
        now: the clock of the windows; gives aware times.

    Raises:
        ConfigError: a setting cannot be used.
    """

    endpoint: str
    system_id: str
    secret: str = field(repr=False, metadata=SECRET)
    username: str = ""
    password: str = field(default="", repr=False, metadata=SECRET)
    application_code: str = ""
    token_lifetime: float = 1500.0
    first_days: int = 7
    window_days: int = 7
    statuses_by_update: bool = False
    max_attachment: int = 50 * MIB
    max_packet: int = 512 * MIB
    max_answer: int = 64 * MIB
    user_agent: str = f"edoc-connector/{__version__}"
    now: Callable[[], datetime] = field(default=utc_now, repr=False, compare=False)

    def __post_init__(self) -> None:
        sizes = (self.max_attachment, self.max_packet, self.max_answer, self.token_lifetime)
        are_carriable = all(value and is_header_value(value) for value in (self.system_id, self.secret))
        require_settings(
            (
                (is_usable_endpoint(self.endpoint), UNUSABLE_ENDPOINT),
                (are_carriable, UNUSABLE_CREDENTIALS),
                (bool(self.username) == bool(self.password), INCOMPLETE_LOGIN),
                (2 <= self.window_days <= 7 and 1 <= self.first_days <= 3660, UNUSABLE_WINDOW),
                (min(sizes) > 0, UNUSABLE_LIMIT),
                (self.user_agent.isascii() and self.user_agent.isprintable(), UNUSABLE_USER_AGENT),
            )
        )
        object.__setattr__(self, "endpoint", self.endpoint.rstrip("/"))

    @property
    def authenticator(self) -> TokenLogin | None:
        """The application's login, which all agencies of one application share; None where none is configured."""
        if not self.username:
            return None
        members = {"applicationCode": self.application_code, "otp": None, "twoFactorProvider": None, "typeObjs": [0, 1]}
        return TokenLogin(
            login_url=f"{self.endpoint}/{calls.LOGIN_PATH}",
            username=self.username,
            password=self.password,
            members=members,
            lifetime=self.token_lifetime,
        )

    @property
    def capabilities(self) -> HubCapabilities:
        """What the platform can do, and what it demands of packets."""
        return HubCapabilities(
            has_sent_list=False,
            lists_by_date=True,
            window_days=self.window_days,
            first_days=self.first_days,
            tells_statuses_by_update=self.statuses_by_update,
            packet=PacketProfile(has_prefix=True, max_attachment=self.max_attachment, max_packet=self.max_packet),
        )

    def send(
        self,
        packet: AnyFile,
        *,
        message_type: MessageType,
        sender: str,  # noqa: ARG002  in the packet
        recipients: Sequence[str] = (),  # noqa: ARG002  in the packet
        on_progress: Progress | None = None,
    ) -> Flow[SendResult]:
        """Hand a packet to the platform (sendEdoc). See `Dialect.send` for arguments and errors."""
        require_sendable(packet, limit=self.max_packet)
        content_type, body = build_form(packet, message_type)
        answer = yield from self._call_json(calls.SEND, body=body, content_type=content_type, on_progress=on_progress)
        return SendResult(doc_id=answers.parse_doc_id(answer, calls.SEND))

    def list_waiting(
        self, message_type: MessageType = MessageType.EDOC, *, since: datetime | None = None
    ) -> Flow[tuple[Waiting, ...]]:
        """List the packets that came since a time (syncReceivedEdocList), those that wait first.

        What was fetched before is listed too. All windows succeed, or none of what they list is given.

        Args:
            message_type: documents or statuses.
            since: aware; `first_days` ago where it is left out.
        """
        now = self.now()
        found: dict[str, Waiting] = {}
        start = now - timedelta(days=self.first_days) if since is None else since
        for first, last in split_windows(start, now, days=self.window_days):
            query = {"messageType": MessageType(message_type).value, "fromDate": format_day(first)}
            answer = yield from self._call_json(calls.LIST, query=query | {"toDate": format_day(last)})
            found |= {row.doc_id: row for row in answers.parse_waiting(answer, calls.LIST, message_type)}
        return tuple(sorted(found.values(), key=lambda row: not row.is_waiting))

    def fetch(self, doc_id: str, to: Path, *, on_progress: Progress | None = None) -> Flow[Fetched]:
        """Download a packet (getEdoc): one base64 text, or XML with attachments beside it. See `Dialect.fetch`."""
        call = calls.FETCH
        with download_part(to) as part:
            response = yield self._build_request(
                call,
                query={"docId": doc_id},
                save_to=part,
                unwrap="data.data",
                unwrap_rest=self.max_answer,
                limit=self.max_packet,
                on_progress=on_progress,
            )
            data = answers.require_packet_data(answers.parse_envelope(response, call), call, doc_id)
            sha256 = self._complete_download(part, response, data)
            size = place_download(part, to)
        return Fetched(doc_id=doc_id, path=to, size=size, sha256=sha256)

    def confirm(self, doc_id: str, outcome: Outcome = Outcome.DONE) -> Flow[None]:
        """Tell the platform the outcome of a packet (updateStatus)."""
        yield from self._update_status(doc_id, Outcome(outcome).value)

    def report_status(self, doc_id: str, code: str) -> Flow[None]:
        """Tell the platform a business status of a document by ``updateStatus``, where `statuses_by_update` says so.

        Args:
            doc_id: the platform's id of the document.
            code: ``01`` to ``06``.
        """
        yield from self._update_status(doc_id, code)

    def sent_state(
        self,
        message_type: MessageType = MessageType.EDOC,  # noqa: ARG002  the interface of all dialects
        *,
        doc_id: str | None = None,  # noqa: ARG002
        since: datetime | None = None,  # noqa: ARG002
    ) -> Flow[tuple[SentState, ...]]:
        """Refuse to tell the state of packets of ours: the platform has no such call.

        Raises:
            HubError: always.
        """
        yield from ()
        raise build_no_sent_list_error()

    def agencies(self) -> Flow[tuple[Agency, ...]]:
        """Read the platform's directory (getAgenciesList)."""
        response = yield self._build_request(calls.AGENCIES, limit=self.max_answer)
        return answers.parse_agencies(response, calls.AGENCIES)

    def _complete_download(self, part: Path, response: WireResponse, data: Mapping[str, Any]) -> str:
        """Complete the file of a packet, and return its SHA-256."""
        call = calls.FETCH
        if response.damaged:
            raise build_protocol_error(call.name, "the packet in it is no base64")
        if response.saved is not None and part.stat().st_size:
            sha256 = response.sha256
        else:
            part.unlink(missing_ok=True)
            sha256 = packets.write_packet_text(part, data, call)
        return packets.add_listed_attachments(part, data, call) or sha256

    def _update_status(self, doc_id: str, status: str) -> Flow[None]:
        body = json.dumps({"docId": doc_id, "status": status}, ensure_ascii=False).encode()
        yield from self._call_json(calls.CONFIRM, body=body)

    def _call_json(
        self,
        call: Call,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | FileBody = b"",
        content_type: str = calls.JSON,
        on_progress: Progress | None = None,
    ) -> Flow[Mapping[str, Any]]:
        """Make a call with a JSON answer."""
        request = self._build_request(
            call, query=query, body=body, content_type=content_type, limit=self.max_answer, on_progress=on_progress
        )
        return answers.parse_envelope((yield request), call)

    def _build_request(
        self,
        call: Call,
        *,
        limit: int,
        query: Mapping[str, str] | None = None,
        body: bytes | FileBody = b"",
        content_type: str = calls.JSON,
        save_to: Path | None = None,
        unwrap: str = "",
        unwrap_rest: int | None = None,
        on_progress: Progress | None = None,
    ) -> WireRequest:
        parameters = f"?{urlencode(query)}" if query else ""
        return WireRequest(
            method=call.method,
            url=f"{self.endpoint}/{call.path}{parameters}",
            headers={
                **({"Content-Type": content_type} if call.method == "POST" else {}),
                "X-SystemId": self.system_id,
                "X-SecretKey": self.secret,
                "User-Agent": self.user_agent,
            },
            body=body,
            save_to=save_to,
            unwrap=unwrap,
            unwrap_rest=unwrap_rest,
            limit=limit,
            sends=call.sends,
            on_progress=on_progress,
        )
