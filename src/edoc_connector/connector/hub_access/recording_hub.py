"""A hub client that records every exchange for the evidence, and corrects a wrong clock by the hub's time."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast
from urllib.parse import urlsplit

from ..._core import (
    LONE_HUB,
    AnyFile,
    MessagingTelemetry,
    Operation,
    get_logger,
    qualify_for_hub,
    strip_hub,
)
from ...client import ClientSettings, HubClient, SharedTransports
from ...errors import ClockRejected, TransportError
from ...hubs import (
    AgencyChange,
    AskingDialect,
    Authenticator,
    ChangingDialect,
    DatedDialect,
    Dialect,
    Fetched,
    Flow,
    MessageType,
    NotJsonError,
    Outcome,
    Progress,
    ReportingDialect,
    SendResult,
    SentState,
    Waiting,
    WireRequest,
    WireResponse,
    collect_secrets,
    get_capabilities,
    parse_http_date,
    parse_strict_json,
    replace_unstorable,
    with_clock,
)
from ...store import StateMachine, Tx

log = get_logger("edoc_connector.connector.hearing")

P = ParamSpec("P")
R = TypeVar("R")

_MIN_OFFSET = timedelta(seconds=30)
_ALARMING_OFFSET = timedelta(days=1)
_MAX_OFFSET = timedelta(days=36525)  # a machine without a clock of its own starts in 1970

_MAX_BODY_BYTES = 16 * 1024
_SECRET_NAME = re.compile(r"token|secret|passw|pwd|key|auth|cookie|session|credential", re.IGNORECASE)
_SECRET_CALL = re.compile(r"token|login|logon|oauth|auth", re.IGNORECASE)
_HIDDEN_TEXT = "(not kept)"
PACKET = "packet"
"""Destination of an operation with a packet of either kind: a docId does not say which one."""


class HubTime:
    """The time for a hub's signed headers: ours, set right by the hub's own once it refused ours.

    It is learnt only then: a Date header is not signed, and a hub that takes our stamps needs no correction. An offset
    with which the hub refuses us too is forgotten.

    Args:
        clock: our time, aware UTC.

    Attributes:
        offset: how far the time in signed headers is from ours.
        seen_offset: how far the hub's last Date was from ours, whatever it takes; for what only asks.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.offset = timedelta(0)
        self.seen_offset = timedelta(0)

    def __call__(self) -> datetime:
        return self._clock() + self.offset

    def learn_offset(self, date: datetime | None) -> bool:
        """Take over the hub's time; true where that changed anything."""
        if date is None:
            return False
        offset = date - self._clock()
        if abs(offset) > _MAX_OFFSET or abs(offset - self.offset) < _MIN_OFFSET:
            return False
        if abs(offset) < _MIN_OFFSET:  # somebody set our clock since
            self.offset = timedelta(0)
            log.warning("our clock agrees with the hub's again: calls to it use our time from now on")
            return True
        self.offset = offset
        log.log(
            logging.CRITICAL if abs(offset) > _ALARMING_OFFSET else logging.ERROR,
            "the hub's clock is %+.0f seconds from ours, and it refuses ours: calls to it use its time from now on. "
            "Set this machine's clock (NTP).",
            offset.total_seconds(),
        )
        return True

    def observe(self, date: datetime | None) -> None:
        """Note how far the hub's clock is from ours, without taking it over."""
        if date is not None:
            self.seen_offset = date - self._clock()


