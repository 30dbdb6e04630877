"""The form of a send: the packet's file between a head and a tail, so that it is never held in memory."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from ..._core import AnyFile, get_path
from ..results import MessageType
from ..wire import FileBody
from .calls import XML

_NOT_IN_NAME = re.compile(r"[^0-9A-Za-z_-]+")


def build_form(packet: AnyFile, message_type: MessageType) -> tuple[str, FileBody]:
    """Build the multipart form around a packet (RFC 7578): its Content-Type, and the body.

    Args:
        packet: the packet.
        message_type: document or status.
    """
    boundary = f"edoc-{secrets.token_hex(16)}"
    name = _name_file(get_path(packet))
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="messageType"\r\n\r\n'
        f"{MessageType(message_type).value}\r\n"
        f'--{boundary}\r\nContent-Disposition: form-data; name="edocFile"; filename="{name}"\r\n'
        f"Content-Type: {XML}\r\n\r\n"
    )
    body = FileBody(packet, head=head.encode("ascii"), tail=f"\r\n--{boundary}--\r\n".encode("ascii"))
    return f"multipart/form-data; boundary={boundary}", body


def _name_file(path: Path) -> str:
    name = _NOT_IN_NAME.sub("-", path.stem).strip("-")[:60]
    return f"{name or 'packet'}.edxml"
