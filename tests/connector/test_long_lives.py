"""A connector that polls for months must not grow by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Office


def test_what_the_hub_said_to_polls_is_not_kept(office: Office, hub: RunningHub) -> None:
    """Only what belongs to a message is for the evidence; the rest is forgotten with the next call (evidence)."""
    connector = office("G22")
    kept = []
    for _ in range(3):
        assert list(connector.receive()) == []
        connector.sync_directory()
        connector.flush()
        kept.append(len(connector.context.hub._recorded_exchanges))
    assert kept[-1] == kept[0] <= 1
