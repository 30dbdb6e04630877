"""Places of the evidence one by one, as somebody makes them who rewrites the log in the database."""

from __future__ import annotations

from sqlalchemy import Connection, text


def split_runs(connection: Connection) -> None:
    """Make a run of each entry; the guards of the table are gone."""
    rows = connection.execute(text("SELECT agency, first_leaf, first_entry, entries FROM evidence_runs")).all()
    connection.execute(text("DELETE FROM evidence_runs"))
    insert = text("INSERT INTO evidence_runs VALUES (:agency, :leaf, :entry, 1)")
    for agency, leaf, entry, entries in rows:
        for n in range(entries):
            connection.execute(insert, {"agency": agency, "leaf": leaf + n, "entry": entry + n})
