"""The reason codes of PDF signatures, each with the status that it leads to and its words in both languages.

Codes are stable. Faults of a certificate have the codes of `signing.REASONS`. ``{detail}`` stands for the value that
was seen.
"""

from __future__ import annotations

from ..signing import REASONS, Reason, VerificationStatus

_V, _I = VerificationStatus.VALID, VerificationStatus.INVALID
_U, _X = VerificationStatus.UNSIGNED, VerificationStatus.UNVERIFIABLE

PDF_REASONS: dict[str, Reason] = {
    # -- it holds, or there is nothing
    "PDF-OK": Reason(
        _V,
        "The signature covers the whole document; nothing was changed since.",
        "Chữ ký bao phủ toàn bộ văn bản; từ khi ký đến nay không có thay đổi.",
    ),
    "PDF-EXTENDED": Reason(
        _V,
        "The signature holds; since then only further signatures, time stamps or validation data were added.",
        "Chữ ký hợp lệ; sau đó chỉ có thêm chữ ký khác, dấu thời gian hoặc dữ liệu xác thực.",
    ),
    "PDF-NONE": Reason(_U, "The PDF file carries no signature.", "Tệp PDF không có chữ ký số."),
    # -- the file as a whole
    "PDF-NOT-PDF": Reason(_X, "The file is not a PDF file.", "Tệp không phải là tệp PDF."),
    "PDF-TOO-BIG": Reason(
        _X, "The file is larger than {detail} bytes; it was not read.", "Tệp lớn hơn {detail} byte nên không được đọc."
    ),
    "PDF-TOO-MUCH": Reason(
        _X,
        "Reading the file takes more work than an honest file of its size does: {detail}",
        "Đọc tệp này tốn công hơn nhiều so với tệp bình thường cùng cỡ: {detail}",
    ),
    "PDF-ENCRYPTED": Reason(
        _X,
        "The file is encrypted; ask the sender for it without a password.",
        "Tệp bị mã hóa; hãy đề nghị nơi gửi gửi lại bản không đặt mật khẩu.",
    ),
    "PDF-BROKEN": Reason(
        _X,
        "The file is not built as PDF files are: {detail}",
        "Cấu trúc tệp không đúng chuẩn PDF: {detail}",
    ),
    "PDF-LEADING": Reason(
        _X,
        "{detail} bytes of something else stand before the PDF file; ask the sender for the PDF file alone.",
        "Có {detail} byte dữ liệu khác đứng trước tệp PDF; hãy đề nghị nơi gửi gửi lại đúng tệp PDF.",
    ),
    "PDF-POINTER": Reason(
        _X,
        "The file says wrongly where its table of contents for programs (cross-reference table) is (said, found: "
        "{detail}), and it is signed: what was signed cannot be told for certain.",
        "Tệp ghi sai vị trí bảng tham chiếu chéo (ghi, thực tế: {detail}) mà lại đã ký: không thể xác định chắc chắn "
        "nội dung đã ký.",
    ),
    "PDF-HYBRID": Reason(
        _X,
        "The file shows older viewers something else than newer ones (hybrid-reference file): {detail}",
        "Tệp hiển thị khác nhau giữa trình xem cũ và mới (hybrid-reference): {detail}",
    ),
    # -- one signature
    "PDF-DIGEST": Reason(
        _I,
        "The part of the document that was signed was changed afterwards.",
        "Phần văn bản đã ký bị thay đổi sau khi ký.",
    ),
    "PDF-SIGNATURE": Reason(
        _I,
        "The signature value was not made with the certificate's key.",
        "Giá trị chữ ký không do khóa của chứng thư số tạo ra.",
    ),
    "PDF-MODIFIED": Reason(
        _I,
        "The document was changed after it was signed: {detail}",
        "Văn bản đã bị thay đổi sau khi ký: {detail}",
    ),
    "PDF-COVERAGE": Reason(
        _I,
        "The signature leaves out parts of the document: {detail}",
        "Chữ ký bỏ sót một phần văn bản: {detail}",
    ),
    "PDF-FORMAT": Reason(
        _X,
        "The signature is of a kind not known here: {detail}",
        "Không hỗ trợ loại chữ ký này: {detail}",
    ),
    "PDF-CMS": Reason(
        _X,
        "The signature is not built as the standard has it (PAdES, CMS): {detail}",
        "Chữ ký không đúng cấu trúc tiêu chuẩn (PAdES, CMS): {detail}",
    ),
    "PDF-ALGORITHM": Reason(
        _X,
        "The signature uses an algorithm that is not accepted: {detail}",
        "Chữ ký dùng thuật toán không được chấp nhận: {detail}",
    ),
    "PDF-KEY": Reason(
        _X,
        "The signer's key is too weak or of a kind not accepted: {detail}",
        "Khóa của người ký quá yếu hoặc thuộc loại không được chấp nhận: {detail}",
    ),
    "PDF-KEY-USAGE": Reason(
        _X,
        "The certificate of {detail} is not one for signing.",
        "Chứng thư số của {detail} không dùng để ký.",
    ),
}


UNREADABLE = frozenset(
    {
        "PDF-BROKEN",
        "PDF-CMS",
        "PDF-ENCRYPTED",
        "PDF-FORMAT",
        "PDF-HYBRID",
        "PDF-LEADING",
        "PDF-POINTER",
        "PDF-TOO-BIG",
        "PDF-TOO-MUCH",
    }
)
"""The codes of files and signatures that cannot be read here: nothing is known of them, neither good nor bad."""


def find_reason(code: str) -> Reason:
    """Find the row of a code: ours, or of `signing.REASONS` where it is about a certificate."""
    return PDF_REASONS.get(code) or REASONS[code]


class PdfRefused(Exception):
    """A failed check. It does not leave this package.

    Args:
        code: reason code.
        detail: the value that was seen.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
