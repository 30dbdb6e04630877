"""Endpoints: added, listed, removed and told once more, by a person at the machine."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from ...config import SecretRef
from ...errors import ConfigError, InvalidQuery, NotFound, StoreError
from ...store import DueMessage, MessageState, Tx, WebhookRow
from ..events import EVENTS
from ..offices import Office
from .signature import parse_secret
from .targets import require_url

_MAX_SHOWN = 100


@dataclass(frozen=True, slots=True)
class WebhookReport:
    """An endpoint, and how many messages are in each state."""

    row: WebhookRow
    counts: dict[str, int]


def add_webhook(office: Office, url: str, *, secrets: Sequence[str], events: Collection[str] | None) -> WebhookRow:
    """Add an endpoint, which is told of what happens from now on.

    Args:
        office: the agency.
        url: the endpoint.
        secrets: references to the secrets that sign, the current one first.
        events: names of the events that are wanted; None for all.

    Raises:
        ConfigError: the URL may not be one, or a reference leads to no secret.
        InvalidQuery: there is no such event.
        StoreError: the agency has the endpoint already.
    """
    require_url(url, office.settings.gateway.webhooks)
    load_secrets(office, secrets)
    unknown = sorted(set(events or ()) - set(EVENTS))
    if unknown:
        known = ", ".join(EVENTS)
        raise InvalidQuery(
            f"there is no event {unknown[0]}: these are {known}.", vi=f"Không có sự kiện {unknown[0]}: chỉ có {known}."
        )
    with office.store.transaction() as tx:
        row = tx.webhooks.add(office.agency, url, secrets=secrets, events=events)
    if row is None:
        raise StoreError("that endpoint is there already.", vi="Địa chỉ này đã được khai báo.")
    return row


def load_secrets(office: Office, references: Sequence[str]) -> list[bytes]:
    """Fetch the secrets of an endpoint.

    Raises:
        ConfigError: a reference is none, or leads to no secret.
    """
    if not references:
        raise ConfigError("a webhook needs the reference of a secret.", vi="Webhook cần tham chiếu tới khóa bí mật.")
    return [_load_secret(office, reference) for reference in references]


def _load_secret(office: Office, reference: str) -> bytes:
    if not SecretRef.is_reference(reference):
        raise ConfigError(
            "a secret is given by reference: env:NAME, file:PATH or cmd:….",
            vi="Khóa bí mật phải ghi bằng tham chiếu: env:TÊN, file:ĐƯỜNG_DẪN hoặc cmd:….",
        )
    found = SecretRef.parse(reference).resolve(office.settings.folder)
    return parse_secret(found.get_secret_value(), reference)


def describe_webhooks(office: Office) -> list[WebhookReport]:
    """Describe the endpoints of an agency."""
    with office.store.snapshot() as tx:
        return [WebhookReport(row, tx.webhooks.count_by_state(row)) for row in tx.webhooks.list_all(office.agency)]


def list_failures(office: Office, webhook_id: int) -> list[DueMessage]:
    """List the newest messages that an endpoint did not take.

    Raises:
        NotFound: there is no such endpoint.
    """
    with office.store.snapshot() as tx:
        row = _require(tx, office, webhook_id)
        failed = tx.webhooks.list_messages(row, state=MessageState.FAILED, limit=_MAX_SHOWN)
        late = tx.webhooks.list_messages(row, state=MessageState.READY, limit=_MAX_SHOWN)
    return failed + [one for one in late if one.message.attempts]


def remove_webhook(office: Office, webhook_id: int) -> WebhookRow:
    """Remove an endpoint, and what it was not told yet.

    Raises:
        NotFound: there is no such endpoint.
    """
    with office.store.transaction() as tx:
        row = _require(tx, office, webhook_id)
        tx.webhooks.remove(row)
    return row


def replay_webhook(
    office: Office, webhook_id: int, *, since: datetime | None = None, numbers: Collection[int] | None = None
) -> int:
    """Tell an endpoint once more, with the same ids, what it was told or what was given up.

    Args:
        office: the agency.
        webhook_id: the endpoint.
        since: only what happened then or later.
        numbers: only events with these ids.

    Returns:
        How many messages are told again.

    Raises:
        NotFound: there is no such endpoint.
    """
    with office.store.transaction() as tx:
        return tx.webhooks.replay(_require(tx, office, webhook_id), since=since, numbers=numbers)


def _require(tx: Tx, office: Office, webhook_id: int) -> WebhookRow:
    row = tx.webhooks.find(office.agency, webhook_id)
    if row is None:
        raise NotFound(
            f"there is no webhook {webhook_id}: `edoc gateway webhooks list` shows them.",
            vi=f"Không có webhook {webhook_id}: xem `edoc gateway webhooks list`.",
        )
    return row
