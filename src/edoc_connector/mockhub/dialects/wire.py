"""The check of a request's signed headers (VXP interface, "Headers on every request").

Written from the description of the interface alone: it shares no code with the client, so that a mistake in one shows.
Real clients keep one object for the life of a process: time stamps are old, and parameters of earlier calls stay.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from edoc_connector.mockhub.codes import ErrorCode, RefusedError, parse_request_time

PREFIX = "XroadVnpt-"
_UNSIGNED_HEADERS = frozenset({"sign-header", "sign-header-key", "hash-header", "version"})
_ALWAYS_SIGNED = ("systemid", "timestamp", "Content-Type")
_UNKNOWN_SYSTEM_KEY = (
    b"\0" * 32
)  # keyed with this, a request of an unknown system costs the same time as one of a known one


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request whose headers are genuine.

    Args:
        system_id: the system that signed it.
        parameters: signed parameters by their names as signed, those of earlier calls among them.
    """

    system_id: str
    parameters: Mapping[str, str]

    def find_parameter(self, name: str) -> str | None:
        """Find a parameter by its name in any case; the exact name goes before others."""
        return next(iter(self.list_parameters(name)), None)

    def list_parameters(self, name: str) -> list[str]:
        """List the values of a name in any case, that of the exact name first."""
        exact = [self.parameters[name]] if name in self.parameters else []
        others = (key for key in self.parameters if key != name and key.lower() == name.lower())
        return exact + [self.parameters[key] for key in others]


class Headers:
    """Header fields of one request; names compare without case, values are UTF-8."""

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._fields: dict[str, list[bytes]] = {}
        for name, value in raw:
            self._fields.setdefault(name.decode("latin-1").lower(), []).append(value)

    def require_value(self, name: str) -> str:
        """Get the value of a header that must be there, once, and not be empty.

        Raises:
            RefusedError: 27.
        """
        values = self._fields.get(name.lower(), [])
        if len(values) > 1:
            raise RefusedError(ErrorCode.MALFORMED, f"header {name} is there twice")
        try:
            text = b"".join(values).decode("utf-8")
        except UnicodeDecodeError:
            raise RefusedError(ErrorCode.MALFORMED, f"header {name} is not UTF-8") from None
        if not text:
            raise RefusedError(ErrorCode.MALFORMED, f"header {name} is missing")
        return text

    def select_parameters(self) -> dict[str, list[bytes]]:
        """Select the headers with the prefix that are parameters: lower-case bare name to raw values."""
        start = len(PREFIX)
        bare = {name[start:]: values for name, values in self._fields.items() if name.startswith(PREFIX.lower())}
        return {name: values for name, values in bare.items() if name not in _UNSIGNED_HEADERS}


def verify_request(
    headers: Headers, *, secrets: Mapping[str, str], now: datetime, tolerance: timedelta | None
) -> SignedRequest:
    """Check a request's headers.

    Args:
        headers: as received.
        secrets: HMAC key as text, by system id.
        now: the hub's time.
        tolerance: how far the timestamp may be from it, either way; None takes any.

    Raises:
        RefusedError: 27 something missing or malformed, 15 not genuine, 16 the timestamp is too far off.
    """
    text, keys = headers.require_value(PREFIX + "sign-header"), headers.require_value(PREFIX + "sign-header-key")
    system_id, given_hmac = headers.require_value(PREFIX + "systemid"), headers.require_value(PREFIX + "hash-header")
    headers.require_value(PREFIX + "version")
    headers.require_value("User-Agent")
    _check_hmac(text, given_hmac, secrets.get(system_id))
    parameters = _parse_signed_parameters(text)
    _check_keys(parameters, keys)
    _check_values(parameters, headers)
    _check_clock(parameters["timestamp"], now, tolerance)
    return SignedRequest(system_id, parameters)


def require_signed(signed: SignedRequest, names: Iterable[str]) -> None:
    """Check that a call's own parameters are signed.

    Raises:
        RefusedError: 27, naming the first that is missing.
    """
    for name in names:
        if signed.find_parameter(name) is None:
            raise RefusedError(ErrorCode.MALFORMED, f"parameter {name} is missing or not signed")


