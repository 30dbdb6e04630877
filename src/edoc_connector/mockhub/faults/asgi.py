"""The types of ASGI, and what the hub adds to its scope."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CONNECTION_EXTENSION: Final = (
    "edoc_connector.connection"  # extension of the ASGI scope: an object with close() and abort()
)
CLOCK_EXTENSION: Final = "edoc_connector.clock"  # of the scope: seconds by which the hub's clock is ahead for a request
FAULT_EXTENSION: Final = "edoc_fault"  # of the scope: the fault that the call itself makes, in what the hub says
