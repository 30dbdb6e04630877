"""Packets, documents and attachments in files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..._core import make_private_folder
from ...errors import (
    AttachmentError,
    ConfigError,
    InvalidFields,
    PacketError,
    describe_system_error,
    describe_system_error_vi,
)
from ..output import say

if TYPE_CHECKING:
    from ...edxml import Attachment, Classification, Document, Message, Packet


def read_packet(file: Path) -> Packet:
    """Read a packet.

    Raises:
        PacketError: the file cannot be opened, or is no packet.
    """
    from ... import edxml

    try:
        return edxml.read(file)
    except PacketError as error:
        if not _is_pdf(file):
            raise
        raise PacketError(
            f"{file} is a PDF file, not a packet; check its signatures with `edoc pdf verify`",
            vi=f"{file} là tệp PDF, không phải gói tin; hãy kiểm tra chữ ký bằng lệnh `edoc pdf verify`",
            code=error.code,
        ) from error
    except OSError as error:
        raise PacketError(
            f"cannot open {file}: {describe_system_error(error)}; check the path",
            vi=f"không mở được {file}: {describe_system_error_vi(error)}; hãy kiểm tra đường dẫn",
            code="EDX-FILE",
        ) from error


def _is_pdf(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(5) == b"%PDF-"


def read_message(file: Path, attach: Iterable[Path], classification: str | None = None) -> Message:
    """Read a document or status from the model's JSON, and attach files to the document.

    Args:
        file: the JSON, UTF-8.
        attach: files to attach.
        classification: level of the state secret in the document, as a person writes it.

    Raises:
        AttachmentError: a file to attach is not there or is empty.
        ConfigError: the JSON cannot be read, or is not of the model; the message names the fields.
    """
    from ... import edxml

    attachments = tuple(edxml.Attachment.from_path(path) for path in attach)
    try:
        text = file.read_text(encoding="utf-8-sig")  # as the editor of Windows writes it, too
    except OSError as error:
        raise ConfigError(
            f"cannot read {file}: {describe_system_error(error)}; check the path",
            vi=f"không đọc được {file}: {describe_system_error_vi(error)}; hãy kiểm tra đường dẫn",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{file} is not UTF-8 text; save it as UTF-8", vi=f"{file} không phải văn bản UTF-8; hãy lưu lại dạng UTF-8"
        ) from error
    try:
        if '"response_for"' in text:
            return edxml.StatusMessage.model_validate_json(text)
        return edxml.Document.model_validate_json(text).model_copy(
            update={"attachments": attachments} | _parse_classification(classification)
        )
    except InvalidFields as error:
        faults = [(problem.field or "JSON", problem) for problem in error.problems]
        raise ConfigError(
            f"{file} is not a document: {'; '.join(f'{field}: {one.message}' for field, one in faults)}. Correct this.",
            vi=f"{file} không phải nội dung văn bản hợp lệ: "
            f"{'; '.join(f'{field}: {one.message_vi}' for field, one in faults)}. Hãy sửa lại.",
        ) from error


def warn_of_marks(document: Document) -> None:
    """Warn of marks of secrecy in the subject and in the names of files, which may be state secrets or mere words."""
    for problem in document.validate():
        if problem.code == "EDR-MARK":
            say(f"warning: {problem.field}: {problem.message}", f"lưu ý: {problem.message_vi}", err=True)


def _parse_classification(text: str | None) -> dict[str, Classification]:
    from ...edxml import Classification

    if text is None:
        return {}
    try:
        return {"classification": Classification(text)}
    except ValueError:
        levels = ", ".join(Classification)
        raise ConfigError(
            f"{text} is no level of state secrets; they are {levels}",
            vi=f"{text} không phải độ mật; các độ mật là {levels}",
        ) from None


def save_attachments(attachments: tuple[Attachment, ...], folder: Path) -> list[Path | None]:
    """Write attachments into a folder under safe names; return their paths, None for one that cannot be decoded."""
    from ...edxml import DistinctNames, safe_name

    make_private_folder(folder)
    used_names = DistinctNames(path.name for path in folder.iterdir())
    written: list[Path | None] = []
    for attachment in attachments:
        target = folder / used_names.pick(safe_name(attachment.name))
        try:
            attachment.save(target)
        except AttachmentError as error:
            target.unlink(missing_ok=True)
            say(f"not extracted: {error.full}", f"không trích được: {error.full_vi}", err=True)
            written.append(None)
        else:
            written.append(target)
    return written


def say_written(out: Path) -> None:
    """Print the path and size of a file that was written."""
    say(f"written: {out} ({out.stat().st_size} bytes)", f"đã ghi: {out} ({out.stat().st_size} byte)")
