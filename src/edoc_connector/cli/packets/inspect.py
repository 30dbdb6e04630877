"""Commands on packet files: inspect, verify, build."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import AttachmentError, ConfigError, PacketError, describe_system_error, describe_system_error_vi
from ..options import CrlOption, HostOption, OcspOption, SoftOption, build_revocation
from ..output import ExitCode, JsonFlag, as_printable, print_json, print_table, raise_wrong_option, say, show_progress

if TYPE_CHECKING:
    from ...edxml import Attachment, Finding, Message, Packet
    from ...signing import Revocation, Verification, VerifyPolicy

PacketFile = Annotated[Path, typer.Argument(metavar="FILE", help="A packet, .edxml. / Gói tin .edxml.")]
TrustOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--trust",
        metavar="PATH",
        help="Certificates to trust, PEM or DER; a file or a folder. / Chứng thư số tin cậy.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(inspect)
    app.command()(verify)
    app.command()(build)


def inspect(
    file: PacketFile,
    as_json: JsonFlag = False,
    extract: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the attachments to this folder. / Ghi các tệp đính kèm vào thư mục."),
    ] = None,
    trust: TrustOption = None,
) -> None:
    """Show what a packet says. / Xem nội dung gói tin.

    Exit code 0: read; 2: cannot be read.
    """
    from ...signing import verify as check

    with show_progress("reading / đang đọc"):
        packet = read_packet(file)
        description = describe_packet(packet, check(packet, build_policy(trust)))
        if extract is not None:
            for entry, written in zip(
                description["attachments"], save_attachments(packet.attachments, extract), strict=True
            ):
                entry["path"] = written and str(written)
    if as_json:
        print_json(description)
    else:
        _print_packet(description)


def verify(
    file: PacketFile,
    trust: TrustOption = None,
    crl: CrlOption = None,
    ocsp: OcspOption = None,
    revocation_host: HostOption = None,
    soft_revocation: SoftOption = False,
    as_json: JsonFlag = False,
) -> None:
    """Check a packet's signature and seal. / Kiểm tra chữ ký và niêm phong của gói tin.

    Exit code 0: VALID; 1: INVALID; 3: UNSIGNED or UNVERIFIABLE; 2: cannot be read, or an option is wrong. Without
    --trust, VALID does not say who signed: anybody can make a certificate with any name.
    """
    from ...signing import verify as check

    with raise_wrong_option():
        policy = build_policy(trust, build_revocation(crl, ocsp, revocation_host, soft=soft_revocation))
    with show_progress("verifying / đang kiểm tra"):
        verification = check(read_packet(file), policy)
    if as_json:
        print_json(describe_verification(verification))
    else:
        print_verification(describe_verification(verification))
    codes = {"VALID": ExitCode.OK, "INVALID": ExitCode.FAILED}
    raise typer.Exit(codes.get(verification.status.name, ExitCode.UNVERIFIED))


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
    attach: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A file to attach; repeat it. / Tệp đính kèm; dùng nhiều lần."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="Key to sign and seal with, pem:…, p12:… or pkcs11:…; its password by reference, see --key-password. "
            "/ Khóa để ký và niêm phong.",
        ),
    ] = None,
    key_password: Annotated[
        str | None,
        typer.Option(
            metavar="REF", help="Where the key's password is: env:NAME, file:PATH or cmd:… / Nơi lấy mật khẩu của khóa."
        ),
    ] = None,
    seal: Annotated[bool, typer.Option(help="Add the seal when signing. / Thêm niêm phong khi ký.")] = True,
) -> None:
    """Write a packet. / Tạo gói tin.

    Exit code 0: written; 1: the document breaks rules, a file is missing, the key cannot sign.
    """
    from ... import edxml, signing
    from ...signing import close_signer

    message = read_message(message_file, [edxml.Attachment.from_path(path) for path in attach or ()])
    at = datetime.now(UTC)
    signer, signature, seal_of = None, None, None
    if key is not None:
        signer = signing.load_signer(key, secrets=build_secret_source(key_password))
        signature = signing.enveloped(signer)
        if seal and isinstance(message, edxml.Document):
            seal_of = signing.seal_maker(message, signer=signer, at=at)
    try:
        with show_progress("writing / đang ghi"):
            edxml.write(message, out, at=at, signature=signature, seal=seal_of)
    finally:
        if signer is not None:
            close_signer(signer)
    for problem in edxml.problems(message, at=at):
        say(f"warning: {problem.field} {problem.message}", f"lưu ý: {problem.field} {problem.message_vi}", err=True)
    say(f"written: {out} ({out.stat().st_size} bytes)", f"đã ghi: {out} ({out.stat().st_size} byte)")


def read_packet(file: Path) -> Packet:
    """Read a packet; a file that cannot be opened cannot be read.

    Raises:
        PacketError: the file is not there or is no packet.
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


