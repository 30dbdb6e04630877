"""Signed headers of the VXP interface: the parameters, their JSON, the HMAC over it, and the hash of a packet."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from edoc_connector.errors import (
    AttachmentError,
    ConfigError,
    EdocError,
    HubError,
    UnknownRecipient,
    describe_system_error_vi,
)
from edoc_connector.hubs.fields import VIETNAM

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
"""By parameter, what a value that no header carries is: wrong settings of ours, which every call meets, or a message
that cannot go. Other values come from a hub or a caller, and concern one call: `HubError`."""

_NOT_IN_VALUE = re.compile(r'[^ -~]|[;"]')
_NOT_IN_JSON_TEXT = re.compile(r"[^ -~]|;")

_UNPADDED_HEX = tuple(f"{byte:x}" for byte in range(256))

_CHUNK = 256 * 1024
"""Bytes read at a time; a packet that fits into one piece is read but once."""


def build_signed_headers(parameters: Mapping[str, str], secret: str) -> dict[str, str]:
    """The ``XroadVnpt-`` headers for these parameters, in the mapping's order.

    Args:
        parameters: bare names to values.
        secret: as the hub gave it; its UTF-8 bytes are the HMAC key.

    Raises:
        ConfigError, UnknownRecipient, HubError: HTTP or the signed JSON would not carry a value unchanged; which of
            them, see `checked`.
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
    """A value, if it arrives at the hub as it was signed.

    HTTP drops spaces at the ends and may fold tabs; a quote or semicolon ends things early in hubs that take the JSON
    and the key list apart by hand; what is not ASCII has no agreed encoding in a header.

    Raises:
        ConfigError: it would not, and is a setting of ours (``systemid``, ``from``).
        UnknownRecipient: it would not, and names recipients.
        HubError: it would not, and is anything else.
    """
    limit = MAX_RECIPIENTS if name in _JSON_PARAMETERS else MAX_VALUE
    error = _ERROR_BY_PARAMETER.get(name, HubError)
    if not value or len(value) > limit:
        raise error(
            f"The parameter {name!r} of a hub call must have 1 to {limit} characters, not {len(value)}. "
            "Leave an optional one out; the recipients stand in the packet as well.",
            vi=f"Tham số {name!r} của lời gọi trục phải dài từ 1 đến {limit} ký tự, không phải {len(value)}. "
            "Tham số tùy chọn thì bỏ đi; danh sách nơi nhận đã có trong gói tin.",
        )
    forbidden = (_NOT_IN_JSON_TEXT if name in _JSON_PARAMETERS else _NOT_IN_VALUE).search(value)
    if forbidden is not None or value != value.strip():
        character = f"U+{ord(forbidden.group()):04X}" if forbidden is not None else "U+0020"
        raise error(
            f"The parameter {name!r} of a hub call holds {character}, which a signed header cannot carry. "
            "Use the code or id as the hub's directory writes it: printable ASCII, no quote, no semicolon, "
            "no space at the ends.",
            vi=f"Tham số {name!r} của lời gọi trục có ký tự {character} mà header được ký không mang được. "
            "Hãy dùng mã đúng như trong danh bạ của trục: ký tự ASCII in được, không có dấu nháy kép, dấu chấm phẩy, "
            "không có dấu cách ở hai đầu.",
        )
    return value


def can_carry(value: str) -> bool:
    """Whether a header can carry an id, as the hub wrote it, back to the hub."""
    return 0 < len(value) <= MAX_VALUE and value == value.strip() and not _NOT_IN_VALUE.search(value)


def format_timestamp(now: datetime) -> str:
    """A time stamp as the interface writes it: ``ddMMyyyy'T'HHmmss+SSSS``, Vietnam time, SSSS milliseconds.

    Args:
        now: aware.

    Raises:
        ConfigError: the clock gave a time without a zone.
    """
    if now.tzinfo is None:
        raise ConfigError(
            "The clock given to the hub dialect returns a time without a zone; use datetime.now(timezone.utc).",
            vi="Đồng hồ cấp cho giao thức trục trả về thời gian không có múi giờ; hãy dùng datetime.now(timezone.utc).",
        )
    local = now.astimezone(VIETNAM)
    return f"{local:%d%m%Y}T{local:%H%M%S}+{local.microsecond // 1000:04d}"


def compute_file_hash(path: Path, *, sdk_compatible: bool, limit: int) -> tuple[str, bytes | None]:
    """SHA-256 of a packet's bytes for the ``hash-file`` parameter; of a small one the bytes too.

    What goes out is then just what was hashed, whatever happens to the file.

    Args:
        path: the packet.
        sdk_compatible: write each byte without zero padding, as the vendor's client does (0x0e becomes ``e``).
        limit: most bytes it may have.

    Raises:
        AttachmentError: the file cannot be read, is empty or too large.
    """
    try:
        with path.open("rb", buffering=0) as file:
            first = chunk = file.read(_CHUNK)
            digest, size = hashlib.sha256(first), len(first)
            while chunk and size <= limit and (chunk := file.read(_CHUNK)):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise AttachmentError(
            f"The packet {path} cannot be read: {error.strerror}. Put it back, or build it again, and send again.",
            vi=f"Không đọc được gói tin {path}: {describe_system_error_vi(error)}. "
            "Hãy khôi phục hoặc tạo lại gói tin rồi gửi lại.",
        ) from error
    if size == 0:
        raise AttachmentError(
            f"The packet {path} is empty. Build it again and send again.",
            vi=f"Gói tin {path} rỗng. Hãy tạo lại gói tin rồi gửi lại.",
        )
    if size > limit:
        raise AttachmentError(
            f"The packet {path} is larger than the {limit} bytes that max_packet allows. Send the attachments in "
            "several documents, or raise max_packet if the hub takes more.",
            vi=f"Gói tin {path} lớn hơn giới hạn {limit} byte của max_packet. Hãy chia tệp đính kèm ra nhiều văn bản, "
            "hoặc tăng max_packet nếu trục nhận được nhiều hơn.",
        )
    text = "".join([_UNPADDED_HEX[byte] for byte in digest.digest()]) if sdk_compatible else digest.hexdigest()
    return text, first if size == len(first) else None
