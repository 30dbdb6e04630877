"""The chain of before is gone, when all of it is in the log; new entries are queued until they have a place."""

from __future__ import annotations

from alembic import op

from edoc_connector.store.log import move_rest

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move what was not moved yet, drop the table, and on a server queue entries that have no place yet."""
    move_rest(op.get_bind())
    op.drop_table("evidence")
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION edoc_queue_entry() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO evidence_unlinked (entry_id, agency) VALUES (NEW.id, NEW.agency); RETURN NULL; END $$"
        )
        op.execute(
            "CREATE TRIGGER evidence_entries_queue AFTER INSERT ON evidence_entries "
            "FOR EACH ROW EXECUTE FUNCTION edoc_queue_entry()"
        )
