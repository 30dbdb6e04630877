"""Packets as the platform's guide gives them: as text, and with attachments beside it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..._core import create_private
from ...errors import PacketError
from ..fields import as_json_or_text
from ..messages import build_protocol_error
from .calls import Call

_TEXT_MEMBERS = ("data", "edxml")
_CONTENT_MEMBERS = ("fileContent", "content")
_NAME_MEMBERS = ("fileName", "name")
_OTHER_ENCODING = re.compile(
    r"(\A<\?xml[^>]*?)\s+encoding\s*=\s*(?![\"']utf-?8[\"'])(\"[^\"]*\"|'[^']*')", re.IGNORECASE
)
_SPACES = re.compile(r"\s+")


def write_packet_text(part: Path, data: Mapping[str, Any], call: Call) -> str:
    """Write the packet that an answer has as text: ``data.data``, else ``data.edxml``; returns its SHA-256, hex.

    Raises:
        ProtocolError: there is no packet in the answer.
    """
    text = next((value for name in _TEXT_MEMBERS if isinstance(value := data.get(name), str) and value.strip()), "")
    if not text:
        raise build_protocol_error(call.name, "there is no packet in it")
    content = _as_xml(text) if text.lstrip("\ufeff \t\r\n").startswith("<") else _decode_base64(text, call, "packet")
    return _write(part, content)


def add_listed_attachments(part: Path, data: Mapping[str, Any], call: Call) -> str | None:
    """Put the attachments that an answer lists beside a packet into it, those that it lacks.

    A packet that is not XML is left as it is: judging packets is not the hub layer's business.

    Args:
        part: the packet's file.
        data: the object around the packet.
        call: the call.

    Returns:
        The SHA-256 of the new packet, hex; None where nothing was missing.

    Raises:
        ProtocolError: the list is no list of files.
    """
    files = _parse_files(data.get("attachments"), call)
    if not files:
        return None
    from ...edxml import add_attachments  # reads XML, which the client does without

    packet = part.read_bytes()
    try:
        completed = add_attachments(packet, files)
    except PacketError:
        return None
    except ValueError:
        raise build_protocol_error(call.name, "the name of an attachment cannot stand in a packet") from None
    if completed == packet:
        return None
    part.unlink()
    return _write(part, completed)


def _parse_files(entries: Any, call: Call) -> list[tuple[str, str]]:
    if entries is None:
        return []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise build_protocol_error(call.name, "its attachments are no list of objects")
    return [file for entry in entries if (file := _parse_file(entry, call)) is not None]


def _parse_file(entry: Mapping[str, Any], call: Call) -> tuple[str, str] | None:
    """Parse a file that is listed; None for one of which only the name is told: its content is in the packet."""
    name, content = (_choose(entry, members) for members in (_NAME_MEMBERS, _CONTENT_MEMBERS))
    if not content:
        return None
    if not name:
        raise build_protocol_error(call.name, "an attachment has no name")
    _decode_base64(content, call, "attachment")
    return name, _SPACES.sub("", content)


def _choose(entry: Mapping[str, Any], members: tuple[str, ...]) -> str:
    return next((text for name in members if (text := _as_whole_text(entry.get(name)).strip())), "")


def _as_whole_text(value: Any) -> str:
    """Convert a value as `as_json_or_text` does; a text of any length is left whole."""
    return value if isinstance(value, str) else as_json_or_text(value)


def _as_xml(text: str) -> bytes:
    """Encode XML as UTF-8; another encoding that it names is that of the bytes that it once was."""
    return _OTHER_ENCODING.sub(r"\1", text.lstrip("\ufeff \t\r\n"), count=1).encode("utf-8", "replace")


def _decode_base64(text: str, call: Call, what: str) -> bytes:
    try:
        content = base64.b64decode(_SPACES.sub("", text), validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not content:
        raise build_protocol_error(call.name, f"the {what} in it is no base64")
    return content


def _write(part: Path, content: bytes) -> str:
    with create_private(part) as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()
