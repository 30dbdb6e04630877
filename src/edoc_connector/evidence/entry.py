"""Entries of the log: what they say, their canonical bytes, and how few bytes keep them.

An entry is what one transaction did to one subject. Its canonical bytes are JSON (UTF-8, sorted keys, no spaces), and
the hash of its leaf is over these. Entries of the first form, one for each event, are read too: they are the first
leaves of a log that began with them.

*Stored*, an entry is::

    1 byte    form, 3
    1 byte    how many digests follow, d, in the upper four bits, and how many UUIDs, u, in the lower ones
    7 bytes   its time: microseconds since 1970 in UTC, the highest byte first
    32·d      the digests
    16·u      the UUIDs
    the rest  the canonical bytes, deflated (RFC 1951) with dictionary 1; 64 hex digits are 0x01 and the digest's
              number there, a UUID is 0x02 and its number, and its time, ``"at":"…",``, is 0x03

Form 2 has four bytes in front: 2, the number of the dictionary, d and u; and the time stays where it is. It is read,
and written of an entry that form 3 has no room for.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from ..errors import EvidenceError

MAX_ENTRY_BYTES = 4 << 20
"""Canonical bytes of the largest entry."""
MAX_EVENTS = 64
"""Events in one entry; what a transaction did beyond goes into the next one."""
_ENTRY_FORM = 2
_WIDE_FORM, _TIMED_FORM = 2, 3
_TIME_SIZE = 7
_HEADER_SIZES = {_WIDE_FORM: 4, _TIMED_FORM: 2 + _TIME_SIZE}
_DICTIONARY = 1
_DIGEST, _UUID, _TIME = b"\x01", b"\x02", b"\x03"
_IDS = re.compile(
    rb"(?<![0-9a-f])(?:([0-9a-f]{64})|([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}))(?![0-9a-f])"
)
_AT = re.compile(rb'"at":"([^"]{32})",')
_PLACES = re.compile(rb"([\x01\x02])(.)|\x03", re.DOTALL)
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_UUID_CUTS = ((0, 4), (4, 6), (6, 8), (8, 10), (10, 16))


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One thing that happened.

    Args:
        kind: ``change`` (a state or status), ``offer`` (what the hub announced), ``answer`` (what the hub said),
            ``packet`` (bytes kept, found altered or removed), ``packed``; of the log itself ``opened``, ``sealed``.
        actor: who did it.
        details: further values, JSON.
    """

    kind: str
    actor: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """What one transaction did to one subject.

    Args:
        agency: code of the agency that has the log.
        at: the transaction's time, UTC.
        subject: ``delivery``, ``receipt`` or ``outgoing``; empty for the agency as a whole.
        subject_id: the row it is about; 0 for the agency as a whole.
        identity: values of the row when the transaction ended.
        events: what happened, in order.
        sequence: the entry's number in the chain of the first form, from 1; 0 for an entry of the second form.
    """

    agency: str
    at: datetime
    subject: str = ""
    subject_id: int = 0
    identity: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[LogEvent, ...]
    sequence: int = 0

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of its events."""
        return frozenset(event.kind for event in self.events)

    def list_facts(self) -> list[dict[str, Any]]:
        """List what each event says, as one entry of the first form said it, but for the number in the chain."""
        subject = {"subject": self.subject, "subject_id": self.subject_id} if self.subject else {}
        at = _format_time(self.at)
        return [
            {
                **self.identity, **event.details, "agency": self.agency, "at": at, "kind": event.kind,
                "actor": event.actor, **subject,
            }
            for event in self.events
        ]  # fmt: skip


def group_events(
    events: Iterable[tuple[str, int, LogEvent]],
    identities: Mapping[tuple[str, int], Mapping[str, Any]],
    *,
    agency: str,
    at: datetime,
) -> list[LogEntry]:
    """Group the events of a transaction into entries, one for each subject, in the order of their first events.

    Args:
        events: subject, number of the row, and event, in the order they were made.
        identities: values of the rows as the transaction ends, by subject and number.
        agency: code of the agency.
        at: the transaction's time, UTC.
    """
    by_row: dict[tuple[str, int], list[LogEvent]] = {}
    for subject, subject_id, event in events:
        by_row.setdefault((subject, subject_id if subject else 0), []).append(event)
    return [
        LogEntry(
            agency=agency,
            at=at,
            subject=row[0],
            subject_id=row[1],
            identity=identities.get(row, {}),
            events=tuple(happened[first : first + MAX_EVENTS]),
        )
        for row, happened in by_row.items()
        for first in range(0, len(happened), MAX_EVENTS)
    ]


def open_log(*, agency: str, at: datetime, actor: str, origin: str) -> LogEntry:
    """Make the entry that a log begins with: its own name.

    Args:
        agency: code of the agency.
        at: the time, UTC.
        actor: who opens it.
        origin: as of `build_origin`.
    """
    return LogEntry(agency=agency, at=at, events=(LogEvent("opened", actor, {"origin": origin}),))


def seal_chain(*, agency: str, at: datetime, actor: str, origin: str, sequence: int, head: str) -> LogEntry:
    """Make the entry that follows the entries of a chain of the first form, and holds that chain's end.

    Args:
        agency: code of the agency.
        at: the time, UTC.
        actor: who seals it.
        origin: name of the log, as of `build_origin`.
        sequence: number of the chain's last entry, which is the number of leaves before this one.
        head: the chain's last hash, hex.
    """
    details = {"origin": origin, "sealed_sequence": sequence, "sealed_hash": head}
    return LogEntry(agency=agency, at=at, events=(LogEvent("sealed", actor, details),))


# -- canonical bytes


def as_canonical_json(values: Mapping[str, Any]) -> str:
    """Serialise as JSON with sorted keys, no spaces, and letters as they are: one text for one value."""
    return json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def format_entry(entry: LogEntry) -> bytes:
    """Format an entry as its canonical bytes.

    Raises:
        EvidenceError: it is too large.
    """
    values: dict[str, Any] = {
        "agency": entry.agency,
        "at": _format_time(entry.at),
        "events": [_build_event(event) for event in entry.events],
        "form": _ENTRY_FORM,
    }
    if entry.identity:
        values["identity"] = dict(entry.identity)
    if entry.subject:
        values |= {"subject": entry.subject, "subject_id": entry.subject_id}
    canonical = as_canonical_json(values).encode()
    if len(canonical) > MAX_ENTRY_BYTES:
        raise EvidenceError(
            f"an entry of the evidence would have {len(canonical)} bytes; at most {MAX_ENTRY_BYTES} are kept.",
            vi=f"mục bằng chứng dài {len(canonical)} byte, vượt quá {MAX_ENTRY_BYTES} byte cho phép.",
        )
    return canonical


def parse_entry(canonical: bytes) -> LogEntry:
    """Parse the canonical bytes of an entry, of either form.

    Raises:
        EvidenceError: they are none, or not the canonical ones of what they say.
    """
    if len(canonical) > MAX_ENTRY_BYTES:
        raise _no_entry_error("it is too large")
    try:
        values = json.loads(canonical)
        if not isinstance(values, dict) or as_canonical_json(values).encode() != canonical:
            raise _no_entry_error("its text is not canonical")
        return _parse_second_form(values) if "form" in values else _parse_first_form(values)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _no_entry_error(type(error).__name__) from error


def _build_event(event: LogEvent) -> dict[str, Any]:
    values: dict[str, Any] = {"actor": event.actor, "kind": event.kind}
    return values | {"details": dict(event.details)} if event.details else values


def _format_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _parse_second_form(values: Mapping[str, Any]) -> LogEntry:
    if values["form"] != _ENTRY_FORM:
        raise _no_entry_error(f"its form {values['form']!r:.20} is not known")
    events = tuple(
        LogEvent(_take(one, "kind", str), _take(one, "actor", str), _take(one, "details", dict, {}))
        for one in _take(values, "events", list)
    )
    return LogEntry(
        agency=_take(values, "agency", str),
        at=_parse_time(values),
        subject=_take(values, "subject", str, ""),
        subject_id=_take(values, "subject_id", int, 0),
        identity=_take(values, "identity", dict, {}),
        events=events,
    )


_FIRST_FORM_NAMES = frozenset({"agency", "at", "kind", "actor", "subject", "subject_id", "sequence"})


def _parse_first_form(values: Mapping[str, Any]) -> LogEntry:
    """Parse an entry of the first form, in which the row's values and those of the event are not told apart."""
    details = {name: value for name, value in values.items() if name not in _FIRST_FORM_NAMES}
    return LogEntry(
        agency=_take(values, "agency", str),
        at=_parse_time(values),
        subject=_take(values, "subject", str, ""),
        subject_id=_take(values, "subject_id", int, 0),
        events=(LogEvent(_take(values, "kind", str), _take(values, "actor", str), details),),
        sequence=_take(values, "sequence", int),
    )


