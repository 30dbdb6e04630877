"""Watched folders, and documents in flight that are taken over from an older connector."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "folder_items",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("taken_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_folder_items")),
        sa.UniqueConstraint("agency", "document_id", name=op.f("uq_folder_items_agency_document_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "folder_positions",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_folder_positions")),
        sa.UniqueConstraint("agency", name=op.f("uq_folder_positions_agency")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "import_batches",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("undone_at", _TIME),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_batches")),
        sa.UniqueConstraint("agency", "name", name=op.f("uq_import_batches_agency_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "imported_documents",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=16), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("register_number", sa.Text()),
        sa.CheckConstraint("subject IN ('delivery', 'receipt')", name=op.f("ck_imported_documents_subject")),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batches.id"], name=op.f("fk_imported_documents_batch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imported_documents")),
        sa.UniqueConstraint("subject", "subject_id", name=op.f("uq_imported_documents_subject_subject_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_imported_documents_batch_id"), "imported_documents", ["batch_id"])
