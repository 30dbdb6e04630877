"""Checkpoints (C2SP tlog-checkpoint): the head of a log as a text that its agency signed.

::

    edoc-evidence/H29.05/9f2c61d07be94a35          origin: the agency's code, and the log's own id
    20852163                                       entries
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=   root of the tree over them
    time 2026-11-28T21:51:42Z

    — edoc-evidence/H29.05/9f2c61d07be94a35 Az3grl…

Whoever holds one knows that no entry before it was changed, so long as the tree that is shown has this root, or is
proven to go on from it.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from urllib.parse import quote, unquote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from .._core import Labelled, Text, label_members
from ..signing import (
    PARSE_ERRORS,
    Binding,
    Refused,
    Signer,
    TimeStamping,
    VerifyPolicy,
    check_timestamp,
    human_name,
    is_valid_signature,
    judge_certificate,
    list_algorithms,
)
from .merkle import HASH_SIZE
from .note import Note, compute_key_id, decode_base64, format_note, no_note_error, parse_note, sign_note
from .tiles import TreeReader

ORIGIN_PREFIX = "edoc-evidence"
_LOG_ID_BYTES = 8
_IS_SIZE = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII).fullmatch
_TIME_PREFIX = "time "
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The head of a log.

    Args:
        origin: the log's name.
        size: its entries.
        root: root of the tree over them.
        at: when it was made, to the second, as the agency says; None where it does not say.
        extensions: further lines, which mean nothing here.
    """

    origin: str
    size: int
    root: bytes
    at: datetime | None = None
    extensions: tuple[str, ...] = ()

    @property
    def agency(self) -> str | None:
        """Code of the agency that the origin names; None where it is none of ours."""
        parts = self.origin.split("/")
        return unquote(parts[1]) if len(parts) == 3 and parts[0] == ORIGIN_PREFIX else None


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint as it is kept and handed on.

    Args:
        note: the signed text, byte for byte.
        timestamp: a time-stamp token over it (RFC 3161, DER), where an authority is set.
    """

    note: bytes
    timestamp: bytes | None = None


@label_members(
    {
        "unsigned": Text("nobody signed it", "không có chữ ký"),
        "unknown-key": Text("signed with an unknown key", "khóa ký không rõ"),
        "broken": Text("its signature does not hold", "chữ ký không đúng"),
        "foreign": Text("signed by another organisation", "cơ quan khác ký"),
        "unfit": Text("its certificate does not count", "chứng thư số không có giá trị"),
        "time-stamp": Text("its time-stamp is not believed", "dấu thời gian không tin được"),
    }
)
class CheckpointProblem(Labelled, StrEnum):
    """What is wrong with a checkpoint."""

    UNSIGNED = "unsigned"
    """Nobody signed it."""
    UNKNOWN_KEY = "unknown-key"
    """None of the certificates given did."""
    BROKEN = "broken"
    """Its signature does not hold."""
    FOREIGN = "foreign"
    """Its signer is not the agency."""
    UNFIT = "unfit"
    """Its signer's certificate does not count at its time."""
    UNSTAMPED = "time-stamp"
    """Its time-stamp is not believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointVerdict:
    """What the signatures of a checkpoint are worth.

    Args:
        checkpoint: what it says.
        signed: whether one of the certificates given made one of the signatures.
        problem: what is wrong; None where nothing is.
        detail: more about it, e.g. the code of a reason.
        certificate: the signer's.
        trusted: whether that leads to an authority of the policy; None where the policy has none.
        binding: what ties the certificate to the agency that the origin names.
        stamped_at: when an authority vouches that it existed, UTC; None without a time-stamp that is believed.
    """

    checkpoint: Checkpoint
    signed: bool
    problem: CheckpointProblem | None = None
    detail: str = ""
    certificate: x509.Certificate | None = None
    trusted: bool | None = None
    binding: Binding = Binding.UNBOUND
    stamped_at: datetime | None = None

    @property
    def signer(self) -> str | None:
        """Name of who signed."""
        return human_name(self.certificate) if self.certificate is not None else None


def make_log_id() -> str:
    """Make the id of a new log, 16 hex digits."""
    return secrets.token_hex(_LOG_ID_BYTES)


def build_origin(agency: str, log_id: str) -> str:
    """Build the name of a log.

    Args:
        agency: code of the agency.
        log_id: as of `make_log_id`: a store that begins anew is another log, and not a fork of the old one.
    """
    return f"{ORIGIN_PREFIX}/{quote(agency, safe='')}/{log_id}"


def build_checkpoint(reader: TreeReader, *, origin: str, at: datetime) -> Checkpoint:
    """Build the head of a log as its tree is now.

    Args:
        reader: the tree.
        origin: the log's name.
        at: the present moment, aware.

    Raises:
        EvidenceError: hashes of the tree are missing.
    """
    return Checkpoint(origin=origin, size=reader.size, root=reader.compute_root(), at=at.replace(microsecond=0))


def is_checkpoint_due(
    last: Checkpoint | None,
    *,
    size: int,
    now: datetime,
    every: int = 1024,
    period: timedelta = timedelta(days=1),
) -> bool:
    """Tell whether a head is to be signed: after so many entries, or so long after the last where there are any.

    Args:
        last: the newest checkpoint; None where there is none yet.
        size: entries of the log now.
        now: the present moment, aware.
        every: entries between two checkpoints at most.
        period: time between two checkpoints at most, while entries come.
    """
    since = size - (last.size if last is not None else 0)
    if since <= 0:
        return False
    return since >= every or last is None or last.at is None or now - last.at >= period


def format_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Format the text of a checkpoint, which is signed."""
    lines = [checkpoint.origin, str(checkpoint.size), base64.b64encode(checkpoint.root).decode()]
    if checkpoint.at is not None:
        lines.append(f"{_TIME_PREFIX}{checkpoint.at.astimezone(UTC):{_TIME_FORMAT}}")
    return "".join(f"{line}\n" for line in (*lines, *checkpoint.extensions)).encode()


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Parse the text of a checkpoint.

    Raises:
        EvidenceError: it is none.
    """
    try:
        lines = text.decode().split("\n")
    except UnicodeDecodeError:
        raise no_note_error("it is not UTF-8") from None
    if len(lines) < 4 or lines.pop() != "" or not all(lines):
        raise no_note_error("a line is missing or empty")
    origin, size, root, *extensions = lines
    if not _IS_SIZE(size):
        raise no_note_error("its size is no number")
    times = [line for line in extensions if line.startswith(_TIME_PREFIX)]
    if len(times) > 1:
        raise no_note_error("it has more than one time")
    return Checkpoint(
        origin=origin,
        size=int(size),
        root=_parse_root(root),
        at=_parse_time(times[0]) if times else None,
        extensions=tuple(line for line in extensions if line not in times),
    )


def _parse_root(text: str) -> bytes:
    root = decode_base64(text)
    if len(root) != HASH_SIZE:
        raise no_note_error("its root is not the base64 of 32 bytes")
    return root


def _parse_time(line: str) -> datetime:
    try:
        at = datetime.strptime(line.removeprefix(_TIME_PREFIX), _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise no_note_error("its time is none") from None
    if f"{_TIME_PREFIX}{at:{_TIME_FORMAT}}" != line:
        raise no_note_error("its time is none")
    return at


def sign_checkpoint(
    checkpoint: Checkpoint, signer: Signer | None, *, timestamp: TimeStamping | None = None
) -> SignedCheckpoint:
    """Sign a checkpoint with the agency's key, and have it time-stamped.

    Args:
        checkpoint: the head.
        signer: the key; None leaves it unsigned, which every check says.
        timestamp: gives a time-stamp over the signed note.

    Raises:
        SigningError: the key cannot be used, or the authority gave no time-stamp.
    """
    text = format_checkpoint(checkpoint)
    if signer is None:
        return SignedCheckpoint(format_note(Note(text, ())))
    note = sign_note(text, name=checkpoint.origin, signer=signer)
    return SignedCheckpoint(note, timestamp(note) if timestamp is not None else None)


def read_checkpoint(signed: SignedCheckpoint) -> Checkpoint:
    """Read what a checkpoint says, whoever signed it.

    Raises:
        EvidenceError: it is none.
    """
    return parse_checkpoint(parse_note(signed.note).text)


def verify_checkpoint(
    signed: SignedCheckpoint,
    certificates: Sequence[x509.Certificate],
    *,
    policy: VerifyPolicy,
    now: datetime,
) -> CheckpointVerdict:
    """Verify the signature of a checkpoint, and judge whose it is.

    Args:
        signed: the checkpoint.
        certificates: those that may have signed it, and those that lead towards a root; none is trusted for being here.
        policy: trusted authorities, and the certificates of organisations where they are listed.
        now: the present moment, aware. The signer is judged at the time-stamp; without one at the time that the
            checkpoint states.

    Raises:
        EvidenceError: it is no checkpoint.
    """
    note = parse_note(signed.note)
    verdict = CheckpointVerdict(checkpoint=parse_checkpoint(note.text), signed=False)
    if not note.signatures:
        return replace(verdict, problem=CheckpointProblem.UNSIGNED)
    found = _find_signer(note, verdict.checkpoint.origin, certificates)
    if isinstance(found, CheckpointProblem):
        return replace(verdict, problem=found)
    verdict = replace(verdict, signed=True, certificate=found)
    try:
        stamped_at = _check_timestamp(signed, policy, now)
    except Refused as refused:
        return replace(verdict, problem=CheckpointProblem.UNSTAMPED, detail=f"{refused.code} {refused.detail}".strip())
    verdict = replace(verdict, stamped_at=stamped_at)
    return _judge_signer(verdict, found, certificates, policy=policy, now=now)


def _find_signer(
    note: Note, origin: str, certificates: Iterable[x509.Certificate]
) -> x509.Certificate | CheckpointProblem:
    """Find the certificate whose key made a signature; or the problem, where there is none."""
    for certificate in certificates:
        for key, algorithm in _list_keys(certificate):
            key_id = compute_key_id(origin, algorithm, certificate)
            for one in note.signatures:
                if (one.name, one.key_id) == (origin, key_id):
                    return (
                        certificate
                        if is_valid_signature(key, algorithm, note.text, one.value)
                        else CheckpointProblem.BROKEN
                    )
    return CheckpointProblem.UNKNOWN_KEY


def _list_keys(certificate: x509.Certificate) -> list[tuple[RSAPublicKey | EllipticCurvePublicKey, str]]:
    """List a certificate's key with each algorithm it signs with; nothing for a key of a kind that is not known."""
    try:
        key = certificate.public_key()
    except PARSE_ERRORS:
        return []
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        return []
    return [(key, str(algorithm)) for algorithm in list_algorithms(key)]


