"""Signed headers of the VXP interface: the parameters, their JSON, the HMAC over it, and the hash of a packet."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime

from ..._core import AnyFile
from ...errors import ConfigError, EdocError, HubError, UnknownRecipient
from ..fields import VIETNAM
from ..packet_hash import hash_packet
from .messages import TIME_WITHOUT_ZONE, build_character_error, build_length_error

PREFIX = "XroadVnpt-"
VERSION = "3.0.201608"
MAX_VALUE = 4096
MAX_RECIPIENTS = 64 * 1024
"""A packet to every agency of a province: some thousand codes."""

_JSON_PARAMETERS = frozenset({"to"})
"""Parameters whose value is JSON and so holds quotes, which the signed JSON escapes."""

_ERROR_BY_PARAMETER: Mapping[str, type[EdocError]] = {
    "systemid": ConfigError,
    "from": ConfigError,
    "to": UnknownRecipient,
}
"""Errors for a value that no header carries, by parameter: a wrong setting of ours, which every call meets, or a
message that cannot go. Other values come from a hub or a caller, and concern one call: `HubError`."""

_NOT_IN_VALUE = re.compile(r'[^ -~]|[;"]')
_NOT_IN_JSON_TEXT = re.compile(r"[^ -~]|;")

_UNPADDED_HEX = tuple(f"{byte:x}" for byte in range(256))


def build_signed_headers(parameters: Mapping[str, str], secret: str) -> dict[str, str]:
    """Build the ``XroadVnpt-`` headers for parameters, signed in the mapping's order.

    Args:
        parameters: bare names to values.
        secret: as the hub's operator issued it; its UTF-8 bytes are the HMAC key.

    Raises:
        ConfigError, UnknownRecipient, HubError: as `require_carriable`.
    """
    headers = {PREFIX + name: require_carriable(name, value) for name, value in parameters.items()}
    text = json.dumps(headers, ensure_ascii=False, separators=(",", ":"))
    return {
        **headers,
        PREFIX + "sign-header-key": ";".join(parameters),
        PREFIX + "sign-header": text,
        PREFIX + "hash-header": hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest(),
        PREFIX + "version": VERSION,
    }


def require_carriable(name: str, value: str) -> str:
    """Return a value that arrives at the hub as it was signed, and refuse any other.

    HTTP drops spaces at the ends and may fold tabs; a quote or semicolon ends things early in hubs that take the JSON
    and the key list apart by hand; what is not ASCII has no agreed encoding in a header.

    Raises:
        ConfigError: such a value is a setting of ours (``systemid``, ``from``).
        UnknownRecipient: such a value names recipients.
        HubError: any other parameter has such a value.
    """
    limit = MAX_RECIPIENTS if name in _JSON_PARAMETERS else MAX_VALUE
    error = _ERROR_BY_PARAMETER.get(name, HubError)
    if not value or len(value) > limit:
        raise build_length_error(error, name, size=len(value), limit=limit)
    forbidden = (_NOT_IN_JSON_TEXT if name in _JSON_PARAMETERS else _NOT_IN_VALUE).search(value)
    if forbidden is not None or value != value.strip():
        character = f"U+{ord(forbidden.group()):04X}" if forbidden is not None else "U+0020"
        raise build_character_error(error, name, character)
    return value


def can_carry(value: str) -> bool:
    """Tell whether a header can carry an id of the hub back to it unchanged."""
    return 0 < len(value) <= MAX_VALUE and value == value.strip() and not _NOT_IN_VALUE.search(value)


def format_timestamp(now: datetime) -> str:
    """Format a time stamp: ``ddMMyyyy'T'HHmmss+SSSS``, Vietnam time, SSSS milliseconds.

    Args:
        now: aware.

    Raises:
        ConfigError: the clock gave a time without a zone.
    """
    if now.tzinfo is None:
        raise ConfigError(TIME_WITHOUT_ZONE.en, vi=TIME_WITHOUT_ZONE.vi)
    local = now.astimezone(VIETNAM)
    return f"{local:%d%m%Y}T{local:%H%M%S}+{local.microsecond // 1000:04d}"


def compute_file_hash(packet: AnyFile, *, sdk_compatible: bool, limit: int) -> tuple[str, bytes | None]:
    """Compute the SHA-256 of a packet for the ``hash-file`` parameter, and read a small packet whole.

    The bytes of a small packet go out just as they were hashed, whatever happens to the file meanwhile.

    Args:
        packet: the packet.
        sdk_compatible: write each byte without zero padding, as the vendor's client does (0x0e becomes ``e``).
        limit: most bytes of the packet.

    Returns:
        The digest as text, and the bytes of a packet of at most 256 KiB.

    Raises:
        AttachmentError: the file cannot be read, is empty or too large.
    """
    digest, content = hash_packet(packet, limit=limit)
    return "".join([_UNPADDED_HEX[byte] for byte in digest]) if sdk_compatible else digest.hex(), content
