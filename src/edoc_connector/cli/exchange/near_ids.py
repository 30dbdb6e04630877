"""An id that nothing was sent or received under, and those that look like it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ...errors import NotFound

if TYPE_CHECKING:
    from ...connector import Connector

_MAX_NEAR = 3
_NEWEST = 1000  # documents of each direction that are looked through
_MIN_LIKENESS = 0.75


def build_unknown_id_error(connector: Connector, any_id: str) -> NotFound:
    """Build the error for an id that is neither of a document sent nor of one received; it names those like it."""
    near = _find_near(connector, any_id)
    if near:
        names = ", ".join(near)
        return NotFound(
            f"nothing was sent or received under {any_id}. Is it one of these? {names}",
            vi=f"không có văn bản đi hoặc đến với mã {any_id}. Có phải một trong các mã này? {names}",
        )
    return NotFound(
        f"nothing was sent or received under {any_id}: run `edoc receive`, or look for it with `edoc receipts` and "
        "`edoc deliveries`",
        vi=f"không có văn bản đi hoặc đến với mã {any_id}: hãy chạy `edoc receive` hoặc tra bằng `edoc receipts` và "
        "`edoc deliveries`",
    )


def _find_near(connector: Connector, any_id: str) -> list[str]:
    """Find the ids of the newest documents whose text, or whose number and notation, look like what was asked for."""
    ids_by_name: dict[str, dict[str, None]] = {}
    rows = [(one.id, one.code, one.hub_doc_id) for one in connector.deliveries(limit=_NEWEST)]
    rows += [(one.id, one.code, one.hub_doc_id) for one in connector.receipts(limit=_NEWEST)]
    for row in rows:
        for name in filter(None, row):
            ids_by_name.setdefault(_fold(name), {})[row[0] or row[2] or ""] = None
    wanted = _fold(any_id)
    holding = [name for name in ids_by_name if len(wanted) > 2 and wanted in name]
    alike = difflib.get_close_matches(wanted, ids_by_name, n=_MAX_NEAR, cutoff=_MIN_LIKENESS)
    found = {shown: None for name in (*alike, *holding) for shown in ids_by_name[name]}
    return list(found)[:_MAX_NEAR]


def _fold(text: str) -> str:
    return "".join(text.split()).casefold()
