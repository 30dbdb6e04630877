"""Timelines and long texts take fewer bytes; documents can be held.

Texts that repeat are packed, subjects and times are numbers.

On SQLite what is there is packed too. On a server it would leave each row twice in its table until that is rewritten;
there the texts of before stay as they are, behind a zero byte that says so, and those that come are packed.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

PACKED = {
    "receipts": ("verification_text", "verification_vi", "authority_findings"),
    "outgoing": ("message",),
    "timeline": ("detail", "detail_vi"),
}
SUBJECTS = ("delivery", "receipt", "outgoing")
_NUMBER = "CASE subject " + " ".join(f"WHEN '{name}' THEN {number}" for number, name in enumerate(SUBJECTS, 1)) + " END"
_DICTIONARY = Path(__file__).parents[2] / "_sql" / "dictionaries" / "1.bin"  # which never changes


def upgrade() -> None:
    """Make the table of holds, pack the texts, and number the subjects."""
    _make_holds()
    if op.get_context().dialect.name == "postgresql":
        _upgrade_postgresql()
    else:
        _upgrade_sqlite()


def _make_holds() -> None:
    op.create_table(
        "legal_holds",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_by", sa.Text(), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_holds")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_legal_holds_agency_document_id"), "legal_holds", ["agency", "document_id"], unique=False)


def _upgrade_postgresql() -> None:
    op.drop_constraint(op.f("ck_timeline_subject"), "timeline")
    op.execute(f"ALTER TABLE timeline ALTER COLUMN subject TYPE SMALLINT USING {_NUMBER}")
    op.create_check_constraint(op.f("ck_timeline_subject"), "timeline", "subject IN (1, 2, 3)")
    for table, columns in PACKED.items():
        changes = ", ".join(
            f"ALTER COLUMN {name} TYPE BYTEA USING '\\x00'::bytea || convert_to({name}, 'UTF8')" for name in columns
        )
        op.execute(f"ALTER TABLE {table} {changes}")


def _upgrade_sqlite() -> None:
    driver: Any = op.get_bind().connection.driver_connection
    driver.create_function("edoc_pack", 1, _pack_text, deterministic=True)
    driver.create_function("edoc_micros", 1, _count_microseconds, deterministic=True)
    for table in ("receipts", "outgoing"):
        columns = PACKED[table]
        values = ", ".join(f"{name} = edoc_pack({name})" for name in columns)
        op.execute(f"UPDATE {table} SET {values} WHERE coalesce({', '.join((*columns, 'NULL'))}) IS NOT NULL")  # noqa: S608  constants
    _make_timeline()
    names = "id, subject_id, actor, old, new, recipient, stated_at, authority"
    op.execute(
        f"INSERT INTO timeline_compact ({names}, subject, at, detail, detail_vi) "  # noqa: S608  constants
        f"SELECT {names}, {_NUMBER}, edoc_micros(at), edoc_pack(detail), edoc_pack(detail_vi) FROM timeline ORDER BY id"
    )
    op.drop_table("timeline")
    op.rename_table("timeline_compact", "timeline")
    op.create_index(op.f("ix_timeline_subject_subject_id"), "timeline", ["subject", "subject_id"], unique=False)
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER timeline_no_{event.lower()} BEFORE {event} ON timeline "
            "BEGIN SELECT RAISE(ABORT, 'the timeline is append-only'); END"
        )


def _make_timeline() -> None:
    op.create_table(
        "timeline_compact",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("subject", sa.SmallInteger(), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("old", sa.Text(), nullable=True),
        sa.Column("new", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("detail", sa.LargeBinary(), nullable=False),
        sa.Column("detail_vi", sa.LargeBinary(), nullable=True),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("authority", sa.String(length=16), nullable=True),
        sa.CheckConstraint("subject IN (1, 2, 3)", name=op.f("ck_timeline_subject")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timeline")),
        sqlite_autoincrement=True,
    )


@lru_cache(512)
def _pack_text(text: str | bytes | None) -> bytes | None:
    if text is None or isinstance(text, bytes):
        return text
    plain, deflate = text.encode(), _get_deflater().copy()
    body = deflate.compress(plain) + deflate.flush()
    return b"\x01" + body if len(body) < len(plain) else b"\x00" + plain


@cache
def _get_deflater() -> zlib._Compress:
    return zlib.compressobj(6, zlib.DEFLATED, -14, 5, zdict=_DICTIONARY.read_bytes())


def _count_microseconds(text: str) -> int:
    at = datetime.fromisoformat(text).replace(tzinfo=UTC)
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
