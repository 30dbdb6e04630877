"""The reason codes of verification, each with the status that it leads to and its words in both languages.

Codes are stable. ``SIG-…`` speaks of an XML signature (the packet's own, or the one inside the seal), ``SEAL-…`` of
the seal's list. ``{detail}`` stands for the value that was seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .._core import Labelled, Text, label_members


@label_members(
    {
        "VALID": Text("valid", "hợp lệ"),
        "INVALID": Text("invalid", "không hợp lệ"),
        "UNSIGNED": Text("not signed", "không có chữ ký"),
        "UNVERIFIABLE": Text("cannot be judged", "không kiểm tra được"),
    }
)
class VerificationStatus(Labelled, StrEnum):
    """The result of a verification in one word."""

    VALID = "VALID"
    """The signature holds, and nothing but the signed content is handed out."""
    INVALID = "INVALID"
    """Something that claims to be signed is not what was signed."""
    UNSIGNED = "UNSIGNED"
    """Nothing is signed."""
    UNVERIFIABLE = "UNVERIFIABLE"
    """There is a signature, and it cannot be judged."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One row of the catalogue.

    Args:
        status: the status it leads to; None for a finding, which changes no status.
        en: plain words in English.
        vi: the same in Vietnamese.
    """

    status: VerificationStatus | None
    en: str
    vi: str


class Refused(Exception):
    """A failed check. `verify` turns it into a `Verification`; only readers of parts, such as `read_seal`, raise it.

    Args:
        code: a code of `REASONS`.
        detail: the value that was seen.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class SigningFinding:
    """A remark about a signature that changes no status.

    Args:
        code: a code of `REASONS`.
        detail: the value that was seen.
    """

    code: str
    detail: str = ""

    @property
    def message(self) -> str:
        """The finding in English."""
        return explain(self.code, self.detail)

    @property
    def message_vi(self) -> str:
        """The finding in Vietnamese."""
        return explain_vi(self.code, self.detail)


def explain(code: str, detail: str = "") -> str:
    """Explain a reason code in English."""
    return REASONS[code].en.replace("{detail}", as_one_line(detail))


def explain_vi(code: str, detail: str = "") -> str:
    """Explain a reason code in Vietnamese."""
    return REASONS[code].vi.replace("{detail}", as_one_line(detail))


def as_one_line(seen: str) -> str:
    """Make a stranger's text fit for a log and a screen: line ends, controls and marks of direction become spaces."""
    return seen if seen.isprintable() else "".join(letter if letter.isprintable() else " " for letter in seen)


_V, _I = VerificationStatus.VALID, VerificationStatus.INVALID
_U, _X = VerificationStatus.UNSIGNED, VerificationStatus.UNVERIFIABLE

