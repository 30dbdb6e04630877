"""Dialects by their names in the configuration: our own, and those of other packages by entry point."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..errors import ConfigError
from .dialect import Dialect
from .edocservice import Edocservice
from .lgsp import Lgsp
from .vxp import Vxp

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "edoc_connector.hubs"
"""Group of the entry points by which other packages bring dialects: name to class."""

BUILT_IN: Mapping[str, Callable[..., Dialect]] = MappingProxyType(
    {"vxp": Vxp, "lgsp": Lgsp, "edocservice": Edocservice}
)
"""Dialects that come with the library. No other package can take their names."""


class DialectRegistry(Mapping[str, Callable[..., Dialect]]):
    """Dialects by name. One of another package is imported when it is asked for, not when its name is listed."""

    def __getitem__(self, name: str) -> Callable[..., Dialect]:
        """Give a dialect's class.

        Raises:
            KeyError: there is no dialect of that name.
            ConfigError: the package that brings it cannot be imported.
        """
        if name in BUILT_IN:
            return BUILT_IN[name]
        return _load(_find_entry_points()[name])

    def __contains__(self, name: object) -> bool:
        return name in BUILT_IN or name in _find_entry_points()

    def __iter__(self) -> Iterator[str]:
        return iter({**BUILT_IN, **_find_entry_points()})

    def __len__(self) -> int:
        return len({**BUILT_IN, **_find_entry_points()})


REGISTRY = DialectRegistry()
"""Dialects by their names in the configuration."""


def _find_entry_points() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # a program of one built-in dialect reads no package's metadata

    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def _load(entry: EntryPoint) -> Callable[..., Dialect]:
    try:
        found = entry.load()
    except Exception as error:  # another package's code may fail in any way
        reason = f"{type(error).__name__}: {error}"
    else:
        if callable(found):
            dialect: Callable[..., Dialect] = found
            return dialect
        reason = "it is no class"
    raise ConfigError(
        f"the dialect {entry.name!r} cannot be loaded from {entry.value} ({reason}). Repair or remove the package "
        "that brings it.",
        vi=f"Không nạp được giao thức {entry.name!r} từ {entry.value} ({reason}). Hãy sửa hoặc gỡ gói cung cấp nó.",
    )
