"""Check of an evidence pack of either form, on any machine and without a database.

`evidence_pack` describes the files of the first form, `evidence.pack` those of the second.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from ..._core import utc_now
from ...edxml import read
from ...errors import EvidenceError, PacketError
from ...evidence import (
    MANIFEST_FILE,
    PACK_ENTRY_KIND,
    PACK_FORMAT_2,
    UNLISTED_FILES,
    CheckpointFolder,
    PackLog,
    PackReader,
    as_canonical_json,
    check_archive,
    check_pack_log,
    compute_chain_hash,
    compute_digest,
    is_archive,
    open_pack,
    parse_json,
)
from ...signing import (
    SIGNATURES,
    Binding,
    VerifyMode,
    VerifyPolicy,
    human_name,
    is_valid_signature,
    judge_certificate,
    read_certificates,
    verify,
)
from .evidence_pack import CHAIN_FILE, HEAD_FILE, PACK_FORMAT, build_head_text

_CHUNK_BYTES = 1024 * 1024
_MAX_JSON_BYTES = 64 * 1024 * 1024
_MAX_LINE_BYTES = 4 * 1024 * 1024
_MAX_CERTIFICATES = 100
_UNLISTED_FILES = frozenset({MANIFEST_FILE, CHAIN_FILE, HEAD_FILE})

# What is inside comes from anybody. Compressed data that is none, JSON of another shape, a strange kind of certificate
# end the check here, whatever it trips over.
_MALFORMED_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    UnsupportedAlgorithm,
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a pack that is not as it was made.

    Args:
        where: the file, or the number of the entry.
        text: what is wrong.
        text_vi: the same in Vietnamese.
    """

    where: str
    text: str
    text_vi: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The result of checking a pack.

    Args:
        problems: what is wrong; none, and it is as it was made.
        agency: whose evidence it is.
        document_id: the document; of an archive the numbers of its first and last entry.
        made_at: when it was packed, as it says itself.
        entries: how many entries about the document it shows.
        head: of the first form the last hash of the chain, hex; of the second the root of the log, base64, as in a
            checkpoint. Compare it with the one that the agency noted elsewhere.
        packets: name and verification of each packet.
        missing: packets that were gone when it was packed, with the reason.
        signed_by: who signed the head; None where nobody did, and the chain proves only that it fits together.
        trusted: whether that certificate leads to one of the authorities given; None where none was.
        form: 1 for a chain, 2 for a log with a checkpoint.
        size: entries of the whole log, of the second form.
        is_agency: whether the signer is known to be the agency: its certificates were given, its own certificate says
            so under a trusted authority, or it signed a checkpoint that was kept.
        kept: how many kept checkpoints it was compared with.
        stamped_at: when a trusted authority vouches that the head existed (RFC 3161).
    """

    problems: tuple[Problem, ...]
    agency: str = ""
    document_id: str = ""
    made_at: str = ""
    entries: int = 0
    head: str = ""
    packets: tuple[tuple[str, str], ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    signed_by: str | None = None
    trusted: bool | None = None
    form: int = 1
    size: int = 0
    is_agency: bool = False
    kept: int = 0
    stamped_at: datetime | None = None


class _UncheckablePack(Exception):
    """The pack cannot be checked further."""

    def __init__(self, where: str, text: str, text_vi: str) -> None:
        super().__init__(text)
        self.problem = Problem(where, text, text_vi)


@dataclass(slots=True)
class _PackCheck:
    reader: PackReader
    policy: VerifyPolicy
    kept: CheckpointFolder | None
    certificates: tuple[x509.Certificate, ...] = ()
    organisations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    packet_hashes: set[str] = field(default_factory=set)
    entries: int = 0
    last_entry: dict[str, Any] = field(default_factory=dict)

    @property
    def zip(self) -> zipfile.ZipFile:
        return self.reader.zip

    def add_problem(self, where: str, text: str, text_vi: str) -> None:
        self.problems.append(Problem(where, text, text_vi))


def check_pack(
    path: Path,
    *,
    anchors: Sequence[x509.Certificate] = (),
    organisations: Mapping[str, tuple[str, ...]] | None = None,
    checkpoints: Path | None = None,
) -> Checked:
    """Check a pack: every file, each entry's proof or the chain, each packet's hash and signatures, the signed head.

    Also an archive of old entries: that they lead to the signed head.

    Never raises for what is in the pack: that is in the result.

    Args:
        path: the zip.
        anchors: certificates of authorities that signers must lead to; none, and whom to trust is not judged.
        organisations: by code, the certificates that an agency signs with, as of `VerifyPolicy`.
        checkpoints: a folder of checkpoints that were kept; the pack's log must agree with them.

    Raises:
        OSError: the file cannot be read.
        EvidenceError: the folder of checkpoints cannot be read.
        ConfigError: `organisations` names no certificate.
    """
    policy = VerifyPolicy(mode=VerifyMode.ANY, anchors=tuple(anchors), organisations=organisations or {})
    kept = CheckpointFolder(checkpoints) if checkpoints is not None else None
    if kept is not None:
        kept.require_readable()
    try:
        if is_archive(path):
            return _check_archive(path, policy, kept)
        with open_pack(path) as reader:
            return _check_contents(_PackCheck(reader, policy, kept))
    except _UncheckablePack as error:
        return Checked(problems=(error.problem,))
    except EvidenceError as error:
        return Checked(problems=(Problem(path.name, error.message, error.vi),))
    except OSError as error:
        if error.errno != errno.EINVAL:  # what zipfile meets where a damaged directory points before the file's start
            raise
        return _report_malformed(path, error)
    except _MALFORMED_ERRORS as error:
        return _report_malformed(path, error)


def _check_archive(path: Path, policy: VerifyPolicy, kept: CheckpointFolder | None) -> Checked:
    """Check an archive of old entries, which is about no single document."""
    found = check_archive(path, policy=policy, kept=kept, now=utc_now())
    facts = found.facts
    checked = Checked(
        problems=tuple(Problem(where, words.en, words.vi) for where, words in found.log.problems),
        agency=facts.agency,
        document_id=f"{facts.first + 1}–{facts.end}",
        made_at=facts.made_at,
    )
    return _add_log(checked, found.log)


def _add_log(checked: Checked, log: PackLog) -> Checked:
    return replace(
        checked,
        entries=log.entries,
        head=base64.b64encode(log.head.root).decode(),
        signed_by=log.verdict.signer if log.verdict.signed else None,
        trusted=log.verdict.trusted,
        form=2,
        size=log.head.size,
        is_agency=log.is_agency,
        kept=log.kept_compared,
        stamped_at=log.verdict.stamped_at,
    )


def _report_malformed(path: Path, error: Exception) -> Checked:
    text, text_vi = "it is no pack of evidence, or is damaged", "không phải gói bằng chứng hoặc đã hỏng"
    return Checked(problems=(Problem(path.name, f"{text}: {error}", f"{text_vi}: {error}"),))


def _check_contents(check: _PackCheck) -> Checked:
    manifest_bytes = _read_small_file(check, MANIFEST_FILE)
    manifest = parse_json(manifest_bytes, MANIFEST_FILE)
    if manifest.get("format") == PACK_FORMAT_2:
        return _check_log_pack(check, manifest, manifest_bytes)
    if manifest.get("format") != PACK_FORMAT:
        raise _UncheckablePack(
            MANIFEST_FILE,
            f"its format is neither {PACK_FORMAT} nor {PACK_FORMAT_2}",
            f"không đúng định dạng {PACK_FORMAT} hoặc {PACK_FORMAT_2}",
        )
    if check.kept is not None:
        check.add_problem(HEAD_FILE, "a pack of the first form cannot be compared with kept checkpoints",
                          "gói dạng cũ không đối chiếu được với điểm kiểm chứng lưu giữ")  # fmt: skip
    return _check_chain_pack(check, manifest, manifest_bytes)


def _check_log_pack(check: _PackCheck, manifest: Mapping[str, Any], manifest_bytes: bytes) -> Checked:
    """Check a pack of the second form."""
    _check_files(check, manifest["files"], UNLISTED_FILES)
    check.certificates = tuple(_read_listed_certificates(check, manifest["files"]))
    log = check_pack_log(
        check.reader,
        manifest,
        manifest_bytes,
        certificates=check.certificates,
        policy=check.policy,
        kept=check.kept,
        now=utc_now(),
    )
    for where, words in log.problems:
        check.add_problem(where, words.en, words.vi)
    check.packet_hashes = log.packet_hashes
    check.organisations = _read_organisations(manifest)
    packets = tuple(_check_packets(check, manifest))
    return _add_log(_build_checked(check, manifest, packets), log)


def _read_organisations(manifest: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Read the certificates of senders that the agency judged packets by; they say nothing of the pack's signer."""
    listed = manifest.get("organisations", {})
    return {str(code): tuple(map(str, facts.get("certificates", ()))) for code, facts in listed.items()}


