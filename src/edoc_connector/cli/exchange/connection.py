"""A connector opened for one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..configuration import load_settings
from ..errors import name_commands
from ..output import say, show_progress, warn_of_settings

if TYPE_CHECKING:
    from ...connector import Connector


@contextmanager
def open_connector(config: Path, agency: str | None, label: object = "…") -> Iterator[Connector]:
    """Open a connector for one command, with a bar for large packets; warn of what its settings leave open.

    Args:
        config: the configuration file.
        agency: `--agency`; needed where the configuration has several agencies.
        label: the words beside the bar.
    """
    from ...connector import Connector

    settings = load_settings(config, agency)
    warn_of_settings(settings.list_warnings())
    with show_progress(label) as on_progress, Connector.open(settings, on_progress=on_progress) as connector:
        yield connector


def warn_queued(connector: Connector) -> int:
    """Send the queued statuses; warn of those that could not leave and stay queued, and return their number."""
    errors = connector.flush().errors
    for error in errors:
        say(
            f"queued, not sent yet: {name_commands(error.full)}",
            f"đã xếp hàng, chưa gửi được: {name_commands(error.full_vi)}",
            err=True,
        )
    return len(errors)