class FileHash:
    """SHA-256 of a body as it streams in, with and without a CRLF at its end."""

    def __init__(self) -> None:
        self.size = 0
        self._digest = hashlib.sha256()
        self._last_bytes = b""

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        self.size += len(chunk)
        data = self._last_bytes + chunk
        self._digest.update(data[:-2])
        self._last_bytes = data[-2:]

    def find_tail_length(self, expected_hash: str, mode: Literal["any", "sdk", "exact"]) -> int | None:
        """Find how many bytes at the end do not belong to the file; None where the hash is wrong.

        The vendor's client hashes the file, writes the digest without zero padding and appends CRLF to the body.
        """
        whole = self._digest.copy()
        whole.update(self._last_bytes)
        if (
            mode != "exact"
            and self._last_bytes == b"\r\n"
            and _is_same_digest(expected_hash, _format_unpadded(self._digest.digest()))
        ):
            return 2
        if mode != "sdk" and _is_same_digest(expected_hash, whole.hexdigest()):
            return 0
        return None


def _check_hmac(text: str, given_hmac: str, secret: str | None) -> None:
    key = _UNKNOWN_SYSTEM_KEY if secret is None else secret.encode()
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    if not _is_same_digest(given_hmac, expected) or secret is None:
        raise RefusedError(ErrorCode.AUTHENTICATION, "unknown systemid, or hash-header is not made with its secret")


def _parse_signed_parameters(text: str) -> dict[str, str]:
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        pairs = None
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise RefusedError(ErrorCode.MALFORMED, "sign-header is not a JSON object")
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if not name.startswith(PREFIX) or not isinstance(value, str) or name[len(PREFIX) :] in parameters:
            raise RefusedError(ErrorCode.MALFORMED, f"sign-header: {name} is not {PREFIX}name, not text or there twice")
        parameters[name[len(PREFIX) :]] = value
    return parameters


def _check_keys(parameters: Mapping[str, str], keys: str) -> None:
    if keys != ";".join(parameters):
        raise RefusedError(ErrorCode.MALFORMED, "sign-header-key does not list the names of sign-header in their order")
    for name in _ALWAYS_SIGNED:
        if name not in parameters:
            raise RefusedError(ErrorCode.MALFORMED, f"parameter {name} is missing or not signed")


def _check_values(parameters: Mapping[str, str], headers: Headers) -> None:
    """Compare headers with signed parameters. Of two names that differ in case alone, one header may be left out."""
    actual = headers.select_parameters()
    signed: dict[str, set[bytes]] = {}
    for name, value in parameters.items():
        signed.setdefault(name.lower(), set()).add(value.encode("utf-8", "surrogatepass"))
    for name in sorted(actual.keys() ^ signed.keys()):
        raise RefusedError(ErrorCode.AUTHENTICATION, f"{name} is only in the headers, or only in sign-header")
    for name, values in actual.items():
        if not signed[name].issuperset(values):
            raise RefusedError(ErrorCode.AUTHENTICATION, f"header {name} is not the one that was signed")
    if _parse_media_type(headers.require_value("Content-Type")) != _parse_media_type(parameters["Content-Type"]):
        raise RefusedError(ErrorCode.MALFORMED, "Content-Type is not the one that was signed")


def _check_clock(text: str, now: datetime, tolerance: timedelta | None) -> None:
    try:
        stamped = parse_request_time(text)
    except ValueError:
        raise RefusedError(ErrorCode.MALFORMED, "timestamp is not ddMMyyyy'T'HHmmss+SSSS") from None
    if tolerance is not None and abs(now - stamped) > tolerance:
        minutes = (stamped - now).total_seconds() / 60
        raise RefusedError(ErrorCode.CLOCK, f"timestamp is {minutes:+.1f} minutes off the hub's clock")


def _parse_media_type(value: str) -> str:
    return value.partition(";")[0].strip().lower()


def _format_unpadded(digest: bytes) -> str:
    return "".join(f"{byte:x}" for byte in digest)


def _is_same_digest(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