def read_message(file: Path, attachments: list[Attachment]) -> Message:
    """Read a document or status from the model's JSON.

    Raises:
        ConfigError: the JSON is not of the model; the message names the fields.
    """
    import pydantic

    from ... import edxml
    from ..errors import describe_json_faults

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
        return edxml.Document.model_validate_json(text).model_copy(update={"attachments": tuple(attachments)})
    except pydantic.ValidationError as error:
        faults, faults_vi = describe_json_faults(error)
        raise ConfigError(
            f"{file} is not a document: {faults}. Correct this.",
            vi=f"{file} không phải nội dung văn bản hợp lệ: {faults_vi}. Hãy sửa lại.",
        ) from error


def build_policy(trust: list[Path] | None, revocation: Revocation | None = None) -> VerifyPolicy:
    """The policy for `--trust`: with it a signature must lead to a trusted authority.

    Raises:
        ConfigError: a certificate cannot be read, or revocation is to be checked without `--trust`.
    """
    from ...signing import Revocation, VerifyPolicy

    if trust:
        return VerifyPolicy.load(trust, revocation=revocation)
    return VerifyPolicy(revocation=revocation or Revocation())


def build_secret_source(reference: str | None) -> Callable[[str], str | None]:
    """The callback that gives a key's password or PIN, fetched when it is asked for.

    A reference in the key's URI (``secret=``, ``pin-source=``) goes before the one given.

    Raises:
        ConfigError: what was given is no reference.
    """
    from ...config.secret_refs import REFERENCE_HINT, REFERENCE_HINT_VI, SecretRef

    if reference is not None and not SecretRef.is_reference(reference):
        raise ConfigError(f"--key-password: {REFERENCE_HINT}", vi=f"--key-password: {REFERENCE_HINT_VI}")

    def resolve_secret(name: str) -> str | None:
        source = name if SecretRef.is_reference(name) else reference
        return None if source is None else SecretRef.parse(source).resolve(Path.cwd()).get_secret_value()

    return resolve_secret


def describe_packet(packet: Packet, verification: Verification) -> dict[str, Any]:
    """Everything a packet says, for JSON."""
    findings = (*packet.findings, *packet.content_findings())
    return {
        "kind": packet.kind,
        "message": packet.message.model_dump(mode="json"),
        "attachments": [_describe_attachment(attachment) for attachment in packet.attachments],
        "signature": describe_verification(verification) | {"xml": _extract_signature(packet)},
        "findings": [_describe_finding(finding) for finding in findings],
    }


def _describe_attachment(attachment: Attachment) -> dict[str, Any]:
    try:
        size, sha256 = attachment.size, attachment.sha256
    except AttachmentError:
        size, sha256 = None, None  # the reason is among the findings (EDX-BASE64)
    return {
        "name": attachment.name,
        "content_id": attachment.content_id,
        "content_type": attachment.content_type,
        "size": size,
        "sha256": sha256,
        "description": attachment.description,
        "field_name": attachment.field_name,
        "mime_type": attachment.mime_type,
    }


def _describe_finding(finding: Finding) -> dict[str, str]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "xpath": finding.xpath,
        "message": finding.message,
        "message_vi": finding.message_vi,
    }


