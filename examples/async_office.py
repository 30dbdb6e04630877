"""The same in an asynchronous program: python async_office.py edoc.toml"""

from __future__ import annotations

import asyncio
import sys

import edoc_connector as edoc


async def main(settings: str) -> None:
    """Poll once, accept what came, and show where our own documents stand."""
    async with edoc.AsyncConnector.open(settings) as connector:
        async for receipt in connector.receive():
            async with receipt:
                print("received:", receipt.document.subject)
            await receipt.accept()
        async for delivery in connector.iter_deliveries():
            print("sent:", delivery.id, delivery.state)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
