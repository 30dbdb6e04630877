"""Load the application's handlers by name."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from ..connector import HandlerRegistration, Handlers
from ..errors import ConfigError


def import_handlers(name: str) -> Handlers:
    """Load the handlers that ``module:name`` stands for.

    The name is that of a `Handlers`, of a `Connector` or `AsyncConnector` with handlers, or of a function or coroutine
    function, which is then called with each receipt. The module is looked for in the working directory too.

    Raises:
        ConfigError: there is no such module or name, or it is something else.
    """
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise _build_load_error(name, "write it as module:name", "hãy ghi dạng module:tên")
    working_directory = str(Path.cwd())
    if working_directory not in sys.path:
        sys.path.insert(0, working_directory)
    try:
        target: Any = import_module(module)
    except ModuleNotFoundError as error:
        raise _build_load_error(name, f"there is no module {error.name}", f"không có module {error.name}") from error
    for part in attribute.split("."):
        target = getattr(target, part, None)
    return _as_handlers(name, target)


def _as_handlers(name: str, target: Any) -> Handlers:
    if isinstance(target, Handlers):
        return target
    if isinstance(target, HandlerRegistration):
        return target.handlers
    if callable(target):
        handlers = Handlers()
        handlers.on_receipt(target)
        return handlers
    raise _build_load_error(name, "it is no Handlers, Connector or function", "không phải Handlers, Connector hay hàm")


def _build_load_error(name: str, reason: str, reason_vi: str) -> ConfigError:
    return ConfigError(
        f"the handlers {name!r} cannot be used: {reason}.", vi=f"Không dùng được hàm xử lý {name!r}: {reason_vi}."
    )
