"""Check of the evidence in the database: against itself, and against every checkpoint that was kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import quote

from cryptography import x509

from ..._core import Text
from ...errors import EvidenceError, SigningError
from ...evidence import (
    Checkpoint,
    CheckpointFolder,
    CheckpointProblem,
    CheckpointVerdict,
    KeptCheckpoint,
    KeptLog,
    LogCheck,
    TouchedEntries,
    build_folder_name,
    check_log,
    describe_problem,
    verify_checkpoint,
)
from ...signing import Binding, human_name
from ...store import StoredCheckpoint, Tx
from .._context import ConnectorContext
from .evidence_pack import build_policy_at

_KEEP = Text(
    "Keep the database, the folder of checkpoints and the newest backup as they are, and find out who had access; "
    "then restore a backup that the checkpoints agree with.",
    "Giữ nguyên cơ sở dữ liệu, thư mục điểm kiểm chứng và bản sao lưu mới nhất, làm rõ ai đã truy cập; sau đó khôi "
    "phục bản sao lưu khớp với các điểm kiểm chứng.",
)


def check_evidence(context: ConnectorContext) -> Iterator[tuple[str, Text]]:
    """Check an agency's log, and yield what is wrong: where, and in words.

    Every entry is hashed anew. The log must lead to each checkpoint in the database and in the folder outside it, and
    each of those be signed by the agency.

    Raises:
        StoreError: the store cannot be read or written.
    """
    try:
        context.store.link_evidence(context.agency)
    except EvidenceError as error:
        yield "log", Text(error.message, error.vi)
    yield from _check_unlinked(context)
    with context.store.snapshot() as tx:
        origin = tx.evidence_log.read_origin(context.agency)
        if origin is None:
            return
        stored = tx.evidence_log.list_checkpoints(context.agency)
        folder = context.checkpoints.folder
        kept: KeptLog | None = None
        if folder is not None:
            try:
                kept = folder.read(origin)
            except EvidenceError as error:
                yield str(folder.path), Text(error.message, error.vi)
            else:
                yield from _check_folder(context, folder, kept, origin, stored)
        heads, problems = _verify_heads(context, origin, stored, kept)
        yield from problems
        yield from _check_entries(tx, context.agency, heads, kept)


def _check_unlinked(context: ConnectorContext) -> Iterator[tuple[str, Text]]:
    """Check that every entry has a place; what others write meanwhile gets one with the second look."""
    waiting = _list_unlinked(context)
    if waiting:
        context.store.link_evidence(context.agency)
        waiting &= _list_unlinked(context)
    if waiting:
        yield (
            "log",
            Text(
                f"{len(waiting)} entries have no place in it, and cannot get one: they were slipped in, or their "
                f"places removed. {_KEEP.en}",
                f"{len(waiting)} mục không có vị trí trong nhật ký: bị chèn thêm hoặc bị gỡ vị trí. {_KEEP.vi}",
            ),
        )


def _list_unlinked(context: ConnectorContext) -> set[int]:
    with context.store.snapshot() as tx:
        return tx.evidence_log.list_unlinked(context.agency)


def _check_folder(
    context: ConnectorContext,
    folder: CheckpointFolder,
    kept: KeptLog,
    origin: str,
    stored: Sequence[StoredCheckpoint],
) -> Iterator[tuple[str, Text]]:
    """Check that the folder has every checkpoint that was made, and no other log of this agency."""
    for name in kept.damaged:
        yield name, Text("this kept file is no checkpoint", "tệp lưu giữ này không phải điểm kiểm chứng")
    notes = {one.checkpoint.size: one.signed.note for one in kept.checkpoints}
    missing = [one.size for one in stored if one.size not in notes]
    for one in stored:
        if notes.get(one.size, one.signed.note) != one.signed.note:
            yield f"evidence_checkpoints {one.size}", _NOT_AS_KEPT
    if missing:
        yield (
            str(folder.path),
            Text(
                f"{len(missing)} of {len(stored)} checkpoints are missing, the first over {missing[0]} entries: they "
                "were removed, or could not be written. Entries up to the newest that is left are still fixed.",
                f"thiếu {len(missing)} trên {len(stored)} điểm kiểm chứng, điểm đầu gồm {missing[0]} mục: đã bị xóa "
                "hoặc không ghi được. Các mục trước điểm kiểm chứng mới nhất còn lại vẫn được bảo đảm.",
            ),
        )
    prefix = f"{quote(context.agency, safe='')}-"
    for other in sorted(folder.path.glob("*/")):
        if (
            other.name.startswith(prefix)
            and other.name != build_folder_name(origin)
            and any(other.glob("*.checkpoint"))
        ):
            yield (
                other.name,
                Text(
                    "these checkpoints are of another log of this agency: the one in the database was begun anew. "
                    f"{_KEEP.en} Where the agency has a new store on purpose, move that folder away.",
                    "các điểm kiểm chứng này thuộc nhật ký khác của đơn vị: nhật ký trong cơ sở dữ liệu đã bị lập lại. "
                    f"{_KEEP.vi} Nếu đơn vị chủ động lập kho mới, hãy chuyển thư mục đó đi nơi khác.",
                ),
            )


def _verify_heads(
    context: ConnectorContext, origin: str, stored: Sequence[StoredCheckpoint], kept: KeptLog | None
) -> tuple[list[Checkpoint], list[tuple[str, Text]]]:
    """Verify who signed each checkpoint; those of others count for nothing, and are named."""
    heads: list[Checkpoint] = []
    problems: list[tuple[str, Text]] = []
    policy = replace(
        build_policy_at(context.policy, context.store.clock()), at=None, organisations=context.policy.organisations
    )
    own = _find_own_certificate(context)
    signed_from: int | None = None
    for one, certificates in sorted(_list_heads(stored, kept, problems), key=lambda head: head[0].checkpoint.size):
        verdict = verify_checkpoint(one.signed, tuple(certificates), policy=policy, now=context.store.clock())
        if one.checkpoint.origin != origin:
            problems.append((one.name, _OTHER_LOG))
        elif verdict.problem == CheckpointProblem.UNSIGNED and signed_from is not None:
            problems.append((one.name, _UNSIGNED))
        elif (words := describe_problem(verdict) or _judge_signer(verdict, own)) is not None:
            problems.append((one.name, words))
        else:
            heads.append(one.checkpoint)
            signed_from = one.checkpoint.size if verdict.signed and signed_from is None else signed_from
    return heads, problems


def _find_own_certificate(context: ConnectorContext) -> x509.Certificate | None:
    """Find the certificate of the key that signs now; None without one, or where it cannot be had."""
    try:
        signer = context.get_signer()
    except SigningError:
        return None
    return signer.certificates[0] if signer is not None and signer.certificates else None


def _judge_signer(verdict: CheckpointVerdict, own: x509.Certificate | None) -> Text | None:
    """Judge whether a signer is the agency: by its code, or as whom the key of now belongs to."""
    signer = verdict.certificate
    if signer is None or own is None or verdict.binding is Binding.BOUND or signer.subject == own.subject:
        return None
    return Text(
        f"it was signed by somebody else than the agency: {human_name(signer)}. If that is a certificate that the "
        "agency had before, list it under [receive.organisations].",
        f"do bên khác ký, không phải đơn vị của nhật ký: {human_name(signer)}. Nếu đó là chứng thư cũ của đơn vị, hãy "
        "khai báo trong [receive.organisations].",
    )


_UNSIGNED = Text(
    "nobody signed this checkpoint, and the agency signed earlier ones",
    "không có chữ ký, trong khi đơn vị đã ký các điểm kiểm chứng trước đó",
)
_NOT_AS_KEPT = Text(
    "this checkpoint in the database is not the one that was kept in the folder: one of them was forged",
    "điểm kiểm chứng trong cơ sở dữ liệu khác với bản lưu trong thư mục: một trong hai bị giả mạo",
)
_OTHER_LOG = Text("this checkpoint is of another log", "điểm kiểm chứng này thuộc nhật ký khác")


def _list_heads(
    stored: Sequence[StoredCheckpoint], kept: KeptLog | None, problems: list[tuple[str, Text]]
) -> Iterator[tuple[KeptCheckpoint, Sequence[x509.Certificate]]]:
    for row in stored:
        try:
            yield row.read(), row.certificates
        except EvidenceError as error:
            problems.append((f"evidence_checkpoints {row.size}", Text(error.message, error.vi)))
    if kept is not None:
        for one in kept.checkpoints:
            yield one, kept.certificates


def _check_entries(
    tx: Tx, agency: str, heads: Sequence[Checkpoint], kept: KeptLog | None
) -> Iterator[tuple[str, Text]]:
    walk = tx.evidence_log.walk(agency)
    found = check_log(walk, heads, kept)
    if found.touched is not None:
        yield "log", _describe_touched(found.touched, found.size)
    if walk.fault is not None:
        yield "log", Text(f"{walk.fault.words.en}. {_KEEP.en}", f"{walk.fault.words.vi}. {_KEEP.vi}")
    yield from walk.describe_missing()
    yield from _describe_conflict(found)


def _describe_touched(touched: TouchedEntries, size: int) -> Text:
    head = touched.checkpoint
    when = f" of {head.at:%Y-%m-%d %H:%M} UTC" if head.at is not None else ""
    when_vi = f" ngày {head.at:%d/%m/%Y %H:%M} UTC" if head.at is not None else ""
    if touched.missing:
        return Text(
            f"it ends with entry {size}, and the checkpoint{when} is over {head.size}: the database was restored to an "
            f"older copy, or entries from {touched.first + 1} on were removed. {_KEEP.en}",
            f"nhật ký kết thúc ở mục {size}, trong khi điểm kiểm chứng{when_vi} gồm {head.size} mục: cơ sở dữ liệu đã "
            f"được khôi phục từ bản cũ hoặc các mục từ {touched.first + 1} đã bị xóa. {_KEEP.vi}",
        )
    first, last = touched.first + 1, touched.end
    which = f"entry {first} is the first that" if touched.is_exact else f"one of the entries {first} to {last}"
    which_vi = f"mục {first} là mục đầu tiên" if touched.is_exact else f"một trong các mục {first} đến {last}"
    return Text(
        f"{which} is not as it was: the checkpoint{when} over {head.size} entries shows it. {_KEEP.en}",
        f"{which_vi} đã bị sửa đổi: điểm kiểm chứng{when_vi} gồm {head.size} mục cho thấy điều đó. {_KEEP.vi}",
    )


def _describe_conflict(found: LogCheck) -> Iterator[tuple[str, Text]]:
    if found.conflicting is not None:
        size = found.conflicting[0].size
        yield (
            "log",
            Text(
                f"two checkpoints over {size} entries have different roots: one of them is of a forged log. {_KEEP.en}",
                f"hai điểm kiểm chứng cùng gồm {size} mục nhưng khác gốc: một trong hai thuộc nhật ký giả mạo. "
                f"{_KEEP.vi}",
            ),
        )
