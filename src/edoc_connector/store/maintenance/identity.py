"""Identity of a store: which one it is, how often it was restored, and whether that is caught up with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import column, select, table, update

from ..._core import Text
from ...errors import StoreError
from .._sql import NO_TABLES, TABLES, CompiledStatement
from ..log import read_last_entry
from ..migrate import SCHEMA_REVISION, VERSION_TABLE
from ..rows import StoreIdentity

if TYPE_CHECKING:
    from ..transaction import Tx

_TABLE = TABLES["store_identity"]
_SELECT = CompiledStatement(select(_TABLE).where(_TABLE.c.id == 1))
_SELECT_REVISION = CompiledStatement(select(column("version_num")).select_from(table(VERSION_TABLE)))

_REPLACED = Text(
    "the store was replaced by another one, or restored from a backup, while this program had it open; nothing more "
    "is sent or confirmed. End this program and start it again; after a restore see `edoc restored`.",
    "Kho dữ liệu đã bị thay bằng kho khác hoặc được khôi phục từ bản sao lưu trong khi chương trình đang mở; không gửi "
    "hay xác nhận gì thêm. Hãy dừng rồi chạy lại chương trình; sau khi khôi phục, xem `edoc restored`.",
)
_TURNED_BACK = Text(
    "the store has forgotten what this program wrote to it: an older copy was put in its place by hand. Nothing more "
    "is sent or confirmed. End every program that uses the store, then run `edoc restored --begin`.",
    "Kho dữ liệu đã mất những gì chương trình này từng ghi: có bản cũ được chép đè bằng tay. Không gửi hay xác nhận gì "
    "thêm. Hãy dừng mọi chương trình đang dùng kho rồi chạy `edoc restored --begin`.",
)
_UPGRADED = Text(
    "the store was upgraded by a newer version of the library while this program had it open; nothing more is sent or "
    "confirmed. End this program, install that version and start it again (docs/upgrading.md).",
    "Kho dữ liệu đã được bản thư viện mới hơn nâng cấp trong khi chương trình đang mở; không gửi hay xác nhận gì thêm. "
    "Hãy dừng chương trình, cài bản đó rồi chạy lại (docs/upgrading.vi.md).",
)


@dataclass(slots=True, eq=False)
class Identity:
    """Reads and renews the identity of the store.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def read(self) -> StoreIdentity:
        """Read the identity.

        Raises:
            StoreError: there is none.
        """
        found = _SELECT.fetch_first(self._tx.connection, {})
        if found is None:
            raise StoreError(NO_TABLES.en, vi=NO_TABLES.vi)
        return StoreIdentity.from_row(found)

    def renew(self, *, snapshot_at: datetime) -> StoreIdentity:
        """Give the store, which was restored, a name and an epoch of its own.

        Args:
            snapshot_at: the time of the backup.
        """
        values = {"store": uuid4().hex, "epoch": self.read().epoch + 1, "restored_at": self._tx.now}
        self._tx.connection.execute(update(_TABLE).values(**values, snapshot_at=snapshot_at, finished_at=None))
        return self.read()

    def finish_restore(self) -> None:
        """Note that a restore is caught up with."""
        self._tx.connection.execute(update(_TABLE).values(finished_at=self._tx.now))


@dataclass(slots=True)
class IdentityWatch:
    """Notices that a store which is open was replaced, upgraded, or turned back to what it was before.

    Args:
        identity: what it was when it was opened.
    """

    identity: StoreIdentity
    _last_sequences: dict[str, int] = field(default_factory=dict)
    _refusal: Text | None = None

    @property
    def is_refused(self) -> bool:
        """Whether it was noticed."""
        return self._refusal is not None

    def require_unrefused(self) -> None:
        """Require that nothing was noticed yet: a store that was lost once is not used any more.

        Raises:
            StoreError: it was.
        """
        if self._refusal is not None:
            raise StoreError(self._refusal.en, vi=self._refusal.vi)

    def get_sequence(self, agency: str) -> int:
        """Get the number of the newest entry of evidence as the work of an agency knows it."""
        return self._last_sequences.get(agency, 0)

    def require_same(self, tx: Tx, agency: str, *, known_sequence: int) -> None:
        """Require the store that was opened, with everything that it had.

        Args:
            tx: a transaction.
            agency: whose work asks.
            known_sequence: the number of the newest entry, which only grows, as it was known before the transaction
                began; another thread may know more since.

        Raises:
            StoreError: it is another one, or another version upgraded it.
        """
        found = Identity(tx).read()
        revision = _SELECT_REVISION.fetch_first(tx.connection, {})
        if revision is None or revision["version_num"] != SCHEMA_REVISION:
            self._refusal = _UPGRADED
        if (found.store, found.epoch) != (self.identity.store, self.identity.epoch):
            self._refusal = _REPLACED
        self.identity = found
        sequence = read_last_entry(tx.connection)
        if sequence < known_sequence:
            self._refusal = self._refusal or _TURNED_BACK
        self.require_unrefused()
        self._last_sequences[agency] = max(sequence, self.get_sequence(agency))
