"""Loss of a database: what shows that there was one where there is none, before a new one is made in its place.

A new database would know nothing of what was sent, received and confirmed, and nobody would notice. And SQLite removes
the log of a file that is gone, which holds what was committed last.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from ...errors import StoreError
from .._sql import find_database_file, make_engine, translate_driver_errors
from ..migrate import read_store_revision
from ..spool import Spool
from ..state_machine import MACHINES
from .identity import Identity

if TYPE_CHECKING:
    from ..transaction import Tx


def require_never_there(engine: Engine, spool: Spool) -> None:
    """Require that a database which is not there, or is empty, was never used.

    Args:
        engine: the database.
        spool: the packets of the agency that is to use it.

    Raises:
        StoreError: its log or packets of the agency are there; says what to do.
    """
    path = find_database_file(engine)
    with translate_driver_errors():
        trace = (None if path is None else _find_lone_log(path)) or spool.find_own_packet()
    if trace is None:
        return
    place = path if path is not None else engine.url.database
    raise StoreError(
        f"there is no store in {place}, but there was one: {trace} is still there. The database was deleted or moved, "
        "or [store] url names another one. Put it back (a file of SQLite together with its -wal file), or restore a "
        f"backup (edoc restore). To begin with an empty store, move what is left of the old one away: {trace}, and "
        f"the spool {spool.root}.",
        vi=f"Không có kho dữ liệu tại {place} dù trước đây đã có: vẫn còn {trace}. Cơ sở dữ liệu đã bị xóa, bị chuyển "
        "đi, hoặc [store] url ghi nơi khác. Hãy đặt lại cơ sở dữ liệu (tệp SQLite kèm tệp -wal) hoặc khôi phục bản "
        f"sao lưu (edoc restore). Nếu muốn bắt đầu với kho trống, hãy chuyển những gì còn lại của kho cũ đi nơi khác: "
        f"{trace} và kho tạm {spool.root}.",
    )


def require_known(tx: Tx, spool: Spool, *, owner: str, place: str) -> None:
    """Require that a store which others may have made anew has something of an agency, or never had.

    Args:
        tx: a transaction that reads.
        spool: the packets of the agency that is to use it.
        owner: the agency.
        place: where the store is, for the error.

    Raises:
        StoreError: it has nothing of the agency, whose packets are older than the store; says what to do.
    """
    if any(tx.transitions.has_rows(machine, owner) for machine in MACHINES):
        return
    packet = spool.find_own_packet(before=Identity(tx).read().created_at)
    if packet is None:
        return
    raise StoreError(
        f"the store in {place} has nothing of {owner}, but there was one that had: {packet} is older than it. The "
        "database was deleted or replaced, and another program made it anew, or [store] url names another one. Stop "
        "the programs that use it, and put the old one back or restore a backup (edoc restore). To go on with this "
        f"one, move what is left of the old one away: the packets of {owner} in the spool {spool.root}.",
        vi=f"Kho dữ liệu tại {place} không có gì của {owner} dù trước đây đã có: {packet} cũ hơn kho này. Cơ sở dữ "
        "liệu đã bị xóa hoặc thay thế rồi được chương trình khác tạo lại, hoặc [store] url ghi nơi khác. Hãy dừng các "
        "chương trình đang dùng, đặt lại cơ sở dữ liệu cũ hoặc khôi phục bản sao lưu (edoc restore). Nếu muốn dùng "
        f"tiếp kho này, hãy chuyển các gói tin của {owner} trong kho tạm {spool.root} đi nơi khác.",
    )


def require_not_lost(url: str, *, spool: Path, owner: str) -> None:
    """Require that a database has a store, or never had one.

    Args:
        url: as for `Store.open`.
        spool: folder of the packets.
        owner: the agency that is to use it.

    Raises:
        StoreError: see `require_never_there`; or it cannot be opened.
    """
    if not spool.is_dir() or read_store_revision(url) is not None:
        return
    engine = make_engine(url)
    try:
        require_never_there(engine, Spool(spool, owner=owner))
    finally:
        engine.dispose()


def _find_lone_log(path: Path) -> Path | None:
    """Find the log of a file of SQLite that is not there itself."""
    log_file = path.with_name(f"{path.name}-wal")
    return log_file if not path.exists() and log_file.exists() and log_file.stat().st_size else None
