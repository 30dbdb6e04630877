"""Minutes of a removal (biên bản): which packets were removed, when, by whom and why, in both languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ...edxml import VIETNAM
from ...store import DocumentNames, PacketRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalMinutes:
    """What minutes of a removal are made of.

    Args:
        agency: code of the agency.
        at: when it was done, UTC.
        by: who did it.
        older_than: age of the packets.
        rows: the packets that were removed.
        names: the documents that they are about, by subject and key.
        held: documents of which nothing was removed, since there is a legal hold on them.
    """

    agency: str
    at: datetime
    by: str
    older_than: timedelta
    rows: Sequence[PacketRow]
    names: Mapping[tuple[str, int], DocumentNames]
    held: Sequence[str]

    def format(self) -> str:
        """Format them, the Vietnamese words first."""
        local = self.at.astimezone(VIETNAM)
        days = f"{self.older_than / timedelta(days=1):g}"
        head = (
            "BIÊN BẢN XÓA NỘI DUNG GÓI TIN / MINUTES OF THE REMOVAL OF PACKETS",
            "",
            f"Cơ quan / Agency: {self.agency}",
            f"Thời gian / Time: {local:%H:%M:%S %d/%m/%Y} ({self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ})",
            f"Người thực hiện / By: {self.by}",
            f"Lý do / Reason: gói tin đã hoàn tất hơn {days} ngày / packets finished for more than {days} days",
            f"Số gói tin / Packets: {len(self.rows)}",
            "Bằng chứng (nhật ký, mã băm, diễn biến) được giữ nguyên. / The evidence (log, hashes, events) stays.",
            "",
            "STT | Mã văn bản / Document | Số, ký hiệu / Code | Ngày ban hành / Issued | SHA-256",
        )
        lines = [*head, *(self._format_row(number, row) for number, row in enumerate(self.rows, 1))]
        if self.held:
            lines += ["", "Không xóa vì đang bị giữ theo yêu cầu pháp lý / Not removed, under a legal hold:"]
            lines += [f"- {document_id}" for document_id in self.held]
        return "\n".join(lines) + "\n"

    def _format_row(self, number: int, row: PacketRow) -> str:
        names = self.names.get((row.machine.subject, row.key), DocumentNames(None, None, None))
        issued = f"{names.issued_on:%d/%m/%Y}" if names.issued_on is not None else "?"
        return f"{number} | {names.document_id or '?'} | {names.code or '?'} | {issued} | {row.sha256}"
