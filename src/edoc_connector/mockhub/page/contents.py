"""What is in a packet, for a reader: its fields and its attachments."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edoc_connector.mockhub.codes import RefusedError
from edoc_connector.mockhub.packets import Node, find_header, parse_packet
from edoc_connector.mockhub.page.views import clean_text

_MOST_FIELDS: Final = 2000
_LEFT_OUT: Final = frozenset({"Signature"})


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field: how deep it stands (0 to 5), its name and its value, empty for one that holds others."""

    depth: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class FileView:
    """An attachment: its number, name, type and size in bytes."""

    number: int
    name: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What is in a packet.

    Args:
        fields: of its header, without the signature.
        files: its attachments.
        is_signed: whether it has a signature.
    """

    fields: tuple[FieldView, ...] = ()
    files: tuple[FileView, ...] = ()
    is_signed: bool = False


@dataclass(slots=True)
class _Sizes:
    """Counts the digits of each attachment, and keeps those of one."""

    wanted: int | None = None
    counts: dict[int, int] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)

    def __call__(self, number: int, text: str) -> None:
        digits = "".join(text.split())
        self.counts[number] = self.counts.get(number, 0) + len(digits.rstrip("="))
        if number == self.wanted:
            self.kept.append(digits)


def read_contents(path: Path) -> Contents | None:
    """Read what is in a packet; None where the hub cannot read it."""
    sizes = _Sizes()
    try:
        root = parse_packet(path, sizes)
    except RefusedError:
        return None
    header = find_header(root)
    rows = [row for child in header.children for row in _iter_fields(child, 0)]
    attachments = [node for node in root.find_first("AttachmentEncoded").children if node.children]
    return Contents(
        fields=tuple(rows[:_MOST_FIELDS]),
        files=tuple(_describe_file(number, node, sizes) for number, node in enumerate(attachments)),
        is_signed=bool(header.list_children("Signature")),
    )


def read_file(path: Path, number: int) -> tuple[FileView, bytes] | None:
    """Read an attachment of a packet; None where there is no such, or its base64 is none."""
    contents = read_contents(path)
    view = next((one for one in contents.files if one.number == number), None) if contents else None
    if view is None:
        return None
    sizes = _Sizes(wanted=number)
    parse_packet(path, sizes)
    digits = "".join(sizes.kept).rstrip("=")
    try:
        return view, base64.b64decode(digits + "=" * (-len(digits) % 4))
    except binascii.Error:
        return None


def _describe_file(number: int, node: Node, sizes: _Sizes) -> FileView:
    name, media_type = clean_text(node.get_value("AttachmentName")), clean_text(node.get_value("ContentType"))
    return FileView(number, name or f"#{number + 1}", media_type, sizes.counts.get(number, 0) * 3 // 4)


def _iter_fields(node: Node, depth: int) -> Iterator[FieldView]:
    if node.name in _LEFT_OUT:
        return
    yield FieldView(min(depth, 5), clean_text(node.name), clean_text(node.value) if not node.children else "")
    for child in node.children:
        yield from _iter_fields(child, depth + 1)