def _check_chain_pack(check: _PackCheck, manifest: Mapping[str, Any], manifest_bytes: bytes) -> Checked:
    """Check a pack of the first form."""
    head = _check_chain(check, manifest["chain"])
    if (
        check.last_entry.get("manifest") != hashlib.sha256(manifest_bytes).hexdigest()
        or check.last_entry.get("kind") != PACK_ENTRY_KIND
    ):
        check.add_problem(
            MANIFEST_FILE, "it is not the one that the chain names", "không phải bản mà chuỗi bằng chứng ghi nhận"
        )
    if check.last_entry.get("agency") != manifest["agency"]:
        check.add_problem(MANIFEST_FILE, "it names another agency than the chain", "đơn vị khác với chuỗi bằng chứng")
    _check_files(check, manifest["files"], _UNLISTED_FILES)
    check.certificates = tuple(_read_chain_certificates(check, manifest["files"]))
    packets = tuple(_check_packets(check, manifest))
    signed_by, trusted, is_agency = _check_head(check, manifest, head)
    return replace(
        _build_checked(check, manifest, packets),
        entries=check.entries,
        head=head[1],
        signed_by=signed_by,
        trusted=trusted,
        is_agency=is_agency,
    )


def _build_checked(check: _PackCheck, manifest: Mapping[str, Any], packets: tuple[tuple[str, str], ...]) -> Checked:
    return Checked(
        problems=tuple(check.problems),
        agency=str(manifest["agency"]),
        document_id=str(manifest["document_id"]),
        made_at=str(manifest["made_at"]),
        packets=packets,
        missing=tuple(
            (packet["sha256"], str(packet["missing"])) for packet in manifest["packets"] if "missing" in packet
        ),
    )


