"""Checking a pack of evidence, on any machine and without a database (`evidence` says what is in one)."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from ...edxml import read
from ...errors import PacketError
from ...signing import VerifyMode, VerifyPolicy, verify
from ...signing.algorithms import SIGNATURES, signature_holds
from ...signing.pki.certificates import human_name
from ...signing.pki.path_validation import judge
from ...store.audit_log import canonical, chained, digest_of
from .evidence_pack import CHAIN, FORMAT, HEAD, MANIFEST, PACKED, to_sign

_CHUNK = 1024 * 1024
_MOST_JSON = 64 * 1024 * 1024
_MOST_LINE = 4 * 1024 * 1024
_OWN = frozenset({MANIFEST, CHAIN, HEAD})

# What is inside comes from anybody. Compressed data that is none, JSON of another shape, a strange kind of certificate
# end the check here, whatever it trips over.
_MALFORMED = (
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
    """What checking a pack came to.

    Args:
        problems: what is wrong; none, and it is as it was made.
        agency: whose evidence it is.
        document_id: the document.
        made_at: when it was packed, as it says itself.
        entries: how many entries about the document it shows.
        head: the last hash of the chain; compare it with the one that the agency noted elsewhere.
        packets: name and verification of each packet.
        missing: packets that were gone when it was packed, with the reason.
        signed_by: who signed the head; None where nobody did, and the chain proves only that it fits together.
        trusted: whether that certificate leads to one of the authorities given; None where none was.
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


class _Broken(Exception):
    """The pack cannot be checked further."""

    def __init__(self, where: str, text: str, text_vi: str) -> None:
        super().__init__(text)
        self.problem = Problem(where, text, text_vi)


@dataclass(slots=True)
class _Check:
    zip: zipfile.ZipFile
    anchors: Sequence[x509.Certificate]
    problems: list[Problem] = field(default_factory=list)
    hashes: set[str] = field(default_factory=set)
    entries: int = 0
    last: dict[str, Any] = field(default_factory=dict)

    def wrong(self, where: str, text: str, text_vi: str) -> None:
        self.problems.append(Problem(where, text, text_vi))


