"""Checkpoints of the evidence: made on schedule, signed, and kept in the database and in a folder outside it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from .._core import Text, describe_error, get_logger, make_lock
from ..config import EvidenceSettings
from ..errors import (
    EdocError,
    EvidenceError,
    SigningError,
    StoreError,
    describe_system_error,
    describe_system_error_vi,
)
from ..evidence import (
    Checkpoint,
    CheckpointFolder,
    SignedCheckpoint,
    build_checkpoint,
    build_folder_name,
    is_checkpoint_due,
    read_checkpoint,
    sign_checkpoint,
)
from ..signing import Signer, TimeStamping
from ..store import Store, Tx

log = get_logger("edoc_connector.connector.evidence")

LOOK_SECONDS = 2.0
"""How often a process that writes looks whether a checkpoint is due."""
RETRY_SECONDS = 60.0
"""How long it waits after one could not be made or kept."""
_PATIENCE = 2  # times as many entries, or as long, before somebody is told
MAX_KEPT_LEAVES = 1_000_000
"""Leaf hashes that are written with one checkpoint; older ones are left out, as where a folder is new."""


@dataclass(slots=True, kw_only=True)
class CheckpointKeeper:
    """Makes and keeps the checkpoints of one agency.

    Args:
        store: has the log.
        agency: our code.
        get_signer: gives the key; None where nothing is signed.
        timestamping: gives the time-stamps; None where there are none.
        folder: keeps them outside the database; None where none is configured.
        settings: how often.
        problem: why the last one could not be made, or not be kept outside; None where it could.
    """

    store: Store
    agency: str
    get_signer: Callable[[], Signer | None]
    timestamping: TimeStamping | None
    folder: CheckpointFolder | None
    settings: EvidenceSettings
    problem: Text | None = None
    _looks_again_at: float = field(default=0.0, repr=False)
    _lock: threading.Lock = field(default_factory=make_lock, repr=False)

    def keep_if_due(self) -> SignedCheckpoint | None:
        """Keep a checkpoint where one is due, and return it; what goes wrong is a warning, and stops nobody."""
        if time.monotonic() < self._looks_again_at or not self._lock.acquire(blocking=False):
            return None
        try:
            self._looks_again_at = time.monotonic() + LOOK_SECONDS
            self.store.finish_evidence()
            return self.keep() if self.is_due() else None
        except EdocError as error:
            self._warn(error)
            return None
        finally:
            self._lock.release()

    def is_due(self, *, patience: int = 1) -> bool:
        """Tell whether a checkpoint is due: so many entries, or so long, since the last one.

        Args:
            patience: how many times as many, or as long.

        Raises:
            StoreError: the store cannot be read.
        """
        with self.store.snapshot() as tx:
            size, last = tx.evidence_log.read_size(self.agency), tx.evidence_log.read_last_checkpoint(self.agency)
            if last is None:  # a log is young as long as it has none
                last = (0, tx.evidence_log.read_opened_at(self.agency) or tx.now)
            now = tx.now
        return is_checkpoint_due(
            Checkpoint(origin="", size=last[0], root=b"", at=last[1]),
            size=size,
            now=now,
            every=self.settings.entries * patience,
            period=timedelta(seconds=self.settings.interval * patience),
        )

    def find_problem(self) -> Text | None:
        """Find why checkpoints are not made or kept as they should be; None where they are.

        Raises:
            StoreError: the store cannot be read.
        """
        folder = self.folder.path if self.folder is not None else None
        if self.problem is not None:
            return self.problem
        if folder is not None and folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            return Text(f"{folder} cannot be written", f"không ghi được {folder}")
        if folder is not None and not folder.exists() and self._has_checkpoints():
            return Text(f"{folder} is not there", f"thư mục {folder} không tồn tại")
        return Text("one is overdue", "đã quá hạn lập") if self.is_due(patience=_PATIENCE) else None

    def _has_checkpoints(self) -> bool:
        with self.store.snapshot() as tx:
            return tx.evidence_log.read_last_checkpoint(self.agency) is not None

    def keep(self) -> SignedCheckpoint:
        """Make a checkpoint of the log as it is now, and keep it; a folder that cannot be written is a warning.

        Raises:
            SigningError: the key cannot be used.
            StoreError: the store cannot be written.
            EvidenceError: the log has no entries, or hashes are missing.
        """
        self.store.link_evidence(self.agency)
        head, signed = self._read_head()
        if signed is None:
            signer = self.get_signer()
            signed = self._save(self._sign(head, signer), signer.certificates if signer is not None else ())
        self.problem = None
        if self.folder is not None:
            try:
                self._save_outside(self.folder, head.origin)
            except EvidenceError as error:
                self._warn(error)
        return signed

    def _read_head(self) -> tuple[Checkpoint, SignedCheckpoint | None]:
        """Read the head of the log, and the checkpoint that it has already."""
        with self.store.snapshot() as tx:
            size, origin = tx.evidence_log.read_size(self.agency), tx.evidence_log.read_origin(self.agency)
            if origin is None or size == 0:
                raise EvidenceError(
                    "the log of the evidence has no entries yet: send or receive first.",
                    vi="nhật ký bằng chứng chưa có mục nào: hãy gửi hoặc nhận văn bản trước.",
                )
            head = build_checkpoint(tx.evidence_log.open_tree(self.agency, size), origin=origin, at=tx.now)
            return head, tx.evidence_log.find_checkpoint(self.agency, size)

    def _sign(self, head: Checkpoint, signer: Signer | None) -> SignedCheckpoint:
        """Sign a head; where the authority gives no time-stamp, one without is better than none."""
        if self.timestamping is None or signer is None:
            return sign_checkpoint(head, signer)
        try:
            return sign_checkpoint(head, signer, timestamp=self.timestamping)
        except SigningError as error:
            log.warning("a checkpoint of the evidence has no time-stamp: %s", error)
            return sign_checkpoint(head, signer)

    def _save(self, signed: SignedCheckpoint, certificates: Sequence[x509.Certificate]) -> SignedCheckpoint:
        """Save a checkpoint in the database; where another process was faster, its one counts."""
        size = read_checkpoint(signed).size
        with suppress(StoreError), self.store.transaction() as tx:
            if tx.evidence_log.find_checkpoint(self.agency, size) is None:
                tx.evidence_log.save_checkpoint(self.agency, signed, certificates=certificates)
        with self.store.snapshot() as tx:
            saved = tx.evidence_log.find_checkpoint(self.agency, size)
        if saved is None:
            raise StoreError(
                "the checkpoint of the evidence was not saved; see the log.",
                vi="Chưa lưu được điểm kiểm chứng của nhật ký bằng chứng; xem nhật ký chương trình.",
            )
        return saved

    def _save_outside(self, folder: CheckpointFolder, origin: str) -> None:
        """Save every checkpoint that is newer than what the folder has."""
        newest = _find_newest(folder.path / build_folder_name(origin))
        kept = 0
        with self.store.snapshot() as tx:
            if newest is not None:
                kept = self._require_same_log(tx, newest)
            for one in tx.evidence_log.list_checkpoints(self.agency, above=kept - 1):
                first = max(min(kept, one.size), one.size - MAX_KEPT_LEAVES)
                folder.save(
                    one.signed,
                    certificates=one.certificates,
                    first_leaf=first,
                    leaf_hashes=list(tx.evidence_log.read_leaf_hashes(self.agency, first, one.size)),
                )
                kept = max(kept, one.size)

    def _require_same_log(self, tx: Tx, path: Path) -> int:
        """Require that the log goes on from the newest checkpoint that was kept, and return that one's size.

        Raises:
            EvidenceError: it does not, or that one cannot be read.
        """
        try:
            kept = read_checkpoint(SignedCheckpoint(path.read_bytes()))
        except OSError as error:
            raise EvidenceError(
                f"{path} cannot be read: {describe_system_error(error)}.",
                vi=f"không đọc được {path}: {describe_system_error_vi(error)}.",
            ) from error
        size = tx.evidence_log.read_size(self.agency)
        if kept.size > size or tx.evidence_log.open_tree(self.agency, size).compute_root(kept.size) != kept.root:
            raise EvidenceError(
                f"the log does not go on from {path}, which was kept before: it was rewritten, or its database "
                "restored to an older copy. Run edoc fsck, and keep that file.",
                vi=f"nhật ký không nối tiếp điểm kiểm chứng {path} đã lưu trước đó: nhật ký đã bị viết lại hoặc cơ sở "
                "dữ liệu được khôi phục từ bản cũ. Hãy chạy edoc fsck và giữ nguyên tệp này.",
            )
        return kept.size

    def _warn(self, error: EdocError) -> None:
        self.problem = describe_error(error)
        self._looks_again_at = time.monotonic() + RETRY_SECONDS
        log.warning("a checkpoint of the evidence of %s was not kept: %s", self.agency, error)


def _find_newest(folder: Path) -> Path | None:
    """Find the newest checkpoint in the folder of a log; None without any."""
    found = [path for path in folder.glob("*.checkpoint") if path.stem.isascii() and path.stem.isdigit()]
    return max(found, key=lambda path: int(path.stem), default=None)