def _check_chain(check: _PackCheck, chain_start: Mapping[str, Any]) -> tuple[int, str]:
    """Recompute the chain, and return its last number and hash."""
    sequence, previous = int(chain_start["first"]) - 1, str(chain_start["previous"])
    with check.zip.open(CHAIN_FILE) as lines:
        while line := lines.readline(_MAX_LINE_BYTES):
            sequence += 1
            chain_line = parse_json(line, CHAIN_FILE)
            digest = chain_line.get("digest")
            if "entry" in chain_line:
                entry = chain_line["entry"]
                digest = compute_digest(as_canonical_json(entry))
                if entry.get("sequence") != sequence:
                    check.add_problem(
                        f"{CHAIN_FILE}:{sequence}", "an entry is missing or out of place", "thiếu hoặc sai thứ tự mục"
                    )
                check.entries += 1
                check.last_entry = entry
                check.packet_hashes.update(str(entry[name]) for name in ("sha256", "packet") if entry.get(name))
            previous = compute_chain_hash(previous, str(digest))
    return sequence, previous


def _check_files(check: _PackCheck, files: Sequence[Mapping[str, Any]], unlisted: frozenset[str]) -> None:
    listed_files = {str(file["name"]): file for file in files}
    zip_names = [info.filename for info in check.zip.infolist()]
    for name in sorted(set(listed_files) - set(zip_names)):
        check.add_problem(name, "it is missing", "bị thiếu")
    for name in sorted(set(zip_names) - set(listed_files) - unlisted):
        check.add_problem(name, "it does not belong to the pack", "không thuộc gói bằng chứng")
    for name in sorted(name for name, count in Counter(zip_names).items() if count > 1):
        check.add_problem(name, "it is there more than once", "xuất hiện nhiều lần")
    for name in sorted(set(listed_files) & set(zip_names)):
        if _hash_file(check, name, limit=int(listed_files[name]["size"])) != listed_files[name]["sha256"]:
            check.add_problem(name, "its bytes are not those that were packed", "nội dung đã bị thay đổi")


