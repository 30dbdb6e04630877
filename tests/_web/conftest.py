"""A browser without script, for programs that have no socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette


@dataclass
class PlainBrowser:
    """Asks an application, and keeps its cookies."""

    app: Starlette
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)

    def ask(self, method: str, path: str, *, follow: bool = True, **options: Any) -> httpx.Response:
        """Make a request, and go where the answer leads."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test", cookies=self.cookies) as client:
                answer = await client.request(method, path, follow_redirects=follow, **options)
                self.cookies = client.cookies
                return answer

        return asyncio.run(send())

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Ask for a page."""
        return self.ask("GET", path, **options)


@pytest.fixture(scope="session")
def browse() -> Callable[[Starlette], PlainBrowser]:
    """Opens a browser at an application."""
    return PlainBrowser
