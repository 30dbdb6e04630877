"""People of the desk and their sessions, on both databases; and the person in whose name something is written."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from edoc_connector.store import Store

if TYPE_CHECKING:
    from tests.store.conftest import Clock

SPANS = {"idle": timedelta(minutes=30), "lifetime": timedelta(hours=10)}


def test_sessions_end(store: Store, clock: Clock) -> None:
    """Without use, after their time, when somebody signs out, and with a new role."""
    with store.transaction() as tx:
        tx.desk_users.add("H29.05", name="an", full_name="An", role="clerk", password_hash="x")
        user = tx.desk_users.find("H29.05", "an")
        assert user is not None
        for digest in ("a", "b"):
            tx.desk_users.begin_session(user, digest)

    def find(digest: str, agency: str = "H29.05") -> bool:
        with store.snapshot() as tx:
            return tx.desk_users.find_session(agency, digest, **SPANS) is not None

    assert (find("a"), find("c"), find("a", "G22")) == (True, False, False)
    clock.forward(29 * 60)
    with store.transaction() as tx:
        tx.desk_users.use_session("a")
    clock.forward(29 * 60)
    assert (find("a"), find("b")) == (True, False)
    with store.transaction() as tx:
        tx.desk_users.set_role(user, "leader")
    assert not find("a")
    with store.transaction() as tx:
        tx.desk_users.begin_session(user, "d")
        tx.desk_users.end_session("d")
    assert not find("d")


def test_a_person_goes_before_the_actor_of_a_transaction(store: Store) -> None:
    """What is written inside `acting_as` is the person's; behind it, and without one, it is as before."""
    with store.acting_as("Trần Thị Mai (van.thu)"), store.transaction("H29.05") as tx:
        inside = tx.actor
        tx.desk_users.add("H29.05", name="an", full_name="An", role="clerk", password_hash=None)
    with store.acting_as(None), store.transaction("H29.05") as tx:
        assert (inside, tx.actor) == ("Trần Thị Mai (van.thu)", "H29.05")
    with store.snapshot() as tx:
        facts = [fact for fact in tx.evidence_log.list_facts("H29.05") if fact["kind"] == "desk"]
    assert [(fact["actor"], fact["act"], fact["user"]) for fact in facts] == [("Trần Thị Mai (van.thu)", "added", "an")]