def _read_listed_certificates(check: _PackCheck, files: Sequence[Mapping[str, Any]]) -> Iterator[x509.Certificate]:
    """Read the certificates in the pack: hubs keep one of a status's chain, and another packet may have the others."""
    listed_names = [str(file["name"]) for file in files if str(file["name"]).startswith("certificates/")]
    for name in listed_names[:_MAX_CERTIFICATES]:
        if name in check.reader.names:
            yield from _parse_certificates(_read_small_file(check, name))


def _read_chain_certificates(check: _PackCheck, files: Sequence[Mapping[str, Any]]) -> Iterator[x509.Certificate]:
    yield from _read_listed_certificates(check, files)
    head_fields = parse_json(_read_small_file(check, HEAD_FILE), HEAD_FILE)
    for text in head_fields.get("certificates", ()):
        yield from _parse_certificates(text.encode())


def _parse_certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return read_certificates(pem)
    except ValueError:  # what was changed is reported by its hash
        return []


def _check_packets(check: _PackCheck, manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    zip_names, checked_names = check.reader.names, set[str]()
    for packet in manifest["packets"]:
        if packet["sha256"] not in check.packet_hashes:
            check.add_problem(str(packet.get("file", packet["sha256"])), "no entry of the chain names this packet",
                        "không có mục nào trong chuỗi nhắc tới gói tin này")  # fmt: skip
        if "file" not in packet or packet.get("again"):
            continue
        if packet["file"] != f"packets/{packet['sha256']}.edxml":
            check.add_problem(str(packet["file"]), "its name is not its hash", "tên tệp không khớp mã băm")
        elif packet["file"] in checked_names:
            check.add_problem(packet["file"], "it is listed more than once", "được liệt kê nhiều lần")
        elif packet["file"] in zip_names:
            checked_names.add(packet["file"])
            yield packet["file"], _verify_packet(check, packet, allow_sha1=bool(manifest["legacy_sha1"]))


def _verify_packet(check: _PackCheck, packet: Mapping[str, Any], *, allow_sha1: bool) -> str:
    at = datetime.fromisoformat(packet["judged_at"])
    policy = VerifyPolicy(
        mode=VerifyMode.ANY,
        anchors=check.policy.anchors,
        intermediates=check.certificates,
        at=at,
        legacy_sha1=allow_sha1,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "packet.edxml"
        with path.open("wb") as copy:
            _hash_file(check, packet["file"], limit=check.zip.getinfo(packet["file"]).file_size, copy=copy)
        status, trusted = _compute_status(path, policy)
        if policy.anchors and packet.get("judged"):
            judged, _ = _compute_status(path, replace(policy, organisations=check.organisations))
            _compare_status(check, packet["file"], judged, packet["judged"])
    is_as_packed = _compare_status(check, packet["file"], status, packet["verification"])
    if is_as_packed and status == "VALID" and trusted is False:
        check.add_problem(packet["file"], "its signer does not lead to an authority that was given as trusted",
                        "chứng thư người ký không thuộc tổ chức tin cậy đã nêu")  # fmt: skip
    return status


def _compute_status(path: Path, policy: VerifyPolicy) -> tuple[str, bool | None]:
    try:
        verification = verify(read(path), policy)
    except PacketError:
        return "UNREADABLE", None
    return verification.status.name, verification.trusted


def _compare_status(check: _PackCheck, name: str, status: str, packed: str) -> bool:
    """Compare the worth of a packet's signatures with what it was, and tell whether it is the same."""
    if status != packed:
        check.add_problem(
            name,
            f"its signatures are {status} now, and were {packed} when it was packed",
            f"chữ ký hiện là {status}, lúc đóng gói là {packed}",
        )
    return status == packed


def _check_head(
    check: _PackCheck, manifest: Mapping[str, Any], head: tuple[int, str]
) -> tuple[str | None, bool | None, bool]:
    head_fields = parse_json(_read_small_file(check, HEAD_FILE), HEAD_FILE)
    if (head_fields.get("agency"), head_fields.get("sequence"), head_fields.get("hash")) != (manifest["agency"], *head):
        check.add_problem(HEAD_FILE, "it is not the head of this chain", "không khớp với cuối chuỗi bằng chứng")
    if not head_fields.get("signature"):
        if manifest["signed"]:
            check.add_problem(HEAD_FILE, "its signature is gone", "chữ ký đã bị gỡ")
        return None, None, False
    certificates = [one for pem in head_fields["certificates"] for one in read_certificates(pem.encode())]
    leaf: Any = certificates[0]
    value = base64.b64decode(head_fields["signature"], validate=True)
    is_known_algorithm = head_fields["algorithm"] in SIGNATURES
    if not is_known_algorithm or not is_valid_signature(
        leaf.public_key(), head_fields["algorithm"], build_head_text(manifest["agency"], *head), value
    ):
        check.add_problem(HEAD_FILE, "its signature does not hold", "chữ ký không hợp lệ")
        return None, None, False
    made_at = datetime.fromisoformat(manifest["made_at"])
    trust = judge_certificate(leaf, certificates[1:], policy=check.policy, at=made_at)
    binding = check.policy.find_binding(manifest["agency"], leaf, trusted=trust.trusted is True)
    if binding is Binding.CONTRADICTED:
        check.add_problem(
            HEAD_FILE, "it was signed by somebody else than the agency", "do bên khác ký, không phải đơn vị"
        )
    if trust.problem:
        check.add_problem(HEAD_FILE, f"its signer's certificate: {trust.problem} {trust.detail}",
                    f"chứng thư người ký: {trust.problem} {trust.detail}")  # fmt: skip
    return human_name(leaf), trust.trusted, binding is Binding.BOUND


def _read_small_file(check: _PackCheck, name: str) -> bytes:
    try:
        return check.reader.read(name, limit=_MAX_JSON_BYTES)
    except EvidenceError as error:
        raise _UncheckablePack(
            name, "it is missing, there twice, or too big", "bị thiếu, bị lặp hoặc quá lớn"
        ) from error


def _hash_file(check: _PackCheck, name: str, *, limit: int, copy: IO[bytes] | None = None) -> str:
    """Compute the SHA-256 of a file in the zip; of one that is too long, of no more bytes than show that."""
    digest, size = hashlib.sha256(), 0
    with check.zip.open(name) as source:
        while (chunk := source.read(_CHUNK_BYTES)) and size <= limit:
            digest.update(chunk)
            size += len(chunk)
            if copy is not None:
                copy.write(chunk)
    return digest.hexdigest()
