"""Talk to a hub without a store: EDOC_HUB_SECRET=… python hub_client.py https://hub.example.gov.vn H29.05"""

from __future__ import annotations

import os
import sys

import edoc_connector as edoc


def main(endpoint: str, system_id: str) -> None:
    """List the hub's directory and what waits for us."""
    hub = edoc.Vxp(endpoint=endpoint, system_id=system_id, secret=os.environ["EDOC_HUB_SECRET"])
    with edoc.HubClient(hub) as client:
        for agency in client.agencies():
            print(agency.code, agency.name)
        for waiting in client.list_waiting():
            print("waiting:", waiting.doc_id, "from", waiting.sender)


if __name__ == "__main__":
    if len(sys.argv) < 3 or "EDOC_HUB_SECRET" not in os.environ:
        sys.exit(__doc__)
    main(*sys.argv[1:])
