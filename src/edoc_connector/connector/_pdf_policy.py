"""Policy for PDF files: require valid signatures on documents sent and received."""

from __future__ import annotations

from ..config import Settings
from ..edxml import Document, Packet, Problem
from ..errors import DocumentError, VerificationFailed
from ..pdf import UNREADABLE, PdfVerification, UnsignedPdf, find_unsigned, require_packages
from ..signing import VerifyPolicy


def require_pdf_support(settings: Settings) -> None:
    """Check that the packages which the demand needs are installed, before the first document meets it.

    Raises:
        ConfigError: the extra ``pdf`` is not installed.
    """
    if settings.signing.require_pdf_signature or settings.receive.require_pdf_signature:
        require_packages("pyhanko")


def refuse_unsigned(document: Document, policy: VerifyPolicy) -> None:
    """Refuse to send a document with a PDF file that is not validly signed.

    Raises:
        DocumentError: there is one; `problems` names each, with the reason code of its signatures.
        AttachmentError: a file cannot be read.
    """
    problems = [_as_problem(item) for item in find_unsigned(document.attachments, policy)]
    if not problems:
        return
    lines = "; ".join(f"{item.field} '{{name{number}}}': {item.message}" for number, item in enumerate(problems))
    lines_vi = "; ".join(f"{item.field} '{{name{number}}}': {item.message_vi}" for number, item in enumerate(problems))
    raise DocumentError.withholding(
        f"PDF files are not validly signed, so the document was not sent: {lines} Sign them with pdf.sign_pdf or "
        "`edoc pdf sign` and attach what that writes. The demand is require_pdf_signature in [signing].",
        vi=f"Tệp PDF chưa được ký số hợp lệ nên văn bản không được gửi: {lines_vi} Hãy ký bằng pdf.sign_pdf hoặc "
        "`edoc pdf sign` rồi đính kèm tệp đã ký. Yêu cầu này là require_pdf_signature trong mục [signing].",
        hidden={f"name{number}": item.value for number, item in enumerate(problems)},
        problems=problems,
    )


def require_signed_files(packet: Packet, policy: VerifyPolicy, *, doc_id: str) -> None:
    """Let a packet in only if its PDF files are validly signed.

    Args:
        packet: the packet.
        policy: the receive policy.
        doc_id: the hub's id of the packet.

    Raises:
        VerificationFailed: one is not.
        AttachmentError: a file cannot be decoded.
    """
    unsigned = list(find_unsigned(packet.attachments, policy))
    if not unsigned:
        return
    judged = [one for one in unsigned if one.verification.reason not in UNREADABLE]
    file = (judged or unsigned)[0]
    name, verification = file.attachment.name, file.verification
    if not judged:
        raise _unreadable_error(doc_id, name, verification)
    raise VerificationFailed.withholding(
        f"docId {doc_id} is not let in: its PDF file '{{name}}' is {verification.status} ({verification.reason}): "
        f"{verification.explanation} "
        "Ask the sender for a signed file, or correct require_pdf_signature in [receive] and call recheck().",
        vi=f"Không tiếp nhận docId {doc_id}: tệp PDF '{{name}}' có kết quả {verification.status} "
        f"({verification.reason}): "
        f"{verification.explanation_vi} Hãy đề nghị nơi gửi gửi lại tệp đã ký, hoặc sửa require_pdf_signature "
        "trong mục "
        "[receive] rồi gọi recheck().",
        hidden={"name": name},
    )


def _unreadable_error(doc_id: str, name: str, verification: PdfVerification) -> VerificationFailed:
    """Build the error for a file that we cannot read: that says nothing against the document, and nothing for it."""
    return VerificationFailed.withholding(
        f"docId {doc_id} is set aside, and the hub is not told that it failed: its PDF file '{{name}}' cannot be "
        f"judged here ({verification.reason}): {verification.explanation} Look at the file; then let the document in "
        "by taking require_pdf_signature out of [receive] and calling recheck(), or ask the sender for another file.",
        vi=f"docId {doc_id} được để riêng và trục không bị báo lỗi: không xét được tệp PDF '{{name}}' "
        f"({verification.reason}): {verification.explanation_vi} Hãy xem tệp; sau đó tiếp nhận văn bản bằng cách bỏ "
        "require_pdf_signature trong mục [receive] rồi gọi recheck(), hoặc đề nghị nơi gửi gửi lại tệp khác.",
        hidden={"name": name},
        is_verdict=False,
    )


def _as_problem(file: UnsignedPdf) -> Problem:
    verification = file.verification
    return Problem(
        code=verification.reason,
        field=f"attachments[{file.index}]",
        xpath=f"AttachmentEncoded/Attachment[{file.index + 1}]",
        value=file.attachment.name,
        message=verification.explanation,
        message_vi=verification.explanation_vi,
        clause="Decree 30/2020/NĐ-CP",
    )
