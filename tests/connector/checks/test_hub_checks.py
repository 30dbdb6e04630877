"""Several hubs: each condition is made, found, mended and gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.config import Settings
from edoc_connector.connector import CheckOutcome, Connector
from edoc_connector.errors import ConfigError, OutcomeUnknown
from edoc_connector.mockhub import Fault
from edoc_connector.store import DeliveryState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.checks.conftest import Find
    from tests.connector.conftest import Moving

PASS, WARN, FAIL = CheckOutcome.PASS, CheckOutcome.WARN, CheckOutcome.FAIL


def test_no_hub_sends(moving: Moving, find: Find) -> None:
    """CHK-HUB-NONE-SENDS is raised between `drain_hub` and `switch_hub`."""
    connector = moving("H29.05")
    assert find(connector, "CHK-HUB-NONE-SENDS") is PASS
    connector.drain_hub("hub")
    assert find(connector, "CHK-HUB-NONE-SENDS") is FAIL
    connector.switch_hub("new")
    assert find(connector, "CHK-HUB-NONE-SENDS") is PASS


def test_settings_that_say_otherwise(moving: Moving, find: Find) -> None:
    """CHK-HUB-ROLES is raised until the settings have the roles that somebody decided."""
    connector = moving("H29.05")
    assert find(connector, "CHK-HUB-ROLES") is PASS
    connector.switch_hub("new")
    assert find(connector, "CHK-HUB-ROLES") is WARN
    assert find(moving("H29.05", active="new"), "CHK-HUB-ROLES") is PASS


def test_an_open_message_of_a_hub_that_is_gone(
    moving: Moving, find: Find, hub: RunningHub, new_hub: RunningHub
) -> None:
    """CHK-HUB-FORGOTTEN is raised where the old section was taken away too early; nothing is sent elsewhere."""
    connector = moving("H29.05")
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    with pytest.raises(OutcomeUnknown):
        connector.send(sample_document())
    assert find(connector, "CHK-HUB-FORGOTTEN") is PASS
    connector.close()
    with Connector(_without_old_hub(connector.settings)) as left:
        left.flush()
        assert left.deliveries()[0].state is DeliveryState.UNKNOWN
        assert find(left, "CHK-HUB-FORGOTTEN") is FAIL
        with pytest.raises(ConfigError, match=r"hubs\.hub"):
            left.reconcile()
    assert new_hub.packets() == []
    with moving("H29.05") as again:
        again.flush()
        assert again.deliveries()[0].state is DeliveryState.SENT
        assert find(again, "CHK-HUB-FORGOTTEN") is PASS


def _without_old_hub(settings: Settings) -> Settings:
    names = ("agency", "http", "signing", "receive", "limits", "store")
    values: dict[str, Any] = {name: getattr(settings, name).model_dump(exclude_unset=True) for name in names}
    new = {**settings.hubs["new"].model_dump(exclude_unset=True), "role": "active"}
    return Settings.of(values | {"hubs": {"new": new}}, folder=settings.folder)
