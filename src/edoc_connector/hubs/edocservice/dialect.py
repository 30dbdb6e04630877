"""The dialect ``edocservice``: provincial eDoc hubs, with parameters in headers and answers in JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

from ..._core import AnyFile, download_part, place_download
from ..._version import __version__
from ...errors import DuplicateDocument
from ..dialect import SECRET
from ..endpoint import (
    UNUSABLE_ENDPOINT,
    UNUSABLE_USER_AGENT,
    is_header_value,
    is_usable_endpoint,
    require_settings,
)
from ..messages import build_protocol_error
from ..packet_hash import hash_packet
from ..profile import MIB, HubCapabilities, PacketProfile
from ..results import Agency, Fetched, MessageType, Outcome, SendResult, SentState, Waiting
from ..wire import FileBody, Flow, Progress, WireRequest, WireResponse
from . import answers, calls
from .calls import Call
from .doc_ids import STATUS_PREFIX, split_doc_id
from .messages import UNUSABLE_CODE_LENGTH, UNUSABLE_CREDENTIALS, UNUSABLE_LIMIT, build_no_sent_list_error

_CLIENT_NAME = "EdocClient/Bkav"
_NEEDED_ELEMENTS = ("To/OrganAdd", "To/OrganName", "Content", "OtherInfo", "StaffInfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edocservice:
    """A provincial eDoc hub. Methods return flows; `HubClient` and `AsyncHubClient` have the same and drive them.

    Every method raises, beside the errors it names itself, those children of `HubError` that its tables of refusals
    give for the hub's codes and HTTP status. DocIds of statuses begin with ``status-``: the hub numbers documents and
    statuses apart.

    Args:
        endpoint: URL of the hub; usually ends in ``/EdocService``.
        system_id: OrganId of the agency.
        secret: its token; never in a repr, a log or an error. Empty where an authenticator brings the token.
        directory_root: OrganId whose directory is read, itself and what is below it; the agency's own by default.
        list_method: HTTP method of the list that is tried first. A hub that answers 405 gets the other from then on.
        min_code_length: fewest characters of an OrganId that the hub takes; 0 for any.
        checks_types: whether the hub takes the document types 1 and 2 only.
        max_packet: most bytes of a packet to send or to fetch.
        max_answer: most bytes of every other answer.
        user_agent: the User-Agent header.

    Raises:
        ConfigError: a setting cannot be used.
    """

    endpoint: str
    system_id: str
    secret: str = field(default="", repr=False, metadata=SECRET)
    directory_root: str = ""
    list_method: Literal["GET", "POST"] = "GET"
    min_code_length: int = 0
    checks_types: bool = True
    max_packet: int = 512 * MIB
    max_answer: int = 64 * MIB
    user_agent: str = f"edoc-connector/{__version__}"
    _learnt: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        codes = (self.system_id, self.directory_root or self.system_id)
        are_carriable = all(value and is_header_value(value) for value in codes) and is_header_value(self.secret)
        require_settings(
            (
                (is_usable_endpoint(self.endpoint), UNUSABLE_ENDPOINT),
                (are_carriable, UNUSABLE_CREDENTIALS),
                (0 <= self.min_code_length <= 64, UNUSABLE_CODE_LENGTH),
                (min(self.max_packet, self.max_answer) > 0, UNUSABLE_LIMIT),
                (self.user_agent.isascii() and self.user_agent.isprintable(), UNUSABLE_USER_AGENT),
            )
        )
        object.__setattr__(self, "endpoint", self.endpoint.rstrip("/"))

    @property
    def capabilities(self) -> HubCapabilities:
        """What the hub can do, and what it demands of packets."""
        return HubCapabilities(
            has_sent_list=False,
            tells_documents=True,
            tells_delivery=False,
            repeats_statuses=True,
            confirms_all_statuses=True,
            status_prefix=STATUS_PREFIX,
            rebuilds_documents=True,
            directory_scope=self.directory_root or self.system_id,
            packet=self._build_profile(),
        )

    def _build_profile(self) -> PacketProfile:
        least, least_vi = "", ""
        if self.min_code_length:
            least = f", {self.min_code_length} characters or more"
            least_vi = f", ít nhất {self.min_code_length} ký tự"
        return PacketProfile(
            needed_elements=_NEEDED_ELEMENTS,
            has_prefix=True,
            status_header="Status",
            content_from_subject=True,
            needs_paper=True,
            needs_attachment=True,
            max_packet=self.max_packet,
            code_pattern=rf"(?=.{{{self.min_code_length},}})[^.]+(\.[^.]+){{0,3}}",
            code_form=f"at most 4 parts between dots{least}",
            code_form_vi=f"nhiều nhất 4 phần ngăn bằng dấu chấm{least_vi}",
            document_types=(1, 2) if self.checks_types else (),
        )

    def send(
        self,
        packet: AnyFile,
        *,
        message_type: MessageType,
        sender: str,  # noqa: ARG002  the interface of all dialects; the hub reads it in the packet
        recipients: Sequence[str] = (),  # noqa: ARG002
        on_progress: Progress | None = None,
    ) -> Flow[SendResult]:
        """Hand a packet to the hub (sendDocument); once more where it failed inside. See `Dialect.send`.

        Accepted is not delivered: forwarding to the national hub happens behind it, and its failure is not reported.

        Raises:
            DuplicateDocument: it has a new document of this DocumentId.
        """
        message_type = MessageType(message_type)
        digest, content = hash_packet(packet, limit=self.max_packet)
        request = self._build_request(
            calls.SEND,
            headers={"type": message_type.value.upper(), "hash-edoc": digest.hex()},
            body=FileBody(packet, content=content),
            limit=self.max_answer,
            on_progress=on_progress,
        )
        response = yield request
        is_repeated = answers.fails_inside(response)
        if is_repeated:
            response = yield request
        try:
            return SendResult(doc_id=answers.parse_sent(response, message_type))
        except DuplicateDocument:
            if not is_repeated:
                raise
            return SendResult(doc_id="")  # it was taken before the hub failed

    def list_waiting(self, message_type: MessageType = MessageType.EDOC) -> Flow[tuple[Waiting, ...]]:
        """List the packets that wait for this agency (getPendingDocIds), each once."""
        message_type = MessageType(message_type)
        method: str = self._learnt.get("list", self.list_method)
        response = yield self._build_list_request(message_type, method)
        if response.status == 405:
            method = calls.OTHER_METHOD[method]
            response = yield self._build_list_request(message_type, method)
            if response.status != 405:
                self._learnt["list"] = method
        return answers.parse_waiting(answers.parse_envelope(response, calls.LIST), message_type)

    def fetch(self, doc_id: str, to: Path, *, on_progress: Progress | None = None) -> Flow[Fetched]:
        """Download a packet (getDocument), decoded as it arrives. See `Dialect.fetch`."""
        call = calls.FETCH
        message_type, number = split_doc_id(doc_id)
        with download_part(to) as part:
            response = yield self._build_request(
                call,
                headers={"docId": number, "type": message_type.value.upper()},
                save_to=part,
                unwrap="data",
                limit=self.max_packet,
                on_progress=on_progress,
            )
            sha256 = self._check_download(part, response)
            size = place_download(part, to)
        return Fetched(doc_id=doc_id, path=to, size=size, sha256=sha256)

    def confirm(self, doc_id: str, outcome: Outcome = Outcome.DONE) -> Flow[None]:
        """Tell the hub that a packet is stored (confirmReceived); every status that waits is confirmed with it.

        The hub takes one word only: a packet that cannot be read is confirmed too, and ``processing`` is not told.
        """
        _, number = split_doc_id(doc_id)
        if Outcome(outcome) is Outcome.PROCESSING:
            return
        answers.parse_envelope(
            (yield self._build_request(calls.CONFIRM, headers={"docId": number}, limit=self.max_answer)), calls.CONFIRM
        )

    def has_document(self, *, sender: str, recipients: Sequence[str], code: str) -> Flow[bool]:
        """Ask whether the hub has a document (checkExistDocument). See `AskingDialect.has_document`."""
        entry = {"fromOrgan": sender, "toOrgan": "#".join(recipients), "docCode": code.partition("#")[0]}
        response = yield self._build_request(
            calls.EXISTS, body=json.dumps(entry, ensure_ascii=False).encode(), limit=self.max_answer
        )
        return answers.parse_existence(response)

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
        raise build_no_sent_list_error()

    def agencies(self) -> Flow[tuple[Agency, ...]]:
        """Read the directory below `directory_root` (getOrganizations)."""
        query = {"organId": self.directory_root or self.system_id}
        response = yield self._build_request(calls.AGENCIES, query=query, limit=self.max_answer)
        return answers.parse_agencies(answers.parse_envelope(response, calls.AGENCIES))

    def _check_download(self, part: Path, response: WireResponse) -> str:
        """Require that a packet came, and return its SHA-256."""
        call = calls.FETCH
        answers.parse_envelope(response, call)
        if response.saved is None:
            raise build_protocol_error(call.name, f"its data is not {'base64' if response.damaged else 'a text'}")
        if not part.stat().st_size:
            raise build_protocol_error(call.name, "its data is empty")
        return response.sha256

    def _build_list_request(self, message_type: MessageType, method: str) -> WireRequest:
        return self._build_request(
            calls.LIST, method=method, headers={"type": message_type.value.upper()}, limit=self.max_answer
        )

    def _build_request(
        self,
        call: Call,
        *,
        limit: int,
        method: str = "",
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        body: bytes | FileBody = b"",
        save_to: Path | None = None,
        unwrap: str = "",
        on_progress: Progress | None = None,
    ) -> WireRequest:
        parameters = f"?{urlencode(query)}" if query else ""
        return WireRequest(
            method=method or call.method,
            url=f"{self.endpoint}/{call.name}{parameters}",
            headers={
                "Content-Type": call.content_type,
                "organId": self.system_id,
                **({"Authorization": self.secret} if self.secret else {}),
                **(headers or {}),
                "user_agent": _CLIENT_NAME,
                "User-Agent": self.user_agent,
            },
            body=body,
            save_to=save_to,
            unwrap=unwrap,
            limit=limit,
            sends=call.sends,
            on_progress=on_progress,
        )
