"""Check of what a pack of the second form shows of the log: its entries, its head, and kept heads of the same log."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography import x509

from .._core import Text
from ..signing import Binding, VerifyPolicy
from .checkpoint import (
    Checkpoint,
    CheckpointProblem,
    CheckpointVerdict,
    verify_checkpoint,
)
from .checkpoint_folder import CheckpointFolder, KeptLog
from .entry import LogEntry
from .merkle import CompactRange
from .pack import CHECKPOINT_FILE, CHECKPOINTS_FILE, ENTRIES_FILE, MANIFEST_FILE, PACK_ENTRY_KIND, PackReader

_FORKED = (
    "the log in the pack does not go on from this head: one of them is of a fork, or was rewritten",
    "nhật ký trong gói không nối tiếp điểm kiểm chứng này: một trong hai bị rẽ nhánh hoặc viết lại",
)
MAX_HEADS = 1000
"""Earlier heads in one pack."""

_WORDS: Mapping[CheckpointProblem, Text] = {
    CheckpointProblem.UNSIGNED: Text("nobody signed it", "không có chữ ký"),
    CheckpointProblem.UNKNOWN_KEY: Text(
        "none of its certificates signed it", "không chứng thư nào trong gói đã ký điểm kiểm chứng này"
    ),
    CheckpointProblem.BROKEN: Text(
        "its signature does not hold: it was forged", "chữ ký không hợp lệ: bị giả mạo hoặc sửa đổi"
    ),
    CheckpointProblem.FOREIGN: Text(
        "it was signed by somebody else than the agency", "do bên khác ký, không phải đơn vị của nhật ký"
    ),
    CheckpointProblem.UNFIT: Text("its signer's certificate does not count", "chứng thư người ký không được chấp nhận"),
    CheckpointProblem.UNSTAMPED: Text("its time-stamp is not believed", "dấu thời gian không được chấp nhận"),
}
_ALWAYS_BAD = frozenset({CheckpointProblem.BROKEN, CheckpointProblem.FOREIGN})


@dataclass(slots=True, kw_only=True)
class PackLog:
    """What a pack shows of the log, and what is wrong with it.

    Args:
        head: the log's head.
        verdict: what its signature is worth.
        entries: entries about the document and the pack.
        packet_hashes: SHA-256 of packets that an entry names, hex.
        heads: roots of the heads in the pack, by size.
        kept_compared: kept heads that this one was compared with.
        is_agency: whether the signer is known to be the agency: by configuration, by its certificate under a trusted
            authority, or since it signed a head that was kept.
        problems: place and words of what is wrong.
    """

    head: Checkpoint
    verdict: CheckpointVerdict
    entries: int = 0
    packet_hashes: set[str] = field(default_factory=set)
    heads: dict[int, bytes] = field(default_factory=dict)
    kept_compared: int = 0
    is_agency: bool = False
    problems: list[tuple[str, Text]] = field(default_factory=list)

    def add_problem(self, where: str, en: str, vi: str) -> None:
        """Add something that is wrong."""
        self.problems.append((where, Text(en, vi)))


def check_pack_log(
    reader: PackReader,
    manifest: Mapping[str, Any],
    manifest_bytes: bytes,
    *,
    certificates: Sequence[x509.Certificate],
    policy: VerifyPolicy,
    kept: CheckpointFolder | None,
    now: datetime,
) -> PackLog:
    """Check what a pack shows of the log.

    Args:
        reader: the pack.
        manifest: its manifest.
        manifest_bytes: the same as it stands in the pack.
        certificates: those in the pack.
        policy: trusted authorities, and certificates of organisations as the checker knows them.
        kept: heads that were kept, by anybody but the maker of the pack.
        now: the present moment, aware.

    Raises:
        EvidenceError: the pack has no checkpoint, or its parts are none.
    """
    signed = reader.read_checkpoint()
    verdict = verify_checkpoint(signed, certificates, policy=policy, now=now)
    log = PackLog(head=verdict.checkpoint, verdict=verdict, heads={verdict.checkpoint.size: verdict.checkpoint.root})
    last = _check_entries(reader, log, manifest.get("entries"))
    _check_manifest_entry(log, manifest, manifest_bytes, last)
    is_signed = bool(manifest.get("signed"))
    _check_earlier_heads(reader, log, certificates, policy=policy, now=now, is_signed=is_signed)
    check_log_head(log, is_signed=is_signed, policy=policy, kept=kept, now=now)
    return log


def check_log_head(
    log: PackLog, *, is_signed: bool, policy: VerifyPolicy, kept: CheckpointFolder | None, now: datetime
) -> None:
    """Check who signed the head of a log, and that heads that were kept agree with it.

    Args:
        log: the log as far as it was shown; what is wrong is added to it.
        is_signed: whether its maker says that somebody did.
        policy: trusted authorities, and certificates of organisations as the checker knows them.
        kept: heads that were kept elsewhere.
        now: the present moment, aware.

    Raises:
        EvidenceError: the folder of kept heads cannot be read.
    """
    _check_head(log, is_signed=is_signed)
    log.is_agency = log.verdict.binding is Binding.BOUND
    if kept is not None:
        _check_kept_heads(log, kept.read(log.head.origin), policy=policy, now=now)


def _check_entries(reader: PackReader, log: PackLog, listed: object) -> LogEntry | None:
    """Check each entry, and that none of those listed was left out; return the last one."""
    last: LogEntry | None = None
    before = -1
    shown = []
    for proven in reader.read_entries():
        where = f"{ENTRIES_FILE}:{proven.index + 1}"
        if proven.index <= before:
            log.add_problem(where, "an entry is out of place", "sai thứ tự mục")
        if not proven.is_in(log.head):
            log.add_problem(
                where, "this entry is not in the log that was signed", "mục này không có trong nhật ký đã ký"
            )
        before, last = proven.index, proven.parse()
        shown.append(proven.index)
        log.entries += 1
        if last.agency != log.head.agency:
            log.add_problem(where, "it is an entry of another agency", "mục này thuộc đơn vị khác")
        for facts in last.list_facts():
            log.packet_hashes.update(str(facts[name]) for name in ("sha256", "packet") if facts.get(name))
    if listed is not None and shown[:-1] != listed:
        log.add_problem(ENTRIES_FILE, "entries that the manifest lists are missing", "thiếu mục có trong danh sách")
    return last


def _check_manifest_entry(
    log: PackLog, manifest: Mapping[str, Any], manifest_bytes: bytes, last: LogEntry | None
) -> None:
    facts = last.list_facts()[-1] if last is not None and last.events else {}
    digest = hashlib.sha256(manifest_bytes).hexdigest()
    if (facts.get("kind"), facts.get("manifest")) != (PACK_ENTRY_KIND, digest):
        log.add_problem(MANIFEST_FILE, "it is not the one that the log names", "không phải bản mà nhật ký ghi nhận")
    if manifest.get("agency") != log.head.agency:
        log.add_problem(MANIFEST_FILE, "it names another agency than the log", "đơn vị khác với nhật ký")


def describe_problem(verdict: CheckpointVerdict) -> Text | None:
    """Describe what is wrong with the signature of a checkpoint; None where nothing is, or nobody signed it."""
    if verdict.problem is None or verdict.problem == CheckpointProblem.UNSIGNED:
        return None
    words, detail = _WORDS[verdict.problem], f" ({verdict.detail})" if verdict.detail else ""
    return Text(words.en + detail, words.vi + detail)


def _check_head(log: PackLog, *, is_signed: bool) -> None:
    if (words := describe_problem(log.verdict)) is not None:  # a head that nobody signed is said by itself
        log.problems.append((CHECKPOINT_FILE, words))
    elif log.verdict.problem == CheckpointProblem.UNSIGNED and is_signed:
        log.add_problem(CHECKPOINT_FILE, "its signature is gone", "chữ ký đã bị gỡ")


def _check_earlier_heads(
    reader: PackReader,
    log: PackLog,
    certificates: Sequence[x509.Certificate],
    *,
    policy: VerifyPolicy,
    now: datetime,
    is_signed: bool,
) -> None:
    bad = {*_ALWAYS_BAD, CheckpointProblem.UNKNOWN_KEY} | ({CheckpointProblem.UNSIGNED} if is_signed else set())
    for number, earlier in enumerate(reader.read_earlier_heads(), 1):
        where = f"{CHECKPOINTS_FILE}:{number}"
        if number > MAX_HEADS:
            log.add_problem(where, f"there are more than {MAX_HEADS} heads", f"có hơn {MAX_HEADS} điểm kiểm chứng")
            return
        if not earlier.precedes(log.head):
            log.add_problem(where, *_FORKED)
        verdict = verify_checkpoint(earlier.signed, certificates, policy=policy, now=now)
        if verdict.problem is not None and verdict.problem in bad:
            log.add_problem(where, _WORDS[verdict.problem].en, _WORDS[verdict.problem].vi)
        log.heads[verdict.checkpoint.size] = verdict.checkpoint.root


# -- kept heads


def _check_kept_heads(log: PackLog, kept: KeptLog, *, policy: VerifyPolicy, now: datetime) -> None:
    """Compare the pack's heads with those that were kept elsewhere."""
    for name in kept.damaged:
        log.add_problem(name, "this kept file is no checkpoint", "tệp lưu giữ này không phải điểm kiểm chứng")
    roots = _compute_roots(kept, log)
    for one in kept.checkpoints:
        verdict = verify_checkpoint(one.signed, kept.certificates, policy=policy, now=now)
        if verdict.problem is not None and verdict.problem in _ALWAYS_BAD:
            words = _WORDS[verdict.problem]
            log.add_problem(one.name, f"kept: {words.en}", f"bản lưu giữ: {words.vi}")
        elif _compare(one.checkpoint, one.name, log, roots):
            log.kept_compared += 1
            log.is_agency = log.is_agency or _is_same_signer(verdict, log.verdict)
    if not log.kept_compared:
        log.add_problem(
            CHECKPOINT_FILE,
            "no kept checkpoint of this log can be compared with it; give the folder of [evidence] checkpoints",
            "không có điểm kiểm chứng lưu giữ nào của nhật ký này để đối chiếu; hãy chỉ đúng thư mục "
            "[evidence] checkpoints",
        )