class RecordingHubClient(HubClient):
    """A hub client that keeps what the hub said, per thread, until it is taken for the evidence.

    Every docId that it takes or gives is named for its hub (`qualify_for_hub`), and so are our DocumentIds in the
    hub's list of what it has of ours.

    Args:
        dialect: whom to talk to.
        settings: time-outs and the rest.
        clock: our time, aware UTC.
        authenticator: lets requests pass what stands in front of the hub.
        name: name of the hub.
        telemetry: observes what is sent, asked for and confirmed.
        transports: connections that clients of other agencies use too.

    Attributes:
        time: the time in signed headers, for a dialect that has such.
        capabilities: what the hub can do.
    """

    def __init__(
        self,
        dialect: Dialect,
        settings: ClientSettings,
        *,
        clock: Callable[[], datetime],
        authenticator: Authenticator | None = None,
        name: str = LONE_HUB,
        telemetry: MessagingTelemetry | None = None,
        transports: SharedTransports | None = None,
    ) -> None:
        self.name = name
        self.telemetry = telemetry or MessagingTelemetry(hub=name)
        self.time = HubTime(clock)
        self._own_secrets = (*collect_secrets(dialect), *collect_secrets(authenticator))
        self._local = threading.local()
        self._require_alone: Callable[[], None] = _permit
        self.capabilities = get_capabilities(dialect)
        super().__init__(with_clock(dialect, self.time), settings, authenticator=authenticator, transports=transports)

    @property
    def _secrets(self) -> tuple[str, ...]:
        return self._own_secrets if self._session is None else (*self._own_secrets, *self._session.list_secrets())

    def call(self, make: Callable[P, Flow[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """Make a call as `HubClient.call` does; once more with the hub's time, where the hub refused ours.

        Raises:
            StoreError: another store is used for the agency; nothing was asked.
            EdocError: as of the call.
        """
        self._require_alone()
        try:
            return super().call(make, *args, **kwargs)
        except ClockRejected:
            offset_before = self.time.offset
            if not self.time.learn_offset(self._find_last_date()):
                raise
        try:
            return super().call(make, *args, **kwargs)
        except ClockRejected:
            self.time.offset = offset_before  # a Date with which it refuses us too was not the hub's
            raise

    def guard_calls(self, require_alone: Callable[[], None]) -> None:
        """Have a function called before each call, which may refuse it."""
        self._require_alone = require_alone

    def send(
        self,
        packet: AnyFile,
        *,
        message_type: MessageType,
        sender: str,
        recipients: Sequence[str] = (),
        on_progress: Progress | None = None,
        document_id: str | None = None,
    ) -> SendResult:
        """Hand a packet to the hub; see `Dialect.send`. The DocumentId is for those who observe that."""
        with self.telemetry.observe(Operation.SEND, message_type, document_id=document_id) as observed:
            result = super().send(
                packet, message_type=message_type, sender=sender, recipients=recipients, on_progress=on_progress
            )
            observed.note(message_id=result.doc_id)
        return replace(result, doc_id=self._qualify(result.doc_id)) if self._has_name else result

    def list_waiting(self, message_type: MessageType = MessageType.EDOC) -> tuple[Waiting, ...]:
        """List the packets that wait; see `Dialect.list_waiting`."""
        with self.telemetry.observe(Operation.POLL, message_type) as observed:
            offers = super().list_waiting(message_type)
            observed.note(count=len(offers))
        return self._name_offers(offers)

    def list_since(self, message_type: MessageType, *, since: datetime | None) -> tuple[Waiting, ...]:
        """List what came since a time, from a hub that lists by date."""
        dialect = cast(DatedDialect, self.dialect)
        with self.telemetry.observe(Operation.POLL, message_type) as observed:
            offers = self.call(dialect.list_waiting, message_type, since=since)
            observed.note(count=len(offers))
        return self._name_offers(offers)

    def fetch(self, doc_id: str, to: Path, *, on_progress: Progress | None = None) -> Fetched:
        """Download a packet; see `Dialect.fetch`."""
        own_id = strip_hub(doc_id, self.name)
        with self.telemetry.observe(Operation.FETCH, PACKET, message_id=own_id) as observed:
            fetched = super().fetch(own_id, to, on_progress=on_progress)
            observed.note(size=fetched.size)
        return replace(fetched, doc_id=doc_id) if self._has_name else fetched

    def confirm(self, doc_id: str, outcome: Outcome = Outcome.DONE) -> None:
        """Tell the hub the outcome of a packet; see `Dialect.confirm`."""
        own_id = strip_hub(doc_id, self.name)
        with self.telemetry.observe(Operation.CONFIRM, PACKET, message_id=own_id):
            super().confirm(own_id, outcome)

    def confirm_once(self, doc_id: str, outcome: Outcome) -> None:
        """Confirm a packet without trying again: what waits may be another by then, and be confirmed too."""
        self._require_alone()
        own_id = strip_hub(doc_id, self.name)
        with self.telemetry.observe(Operation.CONFIRM, PACKET, message_id=own_id):
            self.run(self.dialect.confirm(own_id, outcome))

    def sent_state(
        self, message_type: MessageType = MessageType.EDOC, *, doc_id: str | None = None, since: datetime | None = None
    ) -> tuple[SentState, ...]:
        """Ask for the state of packets of ours; see `Dialect.sent_state`."""
        own_id = None if doc_id is None else strip_hub(doc_id, self.name)
        states = super().sent_state(message_type, doc_id=own_id, since=since)
        if not self._has_name:
            return states
        return tuple(
            replace(
                state,
                sender_doc_id=self._qualify(state.sender_doc_id),
                receiver_doc_id=self._qualify(state.receiver_doc_id),
            )
            for state in states
        )

    def has_document(self, *, sender: str, recipients: Sequence[str], code: str) -> bool:
        """Ask whether the hub has a document, of a hub that tells so."""
        dialect = cast(AskingDialect, self.dialect)
        return self.call(dialect.has_document, sender=sender, recipients=recipients, code=code)

    def list_directory_changes(self) -> tuple[AgencyChange, ...]:
        """List what changed in the directory, of a hub that tells so."""
        dialect = cast(ChangingDialect, self.dialect)
        return self.call(dialect.agency_changes)

    def report_status(self, doc_id: str, code: str) -> None:
        """Tell a status by a call, to a hub that takes it so."""
        dialect = cast(ReportingDialect, self.dialect)
        own_id = strip_hub(doc_id, self.name)
        with self.telemetry.observe(Operation.REPORT, MessageType.STATUS, message_id=own_id):
            self.call(dialect.report_status, own_id, code)

    @property
    def _has_name(self) -> bool:
        return self.name != LONE_HUB

    def _qualify(self, doc_id: str) -> str:
        return qualify_for_hub(doc_id, self.name)

    def _name_offers(self, offers: tuple[Waiting, ...]) -> tuple[Waiting, ...]:
        if not self._has_name:
            return offers
        return tuple(replace(offer, doc_id=self._qualify(offer.doc_id)) for offer in offers)

    def clear_exchanges(self) -> None:
        """Forget what was recorded: a new message begins."""
        self._recorded_exchanges.clear()

    def take_exchanges(self) -> list[dict[str, Any]]:
        """Take what the hub said to this thread since, without secrets."""
        exchanges = list(self._recorded_exchanges)
        self._recorded_exchanges.clear()
        return exchanges

    def record_exchanges(self, tx: Tx, machine: StateMachine, key: int) -> None:
        """Enter in the evidence of a row what the hub said to this thread since its message began."""
        for exchange in self.take_exchanges():
            tx.audit_log.record("answer", machine, key, exchange)

    @property
    def _recorded_exchanges(self) -> list[dict[str, Any]]:
        exchanges: list[dict[str, Any]] = self._local.__dict__.setdefault("said", [])
        return exchanges

    def _find_last_date(self) -> datetime | None:
        return parse_http_date(
            next((exchange["date"] for exchange in reversed(self._recorded_exchanges) if exchange.get("date")), "")
        )

    def _perform(self, request: WireRequest) -> WireResponse:
        call = urlsplit(request.url).path.rpartition("/")[2]
        asked_at = self.time().astimezone(UTC).isoformat(timespec="milliseconds")
        exchange = {"call": call, "method": request.method, "asked_at": asked_at}
        exchange |= {"hub": self.name} if self._has_name else {}
        try:
            response = super()._perform(request)
        except TransportError as error:
            self._recorded_exchanges.append({**exchange, "no_answer": type(error).__name__})
            raise
        if not request.is_login:  # which may be another machine's
            self.time.observe(parse_http_date(response.headers.get("date", "")))
        self._recorded_exchanges.append({**exchange, **self._describe_response(request, call, response)})
        return response

    def _describe_response(self, request: WireRequest, call: str, response: WireResponse) -> dict[str, Any]:
        description: dict[str, Any] = {"status": response.status}
        if response.headers.get("date"):
            description["date"] = response.headers["date"][:64]
        if response.saved is not None:  # a packet: its hash stands with the packet
            return description
        if request.is_login or _SECRET_CALL.search(call):
            return description | {"body": _HIDDEN_TEXT}
        description |= {"body_size": len(response.body), "body_sha256": hashlib.sha256(response.body).hexdigest()}
        return description | ({} if request.unwrap_rest is not None else self._describe_body(response.body))

    def _describe_body(self, body: bytes) -> dict[str, Any]:
        """Describe a body that is JSON of a moderate size and depth, with what may be a secret left out.

        Of any other the hash says enough: what hears for the evidence may never end what the answer was asked for.
        """
        if not body or len(body) > _MAX_BODY_BYTES:
            return {}
        try:
            value = parse_strict_json(body)
        except NotJsonError:
            return {}
        return {"body": self._without_secrets(value)}

    def _without_secrets(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                _as_storable(name): _HIDDEN_TEXT if _SECRET_NAME.search(name) else self._without_secrets(item)
                for name, item in value.items()
            }
        if isinstance(value, list):
            return [self._without_secrets(item) for item in value]
        if isinstance(value, str):
            return _HIDDEN_TEXT if any(secret in value for secret in self._secrets) else _as_storable(value)
        return value


def _permit() -> None:
    """Permit every call."""


def _as_storable(text: str) -> str:
    return text if text.isascii() and "\0" not in text else replace_unstorable(text)
