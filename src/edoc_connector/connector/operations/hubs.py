"""Moving from one hub to another: what is open at each hub, and which of them sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..._core import qualify_for_hub
from ...errors import ConfigError
from ...hubs import MessageType
from ...store import POLL_JOB, HubHoldings, HubRole, HubRows, Tx
from .._context import ConnectorContext
from ..hub_access import BreakerReading, read_breaker


@dataclass(frozen=True, slots=True, kw_only=True)
class HubState:
    """Where an agency stands with one of its hubs.

    Args:
        name: its name; ``hub`` for that of the section ``[hub]``.
        role: what is done with it now.
        configured_role: what the settings say; it counts until somebody decided in the store.
        role_since: since when somebody decided that, UTC; None where the settings say so.
        open: what is open there.
        polled_at: when it gave its list last, UTC; None where it never did.
        poll_failures: how often polls failed in a row since.
        quiet_since: since when it offered and took nothing, and nothing changed its role, UTC.
        is_drained: whether it is emptied only, and nothing was open or came for ``limits.drained_after``: its section
            can go.
        breaker: whether work with it pauses.
    """

    name: str
    role: HubRole
    configured_role: HubRole
    role_since: datetime | None
    open: HubHoldings
    polled_at: datetime | None
    poll_failures: int
    quiet_since: datetime
    is_drained: bool
    breaker: BreakerReading


def read_states(context: ConnectorContext) -> tuple[HubState, ...]:
    """Read where an agency stands with each of its hubs.

    Raises:
        StoreError: the store cannot be read.
    """
    with context.store.snapshot() as tx:
        roles, times = context.choice.read_roles(tx), context.choice.read_times(tx)
        return tuple(_read_state(tx, context, name, roles, times.get(name)) for name in context.by_hub)


def drain(context: ConnectorContext, name: str, *, by: str | None) -> None:
    """Send nothing new over a hub from now on; where it was the one that sends, everything new waits for `switch`.

    Raises:
        ConfigError: there is no such hub, or no other one.
        StoreError: the store cannot be written.
    """
    _require_several(context, name)
    with context.store.transaction(by) as tx:
        tx.hub_roles.replace(context.agency, {**context.choice.read_roles(tx), name: HubRole.DRAIN})


def switch(context: ConnectorContext, name: str, *, by: str | None) -> None:
    """Send everything new over a hub from now on, and empty the others.

    Raises:
        ConfigError: there is no such hub, or no other one.
        StoreError: the store cannot be written.
    """
    _require_several(context, name)
    with context.store.transaction(by) as tx:
        roles = {one: HubRole.ACTIVE if one == name else HubRole.DRAIN for one in context.by_hub}
        tx.hub_roles.replace(context.agency, roles)


def _require_several(context: ConnectorContext, name: str) -> None:
    known = ", ".join(context.by_hub)
    if name not in context.by_hub:
        raise ConfigError(
            f"there is no hub {name} in the settings: known are {known}. Write [hubs.{name}] first, for every program "
            "of the agency.",
            vi=f"Cấu hình không có trục {name}: chỉ có {known}. Hãy ghi mục [hubs.{name}] trước, cho mọi chương trình "
            "của đơn vị.",
        )
    if not context.has_several_hubs:
        raise ConfigError(
            f"the agency has no hub but {name}: write the section [hubs.NAME] of the new one first.",
            vi=f"Đơn vị chỉ có trục {name}: hãy ghi mục [hubs.TÊN] của trục mới trước.",
        )


def _find_last_list(tx: Tx, agency: str, name: str) -> datetime | None:
    """Find when a hub listed packets of both kinds last."""
    times = [tx.schedule.find_listed_until(agency, qualify_for_hub(kind, name)) for kind in MessageType]
    return min((time for time in times if time is not None), default=None) if None not in times else None


def _read_state(
    tx: Tx, context: ConnectorContext, name: str, roles: Mapping[str, HubRole], role_since: datetime | None
) -> HubState:
    rows = HubRows(tx)
    holdings, last_news = rows.count(context.agency, name), rows.find_last_news(context.agency, name)
    poll = tx.schedule.find_job(context.agency, qualify_for_hub(POLL_JOB, name))
    polled_at = _find_last_list(tx, context.agency, name)
    quiet_since = max(filter(None, (role_since, last_news, context.store.identity.created_at)))
    is_quiet = tx.now - quiet_since >= timedelta(seconds=context.limits.drained_after)
    is_answering = polled_at is not None and polled_at >= quiet_since
    return HubState(
        name=name,
        role=roles[name],
        configured_role=context.choice.configured[name],
        role_since=role_since,
        open=holdings,
        polled_at=polled_at,
        poll_failures=0 if poll is None else poll.failures,
        quiet_since=quiet_since,
        is_drained=roles[name] is HubRole.DRAIN and is_answering and is_quiet and not holdings.keeps_hub,
        breaker=read_breaker(tx, context.agency, hub=name),
    )
