"""Search of agencies by the database's own full-text index, over folded codes and names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, case, func, select, text

from ...edxml import OrganId
from .._sql import CompiledStatement
from .folding import fold_words
from .sources import AGENCIES, select_sources

if TYPE_CHECKING:
    from ..transaction import Tx

_MAX_RANKED = 1000  # of so many matches everyone is as good an answer as the next
_MAX_TWICE = 20  # codes that our own list has too

_FOLDED_MATCHES = {
    "sqlite": "agencies.id IN (SELECT rowid FROM agency_search WHERE agency_search MATCH :words)",
    "postgresql": "to_tsvector('simple', agencies.folded) @@ to_tsquery('simple', :words)",
}


def list_matching_codes(tx: Tx, agency: str, wanted: str, *, limit: int) -> list[str]:
    """List codes of agencies each of whose words of code or name begins with a wanted one.

    The very code comes first, then those that have the words in a row, living before ended, short before long names.
    """
    words = fold_words(wanted)
    if not words:
        return []
    dialect = tx.connection.dialect.name
    values = {
        "agency": agency,
        "words": _WRITE_MATCH[dialect](words),
        "phrase": f"%{' '.join(words)}%",
        "wanted": OrganId.parse(wanted).value,
        "most": limit + _MAX_TWICE,
    }
    found = [
        row for statement in (*_EXACT, _build_ranked(dialect)) for row in statement.fetch_all(tx.connection, values)
    ]
    return list(dict.fromkeys(row["code"] for row in found))[:limit]


# words hold letters and digits only, so that neither language of queries can be spoken in them
_WRITE_MATCH: Mapping[str, Callable[[tuple[str, ...]], str]] = {
    "sqlite": lambda words: " ".join(f'"{word}"*' for word in words),
    "postgresql": lambda words: " & ".join(f"{word}:*" for word in words),
}


@cache
def _build_ranked(dialect: str) -> CompiledStatement:
    found = (
        select(AGENCIES.c.code, AGENCIES.c.name, AGENCIES.c.folded, AGENCIES.c.active)
        .where(AGENCIES.c.directory_id.in_(_READ), text(_FOLDED_MATCHES[dialect]))
        .limit(_MAX_RANKED)
        .subquery()
    )
    order = (
        case((found.c.folded.like(bindparam("phrase")), 0), else_=1),
        case((found.c.active, 0), else_=1),
        func.length(found.c.name),
        found.c.code,
    )
    return CompiledStatement(select(found.c.code).order_by(*order).limit(bindparam("most")))


_READ = select_sources(bindparam("agency"))
_EXACT = [
    CompiledStatement(select(AGENCIES.c.code).where(AGENCIES.c.directory_id.in_(_READ), column == bindparam("wanted")))
    for column in (AGENCIES.c.code, AGENCIES.c.other_code)
]
