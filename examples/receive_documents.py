"""Receive what waits at the hub and save it: python receive_documents.py edoc.toml inbox"""

from __future__ import annotations

import sys
from pathlib import Path

import edoc_connector as edoc
from edoc_connector.edxml import distinct, safe_name


def save(receipt: edoc.Receipt, inbox: Path) -> None:
    """Keep the attachments in a folder of the document's own, under names that are safe on any file system."""
    folder = inbox / safe_name(receipt.document.id)
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    for attachment in receipt.attachments:
        attachment.save(folder / distinct(safe_name(attachment.name), taken))


def main(settings: str, inbox: str) -> None:
    """Poll once; every new document is saved, then accepted or rejected."""
    with edoc.Connector.open(settings) as connector:
        for receipt in connector.receive():
            with receipt:  # an exception in here leaves the document waiting at the hub
                save(receipt, Path(inbox))
            print(receipt.document.id, receipt.document.subject, receipt.verification.status.name)
            if receipt.business is not edoc.BusinessType.NEW:
                print(
                    f"a {receipt.kind} of {receipt.sender} waits for a clerk: agree_change() or refuse_change(reason)"
                )
            elif receipt.attachments:
                receipt.accept()
            else:
                receipt.reject("Văn bản không có tệp đính kèm")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
