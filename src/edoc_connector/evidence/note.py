"""Signed notes (C2SP signed-note): a text, an empty line, and lines of signatures.

The signature types are ours, for the keys that agencies have certificates for. C2SP leaves type 0xff to such, with a
name behind it; here ``edoc-connector/`` and the name of the algorithm. The value is that of `Signer.sign` over the text
with its last line feed, without the empty line.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ..errors import EvidenceError
from ..signing import Signer, require_certificate

MAX_NOTE_BYTES = 64 * 1024
MAX_SIGNATURES = 16
KEY_ID_SIZE = 4
_SIGNATURE_TYPE = b"\xff" + b"edoc-connector/"
_IS_KEY_NAME = re.compile(r"[^\s+]+").fullmatch
_DASH = "\u2014 "


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """A line of a note that signs its text.

    Args:
        name: name of the key.
        key_id: four bytes that tell keys of one name apart; they prove nothing.
        value: the signature value.
    """

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text with signatures, none of which is checked yet.

    Args:
        text: the signed text, with its last line feed.
        signatures: those that stand below it.
    """

    text: bytes
    signatures: tuple[NoteSignature, ...]


def compute_key_id(name: str, algorithm: str, certificate: x509.Certificate) -> bytes:
    """Compute the id of a key.

    Args:
        name: name of the key.
        algorithm: name of the signature algorithm, e.g. ``ecdsa-sha256``.
        certificate: one of the key's certificates; what counts is its public key.
    """
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    parts = (name.encode(), b"\n", _SIGNATURE_TYPE, algorithm.encode(), b"\n", key)
    return hashlib.sha256(b"".join(parts)).digest()[:KEY_ID_SIZE]


def sign_note(text: bytes, *, name: str, signer: Signer) -> bytes:
    """Sign a text as a note.

    Args:
        text: UTF-8 that ends with a line feed.
        name: name of the key, without spaces and plus signs.
        signer: the key.

    Raises:
        SigningError: the key cannot be used.
    """
    key_id = compute_key_id(name, signer.algorithm, require_certificate(signer))
    return format_note(Note(text, (NoteSignature(name, key_id, signer.sign(text)),)))


def format_note(note: Note) -> bytes:
    """Format a note; one without signatures ends with the empty line."""
    lines = [
        f"{_DASH}{one.name} {base64.b64encode(one.key_id + one.value).decode()}\n".encode() for one in note.signatures
    ]
    return note.text + b"\n" + b"".join(lines)


def parse_note(data: bytes) -> Note:
    """Parse a note; its text must not be believed before a signature is checked.

    Raises:
        EvidenceError: it is none, too long, or has too many signatures.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise no_note_error(f"it is longer than {MAX_NOTE_BYTES} bytes")
    if any(byte < 0x20 and byte != 0x0A for byte in data):
        raise no_note_error("it holds control characters")
    text, empty_line, tail = data.rpartition(b"\n\n")
    if not empty_line:
        raise no_note_error("an empty line is missing")
    try:
        text.decode()
        lines = tail.decode().split("\n")
    except UnicodeDecodeError:
        raise no_note_error("it is not UTF-8") from None
    if lines.pop() != "":
        raise no_note_error("its last line is cut off")
    if len(lines) > MAX_SIGNATURES:
        raise no_note_error(f"it has more than {MAX_SIGNATURES} signatures")
    return Note(text + b"\n", tuple(map(_parse_signature, lines)))


def _parse_signature(line: str) -> NoteSignature:
    dash, name, value = line[: len(_DASH)], *line[len(_DASH) :].partition(" ")[::2]
    if dash != _DASH or not _IS_KEY_NAME(name):
        raise no_note_error("a line of a signature is none")
    data = decode_base64(value)
    if len(data) <= KEY_ID_SIZE:
        raise no_note_error("a signature is not base64")
    return NoteSignature(name, data[:KEY_ID_SIZE], data[KEY_ID_SIZE:])


def decode_base64(text: str) -> bytes:
    """Decode base64 as it is written in one way only (RFC 4648, 3.5); nothing comes of any other text."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return b""
    return data if base64.b64encode(data).decode() == text else b""


def no_note_error(why: str) -> EvidenceError:
    """Build the error for a note, or a checkpoint, that is none."""
    return EvidenceError(
        f"this is no checkpoint: {why}.", vi=f"tệp này không phải điểm kiểm chứng (checkpoint) hợp lệ: {why}."
    )
