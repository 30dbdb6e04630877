"""Tables of the gateway: keys of clients, requests that may be repeated, webhooks and what they are to be told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0016"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)

# What an endpoint may be told of: that a packet came in or was set aside, and every change of a delivery but that
# sending began. Which event that is, and whether the endpoint wants it, is seen when it is told. Subjects are numbers:
# a delivery is 1, a receipt 2.
_MESSAGES = """
INSERT INTO gateway_messages (webhook_id, timeline_id, lane)
SELECT w.id, NEW.id, d.document_id FROM deliveries d JOIN gateway_webhooks w ON w.agency = d.agency
WHERE NEW.subject = 1 AND d.id = NEW.subject_id AND NEW.new <> 'sending' AND w.gone_at IS NULL;
INSERT INTO gateway_messages (webhook_id, timeline_id, lane)
SELECT w.id, NEW.id, COALESCE(r.document_id, r.hub_doc_id)
FROM receipts r JOIN gateway_webhooks w ON w.agency = r.agency
WHERE NEW.subject = 2 AND r.id = NEW.subject_id AND w.gone_at IS NULL
  AND NEW.new IN ('waiting', 'quarantined') AND COALESCE(NEW.old, '') NOT IN ('handling', NEW.new);
"""


def upgrade() -> None:
    """Make the tables, and the trigger that queues messages in the transaction of what they tell."""
    _make_keys()
    _make_requests()
    _make_webhooks()
    _make_messages()
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION edoc_queue_messages() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {_MESSAGES} RETURN NULL; END $$"
        )
        op.execute(
            "CREATE TRIGGER timeline_messages AFTER INSERT ON timeline "
            "FOR EACH ROW EXECUTE FUNCTION edoc_queue_messages()"
        )
    else:
        op.execute(
            "CREATE TRIGGER timeline_messages AFTER INSERT ON timeline "  # noqa: S608  a constant
            f"WHEN EXISTS (SELECT 1 FROM gateway_webhooks) BEGIN {_MESSAGES} END"
        )


def _id_column() -> sa.Column[int]:
    return sa.Column("id", sa.Integer(), autoincrement=True, nullable=False)


def _make_keys() -> None:
    op.create_table(
        "gateway_keys",
        _id_column(),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=True),
        sa.Column("revoked_at", _TIME, nullable=True),
        sa.Column("last_used_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_keys")),
        sa.UniqueConstraint("agency", "key_id", name=op.f("uq_gateway_keys_agency_key_id")),
        sqlite_autoincrement=True,
    )


def _make_requests() -> None:
    op.create_table(
        "gateway_requests",
        _id_column(),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_requests")),
        sa.UniqueConstraint("agency", "key", name=op.f("uq_gateway_requests_agency_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_gateway_requests_created_at"), "gateway_requests", ["created_at"], unique=False)


def _make_webhooks() -> None:
    op.create_table(
        "gateway_webhooks",
        _id_column(),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secrets", sa.Text(), nullable=False),
        sa.Column("events", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("rests_until", _TIME, nullable=True),
        sa.Column("gone_at", _TIME, nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_webhooks")),
        sa.UniqueConstraint("agency", "url", name=op.f("uq_gateway_webhooks_agency_url")),
        sqlite_autoincrement=True,
    )


def _make_messages() -> None:
    states = "state IN ('ready', 'delivered', 'failed', 'unwanted')"
    op.create_table(
        "gateway_messages",
        _id_column(),
        sa.Column("webhook_id", sa.Integer(), nullable=False),
        sa.Column("timeline_id", sa.Integer(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), server_default=sa.text("'ready'"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", _TIME, nullable=True),
        sa.Column("lease_until", _TIME, nullable=True),
        sa.Column("error_text", sa.Text(), nullable=True),
        sa.Column("error_vi", sa.Text(), nullable=True),
        sa.Column("delivered_at", _TIME, nullable=True),
        sa.CheckConstraint(states, name=op.f("ck_gateway_messages_state")),
        sa.ForeignKeyConstraint(["webhook_id"], ["gateway_webhooks.id"], name=op.f("fk_gateway_messages_webhook_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_messages")),
        sa.UniqueConstraint("webhook_id", "timeline_id", name=op.f("uq_gateway_messages_webhook_id_timeline_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_gateway_messages_webhook_id_state_lane_timeline_id"),
        "gateway_messages",
        ["webhook_id", "state", "lane", "timeline_id"],
        unique=False,
    )
