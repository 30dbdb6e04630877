"""A delivery described for JSON and printed for people."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ..._core import Text
from .. import labels
from ..errors import name_commands
from ..output import format_local_time, print_json, print_table, say

if TYPE_CHECKING:
    from ...connector import Delivery, TimelineEntry


def describe_delivery(delivery: Delivery) -> dict[str, Any]:
    """Describe a delivery for JSON; times are UTC."""
    return {
        "document_id": delivery.id,
        "state": delivery.state.value,
        "business": delivery.business.name.lower(),
        "targets": list(delivery.targets),
        "code": delivery.code,
        "issued_on": delivery.issued_on.isoformat(),
        "subject": delivery.subject,
        "hub_doc_id": delivery.hub_doc_id,
        "created_at": delivery.created_at.isoformat(),
        "sent_at": _format_time(delivery.sent_at),
        "deadline": _format_time(delivery.deadline),
        "expired_at": _format_time(delivery.expired_at),
        "attempts": delivery.attempts,
        "next_attempt_at": _format_time(delivery.next_attempt_at),
        "last_error": delivery.last_error,
        "last_error_vi": delivery.last_error_vi,
        "recipients": [
            {
                "organ_id": one.organ_id,
                "name": one.name,
                "status": one.status and str(one.status),
                "description": one.description,
                "time": _format_time(one.time),
                "learnt_at": _format_time(one.learnt_at),
                "out_of_order": one.out_of_order,
                "undelivered": one.undelivered,
                "refused_at": _format_time(one.refused_at),
                "refusal": one.refusal,
                "refusal_vi": one.refusal_vi,
                "authority": one.authority and one.authority.value,
                "change": one.change and str(one.change),
                "withdrawn": one.withdrawn,
            }
            for one in delivery.recipients
        ],
        "timeline": [_describe_entry(entry) for entry in delivery.timeline],
    }


def _format_time(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _describe_entry(entry: TimelineEntry) -> dict[str, Any]:
    return {
        "time": entry.time.isoformat(),
        "actor": entry.actor,
        "from": entry.from_,
        "to": entry.to,
        "recipient": entry.recipient,
        "detail": entry.detail,
        "detail_vi": entry.detail_vi,
        "stated_at": _format_time(entry.stated_at),
        "authority": entry.authority and entry.authority.value,
    }


def print_delivery(delivery: Delivery, *, as_json: bool = False) -> None:
    """Print a delivery: its timeline, state and last error."""
    if as_json:
        print_json(describe_delivery(delivery))
        return
    print_timeline(delivery)
    state = delivery.state.text
    recipients = Text(*(labels.format_recipients(delivery, attrgetter(language)) for language in ("en", "vi")))
    say(f"state: {state.en}; {recipients.en}", f"tình trạng: {state.vi}; {recipients.vi}")
    if delivery.last_error:
        say(name_commands(delivery.last_error), name_commands(delivery.last_error_vi or ""))


def print_timeline(delivery: Delivery) -> None:
    """Print the timeline of a delivery, in Vietnam time."""
    rows = (
        (format_local_time(one.time), labels.format_actor(one), labels.format_entry(one)) for one in delivery.timeline
    )
    print_table(
        f"{delivery.id} — {delivery.subject}",
        (Text("time", "thời gian"), Text("who", "ai"), Text("what", "việc gì")),
        rows,
    )
