"""Clients that carry a dialect's calls over HTTP, blocking and async."""

from .client import AsyncHubClient, HubClient
from .transport import ClientSettings

__all__ = ["AsyncHubClient", "ClientSettings", "HubClient"]