def _take(values: Mapping[str, Any], name: str, kind: type, default: object = None) -> Any:
    value = values.get(name, default)
    if type(value) is not kind:
        raise _no_entry_error(f"'{name}' is missing, or of another kind")
    return value


def _parse_time(values: Mapping[str, Any]) -> datetime:
    at = datetime.fromisoformat(_take(values, "at", str))
    if at.tzinfo is None:
        raise _no_entry_error("'at' has no offset")
    return at


# -- stored form


def pack_entry(canonical: bytes) -> bytes:
    """Pack canonical bytes into the stored form.

    Raises:
        EvidenceError: they hold control characters, which no canonical JSON does.
    """
    if any(mark in canonical for mark in (_DIGEST, _UUID, _TIME)):
        raise _no_entry_error("it holds control characters")
    taken: tuple[dict[bytes, int], dict[bytes, int]] = {}, {}

    def take_out(found: re.Match[bytes]) -> bytes:
        kind = 0 if found[1] else 1
        value = bytes.fromhex(found[0].replace(b"-", b"").decode())
        place = taken[kind].setdefault(value, len(taken[kind]))
        return (_DIGEST, _UUID)[kind] + bytes([place])

    text = _IDS.sub(lambda found: take_out(found) if max(map(len, taken)) < 255 else found[0], canonical)
    at = _AT.search(text)
    micros = _count_microseconds(at[1]) if at is not None and max(map(len, taken)) < 16 else None
    if at is None or micros is None:
        header = bytes([_WIDE_FORM, _DICTIONARY, *map(len, taken)])
    else:
        header = bytes([_TIMED_FORM, len(taken[0]) << 4 | len(taken[1])]) + micros.to_bytes(_TIME_SIZE, "big")
        text = text[: at.start()] + _TIME + text[at.end() :]
    # A copy of an object that has the dictionary already costs less than reading the dictionary again.
    deflate = _get_deflater(_DICTIONARY).copy()
    body = deflate.compress(text) + deflate.flush()
    return header + b"".join((*taken[0], *taken[1])) + body


