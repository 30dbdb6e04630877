"""A column for each language, and columns for what a row ever was, which its timeline told until now.

The words of both languages stood in one column, parted by `SEPARATOR`; of a move the Vietnamese cause was known to the
code alone. Every entry says what it said. The evidence is not touched: an entry's bytes are what its hash is of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SEPARATOR = " ‖ "
BATCH_ROWS = 5000

# A copy of the causes in `store.state_machine` as they were: a released revision never changes.
CAUSES: dict[tuple[str, str | None, str], tuple[str, str]] = {
    ("delivery", None, "ready"): (
        "stored, before anything is sent",
        "đã lưu trước khi gửi",
    ),
    ("delivery", "ready", "sending"): (
        "sending began",
        "bắt đầu gửi",
    ),
    ("delivery", "sending", "sent"): (
        "the hub took it",
        "trục đã nhận",
    ),
    ("delivery", "sending", "ready"): (
        "it did not reach the hub; to be tried again",
        "chưa đến được trục, sẽ gửi lại",
    ),
    ("delivery", "sending", "unknown"): (
        "the request left and no usable answer came",
        "đã gửi đi nhưng chưa nhận được trả lời rõ ràng",
    ),
    ("delivery", "sending", "failed"): (
        "the hub refused it for good",
        "trục từ chối hẳn",
    ),
    ("delivery", "unknown", "sent"): (
        "the hub was asked and has it",
        "đã hỏi lại, trục có gói tin",
    ),
    ("delivery", "unknown", "ready"): (
        "the hub was asked twice and does not have it",
        "đã hỏi trục hai lần, trục không có gói tin",
    ),
    ("delivery", "failed", "ready"): (
        "its caller sends it again",
        "đơn vị gửi lại",
    ),
    ("receipt", None, "listed"): (
        "the hub offers it",
        "trục có gói tin chờ nhận",
    ),
    ("receipt", "listed", "waiting"): (
        "downloaded, checked and kept",
        "đã tải về, kiểm tra và lưu",
    ),
    ("receipt", "listed", "handled"): (
        "a status, entered in the delivery it is about",
        "là thông báo trạng thái, đã ghi vào văn bản đi liên quan",
    ),
    ("receipt", "listed", "duplicate"): (
        "a document that is here already came once more",
        "văn bản đã có, đến lần nữa",
    ),
    ("receipt", "listed", "quarantined"): (
        "it cannot be read, or may not be let in",
        "không đọc được hoặc không được phép nhận",
    ),
    ("receipt", "waiting", "handling"): (
        "handed to the application",
        "đã giao cho phần mềm của đơn vị",
    ),
    ("receipt", "handling", "waiting"): (
        "the application did not finish with it; to be offered again",
        "phần mềm của đơn vị chưa xử lý xong, sẽ giao lại",
    ),
    ("receipt", "handling", "handled"): (
        "the application finished with it",
        "phần mềm của đơn vị đã xử lý xong",
    ),
    ("receipt", "handling", "quarantined"): (
        "the application failed on it too often",
        "phần mềm của đơn vị gặp lỗi quá nhiều lần",
    ),
    ("receipt", "handled", "confirmed"): (
        "the hub knows that we have it",
        "trục đã biết đơn vị nhận được",
    ),
    ("receipt", "quarantined", "waiting"): (
        "let in after all, by a person",
        "người phụ trách cho nhận",
    ),
    ("receipt", "quarantined", "listed"): (
        "it is looked at once more",
        "xem xét lại gói tin",
    ),
    ("outgoing", None, "ready"): (
        "queued together with what it reports",
        "đã xếp hàng chờ gửi cùng việc được báo",
    ),
    ("outgoing", "ready", "sending"): (
        "sending began",
        "bắt đầu gửi",
    ),
    ("outgoing", "sending", "sent"): (
        "the hub took it",
        "trục đã nhận",
    ),
    ("outgoing", "sending", "ready"): (
        "it did not reach the hub; to be tried again",
        "chưa đến được trục, sẽ gửi lại",
    ),
    ("outgoing", "sending", "unknown"): (
        "the request left and no usable answer came",
        "đã gửi đi nhưng chưa nhận được trả lời rõ ràng",
    ),
    ("outgoing", "sending", "failed"): (
        "the hub refused it for good",
        "trục từ chối hẳn",
    ),
    ("outgoing", "unknown", "sent"): (
        "the hub was asked and has it",
        "đã hỏi lại, trục có gói tin",
    ),
    ("outgoing", "unknown", "ready"): (
        "the hub was asked twice and does not have it",
        "đã hỏi trục hai lần, trục không có gói tin",
    ),
    ("outgoing", "sent", "ready"): (
        "the hub offers the packet again",
        "trục lại đưa ra gói tin này",
    ),
    ("outgoing", "failed", "ready"): (
        "the hub offers the packet again",
        "trục lại đưa ra gói tin này",
    ),
}

COLUMNS: tuple[tuple[str, sa.Column[Any]], ...] = (
    ("timeline", sa.Column("detail_vi", sa.Text(), nullable=True)),
    ("receipts", sa.Column("verification_vi", sa.Text(), nullable=True)),
    ("deliveries", sa.Column("never_accepted", sa.Boolean(), nullable=False, server_default=sa.true())),
    ("deliveries", sa.Column("was_unknown", sa.Boolean(), nullable=False, server_default=sa.false())),
    ("receipts", sa.Column("was_admitted", sa.Boolean(), nullable=False, server_default=sa.false())),
)

TIMELINE = sa.table("timeline", *map(sa.column, ("id", "subject", "subject_id", "old", "new", "detail", "detail_vi")))
DELIVERIES = sa.table("deliveries", *map(sa.column, ("id", "never_accepted", "was_unknown")))
RECEIPTS = sa.table("receipts", *map(sa.column, ("id", "verification_text", "verification_vi", "was_admitted")))


def upgrade() -> None:
    """Add the columns, and fill them from what is there."""
    for table, column in COLUMNS:
        op.add_column(table, column)
    _mark_rows()
    _rewrite(RECEIPTS, ("verification_text", "verification_vi"), _split_verification)
    _drop_guards()
    _rewrite(TIMELINE, ("detail", "detail_vi"), _split_entry)
    _make_guards()


def _mark_rows() -> None:
    """Mark rows with what they were; certainly never accepted is what was refused each time that it failed."""
    is_in_doubt = _exists("delivery", DELIVERIES, "unknown", "sent")
    failures, refusals = (_count("delivery", DELIVERIES, state) for state in ("failed", "refused"))
    op.execute(sa.update(DELIVERIES).where(sa.or_(is_in_doubt, failures != refusals)).values(never_accepted=sa.false()))
    op.execute(sa.update(DELIVERIES).where(_exists("delivery", DELIVERIES, "unknown")).values(was_unknown=sa.true()))
    op.execute(sa.update(RECEIPTS).where(_exists("receipt", RECEIPTS, "waiting")).values(was_admitted=sa.true()))


def _exists(subject: str, table: sa.TableClause, *states: str) -> sa.ColumnElement[bool]:
    return sa.exists().where(*_match_entries(subject, table, states))


def _count(subject: str, table: sa.TableClause, state: str) -> sa.ScalarSelect[int]:
    count = sa.select(sa.func.count()).select_from(TIMELINE)
    return count.where(*_match_entries(subject, table, [state])).scalar_subquery()


def _match_entries(subject: str, table: sa.TableClause, states: Sequence[str]) -> list[sa.ColumnElement[bool]]:
    return [TIMELINE.c.subject == subject, TIMELINE.c.subject_id == table.c.id, TIMELINE.c.new.in_(states)]


def _rewrite(table: sa.TableClause, names: tuple[str, str], split: Callable[[Any], tuple[str, str]]) -> None:
    """Split the first of two columns into both; the second stays empty where the languages say the same."""
    connection, last_id = op.get_bind(), 0
    setter = (
        sa.update(table)
        .where(table.c.id == sa.bindparam("row_id"))
        .values({names[0]: sa.bindparam("en"), names[1]: sa.bindparam("vi")})
    )
    query = sa.select(table).where(table.c.id > sa.bindparam("last_id"), table.c[names[0]].is_not(None))
    query = query.order_by(table.c.id).limit(BATCH_ROWS)
    while rows := connection.execute(query, {"last_id": last_id}).all():
        words = [(row, *split(row)) for row in rows]
        changes = [
            {"row_id": row.id, "en": en, "vi": vi if vi != en else None}
            for row, en, vi in words
            if vi != en or en != getattr(row, names[0])
        ]
        if changes:
            connection.execute(setter, changes)
        last_id = rows[-1].id


def _split_verification(row: Any) -> tuple[str, str]:
    return _split(row.verification_text)


def _split_entry(row: Any) -> tuple[str, str]:
    """Split an entry's words, and put the move's cause before each, where the entry is about a move."""
    en, vi = _split(row.detail)
    cause, cause_vi = CAUSES.get((row.subject, row.old, row.new), ("", ""))
    if not cause or not en.startswith(cause):
        return en, vi
    remainder = vi.removeprefix(cause).removeprefix(": ")
    return en, f"{cause_vi}: {remainder}" if remainder else cause_vi


def _split(words: str) -> tuple[str, str]:
    """Split words; those that a person wrote are the same in both languages."""
    en, separator, vi = words.partition(SEPARATOR)
    return (en, vi) if separator else (words, words)


def _drop_guards() -> None:
    """Let the entries be changed, once, in this transaction alone."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP TRIGGER timeline_append_only ON timeline")
    else:
        op.execute("DROP TRIGGER timeline_no_update")


def _make_guards() -> None:
    # as revision 0001 made them
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER timeline_append_only BEFORE UPDATE OR DELETE ON timeline "
            "FOR EACH ROW EXECUTE FUNCTION edoc_refuse('the timeline is append-only')"
        )
    else:
        op.execute(
            "CREATE TRIGGER timeline_no_update BEFORE UPDATE ON timeline "
            "BEGIN SELECT RAISE(ABORT, 'the timeline is append-only'); END"
        )
