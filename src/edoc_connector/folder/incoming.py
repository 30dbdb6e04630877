"""Received documents, written for other software: each appears whole, in one step, and once.

A document is written where nobody sees it, then counts as handled in the store, and only then appears, by a renaming.
A program that ends in between leaves it where the next one finds it, and sees in the store what is still to be done.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .._core import Text, get_logger, log_exception
from ..config import FolderSettings
from ..connector import Connector, Receipt, ReceiptState, compute_next_attempt
from ..edxml import VIETNAM, Attachment
from ..errors import AttachmentError, StoreError, find_stored_name
from ..store import ReceiptRow
from .descriptions import describe_received, format_received_csv
from .layout import Layout
from .routing import choose_department
from .shared_files import PART, make_folder, move, remove, write_file, write_json

log = get_logger("edoc_connector.folder")

_FACTS = "document.json"
_UNHANDLED = (ReceiptState.LISTED, ReceiptState.WAITING, ReceiptState.HANDLING)

# A sender's word for what a file is decides nothing but its ending, and only among these.
_ENDINGS = {
    "application/pdf": ".pdf",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/rtf": ".rtf",
    "application/zip": ".zip",
    "application/vnd.rar": ".rar",
    "application/x-7z-compressed": ".7z",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/tiff": ".tif",
    "text/plain": ".txt",
}


class ReceivedDocuments:
    """Writes the documents that came in for an agency.

    Args:
        connector: of the agency.
        layout: the folders.
        settings: the section ``[watch_folder]``.
    """

    def __init__(self, connector: Connector, layout: Layout, settings: FolderSettings) -> None:
        self._connector = connector
        self._layout = layout
        self._settings = settings

    def clean_up(self) -> None:
        """Remove what an earlier program wrote that the store does not count as handled: it is written again.

        Raises:
            OSError: the share does not answer.
            StoreError: the store does not.
        """
        for staged in self._list_staged():
            if not self._is_handled(staged):
                remove(staged)

    def publish(self) -> int:
        """Let appear what is handled; returns how many documents that were.

        Raises:
            OSError: the share does not answer.
            StoreError: the store does not.
        """
        published = 0
        for staged in self._list_staged():
            row = self._find_row(staged)
            if row is not None and self._is_handled(staged):
                self._publish(staged, row)
                published += 1
        return published

    def export(self) -> int:
        """Write the documents that wait, and let them appear; returns how many did.

        Raises:
            OSError: the share does not answer.
            StoreError: the store does not.
        """
        published = self.publish()
        for receipt in self._claim_waiting():
            if self._write(receipt):
                published += self.publish()
        return published

    def _claim_waiting(self) -> Iterator[Receipt]:
        """Claim the documents that wait, each once: one that cannot be written must not be tried for ever."""
        context, last = self._connector.context, 0
        while True:
            with context.store.transaction() as tx:
                row = tx.receipts.claim_next(
                    context.lease,
                    agency=context.agency,
                    state=ReceiptState.WAITING,
                    after_id=last,
                    only_due=True,
                    count_attempt=True,
                )
            if row is None:
                return
            last = row.id
            yield Receipt(context, row, is_claimed=True)  # without an outbox: a worker sends what is queued

    def _write(self, receipt: Receipt) -> bool:
        """Write a document where nobody sees it, and count it as handled; what goes wrong stops no other.

        Raises:
            OSError: the share does not answer.
            StoreError: the store does not.
        """
        try:
            with receipt:
                self._stage_or_give_back(receipt)
        except (OSError, StoreError):
            raise
        except Exception as error:
            log_exception(
                log, logging.ERROR, "docId %s cannot be written to the folder", receipt.hub_doc_id, error=error
            )
            return False
        return True

    def _stage_or_give_back(self, receipt: Receipt) -> None:
        try:
            self._stage(receipt)
        except OSError:
            raise  # the share: it is tried again with the next look
        except Exception as error:
            context, name = self._connector.context, find_stored_name(error)
            with context.store.snapshot() as tx:
                attempts = tx.receipts.get_by_id(receipt.key).attempts
            next_attempt_at = compute_next_attempt(context.limits, attempts, context.store.clock())
            words = Text(f"{name} when it was written to the folder", f"gặp lỗi {name} khi ghi ra thư mục")
            receipt.give_back(words, next_attempt_at=next_attempt_at)
            raise

    def _stage(self, receipt: Receipt) -> None:
        document = receipt.document
        name = f"{receipt.key:010}@{choose_department(self._settings, receipt, document)}"
        part = self._layout.documents / f"{PART}{name}"
        for earlier in (part, self._layout.documents / name):
            if earlier.exists():
                remove(earlier)
        make_folder(part, like=self._layout.root)
        files = self._write_files(receipt.attachments, part)
        facts = describe_received(receipt, document, files)
        write_json(part / _FACTS, facts, like=self._layout.root)
        if self._settings.format != "json":
            write_file(part / "document.csv", format_received_csv(facts), like=self._layout.root)
        move(part, self._layout.documents / name)

    def _write_files(self, attachments: Sequence[Attachment], folder: Path) -> list[dict[str, Any]]:
        """Write files under names of ours; the sender's stand in the description."""
        written = []
        for number, attachment in enumerate(attachments, 1):
            ending = _ENDINGS.get(attachment.detected_type or attachment.content_type or "", ".bin")
            name = f"{number:02}{ending}"
            facts: dict[str, Any] = {"file": name, "name": attachment.name, "content_type": attachment.content_type}
            digest = hashlib.sha256()
            try:
                write_file(folder / name, _tee(attachment, digest), like=self._layout.root)
            except AttachmentError as error:
                facts |= {"file": None, "error": error.full, "error_vi": error.full_vi}
            else:
                facts |= {"size": (folder / name).stat().st_size, "sha256": digest.hexdigest()}
            written.append(facts)
        return written

    def _publish(self, staged: Path, row: ReceiptRow) -> None:
        department = staged.name.partition("@")[2]
        time = row.created_at.astimezone(VIETNAM)
        folder = self._layout.incoming / department
        make_folder(folder, like=self._layout.root)
        move(staged, folder / f"{time:%Y%m%d-%H%M%S}-{row.id}")

    def _list_staged(self) -> list[Path]:
        for path in self._layout.documents.iterdir():
            if path.name.startswith(PART):
                remove(path)
        # shares and desktops leave files of their own everywhere
        return sorted(path for path in self._layout.documents.iterdir() if "@" in path.name and path.is_dir())

    def _is_handled(self, staged: Path) -> bool:
        row = self._find_row(staged)
        return row is not None and row.state not in _UNHANDLED

    def _find_row(self, staged: Path) -> ReceiptRow | None:
        """Find the receipt of a document that was written; None where it is another, as in a restored store."""
        key = staged.name.partition("@")[0]
        facts = json.loads((staged / _FACTS).read_text(encoding="utf-8"))
        with self._connector.context.store.snapshot() as tx:
            rows = tx.receipts.find_all(self._connector.context.agency, id=int(key)) if key.isdigit() else []
        return next((row for row in rows if row.hub_doc_id == facts["hub_doc_id"]), None)


def _tee(attachment: Attachment, digest: Any) -> Iterator[bytes]:
    for piece in attachment.pieces():
        digest.update(piece)
        yield piece
