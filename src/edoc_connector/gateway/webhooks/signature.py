"""Signatures of messages, as Standard Webhooks has them: HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

from ...errors import ConfigError

_PREFIX = "whsec_"
_MIN_BYTES, _MAX_BYTES = 24, 64


def parse_secret(text: str, reference: str) -> bytes:
    """Parse the secret of an endpoint: base64 of 24 to 64 bytes, with or without ``whsec_`` in front.

    Args:
        text: the secret.
        reference: where it came from, for the error: the secret is never repeated.

    Raises:
        ConfigError: it is none.
    """
    try:
        secret = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (ValueError, binascii.Error):
        secret = b""
    if not _MIN_BYTES <= len(secret) <= _MAX_BYTES:
        raise ConfigError(
            f"{reference}: this is no secret of a webhook: {_PREFIX} and base64 of {_MIN_BYTES} to {_MAX_BYTES} bytes.",
            vi=f"{reference}: không phải khóa bí mật của webhook: cần {_PREFIX} và base64 của {_MIN_BYTES} đến "
            f"{_MAX_BYTES} byte.",
        )
    return secret


def sign_message(message_id: str, timestamp: int, body: bytes, secrets: Iterable[bytes]) -> str:
    """Sign a message with each secret: the header ``webhook-signature``.

    Args:
        message_id: header ``webhook-id``.
        timestamp: header ``webhook-timestamp``, seconds since 1970.
        body: the body.
        secrets: the current one, and those before it while receivers change over.
    """
    content = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return " ".join(f"v1,{_compute_mac(secret, content)}" for secret in secrets)


def _compute_mac(secret: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
