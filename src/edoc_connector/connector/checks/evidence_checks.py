"""Checks of the evidence: that checkpoints are made and kept, and that nothing before them was touched."""

from __future__ import annotations

from ..._core import Text
from ..operations import check_evidence
from .check import Check, CheckSeverity, Values
from .subject import Subject


def _find_unkept_checkpoint(subject: Subject) -> Values | None:
    problem = subject.context.checkpoints.find_problem()
    return {"problem": problem} if problem is not None else None


def _find_touched(subject: Subject) -> Values | None:
    found = [Text(f"{where}: {words.en}", f"{where}: {words.vi}") for where, words in check_evidence(subject.context)]
    return {"count": len(found), "problem": found[0]} if found else None


EVIDENCE_CHECKS = (
    Check(
        code="CHK-CHECKPOINT",
        severity=CheckSeverity.WARN,
        title=Text(
            "checkpoints of the evidence are made and kept", "điểm kiểm chứng của nhật ký bằng chứng được lập và lưu"
        ),
        sentence=Text(
            "a checkpoint of the evidence is missing: {problem}",
            "thiếu điểm kiểm chứng của nhật ký bằng chứng: {problem}",
        ),
        cure=Text(
            "make the folder of [evidence] checkpoints writable and the key usable; it is tried again by itself",
            "hãy khôi phục quyền ghi thư mục checkpoints trong [evidence] và khóa ký; hệ thống sẽ tự thử lại",
        ),
        find=_find_unkept_checkpoint,
    ),
    Check(
        code="CHK-EVIDENCE",
        severity=CheckSeverity.FAIL,
        title=Text("the evidence is as it was written", "nhật ký bằng chứng còn nguyên vẹn"),
        sentence=Text(
            "the evidence is not as it was written ({count}), {problem}",
            "nhật ký bằng chứng không còn nguyên vẹn ({count}), {problem}",
        ),
        cure=Text(
            "run edoc fsck, keep everything as it is, and find out who had access",
            "hãy chạy edoc fsck, giữ nguyên hiện trạng và làm rõ ai đã truy cập",
        ),
        find=_find_touched,
        is_slow=True,
    ),
)
