"""Connectors of several agencies in one program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from ..config import Settings
from ._shared import SharedResources
from .connector import Connector


@contextmanager
def open_connectors(agencies: Sequence[Settings]) -> Iterator[tuple[Connector, ...]]:
    """Open a connector for each agency; those of several share what can be shared.

    Args:
        agencies: the settings of each.

    Raises:
        ConfigError: settings cannot be used.
        SigningError: what they name as a key is no key's URI.
        StoreError: a store cannot be opened.
    """
    with ExitStack() as stack:
        shared = SharedResources() if len(agencies) > 1 else None
        if shared is not None:
            stack.callback(shared.close)
        yield tuple(stack.enter_context(Connector(settings, shared=shared)) for settings in agencies)