def describe_verification(verification: Verification) -> dict[str, Any]:
    """What the check of signature and seal found, for JSON."""
    return {
        "status": verification.status.name,
        "reason": verification.reason,
        "signer": verification.signer,
        "method": verification.method,
        "explanation": verification.explanation,
        "explanation_vi": verification.explanation_vi,
        "trusted": verification.trusted,
        "signed_at": verification.signed_at and verification.signed_at.isoformat(),
        "timestamped": verification.timestamped,
        "judged_at": verification.judged_at.isoformat(),
        "algorithms": list(verification.algorithms),
        "chain": [one.subject.rfc4514_string() for one in verification.chain],
        "findings": [
            {"code": one.code, "message": one.message, "message_vi": one.message_vi} for one in verification.findings
        ],
        "unsealed": list(verification.unsealed),
    }


def _extract_signature(packet: Packet) -> str | None:
    """The signature as it stands in the packet, whatever its namespace."""
    from lxml import etree

    found = packet.skeleton.root.xpath(
        "//*[local-name()='edXMLHeader' or local-name()='Header']"
        "/*[local-name()='Signature' or local-name()='DigitalSignature']"
    )
    texts = [etree.tostring(element, encoding="unicode", with_tail=False) for element in found]
    return "\n".join(texts) or None


def save_attachments(attachments: tuple[Attachment, ...], folder: Path) -> list[Path | None]:
    """Write attachments into a folder under safe names; None stands for one that cannot be decoded."""
    from ...edxml import distinct, safe_name

    folder.mkdir(parents=True, exist_ok=True)
    used_names = {path.name.casefold() for path in folder.iterdir()}
    written: list[Path | None] = []
    for attachment in attachments:
        target = folder / distinct(safe_name(attachment.name), used_names)
        try:
            attachment.save(target)
        except AttachmentError as error:
            target.unlink(missing_ok=True)
            say(f"not extracted: {error.message}", f"không trích được: {error.vi}", err=True)
            written.append(None)
        else:
            written.append(target)
    return written


def _print_packet(description: dict[str, Any]) -> None:
    rows = [(name, value) for name, value in _flatten("", description["message"]) if value not in (None, "")]
    print_table(f"{description['kind']}", ("field / trường", "value / giá trị"), rows)
    if description["attachments"]:
        columns = ("attachment / tệp đính kèm", "type / loại", "bytes / byte", "SHA-256")
        keys = ("name", "content_type", "size", "sha256")
        print_table("", columns, ([entry[key] for key in keys] for entry in description["attachments"]))
    print_verification(description["signature"])
    if description["findings"]:
        findings = ((f["code"], f["xpath"], f"{f['message']}\n{f['message_vi']}") for f in description["findings"])
        print_table("Findings / Ghi nhận", ("code / mã", "where / vị trí", "what / nội dung"), findings)


def _flatten(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [pair for name, item in value.items() for pair in _flatten(f"{prefix}.{name}" if prefix else name, item)]
    if isinstance(value, list):
        return [pair for index, item in enumerate(value, 1) for pair in _flatten(f"{prefix}[{index}]", item)]
    return [(prefix, value)]


def format_verdict(signature: dict[str, Any]) -> str:
    """The status in a word, and whether anybody vouches for the signer's name where it is VALID."""
    if signature["status"] != "VALID":
        return str(signature["status"])
    return f"VALID ({_TRUST_LABELS[signature['trusted']]})"


_TRUST_LABELS = {
    True: "trusted / tin cậy",
    False: "NOT trusted / KHÔNG tin cậy",
    None: "signer not checked / chưa xác minh người ký",
}


def print_verification(signature: dict[str, Any]) -> None:
    """Print what the check of signature and seal found."""
    signer = f" — {signature['signer']}" if signature["signer"] else ""
    trust = f"; {_TRUST_LABELS[signature['trusted']]}" if signature["status"] == "VALID" else ""
    typer.echo(as_printable(f"{signature['status']} ({signature['reason']}){signer}{trust}"))
    typer.echo(as_printable(f"  {signature['explanation']}\n  {signature['explanation_vi']}"))
    for one in signature["findings"]:
        typer.echo(as_printable(f"  {one['code']}: {one['message']}\n  {one['message_vi']}"))
