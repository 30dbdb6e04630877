"""The look for agencies with something due, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from edoc_connector.store import DELIVERIES, EDOC, Lease, NewDelivery, Offer, Store, list_due_agencies

if TYPE_CHECKING:
    from tests.store.conftest import Clock

ME = Lease("me", 60)
AGENCIES = ["G22", "H29.05", "H30"]


def look(store: Store, *, hands_over: bool = True) -> set[str]:
    """Look for all agencies."""
    return set(look_closely(store, hands_over=hands_over))


def look_closely(store: Store, *, hands_over: bool = True) -> dict[str, bool]:
    """Look for all agencies, and whether more than a job of the schedule is due for them."""
    with store.snapshot() as tx:
        return list_due_agencies(tx, AGENCIES, ["poll", "watch"], common_job="watch", hands_over=hands_over, tells=True)


def rest_all(store: Store) -> None:
    """Give every agency its jobs, due in an hour."""
    with store.transaction("me") as tx:
        for agency in AGENCIES:
            for job in ("poll", "watch"):
                tx.schedule.ensure_job(agency, job, first_at=tx.now + timedelta(hours=1))


def test_nothing_due_names_nobody(store: Store, clock: Clock) -> None:
    """Agencies that have nothing to do are not named before a job of theirs is due."""
    rest_all(store)
    assert look(store) == set()
    clock.forward(3601)
    assert look(store) == set(AGENCIES)


def test_a_delivery_names_its_agency_alone(
    store: Store, clock: Clock, new_delivery: Callable[..., NewDelivery]
) -> None:
    """What waits to be sent names its agency; not while a worker is at it; again when the lease ran out."""
    rest_all(store)
    with store.transaction("me") as tx:
        tx.deliveries.add(new_delivery())
    assert look(store) == {"H29.05"}
    with store.transaction("me") as tx:
        assert tx.leases.claim(DELIVERIES, ME, agency="H29.05", states=["ready"])
    assert look(store) == set()
    clock.forward(61)
    assert look(store) == {"H29.05"}


def test_jobs_of_the_schedule_are_told_from_the_rest(
    store: Store, clock: Clock, new_delivery: Callable[..., NewDelivery]
) -> None:
    """An agency whose poll alone is due is named as one; one for which something is to be sent too is not."""
    rest_all(store)
    with store.transaction("me") as tx:
        tx.deliveries.add(new_delivery())
    assert look_closely(store) == {"H29.05": True}
    clock.forward(3601)
    assert look_closely(store) == {"G22": False, "H29.05": True, "H30": False}


def test_an_offer_names_its_agency(store: Store) -> None:
    """What a hub offers names the agency that has to download it."""
    rest_all(store)
    with store.transaction("me") as tx:
        tx.receipts.record_offers("G22", [Offer(hub_doc_id="1", message_type=EDOC)])
    assert look(store) == {"G22"}


def test_a_pause_that_is_over_names_its_agency(store: Store, clock: Clock) -> None:
    """The row of a circuit breaker is no job of the schedule; when its pause is over the agency is named too."""
    rest_all(store)
    trouble: dict[str, str | None] = {"error_code": "503", "error_text": "busy", "error_vi": "bận"}
    with store.transaction("me") as tx:
        tx.schedule.postpone_job("H30", "hub", next_at=tx.now + timedelta(seconds=30), error=trouble)
    assert look(store) == set()
    clock.forward(31)
    assert look(store) == {"H30"}
