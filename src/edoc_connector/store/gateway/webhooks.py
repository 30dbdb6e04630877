"""Webhooks: endpoints that are told of events, and the messages to each, in the order of the timeline.

A trigger of the database adds the messages in the transaction of what they tell. A message waits until the one before
it about the same document arrived, or was given up.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, or_, select, update

from ..._core import Labelled, Text, label_members
from .._sql import TABLES
from ..rows import TableRow
from .changes import ChangeRow, Changes

if TYPE_CHECKING:
    from ..transaction import Tx

_WEBHOOKS, _MESSAGES = TABLES["gateway_webhooks"], TABLES["gateway_messages"]
_TIMELINE = TABLES["timeline"]


@label_members(
    {
        "ready": Text("to be told", "chờ gửi"),
        "delivered": Text("told", "đã gửi"),
        "failed": Text("given up", "không gửi được"),
        "unwanted": Text("not wanted", "không đăng ký"),
    }
)
class MessageState(Labelled, StrEnum):
    """Where a message stands: to be told, told, given up, or of an event that the endpoint does not want."""

    READY = "ready"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNWANTED = "unwanted"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRow(TableRow):
    """An endpoint."""

    agency: str
    url: str
    secrets: str
    events: str | None
    failures: int
    rests_until: datetime | None
    gone_at: datetime | None
    created_at: datetime

    @property
    def secret_references(self) -> tuple[str, ...]:
        """References to the secrets that sign, the current one first."""
        return tuple(json.loads(self.secrets))

    @property
    def event_names(self) -> list[str] | None:
        """Names of the events that are wanted; None for all."""
        return None if self.events is None else list(json.loads(self.events))

    def wants(self, event: str) -> bool:
        """Whether it is to be told of events of a name."""
        return self.event_names is None or event in self.event_names


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow(TableRow):
    """A message to an endpoint."""

    webhook_id: int
    timeline_id: int
    lane: str
    state: str
    attempts: int
    next_attempt_at: datetime | None
    lease_until: datetime | None
    error_text: str | None
    error_vi: str | None
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class DueMessage:
    """A message that was claimed, with its endpoint and what it tells."""

    message: MessageRow
    webhook: WebhookRow
    change: ChangeRow


@dataclass(slots=True, eq=False)
class Webhooks:
    """Keeps endpoints, and the messages to them.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def add(
        self, agency: str, url: str, *, secrets: Sequence[str], events: Collection[str] | None
    ) -> WebhookRow | None:
        """Add an endpoint, which is told of what happens from now on; None where the agency has it already.

        Args:
            agency: code of the agency.
            url: the endpoint.
            secrets: references to the secrets that sign.
            events: names of the events that are wanted; None for all.
        """
        if any(row.url == url for row in self.list_all(agency)):
            return None
        values = {
            "agency": agency,
            "url": url,
            "secrets": json.dumps(list(secrets)),
            "events": None if events is None else json.dumps(sorted(events)),
            "created_at": self._tx.now,
        }
        row = self._tx.connection.execute(insert(_WEBHOOKS).values(values).returning(_WEBHOOKS)).mappings().one()
        return WebhookRow.from_row(row)

    def list_all(self, agency: str) -> list[WebhookRow]:
        """List the endpoints of an agency."""
        query = select(_WEBHOOKS).where(_WEBHOOKS.c.agency == agency).order_by(_WEBHOOKS.c.id)
        return [WebhookRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]

    def find(self, agency: str, webhook_id: int) -> WebhookRow | None:
        """Find an endpoint of an agency."""
        return next((row for row in self.list_all(agency) if row.id == webhook_id), None)

    def remove(self, row: WebhookRow) -> None:
        """Remove an endpoint, and what it was not told yet."""
        self._tx.connection.execute(delete(_MESSAGES).where(_MESSAGES.c.webhook_id == row.id))
        self._tx.connection.execute(delete(_WEBHOOKS).where(_WEBHOOKS.c.id == row.id))

    def count_by_state(self, row: WebhookRow) -> dict[str, int]:
        """Count the messages to an endpoint by state."""
        query = select(_MESSAGES.c.state, func.count()).where(_MESSAGES.c.webhook_id == row.id)
        return {
            str(state): int(count) for state, count in self._tx.connection.execute(query.group_by(_MESSAGES.c.state))
        }

    def list_messages(self, row: WebhookRow, *, state: MessageState | None, limit: int) -> list[DueMessage]:
        """List the newest messages to an endpoint, in a state or in any."""
        query = select(_MESSAGES).where(_MESSAGES.c.webhook_id == row.id)
        if state is not None:
            query = query.where(_MESSAGES.c.state == state)
        newest = query.order_by(_MESSAGES.c.timeline_id.desc()).limit(limit)
        found = [MessageRow.from_row(one) for one in self._tx.connection.execute(newest).mappings()]
        return self._join(found, {row.id: row})

    def replay(self, row: WebhookRow, *, since: datetime | None, numbers: Collection[int] | None) -> int:
        """Tell an endpoint once more what it was told, or what was given up; and all at once what waits.

        Args:
            row: the endpoint.
            since: only what happened then or later.
            numbers: only these entries of the timeline.

        Returns:
            How many messages are told again.
        """
        where: list[ColumnElement[bool]] = [
            _MESSAGES.c.webhook_id == row.id,
            _MESSAGES.c.state != MessageState.UNWANTED,
        ]
        if since is not None:
            happened = select(_TIMELINE.c.id).where(_TIMELINE.c.at >= since)
            where.append(_MESSAGES.c.timeline_id.in_(happened))
        if numbers is not None:
            where.append(_MESSAGES.c.timeline_id.in_(sorted(numbers)))
        values = {"state": MessageState.READY, "attempts": 0, "next_attempt_at": None, "lease_until": None}
        self._set_webhook(row, failures=0, rests_until=None, gone_at=None)
        return self._tx.connection.execute(update(_MESSAGES).where(*where).values(values)).rowcount

    def claim_due(self, agency: str, *, lease: timedelta, limit: int) -> list[DueMessage]:
        """Claim messages that are due, no two about one document to one endpoint, for as long as the lease runs."""
        hooks = {row.id: row for row in self.list_all(agency) if row.gone_at is None and self._is_awake(row)}
        if not hooks:
            return []
        query = select(_MESSAGES).where(*self._match_due(hooks)).order_by(_MESSAGES.c.timeline_id).limit(limit)
        rows = [MessageRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]
        return self._join([row for row in rows if self._claim(row, lease)], hooks)

    def _is_awake(self, row: WebhookRow) -> bool:
        return row.rests_until is None or row.rests_until <= self._tx.now

    def _match_due(self, webhook_ids: Collection[int]) -> list[ColumnElement[bool]]:
        earlier = _MESSAGES.alias("earlier")
        is_blocked = exists().where(
            earlier.c.webhook_id == _MESSAGES.c.webhook_id,
            earlier.c.state == MessageState.READY,
            earlier.c.lane == _MESSAGES.c.lane,
            earlier.c.timeline_id < _MESSAGES.c.timeline_id,
        )
        return [
            _MESSAGES.c.webhook_id.in_(sorted(webhook_ids)),
            _MESSAGES.c.state == MessageState.READY,
            self._has_passed(_MESSAGES.c.next_attempt_at),
            self._has_passed(_MESSAGES.c.lease_until),
            ~is_blocked,
        ]

    def _has_passed(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        return or_(column.is_(None), column <= self._tx.now)

    def _claim(self, row: MessageRow, lease: timedelta) -> bool:
        is_free = and_(_MESSAGES.c.state == MessageState.READY, self._has_passed(_MESSAGES.c.lease_until))
        query = update(_MESSAGES).where(_MESSAGES.c.id == row.id, is_free)
        return self._tx.connection.execute(query.values(lease_until=self._tx.now + lease)).rowcount == 1

    def _join(self, rows: Sequence[MessageRow], hooks: dict[int, WebhookRow]) -> list[DueMessage]:
        changes = Changes(self._tx).load([row.timeline_id for row in rows]) if rows else {}
        return [DueMessage(row, hooks[row.webhook_id], changes[row.timeline_id]) for row in rows]

    def record_unwanted(self, row: MessageRow) -> None:
        """Record that a message is of an event that its endpoint does not want."""
        self._set_message(row, state=MessageState.UNWANTED, lease_until=None)

    def record_delivered(self, due: DueMessage) -> None:
        """Record that an endpoint took a message."""
        values = {"state": MessageState.DELIVERED, "delivered_at": self._tx.now, "error_text": None, "error_vi": None}
        self._set_message(due.message, attempts=due.message.attempts + 1, lease_until=None, **values)
        self._set_webhook(due.webhook, failures=0, rests_until=None)

    def record_failure(
        self, due: DueMessage, error: Text, *, next_attempt_at: datetime | None, rests_until: datetime | None = None
    ) -> None:
        """Record that an endpoint did not take a message.

        Args:
            due: the message.
            error: what was wrong.
            next_attempt_at: when it is tried again; None where it is given up.
            rests_until: when the endpoint is told of anything again, where it is the endpoint that fails.
        """
        state = MessageState.FAILED if next_attempt_at is None else MessageState.READY
        values = {"state": state, "next_attempt_at": next_attempt_at, "error_text": error.en, "error_vi": error.vi}
        self._set_message(due.message, attempts=due.message.attempts + 1, lease_until=None, **values)
        if rests_until is not None:
            self._set_webhook(due.webhook, failures=_WEBHOOKS.c.failures + 1, rests_until=rests_until)

    def record_gone(self, row: WebhookRow) -> None:
        """Record that an endpoint wants to be told nothing more."""
        self._set_webhook(row, gone_at=self._tx.now)

    def _set_message(self, row: MessageRow, **values: Any) -> None:
        self._tx.connection.execute(update(_MESSAGES).where(_MESSAGES.c.id == row.id).values(values))

    def _set_webhook(self, row: WebhookRow, **values: Any) -> None:
        self._tx.connection.execute(update(_WEBHOOKS).where(_WEBHOOKS.c.id == row.id).values(values))
