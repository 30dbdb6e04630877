"""A survey of an agency's hubs: how far a connection gets, and what the hub says to its first questions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from ..._core import make_lock
from ...client import ConnectionSurvey, survey_connection
from ...config import Settings
from ...errors import EdocError
from ...hubs import Agency, MessageType
from .._context import ConnectorContext

_VALID_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSurvey:
    """What was seen of a hub.

    Args:
        name: of the hub.
        host: of its endpoint.
        connection: how far a connection got.
        error: what the hub answered to its list of what waits, or to the question for its directory; None where all
            is well, or where it was not asked as there is no connection.
        agencies: its directory; None where it has none, or did not give it.
    """

    name: str
    host: str
    connection: ConnectionSurvey
    error: EdocError | None = None
    agencies: tuple[Agency, ...] | None = None


class HubSurveys:
    """The surveys of an agency's hubs, each made when first asked for and kept for a minute. Safe between threads."""

    def __init__(self) -> None:
        self._lock = make_lock()
        self._made_at = float("-inf")
        self._made: Mapping[str, HubSurvey] = {}

    def read(self, settings: Settings, opened: ConnectorContext | None) -> Mapping[str, HubSurvey]:
        """Read the survey of each hub, by its name.

        Raises:
            EdocError: the settings of a connection cannot be used.
        """
        with self._lock:
            if time.monotonic() - self._made_at >= _VALID_SECONDS:
                self._made = {name: _survey(settings, opened, name) for name in settings.hub_sections}
                self._made_at = time.monotonic()
            return self._made


def _survey(settings: Settings, opened: ConnectorContext | None, name: str) -> HubSurvey:
    endpoint = str((settings.hub_sections[name].model_extra or {}).get("endpoint", ""))
    connection = survey_connection(endpoint, settings.client_settings(name))
    if opened is None or connection.failed_at is not None:
        return HubSurvey(name=name, host=connection.host, connection=connection)
    error, agencies = _ask(opened.by_hub[name])
    return HubSurvey(name=name, host=connection.host, connection=connection, error=error, agencies=agencies)


def _ask(context: ConnectorContext) -> tuple[EdocError | None, tuple[Agency, ...] | None]:
    hub = context.hub
    try:
        hub.list_waiting(MessageType.EDOC)
        has_directory = context.capabilities.has_directory
        return None, (hub.agencies() if has_directory else None)
    except EdocError as error:
        return error, None
    finally:
        hub.clear_exchanges()  # about no packet, so for no evidence
