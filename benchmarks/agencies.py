"""Measure the directory of agencies: taking 30,000 codes over, searching them, looking recipients up.

    python benchmarks/agencies.py [URL]

The database is a file of its own, or the one of the URL (``postgresql+psycopg://…``), which must be empty.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edoc_connector.store import DirectoryEntry, Store

CODES = 30_000
AGENCY, HUB = "H29.05", "a hub"
KINDS = (
    "Sở Nội vụ", "Sở Tài chính", "Ủy ban nhân dân xã", "Ủy ban nhân dân phường", "Ban Quản lý dự án",
    "Trung tâm Y tế", "Trường Trung học phổ thông", "Văn phòng Đăng ký đất đai",
)  # fmt: skip
PLACES = (
    "Thạnh Đông",
    "Bình Chánh",
    "Đống Đa",
    "Quảng Nghĩa",
    "Hòa Vang",
    "Long Điền",
    "Cẩm Phả",
    "Đắk Mil",
    "Ea H'leo",
)
SEARCHES = ("12345", "H29.05", "so noi vu", "uy ban nhan dan xa dong", "u", "khong co")


def make_entries() -> list[DirectoryEntry]:
    """Make a directory of 63 provinces, with both codes of each agency."""
    entries = []
    for number in range(CODES):
        province, office, unit = number % 63 + 1, number // 63 % 30, number // 1890
        entries.append(
            DirectoryEntry(
                code=f"H{province:02}.{office:02}.{unit:02}",
                name=f"{KINDS[number % len(KINDS)]} {PLACES[number % len(PLACES)]} {number}",
                other_code=f"{unit:03}.{office:02}.00.H{province:02}",
                hub_id=str(number),
                parent_id=str(number % 63),
            )
        )
    return entries


def measure(label: str, run: Callable[[], object], *, times: int = 1) -> None:
    """Print how long something takes, by the clock and by the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(times):
        run()
    wall, processor = (time.perf_counter() - wall) / times, (time.process_time() - processor) / times
    sys.stdout.write(f"{label:40} {wall * 1000:10.2f} ms {processor * 1000:10.2f} ms of processor\n")


def main() -> None:
    """Measure everything."""
    entries = make_entries()
    renamed = [replace(one, name=f"{one.name} mới") if number % 10 == 0 else one for number, one in enumerate(entries)]
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{folder}/edoc.db"
        with Store.open(url, spool=Path(folder) / "spool") as store:

            def take(listed: list[DirectoryEntry]) -> None:
                with store.transaction() as tx:
                    tx.directory.take_list(AGENCY, HUB, listed)

            def search(text: str) -> None:
                with store.snapshot() as tx:
                    tx.directory.search(AGENCY, text, limit=20)

            def look_up() -> None:
                with store.snapshot() as tx:
                    tx.directory.load(AGENCY, ["H29.05.03"])

            measure(f"take over {CODES} codes", lambda: take(entries))
            measure("again, nothing changed", lambda: take(entries))
            measure(f"again, {CODES // 10} renamed", lambda: take(renamed))
            for text in SEARCHES:
                measure(f"search {text!r}", lambda text=text: search(text), times=20)
            measure("look up a recipient", look_up, times=200)


if __name__ == "__main__":
    main()