def _check_timestamp(signed: SignedCheckpoint, policy: VerifyPolicy, now: datetime) -> datetime | None:
    """Check the time-stamp, where there is one and an authority to believe.

    Raises:
        Refused: it is not believed.
    """
    if signed.timestamp is None or not (policy.timestamp_anchors or policy.anchors):
        return None
    return check_timestamp(signed.timestamp, signed.note, policy=policy, at=now)


def _judge_signer(
    verdict: CheckpointVerdict,
    signer: x509.Certificate,
    certificates: Sequence[x509.Certificate],
    *,
    policy: VerifyPolicy,
    now: datetime,
) -> CheckpointVerdict:
    at = verdict.stamped_at or verdict.checkpoint.at or now
    trust = judge_certificate(signer, certificates, policy=policy, at=at)
    agency = verdict.checkpoint.agency
    binding = policy.find_binding(agency or "", signer, trusted=trust.trusted is True)
    verdict = replace(verdict, trusted=trust.trusted, binding=binding)
    if binding in (Binding.CONTRADICTED, Binding.MALFORMED):
        return replace(verdict, problem=CheckpointProblem.FOREIGN)
    if trust.problem:
        return replace(verdict, problem=CheckpointProblem.UNFIT, detail=f"{trust.problem} {trust.detail}".strip())
    return verdict
