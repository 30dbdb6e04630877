"""The subject of checks: an agency's settings, and its connector where that could be opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ...config import Settings
from ...errors import EdocError
from ...signing import KeyStatus
from .._context import ConnectorContext
from ..operations import SpoolFault
from .survey import HubSurveys


class NotOpened(Exception):
    """The connector could not be opened, and what was asked for is a part of it."""


def _refuse() -> Sequence[SpoolFault]:
    raise NotOpened


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An agency whose conditions are looked at.

    Args:
        settings: its settings.
        opened: what the parts of its connector share; None where that could not be opened.
        read_keys: reads the status of each key that signs; of none where packets go out unsigned.
        read_faults: compares the spool with the store.
        opening_error: why the connector could not be opened.
        surveys: what was seen of its hubs.
    """

    settings: Settings
    opened: ConnectorContext | None = None
    read_keys: Callable[[], Sequence[KeyStatus]] = field(default=tuple, repr=False)
    read_faults: Callable[[], Sequence[SpoolFault]] = field(default=_refuse, repr=False)
    opening_error: EdocError | None = None
    surveys: HubSurveys = field(default_factory=HubSurveys, repr=False, compare=False)

    @property
    def agency(self) -> str:
        """Code of the agency."""
        return self.settings.agency.id

    @property
    def context(self) -> ConnectorContext:
        """What the parts of the connector share.

        Raises:
            NotOpened: there is no connector.
        """
        if self.opened is None:
            raise NotOpened
        return self.opened
