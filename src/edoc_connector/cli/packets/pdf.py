"""The commands pdf verify and pdf sign."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..._core import Text
from ...errors import choose_words
from ..errors import raise_wrong_option
from ..options import (
    CrlOption,
    HostOption,
    JsonFlag,
    KeyPasswordOption,
    OcspOption,
    SoftOption,
    TrustOption,
    build_policy,
    build_secret_source,
)
from ..output import format_local_time, print_json, print_table
from .files import say_written
from .verdicts import describe_certificates, describe_findings, exit_by_verdict, print_words

if TYPE_CHECKING:
    from ...pdf import PdfSignature, PdfVerification

PdfFile = Annotated[Path, typer.Argument(metavar="FILE", help="A PDF file. / Tệp PDF.")]


pdf_commands = typer.Typer(
    name="pdf", help="Sign PDF files and check their signatures. / Ký và kiểm tra tệp PDF.", no_args_is_help=True
)


@pdf_commands.command()
def verify(
    file: PdfFile,
    trust: TrustOption = None,
    crl: CrlOption = None,
    ocsp: OcspOption = None,
    revocation_host: HostOption = None,
    soft_revocation: SoftOption = False,
    as_json: JsonFlag = False,
) -> None:
    """Check the signatures in a PDF file. / Kiểm tra chữ ký số trong tệp PDF.

    Exit code 0: VALID, by trusted signers; 4: VALID, but a signer was not judged (no --trust); 1: INVALID; 3: UNSIGNED
    or UNVERIFIABLE; 2: the file cannot be read, or an option is wrong. / Mã kết thúc 0: VALID, người ký đáng tin cậy;
    4: VALID nhưng có người ký chưa được xét (không có --trust); 1: INVALID; 3: UNSIGNED hoặc UNVERIFIABLE; 2: không đọc
    được tệp, hoặc tùy chọn sai.
    """
    from ...pdf import verify_pdf

    with raise_wrong_option():
        policy = build_policy(trust, crl, ocsp, revocation_host, soft=soft_revocation)
        verification = verify_pdf(file, policy)
    if as_json:
        print_json(_describe_pdf(verification))
    else:
        _print_pdf(verification)
    exit_by_verdict(verification.status, _are_trusted(verification))


@pdf_commands.command()
def sign(
    file: PdfFile,
    key: Annotated[
        str,
        typer.Option(metavar="URI", help="Key to sign with, see docs/signatures.md. / Khóa để ký.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(metavar="X.pdf", help="The file to write. / Tệp cần ghi.")],
    key_password: KeyPasswordOption = None,
    name: Annotated[
        str | None,
        typer.Option(help="Who signs, as the stamp says; else as the certificate does. / Tên hiển thị của bên ký."),
    ] = None,
    code: Annotated[
        str | None,
        typer.Option(
            help="Number and symbol of the document for the stamp. / Số, ký hiệu văn bản trên hình ảnh chữ ký số."
        ),
    ] = None,
    font: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Font of the stamp. / Phông chữ của hình ảnh chữ ký số.")
    ] = None,
    stamp: Annotated[
        bool, typer.Option(help="Show a stamp on the first page. / Hiện hình ảnh chữ ký số ở trang đầu.")
    ] = True,
    reason: Annotated[str | None, typer.Option(help="Why it is signed. / Lý do ký.")] = None,
    location: Annotated[str | None, typer.Option(help="Where it is signed. / Nơi ký.")] = None,
) -> None:
    """Sign a PDF file (PAdES), with a stamp. / Ký số tệp PDF, có hình ảnh chữ ký số.

    The stamp is top right on the first page. / Hình ảnh chữ ký số nằm ở góc trên bên phải trang đầu.

    Exit code 0: written; 1: the key cannot sign, or the file cannot be signed. / Mã kết thúc 0: đã ghi; 1: khóa không
    ký được, hoặc tệp không ký được.
    """
    from ...pdf import Stamp, sign_pdf
    from ...signing import close_signer, load_signer

    signer = load_signer(key, secrets=build_secret_source(key_password))
    try:
        visible_stamp = Stamp(name=name, code=code, font=font) if stamp else None
        sign_pdf(file, out, signer=signer, stamp=visible_stamp, reason=reason, location=location)
    finally:
        close_signer(signer)
    say_written(out)


def _describe_pdf(verification: PdfVerification) -> dict[str, Any]:
    return {
        "status": verification.status.name,
        "reason": verification.reason,
        "explanation": verification.explanation,
        "explanation_vi": verification.explanation_vi,
        "signatures": [_describe_signature(one) for one in verification.signatures],
    }


def _are_trusted(verification: PdfVerification) -> bool:
    return all(one.trusted is True for one in verification.signatures if one.kind == "signature")


def _describe_signature(signature: PdfSignature) -> dict[str, Any]:
    return {
        "status": signature.status.name,
        "reason": signature.reason,
        "explanation": signature.explanation,
        "explanation_vi": signature.explanation_vi,
        "kind": signature.kind,
        "field": signature.field,
        "signer": signature.signer,
        "trusted": signature.trusted,
        "chain": describe_certificates(signature),
        "signed_at": signature.signed_at and signature.signed_at.isoformat(),
        "whole_document": signature.whole_document,
        "modified": signature.modified,
        "algorithms": list(signature.algorithms),
        "findings": describe_findings(signature.findings),
    }


def _print_pdf(verification: PdfVerification) -> None:
    typer.echo(f"{verification.status} ({verification.reason})")
    print_words(verification.explanation, verification.explanation_vi)
    if verification.signatures:
        columns = (
            Text("signature", "chữ ký"),
            Text("signer", "người ký"),
            Text("time", "thời gian"),
            Text("status", "kết quả"),
            Text("what", "nội dung"),
        )
        print_table("", columns, (_build_row(one) for one in verification.signatures))


def _build_row(signature: PdfSignature) -> tuple[object, ...]:
    from ...signing import describe_signer

    words = [choose_words(signature.explanation, signature.explanation_vi)]
    signer = describe_signer(signature)
    words += [] if signer is None else [choose_words(signer.en, signer.vi)]
    words += [choose_words(one.message, one.message_vi) for one in signature.findings]
    return (
        signature.field,
        signature.signer,
        signature.signed_at and format_local_time(signature.signed_at),
        f"{signature.status} ({signature.reason})",
        "\n".join(words),
    )
