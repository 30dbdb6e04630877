"""Directories that agencies share, lists of their own, the life of codes, and a full-text index."""

from __future__ import annotations

import re
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_WORDS = re.compile(r"[^\W_]+")
_MARKS = re.compile("[\u0300-\u036f]+")
_BARRED = str.maketrans("đĐ", "dD")


def upgrade() -> None:
    """Make the tables, give each agency the directory that it had, and index all."""
    _make_tables()
    _move_rows()
    op.drop_table("directory")
    if op.get_context().dialect.name == "sqlite":
        _make_sqlite_search()
    else:
        op.execute("CREATE INDEX ix_agencies_search ON agencies USING gin (to_tsvector('simple', folded))")


def _make_tables() -> None:
    op.create_table(
        "directories",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("full_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directories")),
        sa.UniqueConstraint("source", name=op.f("uq_directories_source")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "directory_readers",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("directory_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directory_readers")),
        sa.UniqueConstraint("agency", "rank", name=op.f("uq_directory_readers_agency_rank")),
        sa.ForeignKeyConstraint(["directory_id"], ["directories.id"], name=op.f("fk_directory_readers_directory_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_directory_readers_directory_id"), "directory_readers", ["directory_id"])
    op.create_table(
        "agencies",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("directory_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=name != "name") for name in ("other_code", "name", "parent", "email")),
        sa.Column("hub_id", sa.Text(), nullable=True),
        sa.Column("successor", sa.Text(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("active", sa.Boolean(create_constraint=True, name="active"), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agencies")),
        sa.UniqueConstraint("directory_id", "code", name=op.f("uq_agencies_directory_id_code")),
        sa.ForeignKeyConstraint(["directory_id"], ["directories.id"], name=op.f("fk_agencies_directory_id")),
        sqlite_autoincrement=True,
    )
    for column in ("other_code", "successor"):
        op.create_index(op.f(f"ix_agencies_directory_id_{column}"), "agencies", ["directory_id", column])


def _move_rows() -> None:
    """Give each agency a directory of its own; the next time it is taken over it is that of all who read it."""
    connection = op.get_bind()
    was_there = "SELECT DISTINCT agency, 'agency ' || agency AS source FROM directory"
    op.execute(f"INSERT INTO directories (source) SELECT source FROM ({was_there}) AS before")  # noqa: S608  constants
    op.execute(
        "INSERT INTO directory_readers (agency, rank, directory_id) "  # noqa: S608  constants
        f"SELECT before.agency, 1, directories.id FROM ({was_there}) AS before "
        "JOIN directories ON directories.source = before.source"
    )
    op.execute(
        "INSERT INTO agencies (directory_id, code, other_code, name, parent, email, active, folded, updated_at) "
        "SELECT directory_id, code, other_code, name, parent, email, active, '', updated_at "
        "FROM directory JOIN directory_readers ON directory_readers.agency = directory.agency ORDER BY directory.id"
    )
    rows = connection.execute(sa.text("SELECT id, code, other_code, name FROM agencies")).all()
    folded = [{"row": row.id, "folded": _fold(f"{row.code} {row.other_code or ''} {row.name}")} for row in rows]
    if folded:
        connection.execute(sa.text("UPDATE agencies SET folded = :folded WHERE id = :row"), folded)


def _fold(text: str) -> str:
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", text.translate(_BARRED)))
    return " ".join(_WORDS.findall(plain.lower()))


def _make_sqlite_search() -> None:
    """Make the index of FTS5, which reads the folded texts from the table itself; triggers keep it."""
    columns = "folded, content='agencies', content_rowid='id', tokenize='unicode61 remove_diacritics 2'"
    op.execute(f"CREATE VIRTUAL TABLE agency_search USING fts5({columns})")
    op.execute("INSERT INTO agency_search (agency_search) VALUES ('rebuild')")
    remove = "INSERT INTO agency_search (agency_search, rowid, folded) VALUES ('delete', OLD.id, OLD.folded);"
    add = "INSERT INTO agency_search (rowid, folded) VALUES (NEW.id, NEW.folded);"
    changed = "UPDATE OF folded ON agencies WHEN OLD.folded <> NEW.folded"
    for name, event, body in (
        ("add", "INSERT ON agencies", add),
        ("remove", "DELETE ON agencies", remove),
        ("change", changed, f"{remove} {add}"),
    ):
        op.execute(f"CREATE TRIGGER agencies_search_{name} AFTER {event} BEGIN {body} END")
