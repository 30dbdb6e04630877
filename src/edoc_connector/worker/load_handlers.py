"""Finding the application's handlers by name."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from ..connector import Handlers
from ..connector.handlers import Handling
from ..errors import ConfigError


def load_handlers(name: str) -> Handlers:
    """The handlers that ``module:name`` stands for.

    The name is that of a `Handlers`, of a `Connector` or `AsyncConnector` with handlers, or of a function or coroutine
    function, which is then called with each receipt. The module is looked for in the working directory too.

    Raises:
        ConfigError: there is no such module or name, or it is something else.
    """
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise _not_found(name, "write it as module:name", "hãy ghi dạng module:tên")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as error:
        raise _not_found(name, f"there is no module {error.name}", f"không có module {error.name}") from error
    for part in attribute.split("."):
        found = getattr(found, part, None)
    return _handlers(name, found)


def _handlers(name: str, found: Any) -> Handlers:
    if isinstance(found, Handlers):
        return found
    if isinstance(found, Handling):
        return found.handlers
    if callable(found):
        made = Handlers()
        made.on_receipt(found)
        return made
    raise _not_found(name, "it is no Handlers, Connector or function", "không phải Handlers, Connector hay hàm")


def _not_found(name: str, why: str, why_vi: str) -> ConfigError:
    return ConfigError(
        f"the handlers {name!r} cannot be used: {why}.", vi=f"Không dùng được bộ xử lý {name!r}: {why_vi}."
    )
