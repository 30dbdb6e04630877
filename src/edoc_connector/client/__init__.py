"""Clients that carry a dialect's calls over HTTP, blocking and async."""

from .client import AsyncHubClient, HubClient
from .threads import finish_in_thread, run_in_thread
from .transport import ClientSettings

__all__ = ["AsyncHubClient", "ClientSettings", "HubClient", "finish_in_thread", "run_in_thread"]
