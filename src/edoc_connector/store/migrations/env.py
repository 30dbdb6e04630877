"""Runs the revisions on the connection that `store.migrate` hands over, inside its transaction."""

from alembic import context

from edoc_connector.store._sql.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