def check_pack(path: Path, *, anchors: Sequence[x509.Certificate] = ()) -> Checked:
    """Check a pack: every file, the chain, each packet's hash and signatures at its own time, the signed head.

    Never raises for what is in the pack: that is in the result.

    Args:
        path: the zip.
        anchors: certificates of authorities that signers must lead to; none, and whom to trust is not judged.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check = _Check(archive, anchors)
            return _checked(check)
    except _Broken as error:
        return Checked(problems=(error.problem,))
    except OSError as error:
        if error.errno != errno.EINVAL:  # what zipfile meets where a damaged directory points before the file's start
            raise
        return _malformed(path, error)
    except _MALFORMED as error:
        return _malformed(path, error)


def _malformed(path: Path, error: Exception) -> Checked:
    text, text_vi = "it is no pack of evidence, or is damaged", "không phải gói bằng chứng hoặc đã hỏng"
    return Checked(problems=(Problem(path.name, f"{text}: {error}", f"{text_vi}: {error}"),))


def _checked(check: _Check) -> Checked:
    manifest_bytes = _small(check, MANIFEST)
    manifest = json.loads(manifest_bytes)
    if manifest.get("format") != FORMAT:
        raise _Broken(MANIFEST, f"its format is not {FORMAT}", f"không đúng định dạng {FORMAT}")
    head = _check_chain(check, manifest["chain"])
    if check.last.get("manifest") != hashlib.sha256(manifest_bytes).hexdigest() or check.last.get("kind") != PACKED:
        check.wrong(MANIFEST, "it is not the one that the chain names", "không phải bản mà chuỗi bằng chứng ghi nhận")
    if check.last.get("agency") != manifest["agency"]:
        check.wrong(MANIFEST, "it names another agency than the chain", "đơn vị khác với chuỗi bằng chứng")
    _check_files(check, manifest["files"])
    packets = tuple(_check_packets(check, manifest))
    signed_by, trusted = _check_head(check, manifest, head)
    return Checked(
        problems=tuple(check.problems),
        agency=str(manifest["agency"]),
        document_id=str(manifest["document_id"]),
        made_at=str(manifest["made_at"]),
        entries=check.entries,
        head=head[1],
        packets=packets,
        missing=tuple((one["sha256"], str(one["missing"])) for one in manifest["packets"] if "missing" in one),
        signed_by=signed_by,
        trusted=trusted,
    )


def _check_chain(check: _Check, start: Mapping[str, Any]) -> tuple[int, str]:
    """Recompute the chain; its last number and hash."""
    sequence, previous = int(start["first"]) - 1, str(start["previous"])
    with check.zip.open(CHAIN) as lines:
        while line := lines.readline(_MOST_LINE):
            sequence += 1
            said = json.loads(line)
            digest = said.get("digest")
            if "entry" in said:
                entry = said["entry"]
                digest = digest_of(canonical(entry))
                if entry.get("sequence") != sequence:
                    check.wrong(
                        f"{CHAIN}:{sequence}", "an entry is missing or out of place", "thiếu hoặc sai thứ tự mục"
                    )
                check.entries += 1
                check.last = entry
                check.hashes.update(str(entry[name]) for name in ("sha256", "packet") if entry.get(name))
            previous = chained(previous, str(digest))
    return sequence, previous


def _check_files(check: _Check, files: Sequence[Mapping[str, Any]]) -> None:
    listed = {str(one["name"]): one for one in files}
    there = [info.filename for info in check.zip.infolist()]
    for name in sorted(set(listed) - set(there)):
        check.wrong(name, "it is missing", "bị thiếu")
    for name in sorted(set(there) - set(listed) - _OWN):
        check.wrong(name, "it does not belong to the pack", "không thuộc gói bằng chứng")
    for name in sorted({name for name in there if there.count(name) > 1}):
        check.wrong(name, "it is there more than once", "xuất hiện nhiều lần")
    for name in sorted(set(listed) & set(there)):
        if _hash(check, name, limit=int(listed[name]["size"])) != listed[name]["sha256"]:
            check.wrong(name, "its bytes are not those that were packed", "nội dung đã bị thay đổi")


def _check_packets(check: _Check, manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for one in manifest["packets"]:
        if one["sha256"] not in check.hashes:
            check.wrong(str(one.get("file", one["sha256"])), "no entry of the chain names this packet",
                        "không có mục nào trong chuỗi nhắc tới gói tin này")  # fmt: skip
        if "file" not in one or one.get("again"):
            continue
        if one["file"] != f"packets/{one['sha256']}.edxml":
            check.wrong(str(one["file"]), "its name is not its hash", "tên tệp không khớp mã băm")
        elif one["file"] in check.zip.namelist():
            yield one["file"], _judge_packet(check, one, legacy=bool(manifest["legacy_sha1"]))


def _judge_packet(check: _Check, one: Mapping[str, Any], *, legacy: bool) -> str:
    at = datetime.fromisoformat(one["judged_at"])
    policy = VerifyPolicy(mode=VerifyMode.ANY, anchors=tuple(check.anchors), at=at, legacy_sha1=legacy)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "packet.edxml"
        with path.open("wb") as copy:
            _hash(check, one["file"], limit=check.zip.getinfo(one["file"]).file_size, copy=copy)
        try:
            found = verify(read(path), policy)
            status, trusted = found.status.name, found.trusted
        except PacketError:
            status, trusted = "UNREADABLE", None
    if status != one["verification"]:
        check.wrong(one["file"], f"its signatures are {status} now, and were {one['verification']} when it was packed",
                    f"chữ ký hiện là {status}, lúc đóng gói là {one['verification']}")  # fmt: skip
    elif status == "VALID" and trusted is False:
        check.wrong(one["file"], "its signer does not lead to an authority that was given as trusted",
                    "chứng thư người ký không thuộc tổ chức tin cậy đã nêu")  # fmt: skip
    return status


def _check_head(check: _Check, manifest: Mapping[str, Any], head: tuple[int, str]) -> tuple[str | None, bool | None]:
    said = json.loads(_small(check, HEAD))
    if (said.get("agency"), said.get("sequence"), said.get("hash")) != (manifest["agency"], *head):
        check.wrong(HEAD, "it is not the head of this chain", "không khớp với cuối chuỗi bằng chứng")
    if not said.get("signature"):
        if manifest["signed"]:
            check.wrong(HEAD, "its signature is gone", "chữ ký đã bị gỡ")
        return None, None
    certificates = [x509.load_pem_x509_certificate(one.encode()) for one in said["certificates"]]
    leaf: Any = certificates[0]
    value = base64.b64decode(said["signature"], validate=True)
    known = said["algorithm"] in SIGNATURES
    if not known or not signature_holds(
        leaf.public_key(), said["algorithm"], to_sign(manifest["agency"], *head), value
    ):
        check.wrong(HEAD, "its signature does not hold", "chữ ký không hợp lệ")
        return None, None
    policy = VerifyPolicy(mode=VerifyMode.ANY, anchors=tuple(check.anchors))
    trust = judge(leaf, certificates[1:], policy=policy, at=datetime.fromisoformat(manifest["made_at"]))
    if trust.problem:
        check.wrong(HEAD, f"its signer's certificate: {trust.problem} {trust.detail}",
                    f"chứng thư người ký: {trust.problem} {trust.detail}")  # fmt: skip
    return human_name(leaf), trust.trusted


def _small(check: _Check, name: str) -> bytes:
    if check.zip.namelist().count(name) != 1 or check.zip.getinfo(name).file_size > _MOST_JSON:
        raise _Broken(name, "it is missing, there twice, or too big", "bị thiếu, bị lặp hoặc quá lớn")
    return check.zip.read(name)


def _hash(check: _Check, name: str, *, limit: int, copy: IO[bytes] | None = None) -> str:
    """SHA-256 of a file in the zip; of one longer than it should be, of nothing more than shows that."""
    digest, size = hashlib.sha256(), 0
    with check.zip.open(name) as source:
        while (chunk := source.read(_CHUNK)) and size <= limit:
            digest.update(chunk)
            size += len(chunk)
            if copy is not None:
                copy.write(chunk)
    return digest.hexdigest()
