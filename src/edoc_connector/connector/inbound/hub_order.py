"""The order in which a hub says that packets arrived there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter

from ...hubs import Waiting

# Times that hubs and databases write for none, such as 1970 or 9999, are outside of these.
_EARLIEST_CREATION = datetime(2000, 1, 1, tzinfo=UTC)
_CLOCK_TOLERANCE = timedelta(days=1)


def sort_by_creation(offers: Sequence[Waiting], asked_at: datetime) -> list[Waiting]:
    """Sort what a hub lists by the time at which it says that each packet arrived there.

    One without a time that can be true stays behind the one that it is listed after; the same times stay as listed.

    Args:
        offers: the packets, as listed.
        asked_at: when the hub was asked.
    """
    latest = asked_at + _CLOCK_TOLERANCE
    times: list[datetime] = []
    for offer in offers:
        created_at = offer.created_at
        is_true = created_at is not None and _EARLIEST_CREATION <= created_at <= latest
        times.append(created_at if is_true and created_at is not None else times[-1] if times else _EARLIEST_CREATION)
    return [offer for _, offer in sorted(zip(times, offers, strict=True), key=itemgetter(0))]
