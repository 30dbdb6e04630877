"""The packages of the extra ``pdf``: the check that they are installed, and a loop for pyHanko's coroutines."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ..errors import ConfigError

T = TypeVar("T")

INSTALL = 'pip install "edoc-connector[pdf]"'


def require_packages(*modules: str) -> None:
    """Check that packages of the extra are installed.

    Args:
        modules: names of their modules.

    Raises:
        ConfigError: one is not installed; the message has the line that installs it.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"signatures in PDF files need {', '.join(missing)}; install it: {INSTALL}",
            vi=f"chữ ký trong tệp PDF cần {', '.join(missing)}; hãy cài đặt: {INSTALL}",
        )


def run_coroutine(start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end, from any thread.

    A loop may be running in this thread, and loops do not nest: the coroutine gets a thread and a loop of its own.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="edoc-pdf") as pool:
        return pool.submit(lambda: asyncio.run(start())).result()
