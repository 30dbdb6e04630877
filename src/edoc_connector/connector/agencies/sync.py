"""Taking over the hub's directory: as a whole, or what changed in it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from ..._core import get_logger
from ...edxml import VIETNAM
from ...errors import CallNotSupported
from ...hubs import Agency, AgencyChange, name_directory
from ...store import DirectoryDifference, DirectoryEntry
from .._context import ConnectorContext
from .messages import build_shrunken_error
from .records import AgencySync

log = get_logger("edoc_connector.connector.agencies")

_WHOLE_EVERY = timedelta(days=7)  # changes tell no other codes, and a hub may have told one wrong


def sync_agencies(context: ConnectorContext, *, whole: bool | None = None, accept_loss: bool = False) -> AgencySync:
    """Take over the hub's directory.

    Args:
        context: the hub and the store.
        whole: whether as a whole; left out, by its changes where the hub tells them and the whole was taken over in the
            last days.
        accept_loss: whether a directory that lost most of its agencies is believed.

    Raises:
        ProtocolError: it lost most of its agencies; nothing was changed.
        EdocError: the hub did not give it; the one in the store stays as it was.
    """
    context.hub.clear_exchanges()
    tells_changes = context.capabilities.tells_directory_changes
    with context.store.snapshot() as tx:
        is_due = tx.directory.needs_whole_list(context.agency, find_source(context), age=_WHOLE_EVERY)
    changes = _list_changes(context) if tells_changes else None
    if changes is not None and not (is_due if whole is None else whole):
        return _take_changes(context, changes)
    return take_whole(context, changes or (), accept_loss=accept_loss)


def take_whole(
    context: ConnectorContext, changes: Iterable[AgencyChange] = (), *, accept_loss: bool = False
) -> AgencySync:
    """Take over the whole directory; arguments and errors as of `sync_agencies`.

    Args:
        context: the hub and the store.
        changes: the changes that the hub tells, for the days on which codes ended.
        accept_loss: whether a directory that lost most of its agencies is believed.
    """
    entries = [_build_entry(agency) for agency in context.hub.agencies()]
    deleted = [entry for entry in _build_changes(changes) if entry.is_deleted]
    source = find_source(context)
    with context.store.transaction() as tx:
        if not accept_loss and tx.directory.is_doubtful_list(source, len(entries)):
            raise build_shrunken_error(tx.directory.count_listed(source), len(entries))
        return _build_result(tx.directory.take_list(context.agency, source, entries, deleted=deleted), whole=True)


def find_source(context: ConnectorContext) -> str:
    """Find the name of the directory that the agency's hub has; of one without an address it is the agency's alone."""
    return name_directory(context.hub.dialect) or f"agency {context.agency}"


def _list_changes(context: ConnectorContext) -> tuple[AgencyChange, ...] | None:
    try:
        return context.hub.list_directory_changes()
    except CallNotSupported as error:
        log.info("the hub does not tell changes of its directory, so the whole is asked for: %s", error)
        return None


def _take_changes(context: ConnectorContext, changes: Iterable[AgencyChange]) -> AgencySync:
    with context.store.transaction() as tx:
        entries = _build_changes(changes)
        return _build_result(tx.directory.take_changes(context.agency, find_source(context), entries), whole=False)


def _build_entry(agency: Agency) -> DirectoryEntry:
    return DirectoryEntry(
        code=agency.code,
        name=agency.name or agency.code,
        other_code=agency.other_code or None,
        email=agency.mail or None,
        hub_id=agency.id or None,
        parent_id=agency.parent_id or None,
    )


def _build_changes(changes: Iterable[AgencyChange]) -> list[DirectoryEntry]:
    """Build what changes tell, the oldest first; units of agencies are left out, as nothing is sent to them."""
    ordered = sorted(changes, key=lambda change: (_parse_version(change.version), change.modified_text))
    return [_build_change(change) for change in ordered if change.is_agency is not False]


def _build_change(change: AgencyChange) -> DirectoryEntry:
    last_day = change.modified_at.astimezone(VIETNAM).date() if change.deleted and change.modified_at else None
    return DirectoryEntry(
        code=change.code,
        name=change.name or change.code,
        email=change.mail or None,
        hub_id=change.id or None,
        parent_id=change.parent_id or None,
        valid_to=last_day,
        is_deleted=bool(change.deleted),
    )


def _parse_version(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _build_result(difference: DirectoryDifference, *, whole: bool) -> AgencySync:
    return AgencySync(
        agencies=difference.agencies,
        added=difference.added,
        changed=difference.changed,
        ended=difference.ended,
        whole=whole,
    )
