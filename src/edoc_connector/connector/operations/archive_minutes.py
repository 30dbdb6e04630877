"""Minutes (biên bản) of moving old evidence to a file: which entries, where to, when, by whom and why."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ...edxml import VIETNAM
from ...evidence import Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveMinutes:
    """What minutes of an archive are made of.

    Args:
        agency: code of the agency.
        at: when it was done, UTC.
        by: who did it.
        before: what is older was moved.
        first: number of the first entry, from 1.
        last: number of the last one.
        entries: how many were moved.
        file: name of the file.
        head: the checkpoint that the file leads to.
        held: documents whose entries stayed, since there is a legal hold on them.
    """

    agency: str
    at: datetime
    by: str
    before: datetime
    first: int
    last: int
    entries: int
    file: str
    head: Checkpoint
    held: Sequence[str]

    def format(self) -> str:
        """Format them, the Vietnamese words first."""
        local, before = self.at.astimezone(VIETNAM), self.before.astimezone(VIETNAM)
        root = base64.b64encode(self.head.root).decode()
        lines = [
            "BIÊN BẢN CHUYỂN BẰNG CHỨNG SANG TỆP LƯU TRỮ / MINUTES OF ARCHIVING THE EVIDENCE",
            "",
            f"Cơ quan / Agency: {self.agency}",
            f"Thời gian / Time: {local:%H:%M:%S %d/%m/%Y} ({self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ})",
            f"Người thực hiện / By: {self.by}",
            f"Lý do / Reason: mục trước {before:%H:%M %d/%m/%Y} / entries from before {before:%Y-%m-%d %H:%M}",
            f"Các mục / Entries: {self.first}–{self.last}, chuyển / moved: {self.entries}",
            f"Tệp / File: {self.file}",
            f"Điểm kiểm / Checkpoint: {self.head.origin}, {self.head.size}, {root}",
            "Mã băm và vị trí của các mục vẫn ở trong cơ sở dữ liệu. / Hashes and places stay in the database.",
        ]
        if self.held:
            lines += ["", "Không chuyển vì đang bị giữ theo yêu cầu pháp lý / Not moved, under a legal hold:"]
            lines += [f"- {document_id}" for document_id in self.held]
        return "\n".join(lines) + "\n"
