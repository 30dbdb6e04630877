"""Texts of the errors of the dialect ``edocservice``, in English and Vietnamese."""

from __future__ import annotations

from ..._core import Text
from ...errors import DuplicateDocument, HubError, HubUnavailable, PacketRefused
from ..refusals import DUPLICATE, RefusalMeaning

UNUSABLE_CREDENTIALS = Text(
    "system_id must be the OrganId of this agency and secret its token at the hub: printable ASCII without spaces at "
    "the ends. Leave secret out only where [hub.auth] brings the token.",
    "system_id phải là mã định danh (OrganId) của đơn vị, secret là token của đơn vị tại trục: ký tự ASCII in được, "
    "không có dấu cách ở hai đầu. Chỉ bỏ secret khi [hub.auth] cung cấp token.",
)
UNUSABLE_CODE_LENGTH = Text("min_code_length can be 0 to 64.", "min_code_length nhận từ 0 đến 64.")
UNUSABLE_LIMIT = Text("max_packet and max_answer must be more than 0.", "max_packet và max_answer phải lớn hơn 0.")

INNER_FAILURE = RefusalMeaning(
    PacketRefused,
    "The hub failed inside on this packet, twice. Check the packet with `edoc inspect`; if it is good, tell the hub's "
    "operator, then send it again.",
    "Trục gặp lỗi nội bộ với gói tin này, cả hai lần gửi. Hãy kiểm tra gói tin bằng lệnh `edoc inspect`; nếu gói tin "
    "đúng, hãy báo đơn vị vận hành trục rồi gửi lại.",
)
UNAVAILABLE = RefusalMeaning(
    HubUnavailable,
    "The hub failed inside. Try again later; if it stays so, tell its operator.",
    "Trục gặp lỗi hệ thống. Hãy thử lại sau; nếu vẫn lỗi, hãy báo cho đơn vị vận hành trục.",
)
MISSING_FIELD = RefusalMeaning(
    PacketRefused,
    "The hub misses a field of the packet, or an element that it wants though empty. Complete the field that it names.",
    "Trục báo gói tin thiếu trường thông tin, hoặc thiếu phần tử bắt buộc (có thể rỗng). "
    "Hãy bổ sung trường mà trục nêu.",
)
FIELD_OUT_OF_RANGE = RefusalMeaning(
    PacketRefused,
    "The hub says that a field of the packet is out of range. It counts parts between dots, not characters: correct "
    "the field that it names.",
    "Trục báo trường thông tin vượt giới hạn. Trục đếm số phần ngăn bằng dấu chấm, không đếm ký tự: "
    "hãy sửa trường mà trục nêu.",
)
MEANING_BY_CODE: dict[str, RefusalMeaning] = {
    "ExistDoc": RefusalMeaning(DuplicateDocument, DUPLICATE.en, DUPLICATE.vi),
    "MessageHeader.To.OrganId": RefusalMeaning(
        PacketRefused,
        "The hub says that a recipient is named twice. Name each one once.",
        "Trục báo một nơi nhận bị ghi hai lần. Hãy ghi mỗi nơi nhận một lần.",
    ),
    "SendDocument": RefusalMeaning(
        PacketRefused,
        "The hub could not store the packet. Check it with `edoc inspect` and its attachments.",
        "Trục không lưu được gói tin. Hãy kiểm tra gói tin bằng lệnh `edoc inspect` và các tệp đính kèm.",
    ),
    "M.UpdateStatusDoc": RefusalMeaning(
        PacketRefused,
        "The hub does not find the document that the status is about, by the sender's code and the document's number. "
        "The sender has to be told another way.",
        "Trục không tìm thấy văn bản mà trạng thái nói đến (theo mã nơi gửi và số ký hiệu). "
        "Hãy báo cho nơi gửi bằng cách khác.",
    ),
    "BadRequest": RefusalMeaning(
        HubError,
        "The hub does not understand the request. Check that no proxy drops the headers type and docId.",
        "Trục không hiểu yêu cầu. Hãy kiểm tra xem proxy có bỏ mất các header type và docId không.",
    ),
    "DocID": RefusalMeaning(
        HubError,
        "The hub has no packet with this docId. List the waiting packets again.",
        "Trục không có gói tin với docId này. Hãy lấy lại danh sách gói tin chờ nhận.",
    ),
    "ConfirmReceived": RefusalMeaning(
        HubError,
        "The hub did not take the confirmation. It is given again as long as the packet is listed.",
        "Trục không nhận xác nhận. Sẽ xác nhận lại khi gói tin vẫn còn trong danh sách.",
    ),
}
"""Codes of refusals; `answers.find_meaning` has those that are families."""


def build_no_sent_list_error() -> HubError:
    """Build the error for a question that the hub has no call for."""
    return HubError(
        "This hub has no list of sent packets; it only tells by number and notation whether it has a new document "
        "(checkExistDocument). The recipient's status tells that a document arrived.",
        vi="Trục này không có danh sách gói tin đã gửi, chỉ trả lời theo số ký hiệu là đã có văn bản mới hay chưa "
        "(checkExistDocument). Trạng thái của nơi nhận cho biết văn bản đã tới.",
        code="",
    )
