"""A document named on the command line: by its id, or by its number and notation, 7816/SNV-VP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InvalidQuery, NotFound

if TYPE_CHECKING:
    from ...connector import Connector

_MAX_SHOWN = 10


def find_sent_id(connector: Connector, name: str) -> str:
    """Find the id of a document that was sent; a name that is no number of one stays as it is.

    Args:
        connector: the connector.
        name: a DocumentId, or number and notation.

    Raises:
        NotFound: several documents have that number; names them.
    """
    return name if _is_sent(connector, name) else _choose(name, _list_sent(connector, name))


def find_any_id(connector: Connector, name: str) -> str:
    """Find the id of a document that was sent or received, as `find_sent_id` does."""
    if _is_sent(connector, name) or _is_received(connector, name):
        return name
    return _choose(name, [*_list_sent(connector, name), *_list_received(connector, name)])


def find_received_id(connector: Connector, name: str) -> str:
    """Find the id of a document that was received, as `find_sent_id` does."""
    return name if _is_received(connector, name) else _choose(name, _list_received(connector, name))


def _is_sent(connector: Connector, name: str) -> bool:
    try:
        connector.delivery(name)
    except NotFound:
        return False
    return True


def _is_received(connector: Connector, name: str) -> bool:
    from ...errors import DocumentIdConflict

    try:
        connector.receipt(name)
    except NotFound:
        return False
    except DocumentIdConflict:
        return True  # whose it is, `--sender` says
    return True


def _list_sent(connector: Connector, name: str) -> list[str]:
    """List new documents with this number: what changes one has its number too."""
    from ...edxml import BusinessType

    try:
        found = connector.deliveries(number=name, limit=_MAX_SHOWN)
    except InvalidQuery:  # no number at all
        return []
    return [one.id for one in found if one.business is BusinessType.NEW] or [one.id for one in found]


def _list_received(connector: Connector, name: str) -> list[str]:
    try:
        found = connector.receipts(number=name, limit=_MAX_SHOWN)
    except InvalidQuery:
        return []
    return [one.id for one in found if one.kind == "new" and one.id] or [one.id for one in found if one.id]


def _choose(name: str, ids: list[str]) -> str:
    distinct = list(dict.fromkeys(ids))
    if len(distinct) > 1:
        listed = "; ".join(distinct)
        raise NotFound(
            f"several documents have the number {name}; give the id of one: {listed}",
            vi=f"có nhiều văn bản mang số {name}; hãy ghi mã của một văn bản: {listed}",
        )
    return distinct[0] if distinct else name