REASONS: dict[str, Reason] = {
    # -- it holds, or there is nothing
    "SIG-OK": Reason(
        _V,
        "The packet's own signature holds; nothing was changed.",
        "Chữ ký của gói tin hợp lệ; nội dung không bị thay đổi.",
    ),
    "SEAL-OK": Reason(
        _V,
        "The seal holds: the fields and attachments that it lists are as their sender signed them. What is named as "
        "unsealed (contact data, stations passed, content types and the like) nobody signed.",
        "Niêm phong hợp lệ: các trường thông tin và tệp đính kèm được liệt kê đúng như nơi gửi đã ký. Những gì ghi là "
        "không được niêm phong (thông tin liên hệ, các trạm đã qua, loại tệp…) không ai ký.",
    ),
    "SIG-NONE": Reason(_U, "The packet carries no signature.", "Gói tin không có chữ ký."),
    "SIG-EMPTY": Reason(
        _U,
        "The packet has a signature element with nothing in it.",
        "Gói tin có phần tử chữ ký nhưng để trống.",
    ),
    # -- where the signature stands, and what surrounds it
    "SIG-NAMESPACE": Reason(
        _X,
        "The signature stands in namespace '{detail}', not XML Signature's: a placeholder, or a hub rebuilt it.",
        "Chữ ký nằm trong không gian tên '{detail}', không phải XML Signature: chữ ký mẫu, hoặc trục đã dựng lại.",
    ),
    "SIG-ILL-FORMED": Reason(
        _X,
        "The packet uses namespace prefixes it does not declare, so it has no canonical form to check.",
        "Gói tin dùng tiền tố không gian tên chưa khai báo nên không có dạng chuẩn tắc để kiểm tra.",
    ),
    "SIG-NAMESPACES": Reason(
        _X,
        "The packet declares more than {detail} namespaces; it is not canonicalised.",
        "Gói tin khai báo hơn {detail} không gian tên; không thực hiện chuẩn tắc hóa.",
    ),
    "SIG-STRUCTURE": Reason(
        _X,
        "The packet's frame is not the standard's: {detail}. Who signed what cannot be told.",
        "Khung gói tin không đúng quy chuẩn: {detail}. Không xác định được phần nào đã ký.",
    ),
    "SIG-MANY": Reason(
        _X,
        "The packet holds {detail} signatures; exactly one is allowed.",
        "Gói tin có {detail} chữ ký; chỉ được phép có đúng một.",
    ),
    "SIG-PLACE": Reason(
        _X,
        "The signature stands in {detail} instead of edXMLHeader.",
        "Chữ ký nằm trong {detail} thay vì edXMLHeader.",
    ),
    "SIG-COMMENT": Reason(
        _X,
        "A comment or processing instruction stands inside {detail}; that puts the signed value in doubt.",
        "Có chú thích hoặc chỉ thị xử lý bên trong {detail}; giá trị đã ký vì thế không chắc chắn.",
    ),
    # -- the signature's shape
    "SIG-TOO-BIG": Reason(
        _X,
        "The signature is larger than any real one ({detail}).",
        "Chữ ký lớn hơn mức hợp lý ({detail}).",
    ),
    "SIG-SHAPE": Reason(
        _X, "The signature is not of the accepted shape: {detail}.", "Cấu trúc chữ ký không được chấp nhận: {detail}."
    ),
    "SIG-OBJECT": Reason(
        _X,
        "The signature holds an Object; content hidden there would be signed by nobody.",
        "Chữ ký chứa phần tử Object; nội dung giấu trong đó không được ai ký.",
    ),
    "SIG-REFERENCES": Reason(
        _X,
        "The signature has {detail}; the whole content must be covered, once.",
        "Chữ ký có {detail}; phải bao phủ toàn bộ nội dung đúng một lần.",
    ),
    "SIG-URI": Reason(
        _X,
        "The signature refers to '{detail}' instead of the whole packet; nothing was fetched.",
        "Chữ ký tham chiếu tới '{detail}' thay vì toàn bộ gói tin; không có gì được tải về.",
    ),
    "SIG-TRANSFORMS": Reason(
        _X,
        "The signature's transforms are not accepted: {detail}.",
        "Các phép biến đổi của chữ ký không được chấp nhận: {detail}.",
    ),
    "SIG-C14N": Reason(
        _X,
        "The canonicalisation method is not accepted: {detail}.",
        "Phương pháp chuẩn tắc hóa không được chấp nhận: {detail}.",
    ),
    "SIG-ENCODING": Reason(
        _X, "{detail} is not valid base64 of the right length.", "{detail} không phải base64 hợp lệ có độ dài đúng."
    ),
    # -- algorithms and keys
    "SIG-ALGORITHM": Reason(
        _X, "The algorithm '{detail}' is not accepted.", "Thuật toán '{detail}' không được chấp nhận."
    ),
    "SIG-SHA1": Reason(
        _X,
        "The signature uses SHA-1 ({detail}), which can be forged; only the legacy switch accepts it.",
        "Chữ ký dùng SHA-1 ({detail}), có thể bị giả mạo; chỉ chấp nhận khi bật chế độ tương thích cũ.",
    ),
    "SIG-MD5": Reason(
        _X,
        "The signature uses MD5 or RIPEMD-160 ({detail}); these are never accepted.",
        "Chữ ký dùng MD5 hoặc RIPEMD-160 ({detail}); không bao giờ được chấp nhận.",
    ),
    "SIG-HMAC": Reason(
        _X,
        "The signature uses a shared secret ({detail}), which proves no signer.",
        "Chữ ký dùng khóa bí mật chung ({detail}) nên không chứng minh được người ký.",
    ),
    "SIG-KEYINFO": Reason(
        _X,
        "KeyInfo holds something other than the signer's certificates: {detail}.",
        "KeyInfo chứa thành phần khác ngoài chứng thư số của người ký: {detail}.",
    ),
    "SIG-NO-CERTIFICATE": Reason(
        _X,
        "The signature brings no certificate; a bare key says nothing about who signed.",
        "Chữ ký không kèm chứng thư số; chỉ có khóa thì không biết ai đã ký.",
    ),
    "SIG-CERTIFICATE": Reason(
        _X,
        "A certificate in the signature cannot be read ({detail}); it may be cut off.",
        "Không đọc được chứng thư số trong chữ ký ({detail}); có thể đã bị cắt cụt.",
    ),
    "SIG-CERTIFICATES": Reason(
        _X,
        "Which of the {detail} certificates is the signer's cannot be told.",
        "Không xác định được chứng thư số nào trong {detail} chứng thư là của người ký.",
    ),
    "SIG-KEYVALUE": Reason(
        _X,
        "The key beside the certificate is not the certificate's own.",
        "Khóa đi kèm không phải là khóa của chứng thư số.",
    ),
    "SIG-KEY": Reason(
        _X, "The signer's key is not accepted: {detail}.", "Khóa của người ký không được chấp nhận: {detail}."
    ),
    "SIG-KEY-USAGE": Reason(
        _X,
        "The certificate of {detail} is not one for signing documents (key usage).",
        "Chứng thư số của {detail} không dùng để ký văn bản (key usage).",
    ),
    # -- the cryptography
    "SIG-DIGEST": Reason(_I, "The packet was changed after it was signed.", "Gói tin đã bị thay đổi sau khi ký."),
    "SIG-SIGNATURE": Reason(
        _I,
        "The signature was not made with the key of the certificate it brings.",
        "Chữ ký không được tạo bằng khóa của chứng thư số đi kèm.",
    ),
    "SIG-CANONICAL": Reason(
        _X, "The packet has no canonical form: {detail}.", "Gói tin không có dạng chuẩn tắc: {detail}."
    ),
    "SIG-DISAGREE": Reason(
        _X,
        "Two independent verifiers disagree about this signature ({detail}); please report the packet.",
        "Hai bộ kiểm tra độc lập cho kết quả khác nhau về chữ ký này ({detail}); đề nghị báo lại gói tin.",
    ),
    "SIG-AMBIGUOUS": Reason(
        _X,
        "The signature holds, but elements occur more often than the standard allows, so readers differ on what was "
        "signed: {detail}.",
        "Chữ ký đúng nhưng có phần tử xuất hiện nhiều hơn quy chuẩn cho phép, mỗi phần mềm có thể hiểu một khác: "
        "{detail}.",
    ),
    # -- whose signature
    "SIG-UNTRUSTED": Reason(
        _X,
        "The signature holds, but its certificate does not lead to a trusted authority: {detail}.",
        "Chữ ký đúng nhưng chứng thư số không dẫn tới tổ chức chứng thực tin cậy: {detail}.",
    ),
    "SIG-EXPIRED": Reason(
        _X,
        "The signature holds, but its certificate had expired at the time it is judged at ({detail}).",
        "Chữ ký đúng nhưng chứng thư số đã hết hạn tại thời điểm xét ({detail}).",
    ),
    "SIG-NOT-YET-VALID": Reason(
        _X,
        "The signature holds, but its certificate was not valid yet at the time it is judged at ({detail}).",
        "Chữ ký đúng nhưng chứng thư số chưa có hiệu lực tại thời điểm xét ({detail}).",
    ),
    "SIG-REVOKED": Reason(
        _X,
        "The signature holds, but a certificate of its chain had been revoked: {detail}",
        "Chữ ký đúng nhưng chứng thư số (hoặc chứng thư cấp trên) đã bị thu hồi: {detail}",
    ),
    "SIG-REVOCATION-UNKNOWN": Reason(
        _X,
        "The signature holds, but whether its certificate was revoked cannot be told: {detail}",
        "Chữ ký đúng nhưng không xác định được chứng thư số có bị thu hồi hay không: {detail}",
    ),
    "SIG-ORGANISATION": Reason(
        _I,
        "The packet says it comes from {detail}, but the certificate is not one configured for that organisation.",
        "Gói tin ghi nơi gửi là {detail}, nhưng chứng thư số không phải của cơ quan đó theo cấu hình.",
    ),
    "SIG-ORGAN-ID": Reason(
        _I,
        "The packet names its sender by a code that no organisation has ('{detail}'): its characters are others than "
        "they look, or out of place.",
        "Mã nơi gửi trong gói tin ('{detail}') không phải mã của cơ quan nào: có ký tự giả dạng hoặc đặt sai chỗ.",
    ),
    "SIG-UNBOUND": Reason(
        _X,
        "Nothing ties the signer's certificate to {detail}, the organisation that the packet says it comes from; list "
        "its certificate under organisations.",
        "Không có gì gắn chứng thư số của người ký với {detail}, cơ quan mà gói tin ghi là nơi gửi; hãy khai báo chứng "
        "thư số của cơ quan đó trong organisations.",
    ),
    # -- the seal
    "SEAL-MANY": Reason(
        _X, "The packet holds {detail} seals; one is allowed.", "Gói tin có {detail} niêm phong; chỉ được có một."
    ),
    "SEAL-NOT-LAST": Reason(
        _X, "The seal is not the last attachment.", "Niêm phong không phải là tệp đính kèm cuối cùng."
    ),
    "SEAL-STATUS": Reason(
        _X,
        "A status packet carries a seal's file; a status is sealed in its own signature.",
        "Gói tin trạng thái có kèm tệp niêm phong; trạng thái được niêm phong trong chữ ký của chính gói tin.",
    ),
    "SEAL-TOO-BIG": Reason(_X, "The seal is larger than {detail}.", "Niêm phong lớn hơn {detail}."),
    "SEAL-UNREADABLE": Reason(_X, "The seal cannot be read: {detail}", "Không đọc được niêm phong: {detail}"),
    "SEAL-VERSION": Reason(
        _X, "The seal is of an unknown kind: {detail}.", "Niêm phong thuộc loại không rõ: {detail}."
    ),
    "SEAL-SHAPE": Reason(
        _X, "The seal is not of the accepted shape: {detail}.", "Cấu trúc niêm phong không được chấp nhận: {detail}."
    ),
    "SEAL-PROPERTIES": Reason(
        _X,
        "The seal's signed properties are not as XAdES baseline B asks: {detail}.",
        "Thuộc tính đã ký của niêm phong không đúng XAdES baseline B: {detail}.",
    ),
    "SEAL-CERTIFICATE": Reason(
        _I,
        "The seal was signed for another certificate than the one it brings.",
        "Niêm phong được ký cho chứng thư số khác với chứng thư số đi kèm.",
    ),
    "SEAL-DIGEST": Reason(_I, "The seal was changed after it was signed.", "Niêm phong đã bị thay đổi sau khi ký."),
    "SEAL-DIFFERS": Reason(
        _I,
        "The packet is not what its sender sealed: {detail}.",
        "Gói tin không đúng như nơi gửi đã niêm phong: {detail}.",
    ),
    "SEAL-STATUS-DIFFERS": Reason(
        _I,
        "The status is not what its sender sealed: its code, words, time, officer or document was changed.",
        "Trạng thái không đúng như nơi gửi đã niêm phong: mã, nội dung, thời gian, cán bộ hoặc văn bản đã bị thay đổi.",
    ),
    # -- findings
    "SEAL-REFRESHED": Reason(
        None,
        "A name or description is not as it was sealed, hubs rewrite these; it counts as unsealed. {detail}.",
        "Tên hoặc mô tả khác với khi niêm phong, trục liên thông có thể ghi lại; coi như không được niêm phong. "
        "{detail}.",
    ),
    "SIG-REBUILT": Reason(
        None,
        "The packet was rebuilt in transit: its own signature no longer verifies ({detail}), the seal does.",
        "Gói tin được dựng lại trên đường truyền: chữ ký riêng hết kiểm tra được ({detail}), niêm phong còn hợp lệ.",
    ),
    "SIG-TWO-SIGNERS": Reason(
        None,
        "Packet and seal are signed by different certificates; the packet's is that of {detail}.",
        "Gói tin và niêm phong được ký bằng hai chứng thư số khác nhau; chữ ký gói tin là của {detail}.",
    ),
    "SIG-SHA1-ACCEPTED": Reason(
        None,
        "SHA-1 was accepted because the legacy switch is on ({detail}); it can be forged.",
        "Đã chấp nhận SHA-1 vì chế độ tương thích cũ đang bật ({detail}); có thể bị giả mạo.",
    ),
    "SIG-ONE-VERIFIER": Reason(
        None,
        "The packet is larger than {detail}; only the streaming verifier checked it.",
        "Gói tin lớn hơn {detail}; chỉ kiểm tra bằng bộ kiểm tra theo luồng.",
    ),
    "SIG-NOT-JUDGED": Reason(
        None,
        "No trusted authorities are configured: who signed is only what the certificate says.",
        "Chưa cấu hình tổ chức chứng thực tin cậy: tên người ký chỉ lấy từ chứng thư số, chưa xác minh.",
    ),
    "SIG-TIME": Reason(
        None,
        "The signing time claimed, {detail}, lies outside the certificate's validity or in the future.",
        "Thời điểm ký được khai, {detail}, nằm ngoài thời hạn chứng thư số hoặc ở tương lai.",
    ),
    "SIG-TIMESTAMP": Reason(
        None,
        "The time-stamp is not believed ({detail}); the signing time is only what the signer claims.",
        "Dấu thời gian không được tin ({detail}); thời điểm ký chỉ do người ký khai, chưa xác minh.",
    ),
    "SEAL-UNCHECKED": Reason(
        None,
        "The packet's own signature holds; the seal in it could not be judged ({detail}).",
        "Chữ ký của gói tin hợp lệ; không đánh giá được niêm phong kèm theo ({detail}).",
    ),
}
"""Every code verification can give."""