def _compute_roots(kept: KeptLog, log: PackLog) -> dict[int, bytes]:
    """Compute the roots that kept leaves lead to, where no head of the pack's own size was kept."""
    sizes = [one.checkpoint.size for one in kept.checkpoints]
    if log.head.size in sizes or max(sizes, default=0) < log.head.size:
        return {}
    wanted, grown = {*sizes, *log.heads}, CompactRange.start()
    roots = {}
    for leaf_hash in kept.read_leaves(0, max(sizes)):
        grown.extend((leaf_hash,))
        if grown.size in wanted:
            roots[grown.size] = grown.compute_root()
    return roots


def _compare(one: Checkpoint, name: str, log: PackLog, roots: Mapping[int, bytes]) -> bool:
    """Compare a kept head with those of the pack, and tell whether that was possible."""
    if one.size in log.heads:
        if one.root != log.heads[one.size]:
            log.add_problem(name, *_FORKED)
        return True
    if roots.get(one.size) != one.root:  # leaves count only where they lead to a head that was signed
        return False
    below = [size for size in log.heads if size <= one.size and size in roots]
    if any(roots[size] != log.heads[size] for size in below):
        log.add_problem(name, *_FORKED)
    return bool(below)


def _is_same_signer(one: CheckpointVerdict, other: CheckpointVerdict) -> bool:
    return one.certificate is not None and one.certificate == other.certificate