def unpack_entry(stored: bytes) -> bytes:
    """Unpack the canonical bytes of an entry from its stored form; at most `MAX_ENTRY_BYTES` are made of any input.

    Raises:
        EvidenceError: the bytes are no stored entry, or of a form or dictionary that this version does not know.
    """
    header_size = _HEADER_SIZES.get(stored[0], 0) if stored else 0
    if not header_size or len(stored) < header_size:
        raise _no_entry_error("its stored form is not known")
    if stored[0] == _TIMED_FORM:
        dictionary, digest_count, uuid_count = _DICTIONARY, stored[1] >> 4, stored[1] & 15
        at = _format_at(int.from_bytes(stored[2:header_size], "big"))
    else:
        dictionary, digest_count, uuid_count, at = *stored[1:header_size], b""
    end_of_digests = header_size + 32 * digest_count
    end_of_ids = end_of_digests + 16 * uuid_count
    digests = [stored[start : start + 32].hex().encode() for start in range(header_size, end_of_digests, 32)]
    uuids = [_format_uuid(stored[start : start + 16]) for start in range(end_of_digests, end_of_ids, 16)]
    if len(stored) < end_of_ids:
        raise _no_entry_error("it is cut off")
    text = _inflate(stored[end_of_ids:], dictionary)
    if len(text) + 62 * text.count(_DIGEST) + 34 * text.count(_UUID) + len(at) * text.count(_TIME) > MAX_ENTRY_BYTES:
        raise _no_entry_error("it is too large")
    ids = {_DIGEST[0]: digests, _UUID[0]: uuids}
    try:
        return _PLACES.sub(lambda found: ids[found[1][0]][found[2][0]] if found[1] else at, text)
    except IndexError as error:
        raise _no_entry_error("a digest is missing") from error


def _count_microseconds(text: bytes) -> int | None:
    """Count the microseconds since 1970 of a time; None where it is none, or not written as entries write it."""
    try:
        at = datetime.fromisoformat(text.decode())
    except ValueError:
        return None
    is_usual = at.tzinfo is not None and at >= _EPOCH and _format_time(at).encode() == text
    micros = (at - _EPOCH) // _MICROSECOND if is_usual else -1
    return micros if 0 <= micros < 1 << 8 * _TIME_SIZE else None


def _format_at(micros: int) -> bytes:
    try:
        return f'"at":"{_format_time(_EPOCH + micros * _MICROSECOND)}",'.encode()
    except OverflowError as error:
        raise _no_entry_error("its time is none") from error


def _format_uuid(value: bytes) -> bytes:
    return b"-".join(value[begin:end].hex().encode() for begin, end in _UUID_CUTS)


def _inflate(body: bytes, dictionary: int) -> bytes:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS, zdict=read_dictionary(dictionary))
    try:
        text = inflate.decompress(body, MAX_ENTRY_BYTES + 1)
    except zlib.error as error:
        raise _no_entry_error("it does not inflate") from error
    if len(text) > MAX_ENTRY_BYTES or not inflate.eof or inflate.unused_data:
        raise _no_entry_error("it is too large, cut off, or followed by more")
    return text


@cache
def read_dictionary(number: int) -> bytes:
    """Read a dictionary that entries were deflated with.

    Raises:
        EvidenceError: there is none of that number.
    """
    path = files(__package__) / "dictionaries" / f"{number}.bin"
    if not path.is_file():
        raise _no_entry_error(f"its dictionary {number} is not known to this version")
    return path.read_bytes()


@cache
def _get_deflater(dictionary: int) -> zlib._Compress:
    # A small object is copied soon; the window holds the dictionary and an entry of ordinary size.
    return zlib.compressobj(6, zlib.DEFLATED, -14, 5, zdict=read_dictionary(dictionary))


def _no_entry_error(why: str) -> EvidenceError:
    return EvidenceError(
        f"an entry of the evidence cannot be read: {why}.",
        vi=f"không đọc được một mục bằng chứng: {why}.",
    )
