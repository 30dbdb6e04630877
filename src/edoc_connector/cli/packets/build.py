"""The command build: writes a packet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ..._core import Text
from ..options import AttachOption, ClassificationOption, KeyPasswordOption, build_secret_source
from ..output import say, show_progress
from .files import read_message, say_written


def build(
    message_file: Annotated[
        Path,
        typer.Argument(
            metavar="DOCUMENT.json",
            help="The document (or status) as JSON, as `edoc inspect --json` gives it under `message`. "
            "/ Văn bản (hoặc trạng thái) dạng JSON.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="X.edxml", help="The packet to write. / Gói tin cần ghi.")],
    attach: AttachOption = None,
    classification: ClassificationOption = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="Key to sign and seal with, pem:…, p12:… or pkcs11:…; its password by reference, see --key-password. "
            "/ Khóa để ký và niêm phong.",
        ),
    ] = None,
    key_password: KeyPasswordOption = None,
    seal: Annotated[bool, typer.Option(help="Add the seal when signing. / Thêm niêm phong khi ký.")] = True,
) -> None:
    """Write a packet. / Tạo gói tin.

    Exit code 0: written; 1: the document breaks rules, a file is missing, the key cannot sign. / Mã kết thúc 0: đã ghi;
    1: văn bản sai quy chuẩn, thiếu tệp hoặc khóa không ký được.
    """
    from ... import edxml, signing

    message = read_message(message_file, attach or (), classification)
    at = datetime.now(UTC)
    signer, signature, seal_maker = None, None, None
    if key is not None:
        signer = signing.load_signer(key, secrets=build_secret_source(key_password))
        status = message if seal and isinstance(message, edxml.StatusMessage) else None
        signature = signing.enveloped(signer, status=status)
        if seal and isinstance(message, edxml.Document):
            seal_maker = signing.seal_maker(message, signer=signer, at=at)
    try:
        with show_progress(Text("writing", "đang ghi")):
            edxml.write(message, out, at=at, signature=signature, seal=seal_maker)
    finally:
        if signer is not None:
            signing.close_signer(signer)
    for problem in edxml.problems(message, at=at):
        say(f"warning: {problem.field} {problem.message}", f"lưu ý: {problem.field} {problem.message_vi}", err=True)
    say_written(out)
